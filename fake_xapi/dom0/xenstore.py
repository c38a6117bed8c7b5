"""The part of xenstore that belongs to a domain, ``/local/domain/N``: what the database says, told as paths, and what it does not.

There is no second copy that could differ: ``vm-data`` is VM.xenstore_data, what the guest tells is VM_guest_metrics, devices are their
rows. Only keys that nothing else holds are kept, until the domain ends. Paths are relative to the domain's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from fake_xapi.datamodel.digits import whole
from fake_xapi.dom0.tapdisks import back_ends, disk_number
from fake_xapi.guest import machine
from fake_xapi.guest.metrics import fields_of, keys_of
from fake_xapi.guest.systems import DRIVERS
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World

_FROM_CALLER = ("vm-data/", "FIST/")
"""The keys of VM.xenstore_data that are put into a domain's tree; others never are."""
_KIB = 1024
_CONNECTED = "4"


class Writer(Protocol):
    """Whoever writes: a call, or what it left behind."""

    @property
    def world(self) -> World:
        """The pool's database."""
        ...

    def now(self) -> str:
        """The date by the loop's clock."""
        ...


def domain_of(world: World, host: Id, domid: str) -> Id:
    """The VM of a domain that runs on a host; NULL when there is none."""
    residents: Iterable[Id] = world[host]["resident_VMs"]
    return next((vm for vm in residents if str(world[vm]["domid"]) == domid), NULL)


def tree(world: World, vm: Id, rows: World | Edit | None = None) -> dict[str, str]:
    """All keys of a VM's domain with their values, as ``rows`` have them; empty when it has no domain."""
    rows = rows or world
    domid: int = rows[vm]["domid"]
    if domid < 0:
        return {}
    return {**_told(world, rows, vm), **_kept(rows, vm, domid)}


def _kept(rows: World | Edit, vm: Id, domid: int) -> Mapping[str, str]:
    kept = machine.machine(rows, vm)
    return kept["xenstore"] if kept is not None and kept["domid"] == domid else {}


def read(world: World, vm: Id, path: str) -> str | None:
    """The value at a path: "" for a directory, None when there is nothing."""
    keys = tree(world, vm)
    if path in keys:
        return keys[path]
    return "" if any(key.startswith(f"{path}/") for key in keys) else None


def children(world: World, vm: Id, path: str) -> list[str]:
    """The names right below a path, in order."""
    prefix = f"{path}/" if path else ""
    return sorted({key.removeprefix(prefix).partition("/")[0] for key in tree(world, vm) if key.startswith(prefix)})


def below(world: World, vm: Id, path: str) -> dict[str, str]:
    """All keys below a path, relative to it."""
    prefix = f"{path}/" if path else ""
    return {key.removeprefix(prefix): value for key, value in tree(world, vm).items() if key.startswith(prefix)}


def write(writer: Writer, vm: Id, values: Mapping[str, str]) -> None:
    """Write keys of a VM's domain at once; what the database tells of them follows."""
    with writer.world.edit() as edit:
        write_in(writer, edit, vm, values)


def write_in(writer: Writer, edit: Edit, vm: Id, values: Mapping[str, str]) -> None:
    """As ``write``, in an edit that is open."""
    before = tree(writer.world, vm, edit)
    if not before:
        return
    data = {key: value for key, value in values.items() if key.startswith(_FROM_CALLER)}
    if data:
        edit.set(vm, xenstore_data={**edit[vm]["xenstore_data"], **data})
    _settle(writer, edit, vm, {**before, **values})


def remove(writer: Writer, vm: Id, path: str) -> bool:
    """Remove a key and all below it. Returns whether there was anything."""
    before = tree(writer.world, vm)
    after = {key: value for key, value in before.items() if key != path and not key.startswith(f"{path}/")}
    if len(after) == len(before):
        return False
    with writer.world.edit() as edit:
        data = {key: value for key, value in edit[vm]["xenstore_data"].items() if key in after or not key.startswith(_FROM_CALLER)}
        edit.set(vm, xenstore_data=data)
        _settle(writer, edit, vm, after)
    return True


