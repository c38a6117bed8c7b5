"""How guests fill their disks where bytes are not kept: an amount at the first boot, and an amount in every hour after it.

Whatever looks at a disk (a scan, an update, a snapshot) finds what its guest has written by then. Nothing runs in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.state.chance import derive_seed
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

_DATE = "%Y%m%dT%H:%M:%SZ"
_STEP = 2654435761
"""Odd, so that blocks are met in no order and none twice on a disk of any size that it shares no factor with."""


@dataclass(frozen=True, slots=True)
class FillModel:
    """``first_bytes`` at once, then ``hourly_bytes``, up to the fraction ``most`` of the disk; guests vary between half and one and a half
    times that.
    """

    first_bytes: int = 96 << 20
    hourly_bytes: int = 24 << 20
    most: float = 0.6


STANDARD = FillModel()


class Watched(Protocol):
    """A call: world, disks and date."""

    @property
    def world(self) -> World:
        """The pool's database."""
        ...

    @property
    def disks(self) -> DiskStore:
        """Its disks."""
        ...

    def now(self) -> str:
        """The date."""
        ...


def fill(store: Watched, vdis: Iterable[Id], model: FillModel = STANDARD) -> None:
    """Bring disks up to what their running guests have written so far; does nothing where bytes are kept."""
    if not store.disks.is_hollow:
        return
    for vdi in vdis:
        hours = _hours_written(store, vdi)
        if hours is not None and vdi in store.disks:
            _write(store, vdi, hours, model)


def _hours_written(store: Watched, vdi: Id) -> float | None:
    """How many hours a guest has been writing to a disk; None when none does."""
    for vbd in store.world[vdi]["VBDs"]:
        row = store.world[vbd]
        vm = store.world.get(row["VM"])
        if row["currently_attached"] and row["mode"] == "RW" and vm is not None and vm["power_state"] == "Running":
            metrics = store.world.get(vm["metrics"])
            if metrics is not None and not vm["is_control_domain"]:
                return max((_date(store.now()) - _date(metrics["start_time"])).total_seconds(), 0.0) / 3600
    return None


def _date(text: str) -> datetime:
    return datetime.strptime(text, _DATE)  # noqa: DTZ007  # both are in UTC, and only their difference counts


def _write(store: Watched, vdi: Id, hours: float, model: FillModel) -> None:
    uuid, size = store.world.uuid(vdi), store.disks[vdi].size
    seed = derive_seed(store.world.seed, f"fill {uuid}")
    factor = 0.5 + seed % 1000 / 1000
    wanted = min((model.first_bytes + model.hourly_bytes * hours) * factor, size * model.most)
    store.disks.write_unseen(vdi, _places(seed, size // BLOCK_BYTES, int(wanted // BLOCK_BYTES)), uuid)


def _places(seed: int, blocks: int, count: int) -> Iterable[int]:
    """The first blocks of a disk, so many, in the order in which its guest reaches them."""
    begin = seed % blocks if blocks else 0
    return ((begin + place * _STEP) % blocks for place in range(count))
