"""Make the only partition of a disk, and the ext file system in it, as large as the disk; or smaller, before the disk becomes so.

The disk is a block device or a file, whose partition the tools find by its offset: no kernel need know of it. Blocking; for threads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from compute_core.images.programs import run
from compute_core.model.errors import BuildFailed

SECTOR = 512
LINUX = "83"
_MAGIC_AT, _MAGIC = 1024 + 56, b"\x53\xef"
_BAD_TABLE, _SOUND, _CORRECTED = 1, 0, 1
MOST_SECTORS = 0xFFFFFFFF


class LeftAlone(Exception):
    """The disk is not of the kind that is touched; its text says why."""


@dataclass(frozen=True, slots=True)
class Partition:
    """In sectors."""

    start: int
    size: int


def fit(disk: Path, size_bytes: int) -> None:
    """Let the partition and its file system end where a disk of ``size_bytes`` does.

    LeftAlone, and nothing is changed; BuildFailed when the file system is damaged, or holds more than would be left.
    """
    partition = only_partition(disk)
    wanted = min(size_bytes // SECTOR - partition.start, MOST_SECTORS)
    if wanted == partition.size:
        return
    where = f"{disk}?offset={partition.start * SECTOR}"
    run("e2fsck", "-f", "-y", where, accepts=(_SOUND, _CORRECTED))
    if wanted < partition.size:
        _resize(where, wanted)
        _repartition(disk, partition.start, wanted)
    else:
        _repartition(disk, partition.start, wanted)
        _resize(where, wanted)
    run("e2fsck", "-f", "-n", where)


def only_partition(disk: Path) -> Partition:
    """The disk's only one, number 1, with an ext2, ext3 or ext4 file system. LeftAlone."""
    ended = run("sfdisk", "--json", str(disk), accepts=(_SOUND, _BAD_TABLE))
    if ended.code == _BAD_TABLE:
        raise LeftAlone("it has no partition table")
    table = json.loads(ended.output)["partitiontable"]
    found = table.get("partitions", [])
    if table["label"] != "dos":
        raise LeftAlone(f"its partition table is {table['label']}")
    if len(found) != 1:
        raise LeftAlone(f"it has {len(found)} partitions")
    if not found[0]["node"].removeprefix(str(disk)).removeprefix("p") == "1":
        raise LeftAlone("its only partition is not number 1")
    partition = Partition(found[0]["start"], found[0]["size"])
    with disk.open("rb") as file:
        file.seek(partition.start * SECTOR + _MAGIC_AT)
        if file.read(2) != _MAGIC:
            raise LeftAlone("its partition has no ext2, ext3 or ext4 file system")
    return partition


def _resize(where: str, sectors: int) -> None:
    """In whole blocks. BuildFailed, anywhere, when there is more in it."""
    told = run("tune2fs", "-l", where).output
    block_bytes = next(int(line.split(":")[1]) for line in told.splitlines() if line.startswith("Block size:"))
    blocks = sectors * SECTOR // block_bytes
    try:
        run("resize2fs", where, str(blocks))
    except BuildFailed as failure:
        raise BuildFailed(f"The file system cannot have {blocks} blocks: {failure.message}", is_retryable=False) from failure


def _repartition(disk: Path, start: int, sectors: int) -> None:
    """The same partition with another end; type and flag stay."""
    run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "-N", "1", str(disk), given=f"{start},{sectors}\n")
