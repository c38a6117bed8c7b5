"""What on a host bears our marks and belongs to nobody: two calls for everything that there is, one table of what may be an orphan and why.

What has none of our marks is never looked at, and neither is what bears another cell's, or is on its way from a first-generation host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compute_core.model.orphans import Kind, Orphan
from compute_core.xenapi import marks
from compute_core.xenapi.place import NULL, Place
from compute_core.xenapi.plugins import Dom0, Leftover, PluginMissing
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.sweep import IsBusy, strays
from compute_core.xenapi.targets import is_ours
from compute_core.xenapi.usage import tables_of

CLASSES = ["vm", "vbd", "vdi", "vif", "sr", "pbd", "task"]
FILES_IDLE_S = 3600
"""A folder in dom0 in which something was changed since then may be on its way."""

Record = Mapping[str, Any]
Records = Mapping[str, Record]


@dataclass(frozen=True, slots=True)
class Known:
    """What the cell says of a server: whether it is on this host, comes or goes; whether it was deleted; its ports and volumes."""

    is_here: bool = False
    is_gone: bool = False
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything that is there. ``cell`` is the agent's own; ``agent_vm`` the uuid of the VM in which it runs, "" for none."""

    place: Place
    tables: Mapping[str, Records]
    files: Sequence[Leftover]
    cell: str
    agent_vm: str = ""

    def servers(self) -> set[str]:
        """The servers that anything here was made for."""
        return {uuid for cls in ("vm", "vdi") for record in self.tables[cls].values() if (uuid := server_of(record))}

    def with_vms(self) -> set[str]:
        """Those that have a VM in the pool."""
        return {uuid for record in self.tables["vm"].values() if (uuid := server_of(record))}

    def is_home(self, vm: Record) -> bool:
        """Whether a VM is this host's: one without a domain is where it was started last."""
        home = vm["affinity"] if vm["resident_on"] == NULL else vm["resident_on"]
        return self.place.is_alone or home == self.place.host


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known from elsewhere. ``is_held``: whether a target's SR, by its uuid, is waited for."""

    known: Mapping[str, Known]
    is_busy: IsBusy
    is_held: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """An orphan and its ref, "" for a file."""

    orphan: Orphan
    ref: str = ""
    record: Record = field(default_factory=dict)


async def look(xapi: XenApi, place: Place, cell: str, agent_vm: str = "") -> Sight:
    """Two calls. Where our plugin is not installed no files are seen."""
    batch = await xapi.call("event.from", CLASSES, "", 0.0)
    try:
        files = await Dom0(xapi, place.host).leftovers()
    except PluginMissing:
        files = []
    return Sight(place, tables_of(batch["events"], CLASSES), files, cell, agent_vm)


def server_of(record: Record) -> str:
    """The server that a VM or VDI was made for, in whatever part; "" for what is not ours."""
    if marks.MOVE in record["other_config"]:
        return ""
    return marks.instance_of(record) or marks.former_of(record) or marks.rescue_of(record)


def orphans(sight: Sight, asked: Asked) -> Iterator[Found]:
    """All of them, as FINDERS tell."""
    for finder in FINDERS.values():
        yield from finder(sight, asked)


def lost(known: Known | None) -> str:
    """Why what was made for a server is an orphan, "" when the server is here."""
    if known is None:
        return "the cell has never heard of its server"
    if known.is_gone:
        return "its server was deleted"
    return "" if known.is_here else "its server is on another host"


# ---- by class -------------------------------------------------------------------------------------------------------------------


def _vms(sight: Sight, asked: Asked) -> Iterator[Found]:
    for ref, vm in sight.tables["vm"].items():
        uuid = server_of(vm)
        if not uuid or vm["is_a_template"] or vm["is_control_domain"] or not sight.is_home(vm) or _is_of_another_cell(vm, sight.cell):
            continue
        why = lost(asked.known.get(uuid))
        if why and not asked.is_busy(uuid):
            size = sum(disk["physical_utilisation"] for disk in _disks_of(sight, vm))
            orphan = Orphan("VM", vm["uuid"], vm["name_label"], why, uuid, size, is_certain=_is_certain(sight, asked, uuid))
            yield Found(orphan, ref, vm)


def _is_certain(sight: Sight, asked: Asked, server: str) -> bool:
    """In a pool a server that is "on another host" may have been brought here by a person, by HA or WLB: its only VM is no left-over."""
    known = asked.known.get(server)
    if known is None:
        return False
    return sight.place.is_alone or known.is_gone or any(_is_elsewhere(sight, vm, server) for vm in sight.tables["vm"].values())


def _is_elsewhere(sight: Sight, vm: Record, server: str) -> bool:
    return marks.instance_of(vm) == server and not vm["is_a_template"] and not sight.is_home(vm)


def _is_of_another_cell(vm: Record, cell: str) -> bool:
    return vm["other_config"].get(marks.CELL, "").rpartition("!")[2] not in ("", cell)


