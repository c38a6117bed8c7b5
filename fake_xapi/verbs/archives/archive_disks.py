"""The VDIs of an archive: created for bytes that follow, or found among existing ones."""

from __future__ import annotations

from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import Id
from fake_xapi.verbs.archives.archive import MAPS_TO, Exported
from fake_xapi.verbs.archives.archive_importing import Importing, IncomingDisk
from fake_xapi.verbs.disks import storage, vdi_disks

_TAKEN = ("name_label", "name_description", "type", "sharable", "read_only", "other_config", "xenstore_data", "tags")


def import_disk(importing: Importing, made: Exported) -> None:
    """Find or create the VDI for one of the archive. ISOs are found by location, and silently left out when missing."""
    sr = importing.snapshot_of(str(made.snapshot["SR"]))
    if sr.get("content_type") == "iso":
        importing.note(made, _iso_at(importing, str(made.snapshot["location"])))
    elif importing.plan.sr:
        _make(importing, made)
    else:
        _find(importing, made)


def _iso_at(importing: Importing, location: str) -> Id:
    world = importing.call.world
    libraries = [row for _, row in world.rows("SR") if row["content_type"] == "iso" and row["type"] != "udev"]
    return min((vdi for row in libraries for vdi in row["VDIs"] if world[vdi]["location"] == location), default=0)


def _make(importing: Importing, made: Exported) -> None:
    call, edit, sr = importing.call, importing.edit, importing.plan.sr
    fields = importing.fields(made)
    size = storage.rounded_size(edit[sr]["type"], fields["virtual_size"])
    vdi = vdi_disks.create_disk(call, edit, sr, size, **_taken(fields))
    importing.note(made, vdi)
    importing.disks.append(IncomingDisk(made.id, vdi, fields["virtual_size"]))


def _taken(fields: dict[str, Any]) -> dict[str, Any]:
    taken = {name: fields[name] for name in _TAKEN if name in fields}
    taken["other_config"] = {key: value for key, value in taken["other_config"].items() if key != MAPS_TO}
    return taken


def _find(importing: Importing, made: Exported) -> None:
    """Find a VDI as the caller or the migration maps it, or else by SR and location."""
    found = _told(importing, made) or _at_the_same_place(importing, made) or _mapped(importing, made)
    if found or importing.plan.is_forced:
        importing.note(made, found)
    elif not (importing.plan.is_dry_run and importing.plan.is_live):
        raise _missing(importing, made)


def _told(importing: Importing, made: Exported) -> Id:
    name = importing.plan.vdis.get(str(made.snapshot.get("uuid", "")), "") or importing.plan.vdis.get(made.id, "")
    return _named(importing, name) if name else 0


def _mapped(importing: Importing, made: Exported) -> Id:
    return _named(importing, made.snapshot["other_config"].get(MAPS_TO, ""))


def _named(importing: Importing, name: str) -> Id:
    world = importing.call.world
    vdi = world.by_uuid("VDI", name) or world.find_ref(name)
    row = world.get(vdi) if vdi else None
    return vdi if row is not None and row.cls == "VDI" else 0


def _at_the_same_place(importing: Importing, made: Exported) -> Id:
    sr = importing.here.get(str(made.snapshot["SR"]), 0)
    world, location = importing.call.world, made.snapshot["location"]
    return min((vdi for vdi in world[sr]["VDIs"] if world[vdi]["location"] == location), default=0) if sr else 0


def _missing(importing: Importing, made: Exported) -> Failure:
    sr = importing.here.get(str(made.snapshot["SR"]), 0)
    if sr:
        return Failure("VDI_LOCATION_MISSING", Handle(sr), str(made.snapshot["location"]))
    return Failure("VDI_CONTENT_ID_MISSING")
