"""The VHD format: what we write is read by us and by qemu, and what is wrong is refused with its place and a cure."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.dom0.vhd import UNUSED, Footer, VhdError, geometry
from fake_xapi.dom0.vhd_read import VhdDecoder
from fake_xapi.dom0.vhd_write import Parent
from tests.fake_xapi.dom0.vhds import MB, UUID_A, UUID_B, damaged, decoded, resealed, vhd_of

GB = 1 << 30


def test_a_written_image_is_read_back() -> None:
    footer, content = decoded(vhd_of(7 * MB, {0: b"first", 3: b"last"}))
    assert footer == Footer(7 * MB, "dynamic", UUID_A, 512)
    assert content == b"first".ljust(3 * BLOCK_BYTES, b"\0") + b"last".ljust(MB, b"\0")


def test_an_empty_disk_is_an_image_without_blocks() -> None:
    image = vhd_of(100 * MB, {})
    assert len(image) == 4096
    assert decoded(image)[1] == bytes(100 * MB)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3 * MB), st.sets(st.integers(0, 3)))
def test_an_image_is_read_whatever_the_pieces_it_comes_in(piece_bytes: int, numbers: set[int]) -> None:
    blocks = {number: bytes([number + 1]) * BLOCK_BYTES for number in numbers}
    _, content = decoded(vhd_of(8 * MB, blocks), max(piece_bytes, 4096))
    assert content == b"".join(blocks.get(number, bytes(BLOCK_BYTES)) for number in range(4))


def test_a_differencing_disk_names_its_parent_and_holds_only_its_blocks() -> None:
    image = vhd_of(8 * MB, {1: b"changed"}, Parent(UUID_B, "base.vhd"))
    decoder = VhdDecoder()
    extents = list(decoder.feed(image))
    assert decoder.finish().disk_type == "differencing"
    assert extents == [(BLOCK_BYTES, b"changed".ljust(BLOCK_BYTES, b"\0"))]
    assert decoder.header is not None
    assert (decoder.header.parent_uuid, decoder.header.parent_name) == (UUID_B, "base.vhd")


def test_sectors_that_are_not_in_the_bitmap_are_left_to_the_parent() -> None:
    image = vhd_of(2 * MB, {0: b"\1" * 512 * 20}, Parent(UUID_B, "base.vhd"))
    (sector,) = struct.unpack(">I", image[1536:1540])
    some = damaged(image, sector * 512, b"\x60\x00\x01" + bytes(509))
    extents = list(VhdDecoder().feed(some))
    assert extents == [(512, b"\1" * 1024), (23 * 512, bytes(512))]


def test_blocks_may_stand_in_any_order() -> None:
    image = vhd_of(4 * MB, {0: b"zero", 1: b"one"})
    swapped = damaged(image, 1536, image[1540:1544] + image[1536:1540])
    assert decoded(swapped)[1] == b"one".ljust(BLOCK_BYTES, b"\0") + b"zero".ljust(BLOCK_BYTES, b"\0")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (2 * MB, (60, 4, 17)),
        (70 * MB, (936, 9, 17)),
        (504 * MB, (1024, 16, 63)),
        (8 * GB, (16644, 16, 63)),
        (127 * GB, (65278, 16, 255)),
        (2040 * GB, (65535, 16, 255)),
    ],
)
def test_the_geometry_is_the_specification_s(size: int, expected: tuple[int, int, int]) -> None:
    assert geometry(size) == expected


# ---- damage ---------------------------------------------------------------------------------------------------------------

GOOD = vhd_of(4 * MB, {0: b"zero", 1: b"one"})
FOOTER = (0, 512, 64)
HEADER = (512, 1024, 36)


def put(place: int, layout: str, *values: int) -> Callable[[bytearray], None]:
    return lambda raw: struct.pack_into(layout, raw, place, *values)


DAMAGE = [
    (damaged(GOOD, 100, b"x"), 64, "the footer's checksum is"),
    (damaged(GOOD, 512, b"cxsparsf"), 512, "no dynamic header, its cookie is b'cxsparsf'"),
    (damaged(GOOD, 800, b"x"), 548, "the dynamic header's checksum is"),
    (damaged(GOOD, len(GOOD) - 512, b"conectiy"), len(GOOD) - 512, "no footer, its cookie is b'conectiy'"),
    (damaged(GOOD, len(GOOD) - 100, b"x"), len(GOOD) - 448, "the footer's checksum is"),
    (resealed(GOOD, *FOOTER, put(12, ">I", 0x00020000)), 12, "format version 0x20000 is unknown"),
    (resealed(GOOD, *FOOTER, put(60, ">I", 9)), 60, "disk type 9 is unknown"),
    (resealed(GOOD, *FOOTER, put(60, ">I", 2)), 60, "a fixed disk begins with a footer"),
    (resealed(GOOD, *FOOTER, put(58, ">B", 17)), 56, "no disk has a geometry of 17 heads and 17 sectors"),
    (resealed(GOOD, *FOOTER, put(59, ">B", 0)), 56, "no disk has a geometry of 4 heads and 0 sectors"),
    (resealed(GOOD, *FOOTER, put(48, ">Q", 1000)), 48, "a size of 1000 bytes"),
    (resealed(GOOD, *FOOTER, put(48, ">Q", 2041 * GB)), 48, "a size of 2191507062784 bytes"),
    (resealed(GOOD, *FOOTER, put(16, ">Q", 100)), 100, "the dynamic header lies before byte 512"),
    (resealed(GOOD, *HEADER, put(24, ">I", 0x00020000)), 536, "header version 0x20000 is unknown"),
    (resealed(GOOD, *HEADER, put(32, ">I", 3 * MB)), 544, "a block of 3145728 bytes is no power of two"),
    (resealed(GOOD, *HEADER, put(32, ">I", 0)), 544, "a block of 0 bytes is no power of two"),
    (resealed(GOOD, *HEADER, put(28, ">I", 1)), 540, "1 blocks of 2097152 bytes do not hold 4194304 bytes"),
    (resealed(GOOD, *HEADER, put(16, ">Q", 512)), 512, "the block table lies before byte 1536"),
    (damaged(GOOD, 1536, struct.pack(">I", 1)), 1536, "block 0 at byte 512 overlaps the metadata, which ends at 1544"),
    (damaged(GOOD, 1540, GOOD[1536:1540]), 1540, "block 1 at byte 3584 overlaps block 0"),
    (damaged(GOOD, 1540, struct.pack(">I", UNUSED - 1)), len(GOOD), "the image ends too early"),
    (GOOD[:-600], len(GOOD) - 600, "the image ends too early"),
    (GOOD[:-1], len(GOOD) - 512, "the image ends without a footer"),
    (GOOD[:700], 700, "the image ends too early"),
    (GOOD[:300], 0, "the image ends without a footer"),
    (b"", 0, "the image ends without a footer"),
    (GOOD[:-512] + vhd_of(6 * MB, {})[-512:], len(GOOD) - 512, "the footer differs from its copy"),
    (bytes(MB), MB - 512, "no footer, its cookie is"),
    (GOOD[512:], 0, "a dynamic disk begins without a copy of its footer"),
    (bytes(4096) + Footer(8192, "fixed", UUID_A).pack(), 4096, "the footer of a disk of 8192 bytes stands after 4096"),
]


@pytest.mark.parametrize(("image", "offset", "problem"), DAMAGE)
def test_a_damaged_image_is_refused_with_its_place(image: bytes, offset: int, problem: str) -> None:
    with pytest.raises(VhdError) as caught:
        decoded(image)
    assert caught.value.offset == offset
    assert caught.value.problem.startswith(problem)
    assert caught.value.cure


def test_a_disk_that_is_its_own_parent_is_refused() -> None:
    with pytest.raises(VhdError, match="byte 552: the disk is its own parent"):
        decoded(vhd_of(4 * MB, {}, Parent(UUID_A, "self.vhd")))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4608), st.binary(min_size=1, max_size=8))
def test_no_damage_to_the_metadata_ends_in_anything_but_a_vhd_error(place: int, junk: bytes) -> None:
    image = damaged(GOOD, place, junk)[: len(GOOD)]
    assert size_or_refusal(image) in (4 * MB, None)


def size_or_refusal(image: bytes) -> int | None:
    try:
        return decoded(image, MB)[0].size
    except VhdError:
        return None


def test_a_table_of_four_billion_entries_takes_no_memory() -> None:
    image = resealed(GOOD, *HEADER, put(28, ">I", 0xFFFFFFFF))
    with pytest.raises(VhdError, match="end"):
        decoded(image[:1544])
    assert decoded(image)[1][:4] == b"zero"


# ---- the real tools -------------------------------------------------------------------------------------------------------


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def file_system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real ext4 file system of 70 MiB."""
    path = tmp_path_factory.mktemp("ext4") / "ext4.raw"
    run("qemu-img", "create", "-q", "-f", "raw", path, "70M")
    run("mke2fs", "-q", "-t", "ext4", path)
    return path


