"""A talk through a websocket: frames in, their bytes out, and the other way round. The handshake's answer, too.

May not know what is talked about.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from fake_xapi.transports.transfers import BadRequest, Peer, Talk, TransferAnswer

_VERSION = "13"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455: what a server adds to the client's key."""
_PROTOCOLS = ("binary", "base64")
"""What old browsers are offered too: bytes as texts."""


def websocket_answer(headers: Mapping[str, str], talk: Talk) -> TransferAnswer:
    """Turn the connection of a client that asks for it into a websocket; BadRequest 400 for one that does not."""
    key = headers.get("sec-websocket-key", "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        is_key = False
    if headers.get("upgrade", "").lower() != "websocket" or not is_key or headers.get("sec-websocket-version", _VERSION) != _VERSION:
        raise BadRequest(400, "This is no handshake of a websocket of version 13")
    offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
    chosen = next((name for name in _PROTOCOLS if name in offered), "")
    accepted = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
    told = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accepted)]
    if chosen:
        told.append(("Sec-WebSocket-Protocol", chosen))

    async def within(peer: Peer) -> None:
        socket = _Websocket(peer, is_text=chosen == "base64")
        await talk(socket)
        socket.close()

    return TransferAnswer(tuple(told), status=101, talk=within)


class _Websocket:
    """The client at the other end of a websocket."""

    def __init__(self, peer: Peer, *, is_text: bool) -> None:
        self._peer = peer
        self._is_text = is_text
        self._frames = Connection(ConnectionType.SERVER)
        self._is_open = True

    @property
    def pieces(self) -> AsyncIterator[bytes]:
        """What its frames carry, until it closes."""
        return self._read()

    @property
    def is_slow(self) -> bool:
        """Whether it has not read yet what it was sent."""
        return self._peer.is_slow

    def send(self, content: bytes) -> None:
        """Send a frame."""
        if self._is_open and content:
            frame = TextMessage(data=base64.b64encode(content).decode()) if self._is_text else BytesMessage(data=content)
            self._peer.send(self._frames.send(frame))

    def close(self) -> None:
        """Say that it is over, unless the client has."""
        if self._is_open:
            self._is_open = False
            self._peer.send(self._frames.send(CloseConnection(code=1000)))

    async def _read(self) -> AsyncIterator[bytes]:
        async for content in self._peer.pieces:
            try:
                self._frames.receive_data(content)
                for event in self._frames.events():
                    piece = self._taken(event)
                    if piece:
                        yield piece
            except (RemoteProtocolError, LocalProtocolError, ValueError) as error:
                raise ConnectionAbortedError("the client breaks the rules of websockets") from error
            if not self._is_open:
                return

    def _taken(self, event: Event) -> bytes:
        """What a frame carries; the frames that are about the websocket itself are answered."""
        if isinstance(event, BytesMessage):
            return bytes(event.data)
        if isinstance(event, TextMessage):
            return base64.b64decode(event.data, validate=True)
        if isinstance(event, Ping | CloseConnection):
            self._peer.send(self._frames.send(event.response()))
            self._is_open = self._is_open and not isinstance(event, CloseConnection)
        return b""
