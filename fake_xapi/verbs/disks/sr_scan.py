"""What a scan of an SR finds: disks without a row, rows without a disk, and the room that everything takes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.arrays import Lun
from fake_xapi.lifecycle.storage_types import LUN_TYPES, NETWORK_TYPES
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.disks import disk_fill, media, sr_drivers, sr_places, storage
from fake_xapi.verbs.disks.sm_errors import sm_failure
from fake_xapi.verbs.disks.sr_places import Here

_LUNS = uuid.UUID("6f1f5c5e-6f0c-5d0e-9f5e-2f8d2c1f7a10")
Found = dict[str, dict[str, Any]]
"""By location: the fields of the disk found there."""


def scan(store: Here, sr: Id) -> None:
    """Bring an SR's rows in line with its content, then its sizes in line with its rows. SR_BACKEND_FAILURE_40 when no host can look."""
    with store.world.edit() as edit:
        _LOOKS.get(edit[sr]["type"], _on_medium)(store, edit, sr)
    disk_fill.fill(store, store.world[sr]["VDIs"])
    with store.world.edit() as edit:
        storage.rescan(store, edit, sr)


# ---- disks on a medium -----------------------------------------------------------------------------------------------------------


def _on_medium(store: Here, edit: Edit, sr: Id) -> None:
    on, row = media.shelf(store, edit[sr]["type"]), edit[sr]
    medium = media.find(on, store.world.uuid(sr))
    if not medium:
        return
    lying: Mapping[str, str] = on.world[medium]["disks"]
    known = {store.world.uuid(vdi): vdi for vdi in row["VDIs"]}
    for disk, text in lying.items():
        if disk not in known and not store.world.by_uuid("VDI", disk):
            media.take_over(store, edit, sr, disk, text)
    if row["type"] in NETWORK_TYPES:
        for gone in known.keys() - lying.keys():
            _drop(store, edit, known[gone])
    else:
        _emptied(store, edit, medium, lying)


def _emptied(store: Here, edit: Edit, medium: Id, lying: Mapping[str, str]) -> None:
    """Remove from the local medium what is in the database again."""
    edit.set(medium, disks={})
    for disk in lying:
        if disk in store.disks:
            store.disks.destroy(disk)


def _drop(store: Here, edit: Edit, vdi: Id) -> None:
    if not edit[vdi]["current_operations"] and not any(edit[vbd]["currently_attached"] for vbd in edit[vdi]["VBDs"]):
        storage.drop_vdi(store, edit, vdi)


# ---- files and LUNs --------------------------------------------------------------------------------------------------------------


def _in_folder(store: Here, edit: Edit, sr: Id) -> None:
    """The images in a library. One that was created through XAPI stays, since it has bytes."""
    config = _config(edit, sr, store.host)
    if config.get("location"):
        _assert_there(store, edit[sr]["type"], config)
        _compare(store, edit, sr, dict(_images(store, config["location"].replace("\\", "/"))))


def _images(store: Here, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, size in media.network(store).folders.get(folder, {}).items():
        yield name, {"name_label": name, "virtual_size": size, "physical_utilisation": size, "type": "user", "read_only": True}


def _luns(store: Here, edit: Edit, sr: Id) -> None:
    """One disk for each LUN of the target or the fabric."""
    sr_type, config = edit[sr]["type"], _config(edit, sr, store.host)
    if sr_type == "iscsi" and not config.get("target"):
        return
    _assert_there(store, sr_type, config)
    asked = sr_places.wanted(store, store.host, config)
    luns = sr_drivers.target_of(asked).luns if sr_type == "iscsi" else asked.network.fabric
    only = config.get("LUNid", "")
    _compare(store, edit, sr, {_lun_uuid(lun.scsi_id): _lun(lun) for lun in luns if only in ("", str(lun.number))})


def _lun_uuid(scsi_id: str) -> str:
    return str(uuid.uuid5(_LUNS, scsi_id))


def _lun(lun: Lun) -> dict[str, Any]:
    config = {"LUNid": str(lun.number), "SCSIid": lun.scsi_id, "backend-kind": "vbd"}
    size = {"virtual_size": lun.size, "physical_utilisation": lun.size}
    return {"uuid": _lun_uuid(lun.scsi_id), "name_label": f"LUN {lun.number}", "type": "user", "sm_config": config, **size}


def _assert_there(store: Here, sr_type: str, config: Mapping[str, str]) -> None:
    try:
        sr_places.place(store, sr_type, store.host, config)
    except Failure as failure:
        raise sm_failure(40, str(failure.params[1])) from failure


def _config(edit: Edit, sr: Id, host: Id) -> Mapping[str, str]:
    """The device_config of the host that scans, or of another that could."""
    links = [edit[pbd] for pbd in edit[sr]["PBDs"] if edit[pbd]["currently_attached"]]
    links.sort(key=lambda link: bool(link["host"] != host))
    return dict(links[0]["device_config"]) if links else {}


def _compare(store: Here, edit: Edit, sr: Id, found: Found) -> None:
    known = {edit[vdi]["location"]: vdi for vdi in edit[sr]["VDIs"]}
    for location, fields in found.items():
        if location not in known:
            _introduce(store, edit, sr, location, fields)
        elif edit[sr]["type"] in LUN_TYPES:
            _grow(store, edit, known[location], fields["virtual_size"])
    for location in known.keys() - found.keys():
        if known[location] not in store.disks:
            _drop(store, edit, known[location])


def _grow(store: Here, edit: Edit, vdi: Id, size: int) -> None:
    """A LUN has the size that its array says."""
    if edit[vdi]["virtual_size"] == size:
        return
    edit.set(vdi, virtual_size=size, physical_utilisation=size)
    if vdi in store.disks and store.disks[vdi].size < size:
        store.disks.resize(vdi, size)


def _introduce(store: Here, edit: Edit, sr: Id, location: str, fields: dict[str, Any]) -> None:
    if store.world.by_uuid("VDI", fields.get("uuid", "")):
        return
    vdi = storage.introduce_vdi(store, edit, sr, location=location, **fields)
    scsi_id = fields.get("sm_config", {}).get("SCSIid", "")
    bytes_of = store.arrays.shelf.disks
    if scsi_id and scsi_id in bytes_of:
        store.disks.put(vdi, bytes_of[scsi_id])


_LOOKS: Mapping[str, Callable[[Here, Edit, Id], None]] = {"iso": _in_folder, **dict.fromkeys(LUN_TYPES, _luns)}
