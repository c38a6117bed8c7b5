"""The verbs of SR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.storage_types import REQUIRED_CONFIG, supported_types
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs import chains, storage
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.pbd import SIZE_OF_UNKNOWN_BYTES
from fake_xapi.verbs.setters import writes
from fake_xapi.verbs.vdi_disks import assert_reachable

_MISSING = {
    "targetIQN": ("SR_BACKEND_FAILURE_96", "The request is missing or has an incorrect target IQN parameter", "iscsi-target-iqns"),
    "SCSIid": ("SR_BACKEND_FAILURE_107", "The SCSIid parameter is missing or incorrect", "iscsi-target"),
}
"""Errors that clients parse: their last parameter is a document that says what could be given."""


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
    """A new SR, connected to its host, or to all hosts when it is shared. SR_UNKNOWN_DRIVER [type] for a type without driver."""
    _check_driver(call, kind, device_config)
    await call.takes("SR.create")
    hosts = sorted(call.world.ids("host")) if shared else [host]
    with call.world.edit() as edit:
        sr = edit.create(
            "SR",
            name_label=name_label,
            name_description=name_description,
            type=kind,
            content_type=content_type,
            shared=shared,
            sm_config=sm_config,
            physical_size=physical_size if physical_size > 0 else SIZE_OF_UNKNOWN_BYTES,
        )
        for connected in hosts:
            edit.create("PBD", SR=sr, host=connected, device_config=device_config, currently_attached=True)
    return sr


def _check_driver(call: Call, kind: str, device_config: Mapping[str, str]) -> None:
    if kind not in supported_types(call.world.personality.era):
        raise Failure("SR_UNKNOWN_DRIVER", kind)
    for key in REQUIRED_CONFIG.get(kind, ()):
        if not device_config.get(key):
            raise _missing(key)


def _missing(key: str) -> Failure:
    if key in _MISSING:
        code, text, root = _MISSING[key]
        return Failure(code, "", text, f'<?xml version="1.0" ?><{root}/>')
    return Failure("SR_BACKEND_FAILURE_90", "", f"The request is missing the {key} parameter", "")


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
    """The row of an SR that exists already, not connected to any host, its size unknown."""
    if uuid and call.world.by_uuid("SR", uuid):
        raise Failure("SR_UUID_EXISTS", uuid)
    if kind not in supported_types(call.world.personality.era):
        raise Failure("SR_UNKNOWN_DRIVER", kind)
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
    """Look what is in an SR; its garbage collector follows."""
    assert_reachable(call, sr)
    await call.takes("SR.scan")
    with call.world.edit() as edit:
        storage.rescan(call, edit, sr)
    if any(not call.world[vdi]["managed"] for vdi in call.world[sr]["VDIs"]):
        chains.collect_later(call, sr, sr)


def update(call: Call, sr: Id) -> None:
    """Bring the sizes up to date."""
    with call.world.edit() as edit:
        storage.rescan(call, edit, sr)


async def destroy(call: Call, sr: Id) -> None:
    """Erase an SR. Failures SR_INDESTRUCTIBLE [sr], SR_IS_CACHE_SR [host]."""
    row = call.world[sr]
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


def forget(call: Call, sr: Id) -> None:
    """Remove the rows; what is in the SR stays."""
    with call.world.edit() as edit:
        for vdi in edit[sr]["VDIs"]:
            edit.destroy(vdi)
        _drop_rows(edit, sr)


def _drop_rows(edit: Edit, sr: Id) -> None:
    for pbd in edit[sr]["PBDs"]:
        edit.destroy(pbd)
    edit.destroy(sr)


def get_supported_types(call: Call) -> list[str]:
    """The types that this release has drivers for."""
    return list(supported_types(call.world.personality.era))


def probe(call: Call, host: Id, device_config: dict[str, str], kind: str, sm_config: dict[str, str]) -> str:
    """The SRs on a device, as a document; what is missing in device_config is asked for by the error."""
    _check_driver(call, kind, device_config)
    found = "".join(
        f"<SR><UUID>{escape(call.world.uuid(row['SR']))}</UUID></SR>"
        for _, row in call.world.rows("PBD")
        if row["device_config"] == device_config and call.world[row["SR"]]["type"] == kind
    )
    return f'<?xml version="1.0" ?><SRlist>{found}</SRlist>'


def set_shared(call: Call, sr: Id, value: bool) -> None:
    """Whether several hosts may be connected."""
    pbds = call.world[sr]["PBDs"]
    if not value and len(pbds) > 1:
        raise Failure("SR_HAS_MULTIPLE_PBDS", *(Handle(pbd) for pbd in pbds))
    with call.world.edit() as edit:
        edit.set(sr, shared=value)


def get_live_hosts(call: Call, sr: Id) -> list[Id]:
    """The hosts that are connected."""
    return [call.world[pbd]["host"] for pbd in call.world[sr]["PBDs"] if call.world[pbd]["currently_attached"]]


def get_data_sources(call: Call, sr: Id) -> list[dict[str, Any]]:
    """Nothing is measured of simulated SRs."""
    return []


VERBS: Mapping[str, Verb] = {
    "SR.create": create,
    "SR.introduce": introduce,
    "SR.scan": scan,
    "SR.update": update,
    "SR.destroy": destroy,
    "SR.forget": forget,
    "SR.get_supported_types": get_supported_types,
    "SR.probe": probe,
    "SR.set_shared": set_shared,
    "SR.set_name_label": writes("name_label"),
    "SR.set_name_description": writes("name_description"),
    "SR.set_physical_size": writes("physical_size"),
    "SR.set_virtual_allocation": writes("virtual_allocation"),
    "SR.set_physical_utilisation": writes("physical_utilisation"),
    "SR.get_live_hosts": get_live_hosts,
    "SR.get_data_sources": get_data_sources,
}
