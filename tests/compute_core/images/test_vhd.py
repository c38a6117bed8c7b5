"""What is a VHD, and what only looks like one."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_core.images.vhd import VhdCheck
from compute_core.model.errors import BadImage
from tests.compute_core.images import vhds


def check(content: bytes, chunk_bytes: int = 1 << 20) -> int:
    vhd = VhdCheck()
    for at in range(0, len(content), chunk_bytes):
        vhd.feed(content[at : at + chunk_bytes])
    return vhd.finish()


def refusal(content: bytes) -> str:
    with pytest.raises(BadImage) as caught:
        check(content)
    return caught.value.message


@pytest.mark.disk_tools
@pytest.mark.parametrize("options", ["subformat=dynamic", "subformat=fixed", "subformat=dynamic,force_size=on"])
def test_what_qemu_img_writes_is_a_vhd(tmp_path: Path, options: str) -> None:
    raw, vhd = tmp_path / "disk.raw", tmp_path / "disk.vhd"
    raw.write_bytes(b"x" * (1 << 20) + b"\0" * (7 << 20) + b"y" * (1 << 20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", options, raw, vhd], check=True)
    size = check(vhd.read_bytes(), 70_001)
    assert 9 << 20 <= size <= (9 << 20) + (1 << 20)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5000))
def test_the_size_of_the_chunks_changes_nothing(chunk_bytes: int) -> None:
    content = vhds.dynamic({}, count=300)
    assert check(content, chunk_bytes) == 300 * vhds.BLOCK


def test_a_dynamic_disk_with_blocks_is_whole() -> None:
    assert check(vhds.dynamic({0: b"a", 3: b"b"})) == 4 * vhds.BLOCK


def test_a_fixed_disk_is_its_content_and_a_footer() -> None:
    assert check(vhds.fixed(b"z" * 4096)) == 4096


def test_bytes_without_a_footer_are_no_vhd() -> None:
    assert refusal(b"\x7fELF" + b"\0" * 4096) == "Not a VHD: no footer at the end of the file."
    assert refusal(b"") == "Not a VHD: no footer at the end of the file."


def test_a_disk_that_ends_too_early_is_refused() -> None:
    whole = vhds.dynamic({0: b"a", 1: b"b"})
    cut = whole[: len(whole) // 2]
    assert refusal(cut) == "Not a VHD: no footer at the end of the file."
    with_footer = cut[: len(cut) // 512 * 512] + vhds.footer(4 * vhds.BLOCK, 3)
    assert refusal(with_footer).startswith("Truncated VHD: a block ends at byte ")
    assert refusal(vhds.fixed(b"z" * 4096)[512:]) == "Truncated VHD: a fixed disk of 4096 bytes in a file of 4096."


def test_a_flipped_bit_in_footer_or_header_is_found() -> None:
    whole = vhds.dynamic({0: b"a"})
    for at, where in ((40, "footer at the beginning"), (len(whole) - 400, "footer at the end")):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        assert refusal(bytes(damaged)) == f"Damaged VHD: wrong checksum of the {where} of the file."
    damaged = bytearray(whole)
    damaged[512 + 30] ^= 1
    assert refusal(bytes(damaged)) == "Damaged VHD: no valid header where the footer points to."


def test_two_blocks_at_one_place_are_refused() -> None:
    whole = bytearray(vhds.dynamic({0: b"a", 1: b"b"}))
    first = whole[1536:1540]
    whole[1540:1544] = first
    assert refusal(bytes(whole)).startswith("Damaged VHD: the block at sector 4 overlaps")


def test_a_block_inside_the_metadata_is_refused() -> None:
    whole = bytearray(vhds.dynamic({0: b"a"}))
    whole[1536:1540] = struct.pack(">I", 1)
    assert refusal(bytes(whole)) == "Damaged VHD: the block at sector 1 overlaps what lies before it."


def test_a_disk_that_needs_a_parent_is_no_image() -> None:
    whole = vhds.footer(1 << 20, 4) + vhds.header(1536, 1) + vhds.footer(1 << 20, 4)
    assert "needs a parent" in refusal(whole)


def test_a_table_that_would_fill_the_memory_is_refused_at_once() -> None:
    vhd = VhdCheck()
    with pytest.raises(BadImage, match="cannot be"):
        vhd.feed(vhds.footer(1 << 40, 3) + vhds.header(1536, 0xFFFFFFFF))


def test_a_table_too_short_for_the_disk_is_refused() -> None:
    whole = vhds.footer(64 * vhds.BLOCK, 3) + vhds.header(1536, 2) + b"\xff" * 512 + vhds.footer(64 * vhds.BLOCK, 3)
    assert refusal(whole) == "Damaged VHD: the block allocation table is too short for the disk."
