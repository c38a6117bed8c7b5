"""Small images that the reader reads back."""

from __future__ import annotations

import pytest

from fake_xapi.dom0.iso9660 import read_file
from fake_xapi.dom0.iso9660_write import SECTOR, image

FILES = {"A.TXT": b"hello", "EMPTY": b"", "BIG.BIN": bytes(range(256)) * 40}


def test_files_are_read_back() -> None:
    content = image(FILES, "test")
    assert len(content) % SECTOR == 0
    assert {name: read_file(lambda start, count: content[start : start + count], name, 1 << 20) for name in FILES} == FILES


@pytest.mark.parametrize("name", ["", "a.txt", "TOOLONGNAME", "A.LONG", "A/B", "A.B.C", "Ä"])
def test_a_name_beyond_level_1_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of an ISO 9660 file"):
        image({name: b""}, "test")


def test_a_directory_is_one_sector() -> None:
    with pytest.raises(ValueError, match="too many files"):
        image({f"F{number}": b"" for number in range(100)}, "test")
