"""XVA archives as bytes: Python's own tarfile reads what is written, and what is broken is refused by its right name."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import xxhash
import zstandard

from fake_xapi.dom0 import tar
from fake_xapi.dom0.byte_reader import PrematureEnd
from fake_xapi.dom0.compression import Packing, PackingError, packed, unpacked
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.dom0.xva import BadChecksum, IncomingDisk, UnexpectedFile, XvaError, disk_pieces, open_archive, read_disk, read_metadata

MIB = 1 << 20


def store(size: int, *extents: tuple[int, bytes]) -> DiskStore:
    disks = DiskStore()
    disks.create("d", size)
    for offset, content in extents:
        disks.write("d", offset, content)
    return disks


def chunks(disks: DiskStore, ending: str = ".xxhash", prefix: str = "Ref:4") -> bytes:
    return b"".join(disk_pieces(disks, disks["d"], prefix, ending)) + tar.END


async def in_pieces(content: bytes, step: int = 1000) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), step):
        yield content[begin : begin + step]


def read(content: bytes, size: int, *, prefix: str = "Ref:4", is_lenient: bool = False, step: int = 100_000) -> DiskStore:
    disks = store(size)

    async def body() -> None:
        archive = open_archive(in_pieces(content, step), is_lenient=is_lenient)
        await read_disk(archive, IncomingDisk(prefix, size, disks.writer("d"), True, lambda _: None))

    asyncio.run(body())
    return disks


SPARSE = ((0, b"first"), (5 * MIB + 7, b"x" * 100), (8 * MIB, b"last"))


@pytest.mark.parametrize(
    ("ending", "checksum"),
    [
        (".checksum", lambda content: hashlib.sha1(content).hexdigest()),
        (".xxhash", lambda content: f"{xxhash.xxh64_intdigest(content):016X}"),
    ],
)
def test_tarfile_reads_the_chunks_and_every_checksum_is_right(ending: str, checksum: object) -> None:
    disks = store(8 * MIB + 512, *SPARSE)
    assert callable(checksum)
    with tarfile.open(fileobj=io.BytesIO(chunks(disks, ending))) as archive:
        found = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    numbers = (0, 5, 8)
    assert list(found) == [name for number in numbers for name in (f"Ref:4/{number:08d}", f"Ref:4/{number:08d}{ending}")]
    for number in numbers:
        content = found[f"Ref:4/{number:08d}"]
        assert content == disks.read("d", number * MIB, min(MIB, 8 * MIB + 512 - number * MIB))
        assert found[f"Ref:4/{number:08d}{ending}"].decode() == checksum(content)


def test_a_disk_of_zeros_has_its_first_and_last_chunk() -> None:
    with tarfile.open(fileobj=io.BytesIO(chunks(store(3 * MIB)))) as archive:
        assert archive.getnames() == ["Ref:4/00000000", "Ref:4/00000000.xxhash", "Ref:4/00000002", "Ref:4/00000002.xxhash"]


@pytest.mark.parametrize("ending", [".checksum", ".xxhash"])
@pytest.mark.parametrize("step", [1, 777, 10**9])
def test_what_was_written_is_read_however_it_comes(ending: str, step: int) -> None:
    size = 3 * MIB + 512
    disks = store(size, (MIB + 3, b"abc"), (3 * MIB, b"end"))
    content = chunks(disks, ending)
    if step == 1:
        content, size = chunks(store(1024, (1, b"abc")), ending), 1024
        disks = store(size, (1, b"abc"))
    assert read(content, size, step=step).read("d", 0, size) == disks.read("d", 0, size)


def changed(content: bytes, at: int, byte: bytes) -> bytes:
    return content[:at] + byte + content[at + 1 :]


GOOD = chunks(store(2 * MIB, (10, b"abc")))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (GOOD[: MIB // 2], PrematureEnd),
        (b"", PrematureEnd),
        (changed(GOOD, 600, b"!"), BadChecksum),
        (changed(GOOD, 3, b"!"), XvaError),
        (tar.END, UnexpectedFile),
        (tar.file("Ref:5/00000000", b"x" * 100), UnexpectedFile),
        (tar.file("Ref:4/../../etc/passwd", b"x" * 100), UnexpectedFile),
        (tar.file("Ref:4/-0000001", b"x" * 100), UnexpectedFile),
        (tar.file("Ref:4/00000000", bytes(2 * MIB + 1)), XvaError),
        (tar.file("Ref:4/00000009", bytes(MIB)), XvaError),
        (tar.file("Ref:4/00000000", b"x") + tar.file("Ref:4/00000000.md5", b"x"), UnexpectedFile),
        (tar.file("Ref:4/00000000", b"x") + tar.file("Ref:4/00000001.xxhash", b"x"), UnexpectedFile),
        (tar.file("Ref:4/00000000", b"x") + tar.file("Ref:4/00000000.xxhash", b"x" * 5000), XvaError),
        (GOOD[: MIB + 512 + 1024] * 2, XvaError),
    ],
)
def test_what_is_broken_is_refused_by_its_right_name(content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        read(content, 2 * MIB)
    assert type(caught.value) is error


def test_who_is_lenient_takes_what_has_a_wrong_checksum() -> None:
    assert read(changed(GOOD, 600, b"!"), 2 * MIB, is_lenient=True).read("d", 88, 1) == b"!"


def test_a_chunk_without_bytes_counts_as_a_number_and_moves_nothing() -> None:
    one = b"".join(disk_pieces(store(2 * MIB, (0, b"a" * 2 * MIB)), store(2 * MIB, (0, b"a" * 2 * MIB))["d"], "Ref:4", ".checksum"))
    first, second = one[: MIB + 512 + 1024], one[MIB + 512 + 1024 :]
    empty = tar.file("Ref:4/00000001", b"") + tar.file("Ref:4/00000001.checksum", hashlib.sha1(b"").hexdigest().encode())
    second = second.replace(b"Ref:4/00000001", b"Ref:4/00000002")
    headers = [tar.header("Ref:4/00000002", MIB), tar.header("Ref:4/00000002.checksum", 40)]
    second = headers[0] + second[512 : 512 + MIB] + headers[1] + second[1024 + MIB :]
    assert read(first + empty + second, 2 * MIB).read("d", 0, 2 * MIB) == b"a" * 2 * MIB


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"5", b"L", b"x"])
def test_an_archive_holds_plain_files_alone(kind: bytes) -> None:
    info = tarfile.TarInfo("ova.xml")
    info.type = kind
    info.linkname = "/etc/passwd"
    with pytest.raises(tar.TarError, match="plain files alone"):
        tar.read_header(info.tobuf(tarfile.USTAR_FORMAT))


@pytest.mark.parametrize("size", [0, 5, 8**11 - 1, 8**11, 2**40])
def test_headers_are_read_as_tarfile_writes_them(size: int) -> None:
    info = tarfile.TarInfo("Ref:0/00000000")
    info.size = size
    assert tar.read_header(info.tobuf(tarfile.GNU_FORMAT)) == tar.Member("Ref:0/00000000", size)


def test_metadata_comes_first_and_is_not_endless() -> None:
    def metadata(content: bytes) -> bytes:
        return asyncio.run(read_metadata(open_archive(in_pieces(content))))

    assert metadata(tar.file("ova.xml", b"<value/>") + tar.END) == b"<value/>"
    with pytest.raises(UnexpectedFile) as caught:
        metadata(tar.file("other.xml", b"<value/>"))
    assert (caught.value.expected, caught.value.found) == ("ova.xml", "other.xml")
    with pytest.raises(XvaError, match="67108864 is the most"):
        metadata(tar.header("ova.xml", 2**32))


def plain_pieces() -> Iterator[bytes]:
    return iter([b"a" * 3000, b"", b"b" * 5_000_000])


UNPACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    "gzip": gzip.decompress,
    "zstd": lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content),
}


@pytest.mark.parametrize("packing", ["", "gzip", "zstd"])
def test_streams_are_packed_for_the_tools_of_others_and_unpacked_again(packing: Packing) -> None:
    content = b"".join(packed(plain_pieces(), packing))
    assert UNPACKERS[packing](content) == b"".join(plain_pieces())
    assert len(content) < 50_000 or not packing
    assert b"".join(gathered(content)) == b"".join(plain_pieces())


def gathered(content: bytes, step: int = 1000) -> list[bytes]:
    async def body() -> list[bytes]:
        return [piece async for piece in unpacked(in_pieces(content, step))]

    return asyncio.run(body())


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_what_unpacks_to_very_much_is_unpacked_little_by_little(packing: Packing) -> None:
    bomb = b"".join(packed(iter([bytes(1 << 20)] * 64), packing))
    assert max(map(len, gathered(bomb, 1 << 20))) <= 32 << 20
    assert sum(map(len, gathered(bomb, 1 << 20))) == 64 << 20


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_what_stops_to_be_packed_is_refused(packing: Packing) -> None:
    content = b"".join(packed(iter([bytes(range(256)) * 50]), packing))
    with pytest.raises(PackingError):
        gathered(content[:12] + b"\xff" * 50 + content[40:])
