"""Volumes: disks of their own that outlive servers, where hosts find them, and which of them a server has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

VolumeStatus = Literal["creating", "available", "reserved", "attaching", "in-use", "detaching", "backing-up", "error"]
DeviceState = Literal["attaching", "attached", "detaching", "replacing"]
AttachmentStatus = Literal["reserved", "attaching", "attached"]

CAPACITY = 15
"""The highest number of a disk in a VM that every guest finds."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a volume is: one LUN of an iSCSI target. ``asks_login``: not without CHAP."""

    address: str
    iqn: str
    lun: int
    port: int = 3260
    asks_login: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """All that a host needs to reach a volume. The secrets go to the host, and nowhere else."""

    target: Target
    user: str = ""
    password: str = field(default="", repr=False)
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A volume of a server. ``boot_index`` 0: it boots from it; None: it has nothing to do with that."""

    volume_id: str
    attachment_id: str
    device: str
    boot_index: int | None = None
    deletes_volume: bool = False
    tag: str | None = None
    state: DeviceState = "attached"
    target: Target | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the server has it, or will unless that fails; one that is being put in another's place it has not yet."""
        return self.state != "replacing"

    @property
    def userdevice(self) -> str:
        """Its number in the VM: 1 for ``/dev/xvdb``."""
        return str(ord(self.device[-1]) - ord("a"))


@dataclass(frozen=True, slots=True)
class NewDisk:
    """A volume that a server is to be built with: one that is there, or (``volume_id`` None) a new one of this size.

    A new one holds what the snapshot ``snapshot_id`` does; 0 for its size: as large as that.
    """

    volume_id: str | None
    size_gb: int = 0
    boot_index: int | None = None
    device: str | None = None
    deletes_volume: bool = False
    tag: str | None = None
    snapshot_id: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A volume that is, or is about to be, a server's."""

    id: str
    volume_id: str
    instance_uuid: str
    status: AttachmentStatus = "reserved"
    device: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume. Dates are ISO texts."""

    id: str
    project_id: str
    user_id: str
    size_gb: int
    created_at: str
    updated_at: str
    status: VolumeStatus = "available"
    name: str = ""
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_multiattach: bool = False
    is_bootable: bool = False
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was on a volume once. Dates are ISO texts."""

    id: str
    volume_id: str
    project_id: str
    user_id: str
    size_gb: int
    created_at: str
    updated_at: str
    status: VolumeStatus = "creating"
    name: str = ""
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def device_name(number: int) -> str:
    """The usual name of a disk by its number in the VM."""
    return f"/dev/xvd{chr(ord('a') + number)}"
