"""Conditions of a host while a rule is in force: they are in the world for every client to see, and are undone at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Protocol

from fake_xapi.engine.call import RunningCall
from fake_xapi.engine.xapi import Xapi
from fake_xapi.faults.effects import ClockSkew, Effect, FullSr, LostNetwork
from fake_xapi.faults.names import names_of
from fake_xapi.faults.rules import Rule
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.verbs.networks import links, nics


class Suffering(Protocol):
    """One condition of one host."""

    @property
    def isolates(self) -> bool:
        """Whether the host cannot be reached meanwhile."""
        ...

    def begin(self) -> int:
        """Begin it, or begin it again after the world was replaced; returns the number of things it changed."""
        ...

    def end(self) -> None:
        """Undo it."""
        ...


def suffering(xapi: Xapi, rule: Rule, claims: Claims) -> Suffering:
    """The condition that a rule imposes on a host, not begun yet."""
    return _MADE[type(rule.effect)](xapi, rule, claims)


class Claims:
    """The original values of what rules change: restored when the last rule that changes them ends."""

    def __init__(self) -> None:
        self._held: dict[tuple[World, Id], tuple[int, int]] = {}

    def take(self, world: World, identity: Id, before: int) -> None:
        """Change something; ``before`` is kept unless somebody else has changed it already."""
        first, count = self._held.get((world, identity), (before, 0))
        self._held[world, identity] = (first, count + 1)

    def give_back(self, world: World, identity: Id) -> int | None:
        """Release something; returns the value to restore, None while somebody else still holds it."""
        first, count = self._held.pop((world, identity))
        if count > 1:
            self._held[world, identity] = (first, count - 1)
            return None
        return first


class _FullSr:
    """SRs shrink to their content, and regain their size at the end."""

    isolates = False

    def __init__(self, xapi: Xapi, rule: Rule, claims: Claims) -> None:
        self._xapi, self._subject, self._claims = xapi, rule.subject, claims
        self._held: set[Id] = set()

    def begin(self) -> int:
        world = self._xapi.world
        storage = [sr for sr in self._meant(world) if world[sr]["physical_size"] > 0]
        with world.edit() as edit:
            for sr in storage:
                if sr not in self._held:
                    self._held.add(sr)
                    self._claims.take(world, sr, edit[sr]["physical_size"])
                edit.set(sr, physical_size=max(edit[sr]["physical_utilisation"], 1))
        return len(storage)

    def end(self) -> None:
        world = self._xapi.world
        with world.edit() as edit:
            for sr in self._held:
                size = self._claims.give_back(world, sr)
                if size is not None and edit.get(sr) is not None:
                    edit.set(sr, physical_size=size)

    def _meant(self, world: World) -> list[Id]:
        if self._subject:
            return [sr for sr in world.ids("SR") if _is_named(names_of(world, sr), self._subject)]
        return [row["default_SR"] for _, row in world.rows("pool") if world.get(row["default_SR"]) is not None]


class _LostNetwork:
    """The cables of physical interfaces are unplugged."""

    def __init__(self, xapi: Xapi, rule: Rule, claims: Claims) -> None:
        self._xapi, self._subject, self._claims = xapi, rule.subject, claims
        self._held: set[Id] = set()

    @property
    def isolates(self) -> bool:
        """Whether the management interface is without a carrier."""
        world = self._xapi.world
        own = (row for _, row in world.rows("PIF") if row["management"] and row["host"] == self._xapi.host)
        metrics = (world.get(row["metrics"]) for row in own)
        return any(found is not None and not found["carrier"] for found in metrics)

    def begin(self) -> int:
        world, pifs = self._xapi.world, self._meant()
        for pif in pifs:
            if pif not in self._held:
                self._held.add(pif)
                self._claims.take(world, pif, nics.has_cable(world, world[pif]["host"], world[pif]["device"]))
            links.set_cable(self._call, pif, is_in=False)
        return len(pifs)

    def end(self) -> None:
        world = self._xapi.world
        for pif in self._held:
            had_cable = self._claims.give_back(world, pif)
            if had_cable and world.get(pif) is not None:
                links.set_cable(self._call, pif, is_in=True)

    @property
    def _call(self) -> RunningCall:
        """A call without a caller."""
        pool = self._xapi.leader
        return RunningCall(pool, pool.routes["PIF.scan"].message, "fault", NULL)

    def _meant(self) -> list[Id]:
        world = self._xapi.world
        own = ((pif, row) for pif, row in world.rows("PIF") if row["physical"] and row["host"] == self._xapi.host)
        names = ((pif, (row["device"], *names_of(world, pif), *names_of(world, row["network"]))) for pif, row in own)
        return [pif for pif, known in names if not self._subject or _is_named(known, self._subject)]


class _ClockSkew:
    """The clock of the host is wrong."""

    isolates = False

    def __init__(self, xapi: Xapi, rule: Rule, claims: Claims) -> None:
        del claims
        self._xapi = xapi
        self._skew = timedelta(seconds=rule.effect.seconds if isinstance(rule.effect, ClockSkew) else 0.0)
        self._is_on = False

    def begin(self) -> int:
        if not self._is_on:
            self._turn(self._skew)
        self._is_on = True
        return 1

    def end(self) -> None:
        self._turn(-self._skew)
        self._is_on = False

    def _turn(self, by: timedelta) -> None:
        clock = self._xapi.clock
        self._xapi.clock = replace(clock, epoch=clock.epoch + by)


class _Maker(Protocol):
    def __call__(self, xapi: Xapi, rule: Rule, claims: Claims) -> Suffering: ...


_MADE: Mapping[type[Effect], _Maker] = {FullSr: _FullSr, LostNetwork: _LostNetwork, ClockSkew: _ClockSkew}


def _is_named(names: Iterator[str] | tuple[str, ...], glob: str) -> bool:
    return any(fnmatchcase(name, glob) for name in names)
