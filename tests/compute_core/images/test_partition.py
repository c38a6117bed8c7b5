"""Partitions with ext file systems are fitted to their disks; whatever else a disk may hold is not touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from compute_core.images.partition import LeftAlone, fit
from compute_core.model.errors import BuildFailed
from tests.compute_core.images.partitioned import BEGIN, FILES, MIB, file_system, make, table

pytestmark = pytest.mark.disk_tools
SECTORS_OF_MIB = 2048


@pytest.mark.parametrize("kind", ["ext2", "ext3", "ext4"])
def test_a_partition_grows_with_its_disk_and_its_files_stay(tmp_path: Path, kind: str) -> None:
    disk = make(tmp_path / "disk", 24 * MIB, kind)
    with disk.open("r+b") as file:
        file.truncate(64 * MIB)

    fit(disk, 64 * MIB)

    assert table(disk) == [(BEGIN, 63 * SECTORS_OF_MIB)]
    assert file_system(disk) == (63 * MIB, FILES)


@pytest.mark.parametrize("kind", ["ext3", "ext4"])
def test_a_partition_shrinks_before_its_disk_does(tmp_path: Path, kind: str) -> None:
    disk = make(tmp_path / "disk", 96 * MIB, kind)

    fit(disk, 48 * MIB)
    with disk.open("r+b") as file:
        file.truncate(48 * MIB)

    assert table(disk) == [(BEGIN, 47 * SECTORS_OF_MIB)]
    assert file_system(disk) == (47 * MIB, FILES)


def test_a_partition_that_fits_is_as_it_was(tmp_path: Path) -> None:
    disk = make(tmp_path / "disk", 24 * MIB)
    before = disk.read_bytes()

    fit(disk, 24 * MIB)

    assert disk.read_bytes() == before


def test_a_file_system_that_holds_more_than_would_be_left_is_refused_and_kept(tmp_path: Path) -> None:
    disk = make(tmp_path / "disk", 24 * MIB)

    with pytest.raises(BuildFailed, match="The file system cannot have") as refused:
        fit(disk, BEGIN * 512 + MIB)

    assert refused.value.is_retryable is False
    assert (table(disk), file_system(disk)) == ([(BEGIN, 23 * SECTORS_OF_MIB)], (23 * MIB, FILES))


@pytest.mark.parametrize(
    ("kind", "partitions", "label", "reason"),
    [
        ("ext4", f"{BEGIN},16384,83\n,,83\n", "dos", "it has 2 partitions"),
        ("", f"{BEGIN},,83\n", "dos", "its partition has no ext2, ext3 or ext4 file system"),
        ("ext4", f"{BEGIN},\n", "gpt", "its partition table is gpt"),
    ],
)
def test_a_disk_of_another_kind_is_left_alone(tmp_path: Path, kind: str, partitions: str, label: str, reason: str) -> None:
    disk = make(tmp_path / "disk", 24 * MIB, kind, partitions, label)
    before = disk.read_bytes()

    with pytest.raises(LeftAlone, match=reason):
        fit(disk, 64 * MIB)

    assert disk.read_bytes() == before


def test_a_partition_of_another_number_is_left_alone(tmp_path: Path) -> None:
    disk = make(tmp_path / "disk", 24 * MIB, "", f"2 : start={BEGIN}, type=83\n")

    with pytest.raises(LeftAlone, match="its only partition is not number 1"):
        fit(disk, 64 * MIB)


def test_a_disk_without_a_table_is_left_alone(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(4 * MIB))

    with pytest.raises(LeftAlone, match="it has no partition table"):
        fit(disk, 64 * MIB)
