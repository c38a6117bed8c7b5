"""The suite's own VHD files: valid for qemu-img, and read as they were written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from contract_tests.vhd import BLOCK_BYTES, contents, dynamic

SIZE = 4 * BLOCK_BYTES
BLOCK = bytes(range(256)) * (BLOCK_BYTES // 256)


def test_what_was_written_is_read() -> None:
    assert contents(dynamic(SIZE, {2: BLOCK})) == bytes(2 * BLOCK_BYTES) + BLOCK + bytes(BLOCK_BYTES)


def test_an_empty_disk_reads_as_zeros() -> None:
    assert contents(dynamic(SIZE, {})) == bytes(SIZE)


def test_a_short_block_is_filled_with_zeros() -> None:
    assert contents(dynamic(SIZE, {0: b"abc"})) == b"abc" + bytes(SIZE - 3)


@pytest.mark.parametrize("broken_at", [0, 20, 512, 548, -512])
def test_a_damaged_file_is_noticed(broken_at: int) -> None:
    image = bytearray(dynamic(SIZE, {0: BLOCK}))
    image[broken_at] ^= 0xFF
    with pytest.raises(AssertionError):
        contents(bytes(image))


@pytest.mark.disk_tools
def test_qemu_reads_it_too(tmp_path: Path) -> None:
    image, raw = tmp_path / "a.vhd", tmp_path / "a.raw"
    image.write_bytes(dynamic(SIZE, {0: BLOCK, 3: BLOCK}))
    subprocess.run(["qemu-img", "convert", "-f", "vpc", "-O", "raw", str(image), str(raw)], check=True)
    assert raw.read_bytes()[:SIZE] == BLOCK + bytes(2 * BLOCK_BYTES) + BLOCK


@pytest.mark.disk_tools
def test_qemu_s_file_is_read(tmp_path: Path) -> None:
    image, raw = tmp_path / "a.vhd", tmp_path / "a.raw"
    raw.write_bytes(BLOCK + bytes(BLOCK_BYTES))
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=dynamic,force_size", str(raw), str(image)], check=True
    )
    assert contents(image.read_bytes()) == BLOCK + bytes(BLOCK_BYTES)
