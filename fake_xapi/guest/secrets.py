"""The secrets of the in-guest agent's protocol: a Diffie-Hellman exchange, and passwords as ``openssl enc`` writes them.

Small numbers and a single round of a hash: this is what old clients speak, and no real protection.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Sequence

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PRIME = 162259276829213363391578010288127
BASE = 5
PRIVATE_BITS = 80
_BLOCK_BITS = 128
_KEY_BYTES = 16


class BadSecret(ValueError):
    """An impossible public number or ciphertext."""


def answer_exchange(their_public: str, chance: random.Random) -> tuple[str, str]:
    """Our public number and the shared secret, both in decimal. BadSecret for a number outside the group."""
    if not their_public.isascii() or not their_public.isdecimal() or len(their_public) > 64 or not 1 < int(their_public) < PRIME - 1:
        raise BadSecret("the public number is not between 1 and the prime")
    private = chance.getrandbits(PRIVATE_BITS) | 1
    return str(pow(BASE, private, PRIME)), str(pow(int(their_public), private, PRIME))


def decrypt(text: str, passphrase: str, digests: Sequence[str]) -> str:
    """Decrypt the output of ``openssl enc -aes-128-cbc -a -nosalt``, with the first digest ("md5", "sha256") that fits. BadSecret."""
    try:
        sealed = base64.b64decode(text, validate=False)
    except ValueError as error:  # binascii.Error is one, and so is what is said of letters beyond ASCII
        raise BadSecret("not base64") from error
    for digest in digests:
        opened = _opened(sealed, passphrase, digest)
        if opened is not None:
            return opened
    raise BadSecret("encrypted with another key")


def encrypt(text: str, passphrase: str, digest: str) -> str:
    """The inverse of ``decrypt``."""
    padder = padding.PKCS7(_BLOCK_BITS).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = _cipher(passphrase, digest).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def _opened(sealed: bytes, passphrase: str, digest: str) -> str | None:
    if not sealed or len(sealed) % _KEY_BYTES:
        return None
    decryptor = _cipher(passphrase, digest).decryptor()
    padded = decryptor.update(sealed) + decryptor.finalize()
    unpadder = padding.PKCS7(_BLOCK_BITS).unpadder()
    try:
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:
        return None


def _cipher(passphrase: str, digest: str) -> Cipher[modes.CBC]:
    material = derived(passphrase.encode(), digest, 2 * _KEY_BYTES)
    return Cipher(algorithms.AES(material[:_KEY_BYTES]), modes.CBC(material[_KEY_BYTES:]))


def derived(passphrase: bytes, digest: str, length: int) -> bytes:
    """OpenSSL's EVP_BytesToKey without salt, one round."""
    material, last = b"", b""
    while len(material) < length:
        last = hashlib.new(digest, last + passphrase, usedforsecurity=False).digest()
        material += last
    return material[:length]
