"""The RFB protocol without a socket: handshakes of each version, pixel formats, what is sent and when."""

from __future__ import annotations

import struct

import pytest

from fake_xapi.dom0.glyphs import STROKES, glyph
from fake_xapi.dom0.screens import Screen
from fake_xapi.transports.pixels import STANDARD, PixelFormat, read_format
from fake_xapi.transports.rfb import DESKTOP_SIZE, MOST_CUT_TEXT, BadClient, Key, RfbServer

SMALL = Screen(4, ("name", "x   "))
SIZE = struct.pack(">HH", 32, 32)
NAME = struct.pack(">I", 2) + b"vm"
ALL = struct.pack(">BBHHHH", 3, 0, 0, 0, 32, 32)
NEWS = struct.pack(">BBHHHH", 3, 1, 0, 0, 32, 32)
EIGHT_BITS = PixelFormat(8, 8, False, True, (7, 7, 3), (0, 3, 6))


def server() -> RfbServer:
    """One whose handshake is over."""
    made = RfbServer("vm", SMALL)
    made.take(b"RFB 003.008\n\x01\x01")
    return made


def rectangles(update: bytes, bits: int = 32) -> list[tuple[int, int, int, int, bytes]]:
    kind, count = struct.unpack(">BxH", update[:4])
    assert kind == 0
    found, place = [], 4
    for _ in range(count):
        x, y, width, height, encoding = struct.unpack(">HHHHi", update[place : place + 12])
        assert encoding == 0
        end = place + 12 + width * height * bits // 8
        found.append((x, y, width, height, update[place + 12 : end]))
        place = end
    assert place == len(update)
    return found


# ---- the handshake ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        (b"RFB 003.003\n\x01", struct.pack(">I", 1)),
        (b"RFB 003.007\n\x01\x00", b"\x01\x01"),
        (b"RFB 003.008\n\x01\x01", b"\x01\x01" + struct.pack(">I", 0)),
        (b"RFB 003.889\n\x01\x01", b"\x01\x01" + struct.pack(">I", 0)),
    ],
)
def test_each_version_has_its_handshake(said: bytes, answered: bytes) -> None:
    whole, piecemeal = RfbServer("vm", SMALL), RfbServer("vm", SMALL)
    expected = answered + SIZE + STANDARD.packed + NAME
    assert whole.take(said) == expected
    assert b"".join(piecemeal.take(bytes((byte,))) for byte in said) == expected


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n",
        b"RFB 003.008\n\x02",
        b"RFB 003.008\n\x01\x01\x63",
        b"RFB 003.008\n\x01\x01" + struct.pack(">B3xI", 6, MOST_CUT_TEXT + 1),
        b"RFB 003.008\n\x01\x01" + struct.pack(">B3x", 0) + PixelFormat(24).packed,
    ],
)
def test_what_is_no_rfb_ends_it(said: bytes) -> None:
    with pytest.raises(BadClient):
        RfbServer("vm", SMALL).take(said)


# ---- what is seen ----------------------------------------------------------------------------------------------------------------


def test_a_client_is_sent_all_that_it_asks_for_and_then_only_what_changes() -> None:
    rfb = server()
    assert rfb.draw(SMALL) == b""
    rfb.take(ALL)
    assert [(x, y, width, height) for x, y, width, height, _ in rectangles(rfb.draw(SMALL))] == [(0, 0, 32, 16), (0, 16, 32, 16)]
    rfb.take(NEWS)
    assert rfb.draw(SMALL) == b""
    changed = Screen(4, ("name", "xy  "))
    assert [(y, len(dots)) for _, y, _, _, dots in rectangles(rfb.draw(changed))] == [(16, 32 * 16 * 4)]
    assert rfb.draw(SMALL) == b""  # nobody has asked again


def test_dots_are_those_of_the_letters() -> None:
    rfb = server()
    rfb.take(ALL)
    dots = rectangles(rfb.draw(SMALL))[1][4]
    rows = [dots[row * 128 : row * 128 + 32] for row in range(16)]
    lit = tuple(sum((row[4 * place : 4 * place + 4] != bytes(4)) << (7 - place) for place in range(8)) for row in rows)
    assert lit == glyph("x")
    assert any(lit)


