"""Where an SR of this pool is: device_configs, with their secrets resolved, looked up in the storage that a host can reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.storage_types import NETWORK_TYPES
from fake_xapi.state.ids import Id
from fake_xapi.verbs.disks import media, sr_drivers
from fake_xapi.verbs.disks.media import Holder
from fake_xapi.verbs.disks.sm_errors import sm_failure
from fake_xapi.verbs.disks.sr_documents import FoundSr
from fake_xapi.verbs.disks.sr_drivers import TAKES_ALL, Place, Wanted

_SECRET = "_secret"
_DEVICE_KEYS = ("device", "SCSIid", "location")


class Here(Holder, Protocol):
    """A call: a pool with arrays around it, on one of its hosts."""

    @property
    def host(self) -> Id:
        """The host where the call runs."""
        ...

    def now(self) -> str:
        """The date."""
        ...


def wanted(store: Holder, host: Id, config: Mapping[str, str]) -> Wanted:
    """A device_config as its driver sees it. SR_BACKEND_FAILURE_20 for a secret that does not exist."""
    world = store.world
    return Wanted(_revealed(store, config), media.network(store), world.uuid(host), world.personality.era)


def _revealed(store: Holder, config: Mapping[str, str]) -> dict[str, str]:
    found = dict(config)
    for key, uuid in config.items():
        if key.endswith(_SECRET):
            secret = store.world.by_uuid("secret", uuid)
            if not secret:
                raise sm_failure(20)
            found[key.removesuffix(_SECRET)] = store.world[secret]["value"]
    return found


def place(store: Holder, sr_type: str, host: Id, config: Mapping[str, str]) -> Place:
    """Where an SR of that type is; fails with the driver's own errors."""
    return sr_drivers.locate(sr_type, wanted(store, host, config))


def assert_free(store: Holder, sr_type: str, host: Id, config: Mapping[str, str]) -> None:
    """Raise SR_BACKEND_FAILURE_16 when an attached SR occupies the device by itself."""
    mine = _devices(config)
    for pbd, row in store.world.rows("PBD"):
        other = store.world[row["SR"]]
        is_reachable = other["type"] in NETWORK_TYPES or row["host"] == host
        if sr_type in TAKES_ALL and other["type"] in TAKES_ALL and row["currently_attached"] and is_reachable and pbd:
            taken = mine & _devices(row["device_config"])
            if taken:
                raise sm_failure(16, f"Device {min(taken)} in use, please check your existing SR instantiations")


def _devices(config: Mapping[str, str]) -> frozenset[str]:
    return frozenset(device for key in _DEVICE_KEYS for device in config.get(key, "").split(",") if device)


def attach(store: Holder, sr: Id, pbd: Id) -> Place | None:
    """Where an SR is found through a PBD; None for an SR that exists only in the database.

    Fails with the driver's errors when the device_config leads nowhere, and when another SR, or none, is there.
    """
    row, link = store.world[sr], store.world[pbd]
    sr_type, uuid = row["type"], store.world.uuid(sr)
    on = media.shelf(store, sr_type)
    medium = media.find(on, uuid)
    try:
        found = place(store, sr_type, link["host"], link["device_config"])
    except Failure:
        if not medium and row["physical_size"] >= 0:
            return None
        raise
    if medium and on.world[medium]["place"] not in ("", found.key):
        raise _absent(sr_type, uuid)
    if not medium and row["physical_size"] < 0 and sr_type in sr_drivers.NEEDS_MEDIUM:
        raise _absent(sr_type, uuid)
    return found


def _absent(sr_type: str, uuid: str) -> Failure:
    number = sr_drivers.NEEDS_MEDIUM.get(sr_type, 47)
    return sm_failure(number, f"no such volume group: VG_XenStorage-{uuid}" if number == 47 else "mount failed with return code 32")


def lying_at(store: Holder, sr_type: str, host: Id, config: Mapping[str, str], found: Place) -> Iterator[FoundSr]:
    """The SRs of that type at a location: those on media, and those that this pool has there."""
    seen: set[str] = set()
    for row in media.lying_at(store, sr_type, found.key):
        seen.add(row["sr_uuid"])
        yield FoundSr(row["sr_uuid"], _device_of(sr_type, config), row["size"])
    for _, link in store.world.rows("PBD"):
        sr = store.world[link["SR"]]
        uuid = store.world.uuid(link["SR"])
        is_same = link["device_config"] == config and (link["host"] == host or sr_type in NETWORK_TYPES)
        if sr["type"] == sr_type and is_same and uuid not in seen:
            seen.add(uuid)
            yield FoundSr(uuid, _device_of(sr_type, config), found.size)


def _device_of(sr_type: str, config: Mapping[str, str]) -> str:
    if sr_type in ("ext", "lvm"):
        return config.get("device", "")
    return f"/dev/disk/by-id/scsi-{config['SCSIid']}" if sr_type in ("lvmoiscsi", "lvmohba") else ""
