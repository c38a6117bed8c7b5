"""The server's side of the RFB protocol (VNC) for a screen of text, without a socket: bytes in, bytes and keys out.

Versions 3.3, 3.7 and 3.8; no security, Raw encoding, pixel formats of 8, 16 and 32 bits, and DesktopSize for clients that accept it.
May not know what is on the screen, nor who presses keys.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fake_xapi.dom0.glyphs import HEIGHT, WIDTH
from fake_xapi.dom0.screens import Screen
from fake_xapi.transports.pixels import PALETTE, Brush, read_format

GREETING = b"RFB 003.008\n"
DESKTOP_SIZE = -223
MOST_CUT_TEXT = 256 << 10
_RAW = 0
_NO_SECURITY = 1
_OLDEST, _WITH_RESULT = (3, 3), (3, 8)


class BadClient(ValueError):
    """The client does not speak RFB."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was pressed or released, by its X11 keysym."""

    keysym: int
    is_down: bool


@dataclass(frozen=True, slots=True)
class _Area:
    """The area that a client wants to see."""

    is_incremental: bool
    x: int
    y: int
    width: int
    height: int


class RfbServer:
    """One client's session. ``take`` what it sends and send what that returns; ``draw`` the screen whenever it may have changed."""

    def __init__(self, name: str, screen: Screen) -> None:
        self.keys: list[Key] = []
        """Keys since they were last collected."""
        self._name = name
        self._size = screen.columns, screen.rows
        self._buffer = bytearray()
        self._wait: Callable[[], bytes | None] = self._version
        self._brush = Brush()
        self._takes_sizes = False
        self._wish: _Area | None = None
        self._seen: dict[int, str] = {}
        """The lines as the client has them."""

    def take(self, content: bytes) -> bytes:
        """Answer what came; BadClient when it makes no sense."""
        self._buffer += content
        answers = []
        while (answer := self._wait()) is not None:
            answers.append(answer)
        return b"".join(answers)

    def _cut(self, size: int) -> bytes | None:
        """That many bytes off the front; None while they have not all come."""
        if len(self._buffer) < size:
            return None
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    # ---- the handshake -------------------------------------------------------------------------------------------------------

    def _version(self) -> bytes | None:
        line = self._cut(len(GREETING))
        if line is None:
            return None
        if not line.startswith(b"RFB ") or not line[4:7].isdigit() or not line[8:11].isdigit():
            raise BadClient(f"no version: {line!r}")
        version = int(line[4:7]), int(line[8:11])
        if version <= _OLDEST:
            self._wait = self._init
            return struct.pack(">I", _NO_SECURITY)
        self._wait = lambda: self._security(has_result=version >= _WITH_RESULT)
        return bytes((1, _NO_SECURITY))

    def _security(self, *, has_result: bool) -> bytes | None:
        chosen = self._cut(1)
        if chosen is None:
            return None
        if chosen[0] != _NO_SECURITY:
            raise BadClient(f"security type {chosen[0]} was not offered")
        self._wait = self._init
        return struct.pack(">I", 0) if has_result else b""

    def _init(self) -> bytes | None:
        """Take note of the shared flag, which makes no difference: everybody may look."""
        if self._cut(1) is None:
            return None
        self._wait = self._message
        name = self._name.encode()
        return struct.pack(">HH", *self._dots) + self._brush.format.packed + struct.pack(">I", len(name)) + name

    @property
    def _dots(self) -> tuple[int, int]:
        return self._size[0] * WIDTH, self._size[1] * HEIGHT

    # ---- what clients say ----------------------------------------------------------------------------------------------------

    def _message(self) -> bytes | None:
        if not self._buffer:
            return None
        kind = self._buffer[0]
        known = {0: (20, self._format), 2: (4, self._encodings), 3: (10, self._update), 4: (8, self._key), 5: (6, _ignore), 6: (8, _ignore)}
        if kind not in known:
            raise BadClient(f"no message is of type {kind}")
        size, answer = known[kind]
        if len(self._buffer) < size:
            return None
        size += self._rest(kind)
        message = self._cut(size)
        return answer(message) if message is not None else None

    def _rest(self, kind: int) -> int:
        """How many bytes follow the fixed part of a message."""
        if kind == 2:
            return 4 * int.from_bytes(self._buffer[2:4], "big")
        length = int.from_bytes(self._buffer[4:8], "big") if kind == 6 else 0
        if length > MOST_CUT_TEXT:
            raise BadClient(f"{length} bytes of text were cut")
        return length

    def _format(self, message: bytes) -> bytes:
        try:
            self._brush = Brush(read_format(message[4:]))
        except ValueError as error:
            raise BadClient(str(error)) from error
        self._seen.clear()
        return b"" if self._brush.format.has_true_colour else _colour_map()

    def _encodings(self, message: bytes) -> bytes:
        self._takes_sizes = DESKTOP_SIZE in struct.unpack(f">{(len(message) - 4) // 4}i", message[4:])
        return b""

    def _update(self, message: bytes) -> bytes:
        self._wish = _Area(bool(message[1]), *struct.unpack(">HHHH", message[2:]))
        if not self._wish.is_incremental:
            self._seen.clear()
        return b""

    def _key(self, message: bytes) -> bytes:
        self.keys.append(Key(int.from_bytes(message[4:], "big"), bool(message[1])))
        return b""

    # ---- what they see -------------------------------------------------------------------------------------------------------

    def draw(self, screen: Screen) -> bytes:
        """The update for a client that waits for one: nothing when nobody waits or nothing has changed."""
        wish = self._wish
        if wish is None:
            return b""
        if self._takes_sizes and (screen.columns, screen.rows) != self._size:
            self._size, self._wish = (screen.columns, screen.rows), None
            self._seen.clear()
            return struct.pack(">BxHHHHHi", 0, 1, 0, 0, *self._dots, DESKTOP_SIZE)
        rectangles = list(self._rectangles(screen, wish))
        if not rectangles and wish.is_incremental:
            return b""
        self._wish = None
        return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)

    def _rectangles(self, screen: Screen, wish: _Area) -> Iterator[bytes]:
        """One rectangle for each requested line that the client lacks, clipped to its request."""
        columns, rows = self._size
        left, right = min(wish.x, columns * WIDTH), min(wish.x + wish.width, columns * WIDTH)
        for number in range(wish.y // HEIGHT, min(rows, -(-(wish.y + wish.height) // HEIGHT))):
            text = (screen.lines[number] if number < screen.rows else "").ljust(columns)[:columns]
            top, bottom = max(wish.y, number * HEIGHT), min(wish.y + wish.height, (number + 1) * HEIGHT)
            if self._seen.get(number) == text or left >= right:
                continue
            if (left, right, bottom - top) == (0, columns * WIDTH, HEIGHT):
                self._seen[number] = text
            yield struct.pack(">HHHHi", left, top, right - left, bottom - top, _RAW) + self._drawn(number, text, left, right, top, bottom)

    def _drawn(self, number: int, text: str, left: int, right: int, top: int, bottom: int) -> bytes:
        size = self._brush.format.bits // 8
        rows = self._brush.line(text, is_title=number == 0)[top - number * HEIGHT : bottom - number * HEIGHT]
        return b"".join(row[left * size : right * size] for row in rows)


def _ignore(_message: bytes) -> bytes:
    """Ignore pointer movements and clipboards, which make no difference to a text."""
    return b""


def _colour_map() -> bytes:
    """The palette, for a client without true colour."""
    parts = [struct.pack(">HHH", *(part * 257 for part in colour)) for colour in PALETTE]
    return struct.pack(">BxHH", 1, 0, len(parts)) + b"".join(parts)
