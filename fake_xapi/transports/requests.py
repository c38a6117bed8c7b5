"""The head of an HTTP request and what can be read from it.

May not know sockets.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from fake_xapi.datamodel.personality import Era
from fake_xapi.transports.ports import Codec


class Head(NamedTuple):
    """A request without its body."""

    method: bytes
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    keep_alive: bool

    def parameters(self) -> dict[str, str]:
        """The parameters in cookies and query; the query takes precedence."""
        return {**self._cookies(), **dict(parse_qsl(self.query.decode("latin-1"), keep_blank_values=True))}

    def header(self, name: bytes) -> bytes:
        """The first header with that name (given in lower case), b"" when there is none."""
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def named_headers(self) -> dict[str, str]:
        """All headers by their names in lower case."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.headers}

    def basic_auth(self) -> tuple[str, str] | None:
        """User and password from the Authorization header; None when it has none that can be read."""
        scheme, _, encoded = self.header(b"authorization").partition(b" ")
        if scheme.lower() != b"basic":
            return None
        try:
            user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return (user, password) if colon else None

    def pool_secret(self) -> tuple[str, str] | None:
        """The credential of another host of the pool, which only comes in a cookie; None when there is none."""
        secret = self._cookies().get("pool_secret", "")
        return ("", secret) if secret else None

    def _cookies(self) -> dict[str, str]:
        pairs = (pair.strip().partition("=") for pair in self.header(b"cookie").decode("latin-1").split(";"))
        return {name: value for name, equals, value in pairs if equals}


Codecs = Mapping[Era, Codec]
"""One wire format as each era spoke it."""
