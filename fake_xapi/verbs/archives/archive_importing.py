"""An import under way: what was asked for, what the archive's objects are here, and what was created for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.types import Type
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.layout import layouts
from fake_xapi.verbs.archives.archive import Exported
from fake_xapi.verbs.call import Call


@dataclass(frozen=True, slots=True)
class Plan:
    """How to import an archive.

    ``sr``: where its disks go; NULL when they are here already. ``restores``: VMs keep their uuids and MAC addresses and take the place
    of what bears them. ``key``: the ref of the task, under which VMs are marked as being imported; "" marks nothing.
    ``vdis``: which VDI here stands for which of the archive, by uuids.
    """

    sr: Id = 0
    restores: bool = False
    is_forced: bool = False
    is_dry_run: bool = False
    is_live: bool = False
    checks_cpu: bool = False
    host: Id = 0
    key: str = ""
    vdis: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IncomingDisk:
    """A disk that was created for bytes that will follow; ``prefix`` is the archive's name for it."""

    prefix: str
    vdi: Id
    size: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has created so far."""

    vms: tuple[Id, ...]
    disks: tuple[IncomingDisk, ...]
    networks: tuple[Id, ...]


class Importing:
    """An import under way: what the archive's objects are here, and what was created for them."""

    def __init__(self, call: Call, edit: Edit, plan: Plan, objects: Iterable[Exported]) -> None:
        self.call = call
        self.edit = edit
        self.plan = plan
        self.objects = {made.id: made for made in objects}
        self.here: dict[str, Id] = {}
        """The archive's name for an object -> the object here. Objects that do not exist here are missing."""
        self.vms: list[Id] = []
        self.disks: list[IncomingDisk] = []
        self.networks: list[Id] = []

    def snapshot_of(self, name: str) -> Mapping[str, Any]:
        """The archive's record of an object. IMPORT_ERROR_FAILED_TO_FIND_OBJECT [id]."""
        if name not in self.objects:
            raise Failure("IMPORT_ERROR_FAILED_TO_FIND_OBJECT", name)
        return self.objects[name].snapshot

    def fields(self, made: Exported) -> dict[str, Any]:
        """A record as fields of the state: refs lead to objects here, or nowhere. IMPORT_ERROR for malformed values."""
        refs = _ref_fields(self.call.world.personality.name, made.cls)
        plain = {name: value for name, value in made.snapshot.items() if name not in refs}
        try:
            known = self.call.entered(made.cls, plain)
        except Failure as failure:
            raise Failure("IMPORT_ERROR", f"{made.id}: {failure.code}: {' '.join(failure.details[1:])}") from failure
        linked = {name: self._linked(kind, made.snapshot[name]) for name, kind in refs.items() if name in made.snapshot}
        mirrors = layouts()[made.cls].mirrors
        return {name: value for name, value in {**known, **linked}.items() if layouts()[made.cls].index[name] not in mirrors}

    def _linked(self, kind: Type, value: Any) -> Any:
        if kind.is_ref:
            return self.here.get(value, 0)
        return tuple(self.here[name] for name in value if name in self.here) if kind.is_ref_set else {}

    def note(self, made: Exported, found: Id) -> None:
        """Record which object here stands for one of the archive's; NULL for none."""
        if found:
            self.here[made.id] = found

    def result(self) -> Imported:
        """What was created."""
        return Imported(tuple(self.vms), tuple(self.disks), tuple(self.networks))


@cache
def _ref_fields(release: str, cls: str) -> Mapping[str, Type]:
    kinds = {known.name: known.type for known in personality(release).classes[cls].fields if not known.is_internal}
    return {name: kind for name, kind in kinds.items() if kind.is_ref or kind.is_ref_set or (kind.kind == "map" and _leads_out(kind))}


def _leads_out(kind: Type) -> bool:
    return any(inner is not None and inner.is_ref for inner in (kind.key, kind.of))
