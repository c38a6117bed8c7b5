"""TLS for incoming connections: each uses the certificate of the host at its local address, then continues like a plain one.

Thousands of hosts share one listener and most clients send no server name, so the certificate is chosen by the local address.
A host makes its certificate when the first client comes. May not know HTTP.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from asyncio.sslproto import SSLProtocol
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

from fake_xapi.transports.ports import Router, Xapi

HANDSHAKE_TIMEOUT_S = 10.0
MOST_CONTEXTS = 256
"""Contexts take tens of kilobytes each: only those of recently used hosts are kept."""


class Contexts:
    """The TLS contexts of hosts by their certificates."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    def of(self, xapi: Xapi) -> ssl.SSLContext:
        """The context of a host, with its present certificate."""
        certificate, key = xapi.server_identity()
        context = self._known.pop(certificate, None) or _context(certificate, key)
        self._known[certificate] = context
        if len(self._known) > MOST_CONTEXTS:
            self._known.popitem(last=False)
        return context


def _context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.NamedTemporaryFile("w", prefix="inova-", suffix=".pem") as file:  # ssl reads files only; mode 0600, gone at once
        file.write(key + certificate)
        file.flush()
        context.load_cert_chain(file.name)
    return context


class Door(asyncio.Protocol):
    """Puts TLS between a plain connection and the protocol that ``make`` creates, before a byte is read.

    ``open_doors`` are the open connections that came through one: whoever closes the server resets them.
    """

    def __init__(
        self, router: Router, contexts: Contexts, open_doors: set[asyncio.Transport], make: Callable[[], asyncio.Protocol]
    ) -> None:
        self._router = router
        self._contexts = contexts
        self._open_doors = open_doors
        self._make = make

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake for a living host; reset the connection to any other."""
        plain = cast(asyncio.Transport, transport)
        xapi = self._xapi_at(*plain.get_extra_info("sockname")[:2])
        if xapi is None:
            plain.abort()
            return
        wrapping = _Wrapping(asyncio.get_running_loop(), self._make(), self._contexts.of(xapi), self._open_doors)
        plain.set_protocol(wrapping)
        wrapping.connection_made(plain)

    def _xapi_at(self, address: str, port: int) -> Xapi | None:
        try:
            return self._router.xapi_at(address, port)
        except ConnectionRefusedError:
            return None


class _Wrapping(SSLProtocol):
    """TLS on one connection. The loop's own ``start_tls`` comes too late on uvloop: it loses what the client says first."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, inside: asyncio.Protocol, context: ssl.SSLContext, open_doors: set[asyncio.Transport]
    ) -> None:
        super().__init__(loop, inside, context, None, server_side=True, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S, ssl_shutdown_timeout=1.0)  # type: ignore[arg-type]  # nobody waits
        self._open_doors = open_doors
        self._plain: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._plain = cast(asyncio.Transport, transport)
        self._open_doors.add(self._plain)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell what is inside."""
        if self._plain is not None:
            self._open_doors.discard(self._plain)
        super().connection_lost(exc)
