"""Disks of one partition with a file system of files in it, made and looked into by the real tools."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

MIB = 1 << 20
BEGIN = 2048
FILES = {"hostname": b"web\n", "kernel": b"\x01\x02" * 100_000}


def run(*command: str, given: str = "") -> str:
    """A tool's output."""
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout


def make(path: Path, size: int, kind: str = "ext4", partitions: str = f"{BEGIN},,83,*\n", label: str = "dos") -> Path:
    """A disk of ``size`` bytes; its first partition holds FILES, and ends where the disk does unless ``partitions`` say otherwise."""
    root = path.parent / f"{path.name}.files"
    root.mkdir()
    for name, content in FILES.items():
        (root / name).write_bytes(content)
    with path.open("wb") as file:
        file.truncate(size)
    run("sfdisk", "--quiet", str(path), given=f"label: {label}\n{partitions}")
    if kind:
        sectors = table(path)[0][1]
        run("mke2fs", "-q", "-F", "-t", kind, "-d", str(root), "-E", f"offset={BEGIN * 512}", str(path), f"{sectors // 2}k")
    return path


def table(path: Path) -> list[tuple[int, int]]:
    """Begin and size of the partitions, in sectors."""
    return [(each["start"], each["size"]) for each in json.loads(run("sfdisk", "--json", str(path)))["partitiontable"]["partitions"]]


def file_system(path: Path) -> tuple[int, dict[str, bytes]]:
    """The size in bytes of the file system in the first partition, once e2fsck has found it whole; and its files."""
    where = f"{path}?offset={BEGIN * 512}"
    run("e2fsck", "-fn", where)
    told = dict(line.split(":", 1) for line in run("tune2fs", "-l", where).splitlines() if ":" in line)
    found = {}
    for name in FILES:
        out = path.parent / f"{name}.out"
        run("debugfs", "-R", f"dump /{name} {out}", where)
        found[name] = out.read_bytes()
    return int(told["Block count"]) * int(told["Block size"]), found
