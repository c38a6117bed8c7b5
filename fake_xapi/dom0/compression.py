"""Streams of bytes packed and unpacked on the way: gzip and zstd, told apart by how they begin.

May not know what is inside. A little that unpacks to very much is unpacked little by little.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Literal, Protocol

import zstandard

Packing = Literal["", "gzip", "zstd"]
_GZIP = 31
"""zlib's window with a gzip header around it."""
_MAGIC: Mapping[bytes, Packing] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_STEP = 1 << 20
_ZSTD_INPUT = 512
"""zstd says only how much comes out of all that is put in: so little goes in that it cannot be too much."""
_ZSTD_WINDOW = 128 << 20


class PackingError(ValueError):
    """Bytes that are not packed as they began."""


class Packer(Protocol):
    """What zlib's and zstandard's compressors have in common."""

    def compress(self, content: bytes, /) -> bytes:
        """More bytes; what comes out may lag behind."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


_PACKERS: Mapping[str, Callable[[], Packer]] = {
    "gzip": lambda: zlib.compressobj(wbits=_GZIP),
    "zstd": lambda: zstandard.ZstdCompressor().compressobj(),
}


def packed(pieces: Iterator[bytes], packing: Packing) -> Iterator[bytes]:
    """The pieces as they are, or packed; closed with the iterator over them."""
    if not packing:
        yield from pieces
        return
    packer = _PACKERS[packing]()
    for piece in pieces:
        out = packer.compress(piece)
        if out:
            yield out
    yield packer.flush()


async def unpacked(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What was packed, whichever way; what was not is left as it is. PackingError when it stops to be what it began as."""
    start = b""
    async for piece in pieces:
        start += piece
        if len(start) >= 4:
            break
    packing: Packing = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "")
    unpack = _UNPACKERS[packing]()
    for out in unpack(start):
        yield out
    async for piece in pieces:
        for out in unpack(piece):
            yield out


def _as_it_is() -> Callable[[bytes], Iterator[bytes]]:
    return lambda piece: iter((piece,))


def _gunzip() -> Callable[[bytes], Iterator[bytes]]:
    unpacker = zlib.decompressobj(wbits=_GZIP)

    def unpack(piece: bytes) -> Iterator[bytes]:
        left = piece
        while left:
            try:
                out = unpacker.decompress(left, _STEP)
            except zlib.error as error:
                raise PackingError(str(error)) from error
            left = unpacker.unconsumed_tail
            if out:
                yield out

    return unpack


def _unzstd() -> Callable[[bytes], Iterator[bytes]]:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    def unpack(piece: bytes) -> Iterator[bytes]:
        for begin in range(0, len(piece), _ZSTD_INPUT):
            if unpacker.eof:
                return
            try:
                out = unpacker.decompress(piece[begin : begin + _ZSTD_INPUT])
            except zstandard.ZstdError as error:
                raise PackingError(str(error)) from error
            if out:
                yield out

    return unpack


_UNPACKERS: Mapping[Packing, Callable[[], Callable[[bytes], Iterator[bytes]]]] = {"": _as_it_is, "gzip": _gunzip, "zstd": _unzstd}
