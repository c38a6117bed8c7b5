"""The image that servers are built from, by the real tools."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from scenarios import image

pytestmark = pytest.mark.disk_tools


def test_an_image_passes_the_tools_and_a_torn_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "image.vhd"
    image.make(path)
    image.check(path)
    image.corrupt(path)
    with pytest.raises(image.ImageToolFailed, match="qemu-img convert"):
        image.check(path)


def test_an_image_that_comes_back_is_checked_as_the_disk_that_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "image.vhd"
    image.make(path)
    content = path.read_bytes()
    checked = image.CheckedImages()
    checked.check(content)
    checked.check(tar_of(content))
    damaged = bytearray(content)
    at = content.index(EXT4_MAGIC, image_data_at(content))
    damaged[at : at + 2] = b"\0\0"
    with pytest.raises(image.ImageToolFailed, match="e2fsck"):
        checked.check(tar_of(bytes(damaged)))


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.vhd"
    image.make(path)
    image.corrupt(path)
    with pytest.raises(image.ImageToolFailed, match="no image"):
        image.CheckedImages().check(tar_of(path.read_bytes()))


EXT4_MAGIC = b"\x53\xef"


def image_data_at(content: bytes) -> int:
    """Where the first block of a dynamic VHD begins: behind its table, and its own bitmap."""
    table = int.from_bytes(content[512 + 16 : 512 + 24], "big")
    return int.from_bytes(content[table : table + 4], "big") * 512 + 512 + 1024


def tar_of(vhd: bytes) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        member = tarfile.TarInfo("0.vhd")
        member.size = len(vhd)
        tar.addfile(member, io.BytesIO(vhd))
    return whole.getvalue()
