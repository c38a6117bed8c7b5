"""Disks in files: read as their guests see them, written as VHDs that other tools read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compute_core.images.contents import ChainContent, RawContent
from compute_core.images.vhd import VhdCheck
from compute_core.images.vhd_write import BLOCK_BYTES, Content, length_of, pieces_of
from tests.compute_core.dom0.vhds import BASE, LEAF, SEEN, by_qemu, chain, differencing, pattern, raw_of
from tests.compute_core.images.vhds import BLOCK, dynamic, fixed

SECTOR = 512


def seen(content: Content) -> bytes:
    """The disk, block by block."""
    there, nothing = set(content.numbers()), bytes(BLOCK_BYTES)
    count = -(-content.size_bytes // BLOCK_BYTES)
    blocks = [content.block(number) if number in there else nothing for number in range(count)]
    return b"".join(blocks)[: content.size_bytes]


def laid(folder: Path, vhds: list[bytes]) -> ChainContent:
    """A chain in files, the leaf first."""
    paths = [folder / f"{place}.vhd" for place in range(len(vhds))]
    for path, vhd in zip(paths, vhds, strict=True):
        path.write_bytes(vhd)
    return ChainContent(paths)


def written(folder: Path, content: Content) -> Path:
    """The VHD of it in a file."""
    path, numbers = folder / "written.vhd", content.numbers()
    path.write_bytes(b"".join(pieces_of(content, numbers)))
    assert path.stat().st_size == length_of(content.size_bytes, len(numbers))
    return path


def test_a_chain_is_the_disk_that_its_guest_sees(tmp_path: Path) -> None:
    content = laid(tmp_path, chain())

    assert (content.size_bytes, list(content.numbers())) == (len(SEEN), [0, 1, 2])
    assert seen(content) == SEEN


def test_sectors_that_a_child_does_not_have_shine_through(tmp_path: Path) -> None:
    child = bytearray(differencing(LEAF, BASE, {0: pattern(1)}))
    bitmap_at = child.index(b"\xff" * SECTOR + pattern(1))
    child[bitmap_at : bitmap_at + SECTOR] = b"\xa0" + bytes(SECTOR - 1)  # it has sectors 0 and 2
    base = differencing(BASE, None, {0: pattern(3)})

    got = seen(laid(tmp_path, [bytes(child), base]))[: 4 * SECTOR]

    assert got == bytes([1]) * SECTOR + bytes([3]) * SECTOR + bytes([1]) * SECTOR + bytes([3]) * SECTOR


def test_a_child_that_is_larger_than_its_parent_goes_on_with_zeros_and_a_smaller_one_ends(tmp_path: Path) -> None:
    base = differencing(BASE, None, {0: pattern(3), 1: pattern(3)}, size=2 * BLOCK_BYTES)
    larger = laid(tmp_path, [differencing(LEAF, BASE, {}, size=3 * BLOCK_BYTES), base])
    assert seen(larger) == pattern(3) * 2 + bytes(BLOCK_BYTES)

    smaller = laid(tmp_path, [differencing(LEAF, BASE, {}, size=BLOCK_BYTES + SECTOR), base])
    assert seen(smaller) == pattern(3) + bytes([3]) * SECTOR
    assert smaller.block(1) == bytes([3]) * SECTOR + bytes(BLOCK_BYTES - SECTOR)


@pytest.mark.disk_tools
@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
def test_what_qemu_img_writes_is_read(tmp_path: Path, subformat: str) -> None:
    disk = pattern(5) + bytes(BLOCK_BYTES) + pattern(7)

    content = laid(tmp_path, [by_qemu(tmp_path, disk, subformat)])

    assert (list(content.numbers()), seen(content)) == ([0, 2], disk)


def test_a_fixed_base_lies_below_its_child(tmp_path: Path) -> None:
    child = differencing(LEAF, BASE, {1: pattern(1)}, size=2 * BLOCK_BYTES)

    assert seen(laid(tmp_path, [child, fixed(pattern(9) * 2)])) == pattern(9) + pattern(1)


def test_blocks_of_another_size_are_read(tmp_path: Path) -> None:
    assert BLOCK == BLOCK_BYTES
    content = laid(tmp_path, [dynamic({0: b"a" * BLOCK, 3: b"d"})])

    assert seen(content) == b"a" * BLOCK + bytes(2 * BLOCK) + b"d" + bytes(BLOCK - 1)


def test_of_a_raw_file_what_is_zeros_is_left_out_holes_or_not(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.write(pattern(1) + bytes(BLOCK_BYTES))
        file.seek(4 * BLOCK_BYTES)
        file.write(b"tail")

    content = RawContent.of(path)

    assert (content.size_bytes, list(content.numbers())) == (4 * BLOCK_BYTES + 4, [0, 4])
    assert content.block(4) == b"tail" + bytes(BLOCK_BYTES - 4)


def test_an_empty_disk_is_a_vhd_without_blocks(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(5 * BLOCK_BYTES)

    vhd = written(tmp_path, RawContent.of(path)).read_bytes()

    check = VhdCheck()
    check.feed(vhd)
    assert (len(vhd), check.finish()) == (SECTOR * 5, 5 * BLOCK_BYTES)


@pytest.mark.disk_tools
@pytest.mark.parametrize("size", [BLOCK_BYTES * 3, BLOCK_BYTES + SECTOR, (1 << 30) + BLOCK_BYTES])
def test_qemu_img_reads_what_is_written(tmp_path: Path, size: int) -> None:
    raw = tmp_path / "disk.raw"
    with raw.open("wb") as file:
        file.write(pattern(4))
        file.seek(size - 4)
        file.write(b"tail")

    written(tmp_path, RawContent.of(raw))

    compared = subprocess.run(["qemu-img", "compare", str(raw), str(tmp_path / "written.vhd")], capture_output=True, text=True, check=False)
    assert (compared.returncode, compared.stdout.strip()) == (0, "Images are identical.")


@pytest.mark.disk_tools
def test_a_chain_that_is_written_as_one_disk_is_that_disk_to_qemu_img(tmp_path: Path) -> None:
    assert raw_of(written(tmp_path, laid(tmp_path, chain()))) == SEEN
