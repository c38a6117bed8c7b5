"""The rows of class SM: one for each type of SR for which a release has a driver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle.storage_types import driver_features, supported_types


class Driver(NamedTuple):
    """A driver's description of itself: its name, its program, and the keys of its ``device_config``."""

    label: str
    program: str
    configuration: Mapping[str, str]


_SERVER = {"server": "hostname or IP address of the server (required)"}
_DEVICE = {"device": "local device path (required)"}
_TARGET = {
    "target": "IP address or hostname of the iSCSI target (required)",
    "targetIQN": "IQN of the target (required)",
    "SCSIid": "id of the LUN (required)",
    "chapuser": "user name for CHAP (optional)",
    "chappassword": "password for CHAP (optional)",
    "port": "network port of the target, 3260 if not given (optional)",
    "multihomed": "use all addresses of the target (optional)",
}
_LUN = {"SCSIid": "id of the LUN (required)"}
_PATH = {"location": "path of the folder (required)"}
_ACCOUNT = {"username": "user name (required)", "password": "password (required)"}
_CIFS = {"username": "user name (optional)", "cifspassword": "password (optional)", "vers": "version of SMB (optional)"}

DRIVERS: Mapping[str, Driver] = {
    "ext": Driver("Local EXT VHD", "EXTSR", _DEVICE),
    "file": Driver("File VHD", "FileSR", _PATH),
    "nfs": Driver("NFS VHD", "NFSSR", {**_SERVER, "serverpath": "path on the server (required)"}),
    "smb": Driver("SMB VHD", "SMBSR", {**_SERVER, "username": "user name (optional)", "password": "password (optional)"}),
    "lvm": Driver("Local VHD on LVM", "LVMSR", _DEVICE),
    "lvmoiscsi": Driver("VHD over iSCSI", "LVMoISCSISR", _TARGET),
    "lvmohba": Driver("VHD over HBA", "LVMoHBASR", _LUN),
    "iso": Driver("ISO", "ISOSR", {**_PATH, "type": "nfs_iso or cifs (optional)", "options": "for mounting (optional)", **_CIFS}),
    "udev": Driver("udev", "udevSR", _PATH),
    "iscsi": Driver("Raw iSCSI", "ISCSISR", _TARGET),
    "hba": Driver("Raw HBA", "HBASR", _LUN),
    "dummy": Driver("dummy", "DummySR", {}),
    "netapp": Driver(
        "NetApp", "NETAPPSR", {"target": "address of the filer (required)", **_ACCOUNT, "aggregate": "its aggregate (required)"}
    ),
    "equal": Driver(
        "EqualLogic", "EQUALSR", {"target": "address of the group (required)", **_ACCOUNT, "storagepool": "its pool (required)"}
    ),
    "cslg": Driver(
        "StorageLink Gateway", "CSLGSR", {"target": "address of the array (required)", **_ACCOUNT, "SCSIid": "id of the LUN (optional)"}
    ),
}
_SECOND_VERSION = frozenset({"VDI_RESET_ON_BOOT"})


def drivers(era: Era) -> Iterator[dict[str, Any]]:
    """The fields of each row."""
    return (_fields(name, era) for name in supported_types(era))


def _fields(name: str, era: Era) -> dict[str, Any]:
    driver, features = DRIVERS[name], sorted(driver_features(name, era))
    return {
        "name_label": driver.label,
        "name_description": f"SR driver for storage of type {name}",
        "type": name,
        "vendor": "Citrix Systems Inc",
        "copyright": "(C) Citrix Systems Inc",
        "version": "1.0",
        "required_api_version": "1.0",
        "configuration": driver.configuration,
        "capabilities": tuple(features),
        "features": {feature: 2 if feature in _SECOND_VERSION else 1 for feature in features},
        "driver_filename": f"/opt/xensource/sm/{driver.program}",
    }
