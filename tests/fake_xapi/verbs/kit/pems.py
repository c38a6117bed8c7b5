"""Certificates, keys and revocation lists, made for tests. The simulation begins on the first of August 2012."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

BEGIN = datetime(2012, 8, 1, tzinfo=UTC)
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
PEM = serialization.Encoding.PEM


@cache
def key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """A key, another for each number."""
    return rsa.generate_private_key(65537, bits)


@cache
def curve_key() -> ec.EllipticCurvePrivateKey:
    """A key that is no RSA one."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(private: Any) -> str:
    """The text of a key."""
    return str(private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())


def certificate(
    private: Any = None,
    *,
    since: timedelta = timedelta(days=-1),
    until: timedelta = timedelta(days=365),
    algorithm: Any = None,
    serial: int = 1,
) -> str:
    """A self-signed certificate, its dates counted from the beginning of the simulation."""
    signer = private or key()
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(signer.public_key()).serial_number(serial)
    made = builder.not_valid_before(BEGIN + since).not_valid_after(BEGIN + until).sign(signer, algorithm or hashes.SHA256())
    return made.public_bytes(PEM).decode()


def revocation_list() -> str:
    """A list of no revoked certificate."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(BEGIN).next_update(BEGIN + timedelta(days=1))
    return builder.sign(key(), hashes.SHA256()).public_bytes(PEM).decode()


def fingerprint(pem: str, algorithm: Any = None) -> str:
    """As openssl prints it."""
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(algorithm or hashes.SHA256()).hex(":").upper()
