"""The features of each type of SR: those of its driver, by era. The rows of class SM agree with this."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fake_xapi.datamodel.personality import Era

_DISKS = ("VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH")
_CHAINS = ("VDI_UPDATE", "VDI_CLONE", "VDI_SNAPSHOT", "VDI_RESIZE", "VDI_MIRROR")
_ACTIVE = ("VDI_CONFIG_CBT", "VDI_ACTIVATE", "VDI_DEACTIVATE")
_FILE = ("SR_PROBE", *_DISKS, *_CHAINS, "VDI_GENERATE_CONFIG", *_ACTIVE, "ATOMIC_PAUSE", "THIN_PROVISIONING", "VDI_READ_CACHING")
_LVM = ("SR_PROBE", "SR_UPDATE", "SR_TRIM", *_DISKS, *_CHAINS, "VDI_RESET_ON_BOOT", *_ACTIVE)
_SHARED_FILE = (*_FILE, "SR_UPDATE", "VDI_RESET_ON_BOOT", "SR_CACHING")
_SHARED_LVM = (*_LVM, "SR_METADATA", "SR_CACHING", "VDI_GENERATE_CONFIG")
_RAW_LUN = ("SR_PROBE", *_DISKS, "VDI_INTRODUCE")
_ARRAY = ("SR_PROBE", *_DISKS, "VDI_CLONE", "VDI_SNAPSHOT", "VDI_RESIZE")
_DUMMY = ("SR_PROBE", *_DISKS, "VDI_ACTIVATE", "VDI_DEACTIVATE", "VDI_CLONE", "VDI_SNAPSHOT", "VDI_RESIZE", "VDI_INTRODUCE")

DRIVERS: Mapping[str, tuple[str, ...]] = {
    "ext": (*_FILE, "SR_UPDATE", "SR_SUPPORTS_LOCAL_CACHING", "VDI_RESET_ON_BOOT"),
    "file": _FILE,
    "nfs": _SHARED_FILE,
    "smb": _SHARED_FILE,
    "lvm": _LVM,
    "lvmoiscsi": _SHARED_LVM,
    "lvmohba": _SHARED_LVM,
    "iso": (*_DISKS, "SR_SCAN", "SR_ATTACH", "SR_DETACH"),
    "udev": ("VDI_INTRODUCE", "VDI_ATTACH", "VDI_DETACH", "VDI_UPDATE", "SR_UPDATE"),
    "iscsi": _RAW_LUN,
    "hba": _RAW_LUN,
    "dummy": _DUMMY,
    "netapp": _ARRAY,
    "equal": (*_ARRAY, "SR_UPDATE", "VDI_UPDATE"),
    "cslg": (*_ARRAY, "VDI_GENERATE_CONFIG", "SR_METADATA"),
}
"""The types that some release knows, and the features of their drivers."""

_CAME_AFTER_2012 = frozenset({"VDI_CONFIG_CBT", "THIN_PROVISIONING", "VDI_READ_CACHING", "SR_TRIM"})
_ONLY_MODERN = frozenset({"smb"})
_ONLY_OF_2012 = frozenset({"netapp", "equal", "cslg"})
_THIN_TYPES = frozenset({"ext", "file", "nfs", "smb", "dummy", "netapp", "equal", "cslg"})
RAW_TYPES = frozenset({"iso", "udev", "iscsi", "hba"})
"""Types whose disks are not VHDs: whole LUNs, devices and files."""

CHAINED_TYPES = frozenset({"ext", "file", "nfs", "smb", "lvm", "lvmoiscsi", "lvmohba", "dummy"})
"""Types whose snapshots are chains of VHDs; arrays keep their own."""

NETWORK_TYPES = frozenset({"nfs", "smb", "lvmoiscsi", "lvmohba", "netapp", "equal", "cslg"})
"""Types whose disks are outside every host, where other pools see them too."""

LUN_TYPES = frozenset({"iscsi", "hba"})
"""Types whose disks are LUNs that an array made beforehand."""


@cache
def driver_features(sr_type: str, era: Era) -> frozenset[str]:
    """The features of a type's driver; none for an unknown type."""
    features = frozenset(DRIVERS.get(sr_type, ()))
    if era == "modern":
        return features
    kept = features - _CAME_AFTER_2012
    return kept - {"VDI_MIRROR"} if era == "boston" and sr_type in ("ext", "nfs") else kept


def supported_types(era: Era) -> tuple[str, ...]:
    """The types of SR that a release has drivers for."""
    missing = _ONLY_OF_2012 if era == "modern" else _ONLY_MODERN
    return tuple(name for name in DRIVERS if name not in missing)


def is_thin(sr_type: str) -> bool:
    """Whether a disk takes room on the SR only as it is written."""
    return sr_type in _THIN_TYPES
