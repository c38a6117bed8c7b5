"""Volumes as files: one JSON document each, written aside and renamed, so that a crash leaves the old one or the new one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compute_core.model.json import from_json, to_json
from compute_core.model.volumes import Volume


@dataclass(frozen=True, slots=True)
class Record:
    """A volume and the LUN that it is. ``is_deleted``: the LUN is free again, for the project that has written on it.

    ``snapshot_of``: it is a snapshot of that volume; ``copied_from``: what it is being filled with, "" when that is over,
    and ``copied_by`` the host that does it, "" until one is chosen.
    """

    volume: Volume
    lun: str
    is_deleted: bool = False
    snapshot_of: str = ""
    copied_from: str = ""
    copied_by: str = ""


@dataclass(frozen=True, slots=True)
class RecordFiles:
    """The folder. ``is_synced`` False trades safety against power loss for speed."""

    folder: Path
    is_synced: bool = True

    def read(self) -> Iterator[Record]:
        """All of them, once what a crash has left aside is gone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for aside in self.folder.glob("*.part"):
            aside.unlink()
        for file in sorted(self.folder.glob("*.json")):
            yield from_json(json.loads(file.read_bytes()), Record)

    def write(self, record: Record) -> None:
        """Put one in place whole."""
        file = self.folder / f"{record.lun}.json"
        aside = file.with_suffix(".part")
        with aside.open("wb") as stream:
            stream.write(json.dumps(to_json(record), indent=1, sort_keys=True).encode())
            stream.flush()
            if self.is_synced:
                os.fsync(stream.fileno())
        aside.replace(file)
