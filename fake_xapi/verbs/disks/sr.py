"""The verbs of SR that create, find, inspect and remove it. The others are in ``sr_services``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.storage_types import NETWORK_TYPES, driver_features, supported_types
from fake_xapi.lifecycle.upgrade import is_upgrading
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import auto_scan, chains, media, sr_documents, sr_places, sr_scan, storage
from fake_xapi.verbs.disks.sm_errors import sm_failure
from fake_xapi.verbs.disks.sr_documents import FoundSr
from fake_xapi.verbs.disks.sr_drivers import TAKES_ALL, Place
from fake_xapi.verbs.setters import writes

SCANNED_AT_ONCE = frozenset({"iso", "udev", "iscsi", "hba"})
"""Types whose disks exist before the SR does: plugging finds them."""
_SIZED_BY_CALLER = frozenset({"file", "dummy"})


async def create(  # noqa: PLR0917  # as the message has them
    call: Call,
    host: Id,
    device_config: dict[str, str],
    physical_size: int,
    name_label: str,
    name_description: str,
    kind: str,
    content_type: str,
    shared: bool,
    sm_config: dict[str, str],
) -> Id:
    """Create an SR, connected to its host, or to all hosts when it is shared; its device is wiped.

    NOT_SUPPORTED_DURING_UPGRADE []; SR_UNKNOWN_DRIVER [type] for a type without a driver; SR_BACKEND_FAILURE_<n> from the driver.
    """
    if is_upgrading(call.world):
        raise Failure("NOT_SUPPORTED_DURING_UPGRADE")
    _check_type(call, kind)
    place = sr_places.place(call, kind, host, device_config)
    sr_places.assert_free(call, kind, host, device_config)
    await call.takes("SR.create")
    hosts = sorted(call.world.ids("host")) if shared else [host]
    _wipe(call, kind, place)
    with call.world.edit() as edit:
        sr = edit.create(
            "SR",
            name_label=name_label,
            name_description=name_description,
            type=kind,
            content_type=content_type,
            shared=shared,
            sm_config=sm_config,
            physical_size=_size(kind, place, physical_size),
        )
        for connected in hosts:
            edit.create("PBD", SR=sr, host=connected, device_config=device_config, currently_attached=True)
    attached(call, sr, place)
    return sr


def _check_type(call: Call, kind: str) -> None:
    if kind not in supported_types(call.world.personality.era):
        raise Failure("SR_UNKNOWN_DRIVER", kind)


def _size(kind: str, place: Place, asked: int) -> int:
    return asked if asked > 0 and kind in _SIZED_BY_CALLER else place.size


def _wipe(call: Call, kind: str, place: Place) -> None:
    if kind in TAKES_ALL:
        for old in list(media.lying_at(call, kind, place.key)):
            media.erase(call, kind, old["sr_uuid"])


def attached(call: Call, sr: Id, place: Place | None) -> None:
    """Follow up on the plugging of an SR: arrays hear of its disks, and disks that are on it already are found."""
    kind: str = call.world[sr]["type"]
    if kind in NETWORK_TYPES:
        media.follow(call)
        if place is not None and not media.find(media.shelf(call, kind), call.world.uuid(sr)):
            media.write(call, sr, place.key, place.size)
    if kind in SCANNED_AT_ONCE:
        media.follow(call)
        sr_scan.scan(call, sr)
    auto_scan.wake(call, sr)


def introduce(  # noqa: PLR0917  # as the message has them
    call: Call,
    uuid: str,
    name_label: str,
    name_description: str,
    kind: str,
    content_type: str,
    shared: bool,
    sm_config: dict[str, str],
) -> Id:
    """Create the row of an SR that exists already, not connected to any host and of unknown size."""
    if uuid and call.world.by_uuid("SR", uuid):
        raise Failure("SR_UUID_EXISTS", uuid)
    _check_type(call, kind)
    with call.world.edit() as edit:
        return edit.create(
            "SR",
            uuid=uuid,
            name_label=name_label,
            name_description=name_description,
            type=kind,
            content_type=content_type,
            shared=shared,
            sm_config=sm_config,
            physical_size=-1,
            physical_utilisation=-1,
        )


async def scan(call: Call, sr: Id) -> None:
    """Scan an SR: rows come and go with its disks, then its garbage collector runs. SR_BACKEND_FAILURE_40 when no host can look."""
    storage.assert_reachable(call, sr)
    await call.takes("SR.scan")
    scan_now(call, sr)


def scan_now(call: Call, sr: Id) -> None:
    """Scan an SR, taking no time."""
    sr_scan.scan(call, sr)
    if any(not call.world[vdi]["managed"] for vdi in call.world[sr]["VDIs"]):
        chains.collect_later(call, sr, sr)


def update(call: Call, sr: Id) -> None:
    """Update an SR's sizes. SR_HAS_NO_PBDS [sr]."""
    storage.assert_reachable(call, sr)
    with call.world.edit() as edit:
        storage.rescan(call, edit, sr)


