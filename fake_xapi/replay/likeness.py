"""A world that looks like the server of a recording: its objects with their uuids, fields and relations, and what XAPI cannot do without.

Refs are this world's own; what the recording lacks is the fresh host's, and everything that could not be taken over is told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fake_xapi.datamodel.model import Field
from fake_xapi.datamodel.personality import Personality
from fake_xapi.datamodel.types import NULL_REF
from fake_xapi.engine.derive import derive
from fake_xapi.engine.records import visible_fields
from fake_xapi.fleet.golden import golden
from fake_xapi.fleet.roles import create_roles
from fake_xapi.guest import machine
from fake_xapi.guest.behaviours import behaviours
from fake_xapi.guest.systems import system_of
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.replay.inventory import Inventory
from fake_xapi.replay.release import recognised
from fake_xapi.replay.values import state_value
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id, class_numbers, class_of, ordinal_of
from fake_xapi.state.layout import layouts
from fake_xapi.state.value import Value
from fake_xapi.state.world import World

_REF = re.compile(r"OpaqueRef:[0-9A-Za-z-]+")
_MARKED = tuple(cls for cls, layout in layouts().items() if "current_operations" in layout.index)
_FRESH = ("SM", "user")
"""Classes whose objects are the same on every host of a release: those of the fresh host, where a recording has none."""


class NoLikeness(ValueError):
    """A recording that no world can be made of; the message names the cure."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a recording: ``unknown``, ``dangling`` and ``misfit`` count values by class and field.

    ``unknown``: fields and classes that the release does not have. ``dangling``: refs that lead to nothing that was recorded.
    ``misfit``: values of another type than their field. ``filled``: classes that are the fresh host's. ``ended``: how many calls were under
    way, which nobody works on here.
    """

    release: str
    objects: Mapping[str, int]
    unknown: Mapping[str, int]
    dangling: Mapping[str, int]
    misfit: Mapping[str, int]
    filled: tuple[str, ...]
    ended: int = 0

    def lines(self) -> Iterator[str]:
        """The report for people."""
        yield f"{sum(self.objects.values())} objects of {len(self.objects)} classes, of the release {self.release}"
        for title, counts in (("not known", self.unknown), ("leads nowhere", self.dangling), ("of another type", self.misfit)):
            yield from (f"{title}: {name} ({count} times)" for name, count in sorted(counts.items()))
        if self.ended:
            yield f"under way when it was recorded, and ended: {self.ended} tasks"
        if self.filled:
            yield f"as on a fresh host: {', '.join(self.filled)}"


@dataclass(slots=True)
class _Making:
    """A world in the making, and what is noticed on the way."""

    found: Inventory
    kind: Personality
    edit: Edit
    ref: Callable[[Id], str]
    ids: dict[str, Id] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    dangling: Counter[str] = field(default_factory=Counter)
    misfit: Counter[str] = field(default_factory=Counter)
    filled: list[str] = field(default_factory=list)


def likeness(found: Inventory, seed: str) -> tuple[World, Report]:
    """A world like the server, and what is to be said of it; NoLikeness when the recording has no host."""
    if not found.of("host") or len(found.of("pool")) != 1:
        raise NoLikeness("the recording has no records of a pool and its hosts; record with --crawl, as an account that may see them")
    kind = recognised(found)
    world = World(Value.empty(), seed, kind)
    with world.edit() as edit:
        making = _Making(found, kind, edit, world.ref)
        _create(making)
        for cls, ref, record in _recorded(making):
            _write(making, cls, making.ids[ref], record)
        _settle(making)
    ended = _end_calls(world)
    _wake_guests(world)
    world.value = _with_room_for_domains(world)
    return world, replace(_report(making), ended=ended)


def _create(making: _Making) -> None:
    """Every object, so that refs lead somewhere; the pool is the first of its class."""
    for cls, records in making.found.classes.items():
        if cls not in making.kind.classes:
            making.unknown[cls] += len(records)
    for cls, ref, record in _recorded(making):
        uuid = record.get("uuid")
        known = {"uuid": uuid} if isinstance(uuid, str) and "uuid" in layouts()[cls].index else {}
        making.ids[ref] = making.edit.create(cls, **known)


def _recorded(making: _Making) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Class, ref and record of every object of a class that the release has, in the order of the datamodel."""
    for cls in making.kind.classes:
        if cls in layouts():
            yield from ((cls, ref, record) for ref, record in making.found.of(cls).items())


