"""The names by which a rule matches a call and its objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.state.ids import NULL, REF_PREFIX, Id
from fake_xapi.state.world import World


def message_name(method: str) -> str:
    """The datamodel's name for a method on the wire: ``Async.VM.start`` and ``VM_start`` are ``VM.start``."""
    name = method.removeprefix("Internal").removeprefix("Async.")
    return name if "." in name else _dotted(name)


@cache
def _dotted(name: str) -> str:
    """``VM_guest_metrics_get_record``: the longest class that is a prefix wins."""
    found = max((cls for cls in datamodel().classes if name.startswith(f"{cls}_")), key=len, default="")
    return f"{found}.{name[len(found) + 1 :]}" if found else name


def names_of(world: World, identity: Id) -> Iterator[str]:
    """The names of an object: its ref, uuid, and name_label where it has one."""
    row = world.get(identity) if identity != NULL else None
    if row is None:
        return
    yield world.ref(identity)
    yield world.uuid(identity)
    if "name_label" in row.layout.index:
        yield row["name_label"]


def named_in(world: World, params: Iterable[object]) -> Sequence[str]:
    """The names of all objects to which a call's parameters, or the fields of a record among them, refer; the first is the session."""
    given = list(params)[1:]
    values = [value for param in given for value in (param.values() if isinstance(param, dict) else (param,))]
    refs = [value for value in values if isinstance(value, str) and value.startswith(REF_PREFIX)]
    return [name for ref in refs for name in (ref, *names_of(world, world.find_ref(ref)))]