def _disks_of(sight: Sight, vm: Record) -> Iterator[Record]:
    vbds = (sight.tables["vbd"][ref] for ref in vm["VBDs"] if ref in sight.tables["vbd"])
    vdis = (sight.tables["vdi"].get(vbd["VDI"]) for vbd in vbds if vbd["mode"] == "RW")
    return (vdi for vdi in vdis if vdi is not None and marks.instance_of(vdi))


def _vdis(sight: Sight, asked: Asked) -> Iterator[Found]:
    own = {ref: vdi for ref, vdi in sight.tables["vdi"].items() if vdi["SR"] == sight.place.sr and vdi["managed"]}
    ours = {ref: vdi for ref, vdi in own.items() if marks.MOVE not in vdi["other_config"]}
    for ref, why in strays(ours, sight.with_vms(), asked.is_busy):
        uuid = marks.instance_of(ours[ref])
        if not sight.place.is_alone and not _is_nobodys(asked.known.get(uuid)):
            continue  # agents of other hosts may be at work on it
        is_certain = not uuid or uuid in asked.known
        size = ours[ref]["physical_utilisation"]
        yield Found(Orphan("VDI", ours[ref]["uuid"], ours[ref]["name_label"], why, uuid, size, is_certain=is_certain), ref, ours[ref])


def _is_nobodys(known: Known | None) -> bool:
    return known is not None and known.is_gone


def _vbds(sight: Sight, asked: Asked) -> Iterator[Found]:
    for ref, vbd in sight.tables["vbd"].items():
        vm, vdi = sight.tables["vm"].get(vbd["VM"]), sight.tables["vdi"].get(vbd["VDI"])
        if vm is None or vdi is None or not sight.is_home(vm):
            continue
        uuid, why = _why_of_vbd(sight, asked, vm, vbd, vdi)
        if why and not asked.is_busy(uuid):
            yield Found(Orphan("VBD", vbd["uuid"], f"{vm['name_label']}, disk {vbd['userdevice']}", why, uuid), ref, vbd)


def _why_of_vbd(sight: Sight, asked: Asked, vm: Record, vbd: Record, vdi: Record) -> tuple[str, str]:
    """The server, and why; "" when nothing is wrong."""
    if vm["is_control_domain"] or vm["uuid"] == sight.agent_vm:
        return marks.instance_of(vdi), "the disk of a server is still in the VM in which its agent works" if marks.instance_of(vdi) else ""
    uuid = marks.instance_of(vm)
    known, volume = asked.known.get(uuid), marks.volume_of(vbd)
    is_wrong = known is not None and known.is_here and volume != "" and volume not in known.volumes
    return uuid, "the volume is not the server's any more" if is_wrong else ""


def _vifs(sight: Sight, asked: Asked) -> Iterator[Found]:
    for ref, vif in sight.tables["vif"].items():
        vm, port = sight.tables["vm"].get(vif["VM"]), vif["other_config"].get(marks.VIF_ID, "")
        uuid = marks.instance_of(vm) if vm is not None and sight.is_home(vm) else ""
        known = asked.known.get(uuid)
        if known is not None and known.is_here and port and port not in known.ports and not asked.is_busy(uuid):
            why = "its port is not the server's any more"
            yield Found(Orphan("VIF", vif["uuid"], f"{vif['MAC']}, port {port}", why, uuid), ref, vif)


def _srs(sight: Sight, asked: Asked) -> Iterator[Found]:
    used = {vdi["SR"] for vdi in sight.tables["vdi"].values() if vdi["VBDs"]}
    for ref, sr in sight.tables["sr"].items():
        if not is_ours(sr) or ref in used or asked.is_held(sr["uuid"]):
            continue
        hosts = {sight.tables["pbd"][pbd]["host"] for pbd in sr["PBDs"] if pbd in sight.tables["pbd"]}
        if hosts == {sight.place.host} or (sight.place.is_alone and not hosts):
            yield Found(Orphan("SR", sr["uuid"], sr["name_description"], "no VM has a volume of this target"), ref, sr)


def _tasks(sight: Sight, asked: Asked) -> Iterator[Found]:
    for ref, task in sight.tables["task"].items():
        of = marks.imported_image(task["name_label"]) or marks.transfer_of(task["name_label"])[1]
        is_here = sight.place.is_alone or task["resident_on"] == sight.place.host
        if of and is_here and task["status"] == "pending" and not asked.is_busy(of):
            yield Found(Orphan("task", task["uuid"], task["name_label"], "nobody moves the bytes that it is for"), ref, task)


def _files(sight: Sight, _: Asked) -> Iterator[Found]:
    for file in sight.files:
        if file.idle_s >= FILES_IDLE_S:
            name = file.path.rpartition("/")[2]
            yield Found(Orphan("file", file.path, name, f"nothing was written there for {file.idle_s:.0f} seconds", "", file.size))


FINDERS: Mapping[Kind, Callable[[Sight, Asked], Iterator[Found]]] = {
    "VM": _vms,
    "VDI": _vdis,
    "VBD": _vbds,
    "VIF": _vifs,
    "SR": _srs,
    "task": _tasks,
    "file": _files,
}