def _settle(writer: Writer, edit: Edit, vm: Id, after: Mapping[str, str]) -> None:
    """Give each key to the row that tells it, and keep those that none does."""
    _tell(writer, edit, vm, fields_of(after, _newest_drivers(writer.world)))
    told = _told(writer.world, edit, vm)
    extra = {key: value for key, value in after.items() if told.get(key) != value}
    if extra != _kept(edit, vm, edit[vm]["domid"]):
        machine.keep(edit, vm, xenstore=extra)


def _tell(writer: Writer, edit: Edit, vm: Id, fields: Mapping[str, Any]) -> None:
    """Bring VM_guest_metrics to what the tree says; made when the guest speaks first."""
    metrics: Id = edit[vm]["guest_metrics"]
    row = edit.get(metrics) if metrics else None
    if row is None and not (fields["os_version"] or fields["PV_drivers_version"] or fields["networks"] or fields["live"]):
        return
    if row is not None and all(row[name] == value for name, value in fields.items()):
        return
    if row is None:
        metrics = edit.create("VM_guest_metrics")
        edit.set(vm, guest_metrics=metrics)
    edit.set(metrics, last_updated=writer.now(), **fields)
    edit.set(vm, guest_metrics=metrics)


def _newest_drivers(world: World) -> Mapping[str, str]:
    return DRIVERS[world.personality.era]


def _told(world: World, rows: World | Edit, vm: Id) -> dict[str, str]:
    """What the database says of a domain, as paths."""
    row = rows[vm]
    found = {
        "vm": f"/vm/{world.uuid(vm)}",
        "name": row["name_label"],
        "domid": str(row["domid"]),
        "memory/target": str(row["memory_target"] // _KIB),
        "memory/static-max": str(row["memory_static_max"] // _KIB),
        "memory/dynamic-min": str(row["memory_dynamic_min"] // _KIB),
        "memory/dynamic-max": str(row["memory_dynamic_max"] // _KIB),
    }
    found.update(_cpus(rows, row))
    for device in _devices(rows, row):
        found.update(device)
    found.update({key: value for key, value in row["xenstore_data"].items() if key.startswith(_FROM_CALLER)})
    if row["is_control_domain"] and row["resident_on"]:
        found.update(back_ends(rows, row["resident_on"], world.personality.era))
    metrics = rows.get(row["guest_metrics"]) if row["guest_metrics"] else None
    return found if metrics is None else {**found, **keys_of(metrics)}


def _cpus(rows: World | Edit, vm: Any) -> dict[str, str]:
    metrics = rows.get(vm["metrics"]) if vm["metrics"] else None
    online = metrics["VCPUs_number"] if metrics is not None else vm["VCPUs_at_startup"]
    return {f"cpu/{number}/availability": "online" if number < online else "offline" for number in range(vm["VCPUs_max"])}


def _devices(rows: World | Edit, vm: Any) -> Iterator[dict[str, str]]:
    """The front ends of the attached disks and interfaces."""
    for vbd in vm["VBDs"]:
        row = rows[vbd]
        place = whole(row["userdevice"])
        if row["currently_attached"] and place is not None:
            kind = "cdrom" if row["type"] == "CD" else "disk"
            number = disk_number(place)
            yield _front_end(f"device/vbd/{number}", **{"virtual-device": str(number), "device-type": kind})
    for vif in vm["VIFs"]:
        row = rows[vif]
        if row["currently_attached"]:
            yield _front_end(f"device/vif/{row['device']}", mac=row["MAC"], mtu=str(row["MTU"]), handle=row["device"])


def _front_end(path: str, **values: str) -> dict[str, str]:
    return {f"{path}/{key}": value for key, value in {"backend-id": "0", "state": _CONNECTED, **values}.items()}