def test_a_part_of_the_screen_is_cut_out() -> None:
    rfb = server()
    rfb.take(ALL)
    whole = rectangles(rfb.draw(SMALL))
    rfb.take(struct.pack(">BBHHHH", 3, 0, 3, 10, 6, 8))
    parts = rectangles(rfb.draw(SMALL))
    assert [(x, y, width, height) for x, y, width, height, _ in parts] == [(3, 10, 6, 6), (3, 16, 6, 2)]
    assert parts[1][4] == b"".join(whole[1][4][row * 128 + 12 : row * 128 + 36] for row in range(2))


@pytest.mark.parametrize(
    ("wanted", "ink", "title"),
    [
        (STANDARD, "aaaaaa00", "ffffff00"),
        (PixelFormat(32, 24, True, True, (255, 255, 255), (0, 8, 16)), "00aaaaaa", "00ffffff"),
        (PixelFormat(16, 16, False, True, (31, 63, 31), (11, 5, 0)), "55ad", "ffff"),
        (EIGHT_BITS, "ad", "ff"),
    ],
)
def test_dots_come_in_the_format_that_is_set(wanted: PixelFormat, ink: str, title: str) -> None:
    rfb = server()
    rfb.take(struct.pack(">B3x", 0) + wanted.packed + ALL)
    colours = [{dots[place : place + wanted.bits // 8].hex() for place in range(0, len(dots), wanted.bits // 8)}
               for *_, dots in rectangles(rfb.draw(SMALL), wanted.bits)]  # fmt: skip
    assert title in colours[0]
    assert ink in colours[1]
    assert len(colours[0]) == len(colours[1]) == 2
    assert read_format(wanted.packed) == wanted


def test_a_client_without_true_colour_is_told_the_colours() -> None:
    rfb = server()
    answer = rfb.take(struct.pack(">B3x", 0) + PixelFormat(8, 8, False, False).packed)
    assert answer == struct.pack(">BxHH", 1, 0, 4) + struct.pack(">12H", 0, 0, 0, *[43690] * 3, 0, 0, 43690, *[65535] * 3)
    rfb.take(ALL)
    assert {byte for *_, dots in rectangles(rfb.draw(SMALL), 8) for byte in dots} == {0, 1, 2, 3}


def test_only_a_client_that_takes_sizes_sees_a_screen_grow() -> None:
    larger = Screen(5, ("title", "second", "third"))
    fixed, free = server(), server()
    free.take(struct.pack(">BxHii", 2, 2, 0, DESKTOP_SIZE) + NEWS)
    assert free.draw(larger) == struct.pack(">BxHHHHHi", 0, 1, 0, 0, 40, 48, DESKTOP_SIZE)
    free.take(struct.pack(">BBHHHH", 3, 1, 0, 0, 40, 48))
    assert [(y, width) for _, y, width, _, _ in rectangles(free.draw(larger))] == [(0, 40), (16, 40), (32, 40)]
    fixed.take(struct.pack(">BBHHHH", 3, 0, 0, 0, 40, 48))
    assert [(y, width) for _, y, width, _, _ in rectangles(fixed.draw(larger))] == [(0, 32), (16, 32)]


# ---- what is pressed -------------------------------------------------------------------------------------------------------------


def test_keys_come_out_as_they_went_in_and_the_rest_is_passed_over() -> None:
    rfb = server()
    pointer, cut = struct.pack(">BBHH", 5, 1, 3, 4), struct.pack(">B3xI", 6, 3) + b"cut"
    assert rfb.take(pointer + cut + struct.pack(">BBxxI", 4, 1, 0x61) + struct.pack(">BBxxI", 4, 0, 0x61)) == b""
    assert rfb.keys == [Key(0x61, True), Key(0x61, False)]


# ---- letters ---------------------------------------------------------------------------------------------------------------------


def test_every_letter_of_ascii_is_drawn_and_no_two_are_alike() -> None:
    assert set(STROKES) == {chr(code) for code in range(0x20, 0x7F)}
    assert len({glyph(character) for character in STROKES}) == len(STROKES)
    assert all(line & 1 == 0 for character in STROKES for line in glyph(character))  # a gap between neighbours
    assert glyph("é") == glyph("?")
