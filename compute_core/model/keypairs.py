"""Key pairs: the public halves of users' keys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One public key of a user; ``type`` is "ssh" or "x509", ``fingerprint`` the MD5 in colons that the API shows."""

    name: str
    user_id: str
    public_key: str
    fingerprint: str
    created_at: str
    type: str = "ssh"
