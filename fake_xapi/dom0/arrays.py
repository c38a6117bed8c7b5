"""The storage that lies outside the hosts: which servers, targets and LUNs there are, and what is written on them.

All hosts of a process see the same arrays, so that a LUN that one pool gives up is found by the next. May not know drivers or verbs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import msgspec

GIB = 1 << 30
TIB = 1 << 40


@dataclass(frozen=True, slots=True)
class Lun:
    """One LUN of a target or a fabric."""

    scsi_id: str
    size: int
    number: int = 0
    vendor: str = "SIMARRAY"

    @property
    def serial(self) -> str:
        """What the array prints on it."""
        return self.scsi_id[-12:]


@dataclass(frozen=True, slots=True)
class Server:
    """A file server by its names and addresses: how large each export or share is. Without a user anybody may mount it."""

    names: tuple[str, ...]
    shares: Mapping[str, int]
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """An iSCSI target behind one or more portals. Without a user it asks for no CHAP."""

    iqn: str
    portals: tuple[str, ...]
    luns: tuple[Lun, ...]
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class StorageNetwork:
    """Everything that a host finds beside its system disk. ``folders`` are local paths and shares that hold files: name to size."""

    nfs: tuple[Server, ...] = ()
    smb: tuple[Server, ...] = ()
    targets: tuple[Target, ...] = ()
    fabric: tuple[Lun, ...] = ()
    filers: tuple[Server, ...] = ()
    groups: tuple[Server, ...] = ()
    gateways: tuple[Server, ...] = ()
    local_disks: Mapping[str, int] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """Every name and address that answers."""
        servers = (*self.nfs, *self.smb, *self.filers, *self.groups, *self.gateways)
        return frozenset({name for server in servers for name in server.names} | {name for one in self.targets for name in one.portals})


SYSTEM_DISK = "/dev/sda"
STANDARD = StorageNetwork(
    nfs=(Server(("10.255.0.10", "nfs.storage.example"), {"/exports/sr1": TIB, "/exports/sr2": TIB, "/exports/iso": 100 * GIB}),),
    smb=(Server(("10.255.0.12", "smb.storage.example"), {"sr": TIB, "iso": 100 * GIB}, "xen", "smbsecret"),),
    targets=(
        Target(
            "iqn.2012-08.example.storage:array1",
            ("10.255.0.20", "10.255.0.21", "iscsi.storage.example"),
            tuple(Lun(f"360a98000534b4f4e46704f76692d6d{number:02d}", 500 * GIB, number) for number in range(4)),
        ),
        Target(
            "iqn.2012-08.example.storage:secret",
            ("10.255.0.20", "iscsi.storage.example"),
            (Lun("360a98000534b4f4e46704f76692d7300", 500 * GIB),),
            "chap",
            "chapsecret",
        ),
    ),
    fabric=tuple(Lun(f"3600508b4000971ca0000a0000{number:07d}", TIB, number) for number in range(2)),
    filers=(Server(("10.255.0.30",), {"aggr0": TIB, "aggr1": TIB}, "root", "filersecret"),),
    groups=(Server(("10.255.0.40",), {"default": TIB}, "grpadmin", "groupsecret"),),
    gateways=(Server(("10.255.0.50",), {"lun0": TIB}, "admin", "gatesecret"),),
    local_disks={"/dev/sdb": TIB, "/dev/sdc": TIB, "/dev/sdd": TIB},
    folders={
        "/opt/xensource/packages/iso": {"guest-tools.iso": 64 << 20},
        "/var/opt/xen/iso_import": {},
        "10.255.0.10:/exports/iso": {"debian-squeeze-netinst.iso": 180 << 20, "memtest86.iso": 2 << 20},
        "//10.255.0.12/iso": {"windows-2008.iso": 3 * GIB},
    },
)
"""What there is unless somebody says otherwise."""


@lru_cache(maxsize=64)
def network_of(text: str) -> StorageNetwork:
    """The storage that a JSON text describes, with the fields of ``StorageNetwork``; ValueError tells what is wrong in it."""
    return msgspec.json.decode(text, type=StorageNetwork)


def read_network(path: Path) -> StorageNetwork:
    """The storage that a JSON file describes; ValueError names the file, what is wrong in it and the cure."""
    try:
        return network_of(path.read_text(encoding="utf-8"))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        known = ", ".join(StorageNetwork.__dataclass_fields__)
        raise ValueError(f"{path}: {error}; write an object with any of {known}") from error