def _write(making: _Making, cls: str, identity: Id, record: Mapping[str, Any]) -> None:
    """The fields of one object; the ends of relations that the store keeps follow from the others."""
    known = {field.name: field for field in visible_fields(making.kind, cls)}
    layout = layouts()[cls]
    for name in record.keys() - known.keys():
        making.unknown[f"{cls}.{name}"] += 1
    written = (known[name] for name in record if name in known and layout.index[name] not in layout.mirrors)
    fields = {field.name: value for field in written if (value := _value(making, cls, field, record[field.name])) is not None}
    making.edit.set(identity, **fields)


@dataclass(frozen=True, slots=True)
class _Refs:
    """The recorded server's refs, as they stand in one field."""

    making: _Making
    where: str

    def find(self, cls: str, ref: str) -> Id:
        """What a ref leads to."""
        identity = self.making.ids.get(ref, NULL)
        if identity and class_of(identity) == cls:
            return identity
        if ref not in ("", NULL_REF):
            self.making.dangling[self.where] += 1
        return NULL

    def rewritten(self, text: str) -> str:
        """A text with refs in it."""
        return _REF.sub(lambda found: self._ref(found[0]), text)

    def _ref(self, ref: str) -> str:
        identity = self.making.ids.get(ref, NULL)
        return self.making.ref(identity) if identity else ref


def _value(making: _Making, cls: str, known: Field, value: Any) -> Any:
    """A field's value, None when it cannot be kept."""
    try:
        return state_value(known.type, value, _Refs(making, f"{cls}.{known.name}"))
    except ValueError:
        making.misfit[f"{cls}.{known.name}"] += 1
        return None


# ---- what XAPI cannot do without ---------------------------------------------------------------------------------------------------


def _settle(making: _Making) -> None:
    edit, found = making.edit, making.found
    if not edit[POOL]["master"]:
        edit.set(POOL, master=next(making.ids[ref] for ref in found.of("host")))
    if not found.of("role"):
        create_roles(edit, making.kind)
        making.filled.append("role")
    fresh = golden(making.kind.name).world
    for cls in _FRESH:
        if cls in making.kind.classes and not found.of(cls):
            making.filled.append(cls)
            for _, row in fresh.rows(cls):
                edit.create(cls, **dict(zip(row.layout.names, row.values, strict=True)))


def _end_calls(world: World) -> int:
    """Let nothing be under way: what it held is free, and may be what it may."""
    pending = [task for task, row in world.rows("task") if row["status"] in ("pending", "cancelling")]
    held = [identity for cls in _MARKED for identity, row in world.rows(cls) if row["current_operations"]]
    world.derive = derive
    with world.edit() as edit:
        for identity in held:
            edit.set(identity, current_operations={})
        for task in pending:
            edit.destroy(task)
    world.derive = None
    return len(pending)


def _wake_guests(world: World) -> None:
    """Guests that have told of themselves are up: they do not boot again when they are looked at, or resumed."""
    with world.edit() as edit:
        for vm, row in list(world.rows("VM")):
            if row["guest_metrics"] and row["power_state"] in ("Running", "Paused", "Suspended") and not row["is_control_domain"]:
                machine.keep(edit, vm, stage=_last_stage(system_of(row, world.personality.era).behaviour), domid=row["domid"])


def _last_stage(name: str) -> str:
    behaviour = behaviours()[name]
    stage = behaviour.stages[behaviour.first]
    while stage.next:
        stage = behaviour.stages[stage.next[0]]
    return stage.name


def _with_room_for_domains(world: World) -> Value:
    """Domains take their numbers from their consoles: the next console comes after every domain that there was."""
    number = class_numbers()["console"]
    last = max((int(row["domid"]) for _, row in world.rows("VM")), default=0)
    ordinals = list(world.value.ordinals)
    ordinals[number] = max(ordinals[number], last)
    return replace(world.value, ordinals=tuple(ordinals))


def _report(making: _Making) -> Report:
    counted = Counter(class_of(identity) for identity in making.ids.values())
    return Report(
        making.kind.name,
        dict(sorted(counted.items())),
        dict(making.unknown),
        dict(making.dangling),
        dict(making.misfit),
        tuple(making.filled),
    )


def hosts(world: World) -> list[Id]:
    """The hosts of a pool, its master first, the others in the order in which they were read."""
    leader = world[POOL]["master"]
    return [leader, *sorted((host for host in world.ids("host") if host != leader), key=ordinal_of)]
