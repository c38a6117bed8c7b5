"""How each type's driver reads a device_config: where the SR is and how large, or why none can be there.

The keys, the order of the checks and the errors are those of the drivers. What is missing is asked for with a document that lists what
there is; see ``sr_documents``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fake_xapi.datamodel.digits import whole
from fake_xapi.datamodel.personality import Era
from fake_xapi.dom0.arrays import SYSTEM_DISK, Lun, Server, StorageNetwork, Target
from fake_xapi.verbs.disks import sr_documents as documents
from fake_xapi.verbs.disks.sm_errors import sm_failure

UNKNOWN_BYTES = 1 << 40
"""The size of a folder of dom0, or of an invented device, unless somebody states one."""
_MOUNT_FAILED = "mount failed with return code 32"
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Wanted:
    """A device_config on one host, with all storage that the host can reach. ``host`` is the host's uuid."""

    config: Mapping[str, str]
    network: StorageNetwork
    host: str
    era: Era

    def need(self, key: str, number: int, document: str = "") -> str:
        """The value of a key; the driver's error when it is missing or empty."""
        value = self.config.get(key, "")
        if not value:
            raise sm_failure(number, document=document)
        return value


@dataclass(frozen=True, slots=True)
class Place:
    """Where an SR is: a name that is the same on every host that sees it, and the size in bytes."""

    key: str
    size: int


def locate(sr_type: str, wanted: Wanted) -> Place:
    """Where an SR of that type is. SR_BACKEND_FAILURE_<n> from its driver when the device_config leads nowhere."""
    return _DRIVERS[sr_type](wanted)


# ---- disks of the host -----------------------------------------------------------------------------------------------------------


def _device(wanted: Wanted) -> Place:
    devices = wanted.need("device", 90).split(",")
    size = sum(_size_of_device(wanted, device) for device in devices)
    return Place(f"{wanted.host} {','.join(devices)}", size)


def _size_of_device(wanted: Wanted, device: str) -> int:
    if not device.startswith("/"):
        raise sm_failure(91, f"path is {device}")
    if device in {SYSTEM_DISK, f"{SYSTEM_DISK}1", f"{SYSTEM_DISK}2"}:
        raise sm_failure(105, f"Device {device} contains core system files, please use another device")
    if device not in wanted.network.local_disks and not device.startswith((SYSTEM_DISK, "/dev/disk/by-id/")):
        raise sm_failure(19, f"Device {device} does not exist")
    return wanted.network.local_disks.get(device, UNKNOWN_BYTES)


def _folder(wanted: Wanted) -> Place:
    location = wanted.need("location", 94)
    if not location.startswith("/"):
        raise sm_failure(91, f"path is {location}")
    return Place(f"{wanted.host} {location}", UNKNOWN_BYTES)


def _udev(wanted: Wanted) -> Place:
    return Place(f"{wanted.host} {wanted.need('location', 94)}", 0)


def _dummy(wanted: Wanted) -> Place:
    return Place(f"{wanted.host} dummy", UNKNOWN_BYTES)


# ---- file servers ----------------------------------------------------------------------------------------------------------------


def _nfs(wanted: Wanted) -> Place:
    name = wanted.need("server", 102)
    server = _server(wanted, wanted.network.nfs, name, 108)
    path = wanted.need("serverpath", 101, documents.exports(server, name, wanted.era))
    if not path.startswith("/"):
        raise sm_failure(103)
    if path not in server.shares:
        raise sm_failure(73, _MOUNT_FAILED)
    return Place(f"nfs {server.names[0]}:{path}", server.shares[path])


def _server(wanted: Wanted, servers: tuple[Server, ...], name: str, number: int) -> Server:
    """The server with that name; DNSError for an unknown name, the driver's own error for an address that offers no such service."""
    found = next((server for server in servers if name in server.names), None)
    if found is not None:
        return found
    raise sm_failure(number if is_address(name) or name in wanted.network.names else 140)


def is_address(name: str) -> bool:
    """Whether a name is an address, which needs no resolving."""
    return name.replace(".", "").isdecimal() or ":" in name


def _smb(wanted: Wanted) -> Place:
    unc = wanted.need("server", 102).replace("\\", "/").strip("/")
    name, _, share = unc.partition("/")
    server = _server(wanted, wanted.network.smb, name, 111)
    known = (wanted.config.get("username", ""), wanted.config.get("password", ""))
    if share not in server.shares or (server.user and known != (server.user, server.password)):
        raise sm_failure(111, _MOUNT_FAILED)
    return Place(f"smb {server.names[0]}/{share}", server.shares[share])


def _iso(wanted: Wanted) -> Place:
    location = wanted.need("location", 220)
    if wanted.config.get("legacy_mode") == "true" or location.startswith("/dev/"):
        return _local_library(wanted, location)
    if wanted.config.get("type") == "cifs" or location.startswith(("\\\\", "//")):
        key = location.replace("\\", "/")
    elif ":" in location:
        key = location
    else:
        raise sm_failure(225)
    if key not in wanted.network.folders:
        raise sm_failure(222)
    return Place(f"iso {key}", UNKNOWN_BYTES)


