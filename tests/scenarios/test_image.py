"""The image that servers are built from, by the real tools."""

from __future__ import annotations

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


def test_content_is_checked_whatever_its_footer_says(tmp_path: Path) -> None:
    path = tmp_path / "image.vhd"
    image.make(path)
    content = path.read_bytes()
    checked = image.CheckedImages()
    checked.check(content)
    torn = bytearray(content)
    torn[image.FOOTER_BYTES + 1024 : image.FOOTER_BYTES + 1028] = (0x7FFFFFF0).to_bytes(4, "big")
    with pytest.raises(image.ImageToolFailed):
        checked.check(bytes(torn))
