"""The parts of a world that go into an archive: VMs, what belongs to them, and the records of what they depend on.

Refs to anything else become NULL, so that no ref leads out of an archive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.types import NEVER, NULL_REF, Type
from fake_xapi.datamodel.wire import DateTime
from fake_xapi.state.ids import Id, class_of
from fake_xapi.state.row import Row
from fake_xapi.verbs.archives.archive import MAPS_TO, Archive, Exported, version_of
from fake_xapi.verbs.call import Call

CLASSES = (
    *("host", "VM", "VM_guest_metrics", "VBD", "VIF", "network", "VDI", "SR", "VGPU_type", "VGPU", "GPU_group", "PVS_proxy"),
    *("PVS_site", "VTPM"),
)
"""In the order in which an archive lists them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to export along with the VMs. ``maps`` gives, for a migration, the refs of VDIs and VIFs at the target."""

    has_snapshots: bool = False
    preserves_power_state: bool = False
    has_vhd_parents: bool = False
    excluded: frozenset[str] = frozenset()
    maps: Mapping[Id, str] = field(default_factory=dict)


class _Table:
    """The objects of an archive, numbered as they are found."""

    def __init__(self, call: Call, scope: Scope) -> None:
        self._call = call
        self._scope = scope
        self.names: dict[Id, str] = {}

    def add(self, identity: Id) -> bool:
        """Include an object; returns whether it is there and was not before."""
        if not identity or identity in self.names or self._call.world.get(identity) is None:
            return False
        self.names[identity] = f"Ref:{len(self.names)}"
        return True

    def add_vm(self, vm: Id, *, is_root: bool = True) -> None:
        """Include a VM with its devices and what they depend on; with its snapshots where they are wanted."""
        if not self.add(vm):
            return
        row = self._call.world[vm]
        self._add_devices(row)
        with_snapshots = is_root and self._scope.has_snapshots
        for snapshot in row["snapshots"] if with_snapshots else ():
            self.add_vm(snapshot, is_root=False)
        if self._scope.preserves_power_state and row["power_state"] == "Suspended":
            self._add_vdi(row["suspend_VDI"])
        for other in (row["guest_metrics"], row["resident_on"], row["affinity"]):
            self.add(other)
        if with_snapshots and row["parent"]:
            self.add_vm(row["parent"], is_root=False)

    def _add_devices(self, vm: Row) -> None:
        world = self._call.world
        for vif in self._wanted("vif", vm["VIFs"]):
            self.add(vif)
            self.add(world[vif]["network"])
        for vbd in self._wanted("vbd", vm["VBDs"]):
            self.add(vbd)
            self._add_vdi(world[vbd]["VDI"])
        for vgpu in self._wanted("vgpu", vm["VGPUs"]):
            self.add(vgpu)
            self.add(world[vgpu]["type"])
            self.add(world[vgpu]["GPU_group"])
        for vtpm in self._wanted("vtpm", vm["VTPMs"]):
            self.add(vtpm)

    def _wanted(self, kind: str, devices: Iterable[Id]) -> Iterable[Id]:
        return () if kind in self._scope.excluded else devices

    def _add_vdi(self, vdi: Id) -> None:
        if not self.add(vdi):
            return
        world = self._call.world
        self.add(world[vdi]["SR"])
        parent = world[vdi]["sm_config"].get("vhd-parent", "") if self._scope.has_vhd_parents else ""
        if parent:
            self._add_vdi(world.by_uuid("VDI", parent))


_OPERATIONS = ("current_operations", "allowed_operations")
_BLANK: Mapping[str, tuple[str, ...]] = {
    "host": (
        *("PIFs", "PBDs", "PGPUs", "PCIs", "host_CPUs", "patches", "crashdumps", "supported_bootloaders", "capabilities", "tags"),
        *("ha_statefiles", "ha_network_peers", "license_params", "blobs", "external_auth_configuration", "logging"),
        *("cpu_configuration", "other_config", "software_version", "external_auth_type", "external_auth_service_name", "sched_policy"),
        *_OPERATIONS,
    ),
    "VM": (*_OPERATIONS, "blobs"),
    "VBD": _OPERATIONS,
    "VIF": _OPERATIONS,
    "VDI": _OPERATIONS,
    "SR": (*_OPERATIONS, "blobs"),
    "network": (*_OPERATIONS, "blobs"),
}
"""Fields that only hold where the archive is written: they are empty in it."""
_HALTED: Mapping[str, Any] = {"power_state": "Halted", "suspend_VDI": NULL_REF}
_DETACHED: Mapping[str, Any] = {"currently_attached": False}
_WITHOUT_POWER: Mapping[str, Mapping[str, Any]] = {"VM": _HALTED, "VBD": _DETACHED, "VIF": _DETACHED, "VGPU": _DETACHED}
_NO_SNAPSHOT: Mapping[str, Any] = {
    "is_a_snapshot": False,
    "snapshot_of": NULL_REF,
    "snapshots": [],
    "snapshot_time": DateTime(NEVER),
    "transportable_snapshot_id": "",
    "parent": NULL_REF,
}


@dataclass(frozen=True, slots=True)
class Export:
    """An archive's metadata, and the names of its objects in it."""

    archive: Archive
    names: Mapping[Id, str]


def export(call: Call, vms: Iterable[Id], scope: Scope) -> Export:
    """The metadata of VMs."""
    table = _Table(call, scope)
    for vm in vms:
        table.add_vm(vm)
    known = call.world.personality.classes
    members = [identity for cls in CLASSES if cls in known for identity in _of_class(table.names, cls)]
    refs = {call.world.ref(identity): name for identity, name in table.names.items()}
    objects = tuple(_exported(call, refs, identity, scope) for identity in members)
    software: Mapping[str, str] = call.world[call.host]["software_version"]
    return Export(Archive(version_of(call.world.personality, software), objects), table.names)


def _of_class(names: Mapping[Id, str], cls: str) -> list[Id]:
    return sorted(identity for identity in names if class_of(identity) == cls)


def _exported(call: Call, refs: Mapping[str, str], identity: Id, scope: Scope) -> Exported:
    cls, world = class_of(identity), call.world
    record = dict(call.record(identity))
    for name, kind in _ref_fields(world.personality.name, cls):
        record[name] = _renamed(kind, record[name], refs)
    record |= {name: type(record[name])() for name in _BLANK.get(cls, ()) if name in record}
    told = {
        **({} if scope.preserves_power_state else _WITHOUT_POWER.get(cls, {})),
        **({} if scope.has_snapshots or cls != "VM" else _NO_SNAPSHOT),
    }
    record |= {name: value for name, value in told.items() if name in record}
    if identity in scope.maps:
        record["other_config"] = {**record["other_config"], MAPS_TO: scope.maps[identity]}
    return Exported(cls, refs[world.ref(identity)], record)


@cache
def _ref_fields(release: str, cls: str) -> tuple[tuple[str, Type], ...]:
    fields = (field for field in personality(release).classes[cls].fields if not field.is_internal)
    return tuple((field.name, field.type) for field in fields if _holds_refs(field.type))


def _holds_refs(kind: Type) -> bool:
    return kind.is_ref or any(_holds_refs(inner) for inner in (kind.key, kind.of) if inner is not None)


def _renamed(kind: Type, value: Any, refs: Mapping[str, str]) -> Any:
    """The value with refs replaced by the archive's names; those to other objects become NULL, or are dropped from sets."""
    if kind.is_ref:
        return refs.get(value, NULL_REF)
    if kind.is_ref_set:
        return [refs[ref] for ref in value if ref in refs]
    return {}
