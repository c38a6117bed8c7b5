"""X.509 as dom0 handles it: certificates of its own, others read, and the checks that XAPI makes of a server's certificate.

May not know where certificates are kept, nor the date but as it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_LIFETIME = timedelta(days=3650)
_CURVE = ec.SECP256R1()
_KEY_BITS = 250
_RSA_BITS = range(2048, 4097)
_SIGNATURES = (hashes.SHA256, hashes.SHA512)


class BadCertificate(ValueError):
    """``code`` is the error by which XAPI says what is wrong, ``params`` are its parameters."""

    def __init__(self, code: str, *params: str) -> None:
        super().__init__(code, *params)
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says of a certificate; fingerprints as pairs of hexadecimal digits between colons."""

    not_before: datetime
    not_after: datetime
    sha256: str
    sha1: str


def facts(certificate: x509.Certificate) -> Facts:
    """What the database says of a certificate."""
    sha256, sha1 = (certificate.fingerprint(algorithm).hex(":").upper() for algorithm in (hashes.SHA256(), hashes.SHA1()))  # noqa: S303
    return Facts(certificate.not_valid_before_utc, certificate.not_valid_after_utc, sha256, sha1)


def read_certificate(pem: str) -> x509.Certificate | None:
    """The certificate of a PEM text; None when it is none."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None


def is_revocation_list(pem: str) -> bool:
    """Whether a PEM text is a list of revoked certificates."""
    try:
        x509.load_pem_x509_crl(pem.encode())
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return False
    return True


def pem_of(certificate: x509.Certificate) -> str:
    """The PEM text of a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def self_signed(bits: Callable[[int], int], names: Iterable[str], now: datetime) -> tuple[str, str]:
    """A certificate that a host makes for itself, and its key, both as PEM. The same bits make the same certificate."""
    key = ec.derive_private_key(bits(_KEY_BITS) + 1, _CURVE)
    known = tuple(dict.fromkeys(plain for name in names if (plain := name.encode("ascii", "ignore").decode()))) or ("localhost",)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, known[0][:64])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(bits(128) + 1)
        .not_valid_before(now)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in known]), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    packed = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem_of(certificate), packed.decode()


def _general_name(name: str) -> x509.GeneralName:
    """An address is told from a name: clients look for it among the addresses."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def check_dates(certificate: x509.Certificate, now: datetime, prefix: str) -> None:
    """Raise BadCertificate <prefix>_NOT_VALID_YET [now, not_before] or <prefix>_EXPIRED [now, not_after]."""
    if now < certificate.not_valid_before_utc:
        raise BadCertificate(f"{prefix}_NOT_VALID_YET", _rfc3339(now), _rfc3339(certificate.not_valid_before_utc))
    if now > certificate.not_valid_after_utc:
        raise BadCertificate(f"{prefix}_EXPIRED", _rfc3339(now), _rfc3339(certificate.not_valid_after_utc))


def _rfc3339(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_server(leaf: str, private_key: str, chain: str, now: datetime) -> x509.Certificate:
    """The certificate with which a host may serve; BadCertificate SERVER_CERTIFICATE_* in the order of XAPI's checks."""
    key = _server_key(private_key)
    certificate = read_certificate(leaf)
    if certificate is None:
        raise BadCertificate("SERVER_CERTIFICATE_INVALID")
    check_dates(certificate, now, "SERVER_CERTIFICATE")
    if certificate.public_key() != key.public_key():
        raise BadCertificate("SERVER_CERTIFICATE_KEY_MISMATCH")
    if not isinstance(certificate.signature_hash_algorithm, _SIGNATURES):
        raise BadCertificate("SERVER_CERTIFICATE_SIGNATURE_NOT_SUPPORTED")
    if chain:
        _check_chain(chain)
    return certificate


def _server_key(pem: str) -> rsa.RSAPrivateKey:
    key = _private_key(pem)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BadCertificate("SERVER_CERTIFICATE_KEY_ALGORITHM_NOT_SUPPORTED", _algorithm(key))
    if key.key_size not in _RSA_BITS:
        raise BadCertificate("SERVER_CERTIFICATE_KEY_RSA_LENGTH_NOT_SUPPORTED", str(key.key_size))
    return key


def _private_key(pem: str) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadCertificate("SERVER_CERTIFICATE_KEY_INVALID") from error


def _algorithm(key: PrivateKeyTypes) -> str:
    """XAPI's name of a key's kind."""
    return key.curve.name.upper() if isinstance(key, ec.EllipticCurvePrivateKey) else type(key).__name__.removesuffix("PrivateKey").upper()


def _check_chain(pem: str) -> None:
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadCertificate("SERVER_CERTIFICATE_CHAIN_INVALID") from error