def _local_library(wanted: Wanted, location: str) -> Place:
    if location not in wanted.network.folders:
        raise sm_failure(226)
    return Place(f"{wanted.host} iso {location}", UNKNOWN_BYTES)


# ---- LUNs ------------------------------------------------------------------------------------------------------------------------


def targets_at(wanted: Wanted) -> tuple[Target, ...]:
    """The iSCSI targets behind the portals in a device_config."""
    names = [name for name in wanted.need("target", 95).split(",") if name]
    port = wanted.config.get("port", "") or "3260"
    if not 1 <= (whole(port) or 0) <= _LAST_PORT:
        raise sm_failure(142)
    found = tuple(target for target in wanted.network.targets if any(name in target.portals for name in names))
    if not found or port != "3260":
        known = port == "3260" and not any(is_address(name) or name in wanted.network.names for name in names)
        raise sm_failure(140 if known else 141)
    return found


def target_of(wanted: Wanted) -> Target:
    """The iSCSI target in a device_config, once logged in."""
    behind = targets_at(wanted)
    asked = wanted.config.get("targetIQN", "")
    target = next((one for one in behind if asked in (one.iqn, "*")), None)
    if target is None:
        raise sm_failure(96, document=documents.targets(behind, wanted.config["target"].split(",")[0], wanted.era))
    known = (wanted.config.get("chapuser", ""), wanted.config.get("chappassword", ""))
    if target.user and known != (target.user, target.password):
        raise sm_failure(68)
    return target


def _lun(wanted: Wanted, luns: tuple[Lun, ...], document: str) -> Place:
    asked = wanted.config.get("SCSIid", "")
    lun = next((one for one in luns if one.scsi_id == asked), None)
    if lun is None:
        raise sm_failure(107, document=document)
    return Place(f"lun {lun.scsi_id}", lun.size)


def _lvmoiscsi(wanted: Wanted) -> Place:
    luns = target_of(wanted).luns
    return _lun(wanted, luns, documents.luns(luns, wanted.era))


def _lvmohba(wanted: Wanted) -> Place:
    luns = wanted.network.fabric
    return _lun(wanted, luns, documents.block_devices(luns, wanted.era))


def _iscsi(wanted: Wanted) -> Place:
    target = target_of(wanted)
    return Place(f"target {target.iqn}", sum(lun.size for lun in target.luns))


def _hba(wanted: Wanted) -> Place:
    return Place("fabric", sum(lun.size for lun in wanted.network.fabric))


# ---- arrays that have a driver of their own --------------------------------------------------------------------------------------


def _netapp(wanted: Wanted) -> Place:
    target, user, password = wanted.need("target", 120), wanted.need("username", 121), wanted.need("password", 122)
    filer = _array(wanted.network.filers, target, (user, password), missing=124, denied=125)
    aggregate = wanted.config.get("aggregate", "")
    if aggregate not in filer.shares:
        raise sm_failure(123, document=documents.aggregates(filer, wanted.era))
    return Place(f"netapp {target} {aggregate}", filer.shares[aggregate])


def _equal(wanted: Wanted) -> Place:
    target, user, password = wanted.need("target", 160), wanted.need("username", 161), wanted.need("password", 162)
    group = _array(wanted.network.groups, target, (user, password), missing=173, denied=169)
    pool = wanted.need("storagepool", 163, documents.storage_pools(group, wanted.era))
    if pool not in group.shares:
        raise sm_failure(172)
    return Place(f"equal {target} {pool}", group.shares[pool])


def _cslg(wanted: Wanted) -> Place:
    target, user, password = wanted.need("target", 115), wanted.need("username", 115), wanted.need("password", 115)
    gateway = _array(wanted.network.gateways, target, (user, password), missing=140, denied=125)
    lun = wanted.config.get("SCSIid", "") or next(iter(gateway.shares))
    if lun not in gateway.shares:
        raise sm_failure(107)
    return Place(f"cslg {target} {lun}", gateway.shares[lun])


def _array(arrays: tuple[Server, ...], name: str, known: tuple[str, str], *, missing: int, denied: int) -> Server:
    found = next((array for array in arrays if name in array.names), None)
    if found is None:
        raise sm_failure(missing)
    if known != (found.user, found.password):
        raise sm_failure(denied)
    return found


_DRIVERS: Mapping[str, Callable[[Wanted], Place]] = {
    "ext": _device,
    "lvm": _device,
    "file": _folder,
    "udev": _udev,
    "dummy": _dummy,
    "nfs": _nfs,
    "smb": _smb,
    "iso": _iso,
    "lvmoiscsi": _lvmoiscsi,
    "lvmohba": _lvmohba,
    "iscsi": _iscsi,
    "hba": _hba,
    "netapp": _netapp,
    "equal": _equal,
    "cslg": _cslg,
}
TAKES_ALL = frozenset({"ext", "lvm", "lvmoiscsi", "lvmohba", "cslg"})
"""Types whose SR occupies a device or LUN by itself; others can share a location."""
NEEDS_MEDIUM = {"ext": 47, "lvm": 47, "lvmoiscsi": 47, "lvmohba": 47, "nfs": 73, "smb": 111, "netapp": 47, "equal": 47, "cslg": 47}
"""Types whose SR must exist on its device before it can be attached, and the driver's error when it does not."""