async def destroy(call: Call, sr: Id) -> None:
    """Erase an SR. Failures SR_INDESTRUCTIBLE [sr], SR_IS_CACHE_SR [host]."""
    row, uuid = call.world[sr], call.world.uuid(sr)
    if row["other_config"].get("indestructible") == "true":
        raise Failure("SR_INDESTRUCTIBLE", Handle(sr))
    for host, host_row in call.world.rows("host"):
        if host_row["local_cache_sr"] == sr:
            raise Failure("SR_IS_CACHE_SR", Handle(host))
    await call.takes("SR.destroy")
    with call.world.edit() as edit:
        for vdi in row["VDIs"]:
            storage.drop_vdi(call, edit, vdi)
        _drop_rows(edit, sr)
    media.erase(call, row["type"], uuid)


def forget(call: Call, sr: Id) -> None:
    """Remove an SR's rows; its content stays, for whoever introduces it again."""
    row, uuid, place = call.world[sr], call.world.uuid(sr), _last_place(call, sr)
    left = {call.world.uuid(vdi): media.held(call.world, vdi) for vdi in row["VDIs"]}
    kept = {call.world.uuid(vdi): call.disks[vdi] for vdi in row["VDIs"] if vdi in call.disks}
    with call.world.edit() as edit:
        for vdi in row["VDIs"]:
            edit.destroy(vdi)
        _drop_rows(edit, sr)
    if row["type"] in SCANNED_AT_ONCE:
        return
    media.put(call, row["type"], uuid, left, kept, place)


def _last_place(call: Call, sr: Id) -> Place | None:
    """The location of an SR, according to its PBDs."""
    row = call.world[sr]
    for pbd in row["PBDs"]:
        link = call.world[pbd]
        try:
            return sr_places.place(call, row["type"], link["host"], link["device_config"])
        except Failure:
            continue
    return None


def _drop_rows(edit: Edit, sr: Id) -> None:
    for pbd in edit[sr]["PBDs"]:
        edit.destroy(pbd)
    edit.destroy(sr)


def get_supported_types(call: Call) -> list[str]:
    """The types for which this release has drivers."""
    return list(supported_types(call.world.personality.era))


def probe(call: Call, host: Id, device_config: dict[str, str], kind: str, sm_config: dict[str, str]) -> str:
    """The SRs on a device, as a document; the error for a missing key of device_config lists its possible values."""
    return sr_documents.srs(_probed(call, host, device_config, kind), call.world.personality.era)


def _probed(call: Call, host: Id, device_config: dict[str, str], kind: str) -> list[FoundSr]:
    """SR_UNKNOWN_DRIVER [type], SR_BACKEND_FAILURE_38 for a driver that cannot probe, and the driver's own errors."""
    _check_type(call, kind)
    if "SR_PROBE" not in driver_features(kind, call.world.personality.era):
        raise sm_failure(38)
    place = sr_places.place(call, kind, host, device_config)
    return list(sr_places.lying_at(call, kind, host, device_config, place))


def probe_ext(call: Call, host: Id, device_config: dict[str, str], kind: str, sm_config: dict[str, str]) -> list[dict[str, Any]]:
    """The SRs on a device, as records; a record without an SR says that the device_config is complete."""
    found = _probed(call, host, device_config, kind)
    place = sr_places.place(call, kind, host, device_config)
    stats: list[dict[str, Any] | None] = [_stat(call, sr, place) for sr in found]
    return [{"configuration": device_config, "complete": True, "sr": stat, "extra_info": {}} for stat in stats or [None]]


def _stat(call: Call, found: FoundSr, place: Place) -> dict[str, Any]:
    known = call.world.get(call.world.by_uuid("SR", found.uuid))
    return {
        "uuid": found.uuid,
        "name_label": known["name_label"] if known is not None else "",
        "name_description": known["name_description"] if known is not None else "",
        "free_space": place.size - (max(known["physical_utilisation"], 0) if known is not None else 0),
        "total_space": place.size,
        "clustered": False,
        "health": "healthy",
    }


def set_shared(call: Call, sr: Id, value: bool) -> None:
    """Set whether several hosts may be connected."""
    pbds = call.world[sr]["PBDs"]
    if not value and len(pbds) > 1:
        raise Failure("SR_HAS_MULTIPLE_PBDS", *(Handle(pbd) for pbd in pbds))
    with call.world.edit() as edit:
        edit.set(sr, shared=value)


def get_live_hosts(call: Call, sr: Id) -> list[Id]:
    """The hosts that are connected."""
    return [call.world[pbd]["host"] for pbd in call.world[sr]["PBDs"] if call.world[pbd]["currently_attached"]]


VERBS: Mapping[str, Verb] = {
    "SR.create": create,
    "SR.introduce": introduce,
    "SR.scan": scan,
    "SR.update": update,
    "SR.destroy": destroy,
    "SR.forget": forget,
    "SR.get_supported_types": get_supported_types,
    "SR.probe": probe,
    "SR.probe_ext": probe_ext,
    "SR.set_shared": set_shared,
    "SR.set_name_label": writes("name_label"),
    "SR.set_name_description": writes("name_description"),
    "SR.set_physical_size": writes("physical_size"),
    "SR.set_virtual_allocation": writes("virtual_allocation"),
    "SR.set_physical_utilisation": writes("physical_utilisation"),
    "SR.get_live_hosts": get_live_hosts,
}
