"""What changes, for those who watch: a page, a command that follows. Nothing is noted while nobody does.

A watcher asks now and then and is told the differences, never more than a bounded number at a time; so a busy fleet costs a watcher no
more than a quiet one, and the fleet no more for each change than an entry in a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fake_xapi.control.errors import TooMany
from fake_xapi.control.hosts import STATES, Cell
from fake_xapi.faults.rules import Rule
from fake_xapi.state.value import Change
from fake_xapi.state.world import World

if TYPE_CHECKING:
    from fake_xapi.control.simulation import Simulation

MOST_WATCHERS = 16
CELLS_AT_ONCE = 1000
CALLS_AT_ONCE = 40
"""So many of the calls since the last time are told, the first time of those before; of the others only how many they were."""

Event = tuple[str, Any]
Listener = Callable[[int, tuple[Change, ...]], None]


class Live:
    """The watchers of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._watchers: set[Watcher] = set()
        self._heard: dict[World, Listener] = {}

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def open(self) -> Watcher:
        """Begin to watch. TooMany when many do already."""
        if len(self._watchers) >= MOST_WATCHERS:
            raise TooMany(f"{MOST_WATCHERS} watch already; close a page, or a command that follows")
        if not self._watchers:
            self._simulation.fleet.machines.on_change.append(self._pools_changed)
            self._listen()
        watcher = Watcher(self._simulation)
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Watch no more."""
        self._watchers.discard(watcher)
        if not self._watchers:
            self._stop()

    def close(self) -> None:
        """Let everybody go."""
        self._watchers.clear()
        self._stop()

    def came(self, host: str) -> None:
        """A host has come to the fleet."""
        if self._watchers:
            self._listen()
            self._mark((host,))

    def _pools_changed(self) -> None:
        self._listen()
        self._mark(self._simulation.fleet.hosts)

    def _listen(self) -> None:
        hosts: dict[World, list[str]] = {}
        for name, xapi in self._simulation.fleet.hosts.items():
            hosts.setdefault(xapi.world, []).append(name)
        for world in self._heard.keys() - hosts.keys():
            world.listeners.remove(self._heard.pop(world))
        for world in hosts.keys() - self._heard.keys():
            self._heard[world] = listener = self._listener(hosts[world])
            world.listeners.append(listener)

    def _listener(self, names: list[str]) -> Listener:
        return lambda _generation, _changes: self._mark(names)

    def _mark(self, hosts: Iterable[str]) -> None:
        for watcher in self._watchers:
            watcher.mark(hosts)

    def _stop(self) -> None:
        for world, listener in self._heard.items():
            world.listeners.remove(listener)
        self._heard.clear()
        if self._pools_changed in self._simulation.fleet.machines.on_change:
            self._simulation.fleet.machines.on_change.remove(self._pools_changed)


class Watcher:
    """One who watches: what he has been told."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._changed: dict[str, None] = {}
        self._told: dict[str, Cell] = {}
        self._rules: dict[int, tuple[Rule, int]] = {}
        self._faults: object = None
        self._call = simulation.traffic.number
        self._shown = 0
        self.is_new = True
        """Whether he has been told nothing yet."""

    def mark(self, hosts: Iterable[str]) -> None:
        """These hosts may look different now."""
        self._changed.update(dict.fromkeys(hosts))

    async def look(self) -> list[Event]:
        """What is different since the last time."""
        self._mark_struck()
        events = [await self._everything()] if self.is_new else self._cells()
        self.is_new = False
        return [*events, *self._rules_in_force(), ("clock", self._simulation.time.told()), ("traffic", self._traffic())]

    async def _everything(self) -> Event:
        self._changed.clear()
        self._told = await self._simulation.looks.cells()
        fleet = self._simulation.fleet
        about = {"release": fleet.order.personality, "seed": fleet.order.seed, "states": list(STATES)}
        return "map", {**about, "names": list(self._told), "cells": [list(cell) for cell in self._told.values()]}

    def _cells(self) -> list[Event]:
        looked = list(self._changed)[:CELLS_AT_ONCE]
        found: dict[str, list[int]] = {}
        for name in looked:
            del self._changed[name]
            cell = self._simulation.looks.cell(name)
            if self._told.get(name) != cell:
                self._told[name] = cell
                found[name] = list(cell)
        return [("cells", found)] if found else []

    def _mark_struck(self) -> None:
        """Hosts look different when rules about them come, go, or kill."""
        rules = {known.handle: (known.rule, len(known.killed)) for known in self._simulation.fleet.faults.in_force()}
        for rule in _differing(self._rules, rules):
            self.mark(name for name in self._simulation.fleet.hosts if rule.is_about(name))
        self._rules = rules

    def _rules_in_force(self) -> list[Event]:
        faults = self._simulation.faults()
        if faults == self._faults:
            return []
        self._faults = faults
        return [("faults", faults)]

    def _traffic(self) -> dict[str, Any]:
        traffic = self._simulation.traffic
        new = list(traffic.since(self._shown))
        came, self._call = traffic.number - self._call, traffic.number
        self._shown = traffic.number
        counts = traffic.counts.values()
        return {
            "calls": [self._simulation.call_line(call) for call in new[-CALLS_AT_ONCE:]],
            "came": came,
            "total": sum(count.calls for count in counts),
            "errors": sum(count.errors for count in counts),
            "under_way": traffic.under_way,
        }


def _differing(old: Mapping[int, tuple[Rule, int]], new: Mapping[int, tuple[Rule, int]]) -> list[Rule]:
    return [(new.get(handle) or old[handle])[0] for handle in old.keys() | new.keys() if old.get(handle) != new.get(handle)]
