"""Snapshots of the whole fleet by name: taken at no cost, compared, restored, kept in files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fake_xapi.control.errors import Conflict, NotFound, Refused, nothing_called
from fake_xapi.control.journal import Point, point_of
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.rewinding import replace_world
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.state_file import load_fleet, save_fleet
from fake_xapi.state.storage import BadWorldFile
from fake_xapi.state.value import Change, diff
from fake_xapi.state.world import World
from fake_xapi.verbs.disks.media import Shelf

MOST = 100
"""The most snapshots that are kept at once."""
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
NOW = "now"
"""The name of the present in place of a snapshot's."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The pools of a fleet at one moment, by their worlds, with the content of the storage arrays."""

    name: str
    date: str
    pools: Mapping[World, Point]
    arrays: Point


def pools(fleet: Fleet) -> Iterator[tuple[str, Xapi]]:
    """The XAPIs that lead pools, with the names of their hosts."""
    return ((name, xapi) for name, xapi in fleet.hosts.items() if xapi.is_master)


class Snapshots:
    """The snapshots of one fleet. ``folder`` is where files are."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self._fleet = fleet
        self._folder = folder
        self._kept: dict[str, Snapshot] = {}
        self._files: list[DiskStore] = []

    def all(self) -> list[Snapshot]:
        """The snapshots, oldest first."""
        return list(self._kept.values())

    def take(self, name: str, date: str) -> Snapshot:
        """Take a snapshot of the fleet. Conflict for a name that is taken."""
        _check_name(name)
        if name in self._kept:
            raise Conflict(f"a snapshot is called {name!r} already; remove it first, or take another name")
        if len(self._kept) >= MOST:
            raise Conflict(f"there are {MOST} snapshots already; remove some first")
        self._kept[name] = self._present(name, date)
        return self._kept[name]

    def find(self, name: str, date: str = "") -> Snapshot:
        """A snapshot; the name ``now`` is the present. NotFound for an unknown name."""
        if name == NOW:
            return self._present(NOW, date)
        found = self._kept.get(name)
        if found is None:
            raise nothing_called("snapshot", name, tuple(self._kept))
        return found

    def remove(self, name: str) -> None:
        """Delete a snapshot."""
        del self._kept[self.find(name).name]

    async def restore(self, name: str) -> None:
        """Restore every pool. Conflict when the fleet has other pools now."""
        snapshot = self.find(name)
        leaders = {xapi.world: (host, xapi) for host, xapi in pools(self._fleet)}
        if missing := set(snapshot.pools) ^ set(leaders):
            hosts = ", ".join(sorted(leaders[world][0] for world in missing & set(leaders))) or "some that are gone"
            raise Conflict(f"hosts came, or joined and left pools, since {name!r} was taken ({hosts}); it fits no more")
        self._restore_arrays(snapshot.arrays)
        for world, point in snapshot.pools.items():
            await replace_world(leaders[world][1], point.value, point.disks, point.release)
        suffer_again(self._fleet)

    def save(self, file: str) -> Path:
        """Write the fleet as it is now to a file in the folder. An OSError becomes a Conflict with the cure."""
        path = self._path(file)
        try:
            save_fleet(self._fleet, path)
        except OSError as error:
            raise Conflict(f"{path}: {error.strerror}; make room, or serve with another --snapshot-folder") from error
        return path

    def load(self, file: str, name: str, date: str) -> Snapshot:
        """Make a snapshot from a file that ``save`` wrote for the same fleet. NotFound and Conflict say what to do instead."""
        _check_name(name)
        path = self._path(file)
        if not path.is_file():
            raise NotFound(f"{path}: there is no such file; save one first, or name another")
        if name in self._kept:
            raise Conflict(f"a snapshot is called {name!r} already; remove it first, or take another name")
        try:
            saved = load_fleet(path)
        except BadWorldFile as error:
            raise Conflict(str(error)) from error
        self._files.append(saved.file)
        _check_order(path, saved.order, self._fleet.order)
        points = {
            self._live(path, host, world): Point(world.value, saved.disks[host], world.personality.name)
            for host, world in saved.worlds.items()
        }
        shelf = saved.arrays
        self._kept[name] = Snapshot(name, date, points, Point(shelf.world.value, shelf.disks, shelf.world.personality.name))
        return self._kept[name]

    def _live(self, path: Path, host: str, saved: World) -> World:
        """The world of the fleet to which a saved one corresponds."""
        live = self._fleet.hosts[host].leader.world
        if live.seed != saved.seed:
            raise Conflict(f"{path}: {host} has become another host since; serve the file by itself: inova sim serve --state {path}")
        return live

    def close(self) -> None:
        """Release what was loaded."""
        for file in self._files:
            file.close()

    def _present(self, name: str, date: str) -> Snapshot:
        shelf = self._fleet.arrays.shelf
        arrays = Point(shelf.world.value, shelf.disks.fork(), shelf.world.personality.name)
        return Snapshot(name, date, {xapi.world: point_of(xapi) for _, xapi in pools(self._fleet)}, arrays)

    def _restore_arrays(self, point: Point) -> None:
        shelf: Shelf = self._fleet.arrays.shelf
        shelf.disks.become(point.disks)
        shelf.world.become(point.value)

    def _path(self, file: str) -> Path:
        if not re.fullmatch(NAME, file):
            raise Refused(f"{file!r} is no name of a file in the snapshot folder: letters, digits, dots, dashes and underscores")
        return self._folder / file


def _check_name(name: str) -> None:
    if name == NOW or not re.fullmatch(NAME, name):
        raise Refused(f"{name!r} cannot name a snapshot: letters, digits, dots, dashes and underscores, and not {NOW!r}")


def _check_order(path: Path, saved: Order, present: Order) -> None:
    if replace(saved, port=present.port, has_own_addresses=present.has_own_addresses) != present:
        what = f"{saved.hosts} hosts of {saved.personality} with seed {saved.seed}"
        raise Conflict(f"{path} has {what}, which are not these; serve it by itself: inova sim serve --state {path}")


def differences(old: Snapshot, new: Snapshot) -> Iterator[tuple[World, list[Change]]]:
    """The differences in each pool that both have."""
    for world in old.pools.keys() & new.pools.keys():
        changes = list(diff(old.pools[world].value, new.pools[world].value))
        if changes:
            yield world, changes


def suffer_again(fleet: Fleet) -> None:
    """Reapply to replaced worlds the conditions that rules impose on hosts."""
    for host in fleet.hosts if fleet.faults.rules() else ():
        fleet.faults.world_replaced(host)
