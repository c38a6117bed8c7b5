"""Consoles beyond their greeting: the whole handshake of RFB, what is sent to who asks for a screen, and the way through a websocket."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from contract_tests.target import Target

KEY = base64.b64encode(b"sixteen bytes ok").decode()
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455: what a server adds to the client's key."""


def exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes of what a server says."""
    said = b""
    while len(said) < size:
        more = sock.recv(size - len(said))
        assert more, f"the server said no more than {said!r}"
        said += more
    return said


def head_of(sock: socket.socket) -> bytes:
    """A server's head, and nothing of what follows it."""
    said = b""
    while not said.endswith(b"\r\n\r\n"):
        said += exactly(sock, 1)
    return said


@contextmanager
def opened(connection: http.client.HTTPConnection, request: str) -> Iterator[tuple[socket.socket, bytes]]:
    """A connection after a request for a console, and the head that came."""
    connection.connect()
    connection.sock.settimeout(30)
    connection.sock.sendall(request.encode())
    yield connection.sock, head_of(connection.sock)


@pytest.fixture
def screen(xapi: Any, running: str) -> str:
    """The uuid of the graphical console of a running VM."""
    consoles = xapi.VM.get_consoles(running)
    found: str = xapi.console.get_uuid(next(one for one in consoles if xapi.console.get_protocol(one) == "rfb"))
    return found


def shaken(sock: socket.socket) -> tuple[int, int]:
    """Greet in version 3.3, which every server speaks: the width and height of the screen."""
    assert exactly(sock, 12).startswith(b"RFB 003.")
    sock.sendall(b"RFB 003.003\n")
    assert exactly(sock, 4) == struct.pack(">I", 1)
    sock.sendall(b"\x01")
    width, height, bits, name_bytes = struct.unpack(">HHB15xI", exactly(sock, 24))
    assert bits in (8, 16, 32)
    exactly(sock, name_bytes)
    return width, height


@pytest.mark.rule("CONNECT /console")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_screen_is_sent_to_who_asks(target: Target, session: Any, screen: str, version: str) -> None:
    """After the handshake, and with a format that was set, an update of the whole screen fills it with rectangles."""
    request = f"CONNECT /console?uuid={screen} HTTP/{version}\r\nHost: x\r\nCookie: session_id={session.handle}\r\n\r\n"
    with target.connection() as connection, opened(connection, request) as (sock, head):
        assert head.split()[1] == b"200"
        width, height = shaken(sock)
        sock.sendall(struct.pack(">B3xBBBBHHHBBB3x", 0, 16, 16, 0, 1, 31, 63, 31, 11, 5, 0))
        sock.sendall(struct.pack(">BxHi", 2, 1, 0) + struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
        assert painted(sock, 2) == width * height


def painted(sock: socket.socket, dot_bytes: int) -> int:
    """How many dots an update of raw rectangles paints."""
    kind, count = struct.unpack(">BxH", exactly(sock, 4))
    assert kind == 0
    dots = 0
    for _ in range(count):
        _, _, width, height, encoding = struct.unpack(">HHHHi", exactly(sock, 12))
        assert encoding == 0
        exactly(sock, width * height * dot_bytes)
        dots += width * height
    return dots


@pytest.mark.rule("CONNECT /console")
def test_what_is_no_console_is_not_found(target: Target, session: Any) -> None:
    """404 for a uuid that nothing has."""
    request = f"CONNECT /console?uuid=00000000-0000-4000-8000-000000000000 HTTP/1.0\r\nCookie: session_id={session.handle}\r\n\r\n"
    with target.connection() as connection, opened(connection, request) as (_, head):
        assert head.split()[1] in (b"404", b"403", b"500")


@pytest.mark.rule("CONNECT /console")
def test_a_websocket_leads_to_the_same(target: Target, session: Any, screen: str) -> None:
    """101 with the key accepted, then RFB's greeting in a binary frame."""
    accepted = base64.b64encode(hashlib.sha1(KEY.encode() + GUID, usedforsecurity=False).digest())
    upgrade = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
    protocol = "Sec-WebSocket-Protocol: binary\r\n"
    request = f"GET /console?uuid={screen}&session_id={session.handle} HTTP/1.1\r\nHost: x\r\n{upgrade}{protocol}\r\n"
    with target.connection() as connection, opened(connection, request) as (sock, head):
        assert head.split()[1] == b"101"
        assert b"sec-websocket-accept: " + accepted.lower() in head.lower()
        assert exactly(sock, 2) == bytes((0x82, 12))
        assert exactly(sock, 12).startswith(b"RFB 003.")
