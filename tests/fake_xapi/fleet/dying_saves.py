"""Saves a fleet over an older file again and again, and dies in each save at another line of it: ``python -m ... FOLDER``.

Prints as JSON at how many lines it died, and how often the file was then the old one, the new one, or neither.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from fake_xapi.fleet import state_file
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.state_file import load_fleet, save_fleet


class _Deadline:
    """Counts the lines of the module that writes the file and, at the last one, kills the process as the system does."""

    def __init__(self, lines: int | None) -> None:
        self.left = lines
        self.seen = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> _Deadline | None:
        if frame.f_code.co_filename != state_file.__file__:
            return None
        self.seen += event == "line"
        if self.left is not None and self.seen > self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return self


def _save(fleet: Fleet, path: Path, lines: int | None) -> int:
    deadline = _Deadline(lines)
    sys.settrace(deadline)
    try:
        save_fleet(fleet, path)
    finally:
        sys.settrace(None)
    return deadline.seen


def _dies(fleet: Fleet, path: Path, lines: int) -> None:
    child = os.fork()
    if child == 0:
        _save(fleet, path, lines)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WTERMSIG(status) != signal.SIGKILL:
        raise RuntimeError(f"a save that was to die at line {lines} ended with status {status}")


async def _main(folder: Path) -> dict[str, int]:
    path, other = folder / "fleet", folder / "other"
    fleet = Fleet(Order(hosts=2, vms=2, snapshots=1))
    save_fleet(fleet, path)
    old = path.read_bytes()
    for xapi in fleet.hosts.values():
        with xapi.world.edit() as edit:
            edit.create("network", name_label="new")
            xapi.disks.create(edit.create("VDI", virtual_size=4 << 20), 4 << 20)
    lines = _save(fleet, other, None)
    new = other.read_bytes()
    outcomes: Counter[str] = Counter()
    for line in range(lines):
        path.write_bytes(old)
        _dies(fleet, path, line)
        outcomes[{old: "old", new: "new"}.get(path.read_bytes(), "neither")] += 1
        load_fleet(path).file.close()
    await fleet.close()
    return {"lines": lines, **outcomes}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_main(Path(sys.argv[1])))) + "\n")
