"""SSH keys: made for users who bring none, checked and fingerprinted for those who do."""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_ssh_public_key

from compute_core.model.errors import Invalid


def make_key() -> tuple[str, str]:
    """A new ed25519 key: (public in OpenSSH's form, private in OpenSSH's PEM). From the system's own chance, never a seed's."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return public, private


def fingerprint(public_key: str) -> str:
    """The MD5 fingerprint of an SSH public key, in colons. Raises Invalid for what is none."""
    try:
        load_ssh_public_key(public_key.strip().encode())
        blob = b64decode(public_key.split()[1], validate=True)
    except (ValueError, IndexError, UnsupportedAlgorithm, binascii.Error) as problem:
        raise Invalid("Keypair data is invalid: failed to generate fingerprint") from problem
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
