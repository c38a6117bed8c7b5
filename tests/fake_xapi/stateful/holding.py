"""What holds of a world whatever clients did to it, and of what its clients were told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from tests.fake_xapi.stateful.cache import EventCache

Ask = Callable[..., Any]


def both_ends_of_every_relation_agree(world: World) -> None:
    """Nothing leads to nothing, and whatever is led to knows it."""
    for cls in world.personality.classes:
        for identity, row in world.rows(cls):
            for link in row.layout.links.values():
                for other in _members(row.values[link.index]):
                    assert world.get(other) is not None, f"{cls}.{row.layout.names[link.index]} leads to nothing"
                    assert identity in _members(world[other].values[link.other_index])
            for mirror in row.layout.mirrors.values():
                for other in _members(row.values[mirror.index]):
                    assert identity in _members(world[other].values[mirror.other_index])


def nobody_holds_what_nobody_does(world: World) -> None:
    """Every mark in ``current_operations`` is of a task that is under way."""
    pending = {world.ref(task) for task, row in world.rows("task") if row["status"] == "pending"}
    for cls in ("VM", "VBD", "VIF", "VDI", "SR", "host", "pool", "VM_appliance"):
        for identity, row in world.rows(cls):
            assert row["current_operations"].keys() <= pending, f"{cls} {world.ref(identity)}"


def what_is_shown_is_what_the_rules_say_now(world: World) -> None:
    """No ``allowed_operations`` is stale, whatever changed elsewhere."""
    for cls, rules in LIFECYCLES.items():
        for identity, row in world.rows(cls):
            assert row["allowed_operations"] == rules.allowed(world, identity), f"{cls} {world.ref(identity)}"


def a_cache_kept_from_events_is_the_database(world: World, cache: EventCache, ask: Ask) -> None:
    """A client that reads events alone knows what one knows that asks for every record."""
    cache.follow(ask("event.from", ["*"], cache.token, 0.0))
    told = [model.name for model in world.personality.classes.values() if model.has_events and model.exposes_get_all]
    for cls in told:
        if world.count(cls) or cls.lower() in cache.tables:
            assert cache.differences(cls, ask(f"{cls}.get_all_records")) == []


def _members(value: Any) -> tuple[Id, ...]:
    if isinstance(value, tuple):
        return value
    return (value,) if value else ()
