"""VHDs for tests: written by us, read by us, damaged on purpose."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from uuid import UUID

from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.dom0.vhd import Footer
from fake_xapi.dom0.vhd_read import VhdDecoder
from fake_xapi.dom0.vhd_write import Parent, VhdImage

MB = 1 << 20
UUID_A = UUID("11111111-2222-4333-8444-555555555555")
UUID_B = UUID("66666666-7777-4888-9999-aaaaaaaaaaaa")


def vhd_of(size: int, blocks: Mapping[int, bytes], parent: Parent | None = None) -> bytes:
    """An image with these blocks, each filled up with zeros."""
    image = VhdImage(size, UUID_A, sorted(blocks), lambda number: blocks[number].ljust(BLOCK_BYTES, b"\0"), parent)
    written = b"".join(image.pieces())
    assert len(written) == len(image)
    return written


def decoded(image: bytes, piece_bytes: int = 1 << 16) -> tuple[Footer, bytes]:
    """The footer of an image, and its disk as bytes."""
    decoder, content = VhdDecoder(), bytearray()

    def write(offset: int, piece: bytes) -> None:
        content.extend(bytes(max(offset + len(piece) - len(content), 0)))
        content[offset : offset + len(piece)] = piece

    for start in range(0, len(image), piece_bytes):
        for extent in decoder.feed(image[start : start + piece_bytes]):
            write(*extent)
    for extent in decoder.rest():
        write(*extent)
    footer = decoder.finish()
    return footer, bytes(content).ljust(footer.size, b"\0")


def damaged(image: bytes, offset: int, content: bytes) -> bytes:
    """The image with other bytes at a place."""
    return image[:offset] + content + image[offset + len(content) :]


def resealed(image: bytes, start: int, length: int, place: int, change: Callable[[bytearray], None]) -> bytes:
    """The image with a structure changed and its checksum made right again: damage that a checksum does not find."""
    structure = bytearray(image[start : start + length])
    change(structure)
    structure[place : place + 4] = bytes(4)
    structure[place : place + 4] = struct.pack(">I", ~sum(structure) & 0xFFFFFFFF)
    return damaged(image, start, bytes(structure))
