"""Secrets on their way through a broker: messages that hold one are encrypted, for a broker writes its queues to disk.

What a message says is secret is known by the names of its arguments. May not know what they are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

SECRETS = frozenset({"admin_password"})
"""The names of arguments that are secrets, wherever they stand in those of a message that another one carries."""
SEALED = "application/x-inova-sealed"
"""The content type of a message that is encrypted."""


class BadSeal(ValueError):
    """A message that was encrypted with another key, or not by us."""


class Seal:
    """Encrypts with ``key``, which all ends of a bus have: see ``new_key``. ValueError for one that is none."""

    def __init__(self, key: str) -> None:
        self._fernet = Fernet(key)

    def closed(self, body: bytes) -> bytes:
        """Encrypt."""
        return self._fernet.encrypt(body)

    def opened(self, body: bytes) -> bytes:
        """Decrypt. BadSeal."""
        try:
            return self._fernet.decrypt(body)
        except InvalidToken as problem:
            raise BadSeal("a message is sealed with another key") from problem


def new_key() -> str:
    """One that nobody guesses."""
    return Fernet.generate_key().decode()


def holds_secret(arguments: Mapping[str, Any]) -> bool:
    """Whether a message is to be sealed."""
    inner: Any = arguments
    while isinstance(inner, Mapping):
        if any(inner.get(name) for name in SECRETS):
            return True
        inner = inner.get("arguments")
    return False
