"""The LUNs that an array has set aside for volumes, as its administrator lists them in a file.

The file has the form of the simulator's ``--storage``: of its members only ``targets`` is read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from compute_core.model.volumes import Connection, Target

GIB = 1 << 30


class BadInventory(ValueError):
    """A file of targets that cannot be read; the message names it, what is wrong, and the cure."""


@dataclass(frozen=True, slots=True)
class ArrayLun:
    """One LUN: its number in its target, and its size in bytes."""

    scsi_id: str
    size: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class ArrayTarget:
    """One iSCSI target; without a user it asks for no CHAP."""

    iqn: str
    portals: tuple[str, ...]
    luns: tuple[ArrayLun, ...]
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Array:
    """What the file holds."""

    targets: tuple[ArrayTarget, ...] = ()


@dataclass(frozen=True, slots=True)
class Lun:
    """One LUN with the way to it. ``id`` is the same wherever it is seen from."""

    id: str
    size_bytes: int
    connection: Connection

    @property
    def size_gb(self) -> int:
        """Whole GiB on it."""
        return self.size_bytes // GIB


def read_luns(path: Path) -> tuple[Lun, ...]:
    """Every LUN of the file, the smallest first. BadInventory."""
    try:
        array = msgspec.json.decode(path.read_bytes(), type=Array)
    except (OSError, msgspec.MsgspecError) as problem:
        raise BadInventory(
            f"{path}: {problem}. Cure: name a JSON object with the member targets, as `sim serve --storage` takes it."
        ) from None
    return tuple(sorted(_luns(array), key=lambda lun: (lun.size_bytes, lun.id)))


def _luns(array: Array) -> Iterator[Lun]:
    for target in array.targets:
        for lun in target.luns:
            where = Target(target.portals[0], target.iqn, lun.number, asks_login=bool(target.user))
            yield Lun(lun.scsi_id, lun.size, Connection(where, target.user, target.password))
