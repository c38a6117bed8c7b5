"""The secrets of the agents in guests: a Diffie-Hellman exchange, and texts as ``openssl enc -aes-128-cbc -a -A -nosalt`` writes them.

The numbers are small and the keys have no salt: agents speak nothing better. It hides a password from who reads xenstore or a log, no more.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import padding as sealing
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

PRIME = (1 << 107) - 1
BASE = 5
PRIVATE_BITS = 80
KEY_BYTES = 16
PBKDF2_ROUNDS = 10_000
"""OpenSSL's own number, unless it is told another."""

Derivation = Callable[[bytes], bytes]
"""From a passphrase to a key and, behind it, the first block's vector: twice KEY_BYTES."""


class BadPublicNumber(ValueError):
    """The other side's half of an exchange is none."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Our half of one exchange; ``private`` is good for one conversation."""

    private: int = field(repr=False)

    @classmethod
    def begun(cls) -> Exchange:
        """With a number that nobody guesses."""
        return cls(secrets.randbits(PRIVATE_BITS) | 1)

    @property
    def public(self) -> str:
        """What the other side is told, in decimal."""
        return str(pow(BASE, self.private, PRIME))

    def shared(self, theirs: str) -> str:
        """The passphrase that both sides have then, in decimal. BadPublicNumber."""
        number = theirs.strip()
        if not number.isascii() or not number.isdecimal() or len(number) > 64 or not 1 < int(number) < PRIME - 1:
            raise BadPublicNumber("the agent's half of the key exchange is no number between 1 and the prime")
        return str(pow(int(number), self.private, PRIME))


def _hashed(digest: str) -> Derivation:
    """OpenSSL's EVP_BytesToKey: one round, no salt."""

    def derive(passphrase: bytes) -> bytes:
        first = hashlib.new(digest, passphrase, usedforsecurity=False).digest()
        return (first + hashlib.new(digest, first + passphrase, usedforsecurity=False).digest())[: 2 * KEY_BYTES]

    return derive


def _pbkdf2(passphrase: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase, b"", PBKDF2_ROUNDS, 2 * KEY_BYTES)


DERIVATIONS: Mapping[str, Derivation] = {
    "md5": _hashed("md5"),
    "sha256": _hashed("sha256"),
    "pbkdf2": _pbkdf2,
}
"""How ``openssl enc`` makes a key of a passphrase: until 1.0.2, since 1.1.0, and by ``-pbkdf2``. The later, the stronger."""


def encrypted(text: str, passphrase: str, derivation: str) -> str:
    """What ``openssl enc`` writes of a text."""
    material = DERIVATIONS[derivation](passphrase.encode())
    padder = padding.PKCS7(8 * KEY_BYTES).padder()
    encryptor = Cipher(algorithms.AES(material[:KEY_BYTES]), modes.CBC(material[KEY_BYTES:])).encryptor()
    return base64.b64encode(encryptor.update(padder.update(text.encode()) + padder.finalize()) + encryptor.finalize()).decode()


def sealed_for(public_key: str | None, password: str) -> str:
    """A password that only the owner of an SSH key pair can read, in base64, as Nova keeps it.

    "" without a password or a key, for a key of another kind than RSA, and for one too small for the password.
    """
    try:
        key = load_ssh_public_key((public_key or "").encode())
    except (ValueError, UnsupportedAlgorithm):
        return ""
    text = password.encode()
    if not isinstance(key, RSAPublicKey) or not text or len(text) > key.key_size // 8 - 11:
        return ""
    return base64.b64encode(key.encrypt(text, sealing.PKCS1v15())).decode()
