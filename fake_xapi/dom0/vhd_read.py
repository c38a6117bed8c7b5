"""Reads a VHD as a stream, from any source and in pieces of any size, never more than a block of it in memory.

    decoder = VhdDecoder()
    for piece in pieces:
        for offset, content in decoder.feed(piece): ...
    decoder.finish()

May not know where the bytes come from, nor where the extents go.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from fake_xapi.dom0.vhd import (
    FOOTER_BYTES,
    FOOTER_COOKIE,
    HEADER_BYTES,
    REWRITE,
    SECTOR,
    TRANSFER_AGAIN,
    UNUSED,
    Footer,
    Header,
    VhdError,
    blocks_of,
    read_footer,
    read_header,
)

Extent = tuple[int, bytes]
"""Offset on the virtual disk, and the bytes there."""

_FIXED_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where the file holds a block."""

    start: int
    number: int


class VhdDecoder:
    """One image on its way in. ``footer`` and ``header`` are known once they have passed; a fixed disk's only at its end."""

    def __init__(self) -> None:
        self.footer: Footer | None = None
        self.header: Header | None = None
        self._buffer = bytearray()
        self._position = 0
        self._wanted = len(FOOTER_COOKIE)
        self._is_finished = False
        self._extents: list[Extent] = []
        self._steps = self._parse()
        next(self._steps)

    def feed(self, piece: bytes) -> Iterator[Extent]:
        """Take the next bytes of the image, give the extents that are complete. VhdError for what cannot be."""
        self._buffer += piece
        while len(self._buffer) >= self._wanted and not self._is_finished:
            self._step()
            if self._extents:
                yield from self._extents
                self._extents.clear()
        if self._is_finished and len(self._buffer) > FOOTER_BYTES:
            self._drop(len(self._buffer) - FOOTER_BYTES)

    def finish(self) -> Footer:
        """The image ends here. VhdError when it should not; extents of ``feed`` must have been taken."""
        if self.footer is not None and self.footer.disk_type != "fixed" and not self._is_finished:
            raise VhdError(self._position + len(self._buffer), "the image ends too early", TRANSFER_AGAIN)
        return self._trailing_footer()

    # ---- steps: each names how many bytes it needs and takes them ----------------------------------------------------------

    def _step(self) -> None:
        try:
            next(self._steps)
        except StopIteration:
            self._is_finished = True

    def _parse(self) -> Generator[None, None, None]:
        yield from self._need(FOOTER_BYTES)
        if not self._buffer.startswith(FOOTER_COOKIE):
            yield from self._fixed()
            return
        copy = yield from self._take(FOOTER_BYTES)
        self.footer = footer = read_footer(copy, 0)
        if footer.disk_type == "fixed":
            raise VhdError(60, "a fixed disk begins with a footer", REWRITE)
        yield from self._skip_to(footer.data_offset, "the dynamic header")
        raw = yield from self._take(HEADER_BYTES)
        self.header = header = read_header(raw, footer.data_offset, footer)
        yield from self._skip_to(header.table_offset, "the block table")
        table = yield from self._take(4 * blocks_of(footer.size, header.block_bytes))
        for placed in _placed(table, header, self._position):
            yield from self._skip_to(placed.start, f"block {placed.number}")
            yield from self._block(placed.number, footer.size, header)

    def _need(self, count: int) -> Generator[None, None, None]:
        while len(self._buffer) < count:
            self._wanted = count
            yield

    def _take(self, count: int) -> Generator[None, None, bytes]:
        yield from self._need(count)
        taken = bytes(self._buffer[:count])
        self._drop(count)
        return taken

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._position += count

    def _skip_to(self, offset: int, what: str) -> Generator[None, None, None]:
        if offset < self._position:
            raise VhdError(offset, f"{what} lies before byte {self._position}, where a stream has passed already", REWRITE)
        while self._position < offset:
            yield from self._need(1)
            self._drop(min(len(self._buffer), offset - self._position))

    def _block(self, number: int, size: int, header: Header) -> Generator[None, None, None]:
        bitmap = yield from self._take(header.bitmap_bytes)
        content = yield from self._take(header.block_bytes)
        start = number * header.block_bytes
        content = content[: size - start]
        for first, last in _runs(bitmap, len(content) // SECTOR):
            self._extents.append((start + first * SECTOR, content[first * SECTOR : last * SECTOR]))
        self._wanted = 0
        yield

    def _fixed(self) -> Generator[None, None, None]:
        """All but the last 512 bytes are the disk; which are the last is known at the end only."""
        while True:
            yield from self._need(_FIXED_PIECE + FOOTER_BYTES)
            self._extents.append((self._position, bytes(self._buffer[:_FIXED_PIECE])))
            self._drop(_FIXED_PIECE)
            yield

    # ---- the end ----------------------------------------------------------------------------------------------------------

    def rest(self) -> list[Extent]:
        """The last extent of a fixed disk, to be taken before ``finish``; nothing of others."""
        if self.footer is not None or len(self._buffer) <= FOOTER_BYTES:
            return []
        extent = (self._position, bytes(self._buffer[:-FOOTER_BYTES]))
        self._drop(len(self._buffer) - FOOTER_BYTES)
        return [extent]

    def _trailing_footer(self) -> Footer:
        """The footer at the end: the original, of which a dynamic disk has a copy at its beginning."""
        start = self._position + max(len(self._buffer) - FOOTER_BYTES, 0)
        if len(self._buffer) < FOOTER_BYTES:
            raise VhdError(start, "the image ends without a footer", TRANSFER_AGAIN)
        footer = read_footer(bytes(self._buffer[-FOOTER_BYTES:]), start)
        if self.footer is None:
            self._check_fixed(footer, start)
        elif footer != self.footer:
            raise VhdError(start, "the footer differs from its copy at the beginning", TRANSFER_AGAIN)
        self.footer = footer
        return footer

    @staticmethod
    def _check_fixed(footer: Footer, start: int) -> None:
        if footer.disk_type != "fixed":
            raise VhdError(0, f"a {footer.disk_type} disk begins without a copy of its footer", TRANSFER_AGAIN)
        if footer.size != start:
            raise VhdError(start, f"the footer of a disk of {footer.size} bytes stands after {start}", TRANSFER_AGAIN)


def _placed(table: bytes, header: Header, end_of_table: int) -> list[_Placed]:
    """The blocks in the order in which the file has them. VhdError when two share bytes or one lies in the metadata."""
    entries = struct.unpack(f">{len(table) // 4}I", table)
    found = [_Placed(sector * SECTOR, number) for number, sector in enumerate(entries) if sector != UNUSED]
    found.sort(key=lambda placed: placed.start)
    free_from, before = end_of_table, "the metadata"
    for placed in found:
        if placed.start < free_from:
            where = header.table_offset + 4 * placed.number
            raise VhdError(where, f"block {placed.number} at byte {placed.start} overlaps {before}, which ends at {free_from}", REWRITE)
        free_from, before = placed.start + header.bitmap_bytes + header.block_bytes, f"block {placed.number}"
    return found


def _runs(bitmap: bytes, sectors: int) -> Iterator[tuple[int, int]]:
    """The runs of set bits among the first ``sectors``, as (first, one past the last)."""
    if bitmap.startswith(b"\xff" * (sectors // 8)) and not sectors % 8:
        yield 0, sectors
        return
    bits = "".join(f"{byte:08b}" for byte in bitmap)[:sectors]
    start = bits.find("1")
    while start >= 0:
        end = bits.find("0", start)
        end = sectors if end < 0 else end
        yield start, end
        start = bits.find("1", end)
