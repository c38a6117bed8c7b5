"""Disks that come with a server beside its root: swap and ephemeral ones, made by the real tools in files with holes.

Blocking; for threads.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from compute_core.images.programs import run

MIB = 1 << 20
PARTITION_AT = 2048
"""In sectors: where the only partition begins."""
PAGE_BYTES = 4096
"""Of a swap area, its first page alone says that it is one."""
LINUX, SWAP = "83", "82"
EXT4_OF_2008 = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,uninit_bg,dir_nlink"
)
"""What kernels since 2.6.28 can read; a file system of it is made without writing its tables of inodes."""
MOST_GB, EVEN_GB = 2000, 1024
"""Ephemeral space is given in disks of so much at most; that much each, where it comes out even."""


def parts_of(total_gb: int) -> Iterator[int]:
    """The sizes of the disks that so much ephemeral space is given in."""
    most = EVEN_GB if total_gb % EVEN_GB == 0 else MOST_GB
    while total_gb > 0:
        yield min(total_gb, most)
        total_gb -= most


def make_swap(path: Path, size_mb: int) -> None:
    """A disk whose only partition is a swap area."""
    _partition(path, size_mb * MIB, SWAP)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        area = Path(folder, "area")
        _blank(area, size_mb * MIB - PARTITION_AT * 512)
        run("mkswap", str(area))
        with area.open("rb") as made, path.open("r+b") as disk:
            disk.seek(PARTITION_AT * 512)
            disk.write(made.read(PAGE_BYTES))


def make_ephemeral(path: Path, size_gb: int, label: str) -> None:
    """A disk whose only partition is an empty ext4 file system of that label."""
    size_bytes = size_gb * 1024 * MIB
    _partition(path, size_bytes, LINUX)
    options = f"offset={PARTITION_AT * 512},lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    kib = (size_bytes - PARTITION_AT * 512) // 1024
    run("mke2fs", "-q", "-F", "-t", "ext4", "-O", EXT4_OF_2008, "-m", "0", "-L", label, "-E", options, str(path), f"{kib}k")


def make_empty(path: Path, size_bytes: int) -> None:
    """A disk that holds nothing."""
    _blank(path, size_bytes)


def _partition(path: Path, size_bytes: int, kind: str) -> None:
    _blank(path, size_bytes)
    run("sfdisk", "--quiet", "--no-reread", str(path), given=f"label: dos\n{PARTITION_AT},,{kind}\n")


def _blank(path: Path, size_bytes: int) -> None:
    with path.open("xb") as file:
        file.truncate(size_bytes)