@pytest.mark.disk_tools
@pytest.mark.parametrize(
    "options", ["subformat=dynamic", "subformat=dynamic,force_size=on", "subformat=fixed", "subformat=fixed,force_size=on"]
)
def test_what_qemu_writes_is_read(file_system: Path, tmp_path: Path, options: str) -> None:
    run("qemu-img", "convert", "-O", "vpc", "-o", options, file_system, tmp_path / "qemu.vhd")
    footer, content = decoded((tmp_path / "qemu.vhd").read_bytes())
    raw = file_system.read_bytes()
    assert content == raw.ljust(footer.size, b"\0")
    assert footer.disk_type in options


@pytest.mark.disk_tools
def test_qemu_reads_what_we_write_with_its_exact_size(file_system: Path, tmp_path: Path) -> None:
    raw = file_system.read_bytes()
    blocks = {n: raw[n * BLOCK_BYTES : (n + 1) * BLOCK_BYTES] for n in range(35) if any(raw[n * BLOCK_BYTES : (n + 1) * BLOCK_BYTES])}
    path = tmp_path / "ours.vhd"
    path.write_bytes(vhd_of(70 * MB, blocks))
    info = json.loads(run("qemu-img", "info", "--output=json", "-f", "vpc", path))
    assert (info["format"], info["virtual-size"]) == ("vpc", 70 * MB)
    assert run("qemu-img", "compare", "-f", "vpc", "-F", "raw", path, file_system) == "Images are identical.\n"


@pytest.mark.disk_tools
@pytest.mark.parametrize("size", [2 * MB, 100 * MB + 512, 127 * GB, 2040 * GB])
def test_qemu_sees_every_size_as_we_do(tmp_path: Path, size: int) -> None:
    path = tmp_path / "ours.vhd"
    path.write_bytes(vhd_of(size, {}))
    assert json.loads(run("qemu-img", "info", "--output=json", "-f", "vpc", path))["virtual-size"] == size


@pytest.mark.disk_tools
def test_qemu_opens_a_differencing_disk(tmp_path: Path) -> None:
    path = tmp_path / "delta.vhd"
    path.write_bytes(vhd_of(70 * MB, {5: b"changed"}, Parent(UUID_B, f"{UUID_B}.vhd")))
    assert json.loads(run("qemu-img", "info", "--output=json", "-f", "vpc", path))["virtual-size"] == 70 * MB
    run("qemu-img", "convert", "-f", "vpc", "-O", "raw", path, tmp_path / "delta.raw")
    assert (tmp_path / "delta.raw").read_bytes()[5 * BLOCK_BYTES :][:7] == b"changed"
