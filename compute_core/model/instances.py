"""Instances: servers as the API, the cells and the agents pass them around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from compute_core.model.flavors import Flavor
from compute_core.model.volumes import BlockDevice, DeviceState

VmState = Literal[
    "building", "active", "paused", "suspended", "stopped", "rescued", "shelved", "shelved_offloaded", "soft-delete", "resized",
    "error", "deleted",
]  # fmt: skip
PowerState = Literal[0, 1, 3, 4, 6, 7]
NO_STATE: Literal[0] = 0
RUNNING: Literal[1] = 1
PAUSED: Literal[3] = 3
SHUTDOWN: Literal[4] = 4
CRASHED: Literal[6] = 6
SUSPENDED: Literal[7] = 7
"""The API's numbers for ``OS-EXT-STS:power_state``."""

POWER_STATES: Mapping[str, PowerState] = {"Halted": SHUTDOWN, "Running": RUNNING, "Paused": PAUSED, "Suspended": SUSPENDED}
"""XenAPI's power states in the API's numbers."""


@dataclass(frozen=True, slots=True)
class Vif:
    """One network interface of a server: where it is plugged and which address it has been given. ``id`` is its port's.

    ``is_users``: the port is somebody's own and outlives the server. ``is_secured``: kept to its address.
    """

    id: str
    mac: str
    network_id: str
    network_label: str
    bridge: str
    ip: str
    prefix_length: int
    gateway: str
    device: int = 0
    tag: str | None = None
    is_users: bool = False
    is_secured: bool = True
    state: DeviceState = "attached"


@dataclass(frozen=True, slots=True)
class File:
    """A file that the user wants in the guest; ``contents`` are in base64, as they came."""

    path: str
    contents: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a server is in error, as the API shows it; ``kind`` is the error's class, "NoValidHost" for a cell without room."""

    code: int
    message: str
    created_at: str
    details: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """One server. Its compute cell owns it; every change there raises ``update_seq``, and the API cell keeps the newest copy.

    ``locked_by`` is "owner" or "admin", "" while it is not locked. ``new_flavor`` is what it is being resized to, ``old_flavor`` what it
    was resized from and may be taken back to; both None while neither is so. ``encrypted_password`` is its administrator's, for the
    owner of its key to read, in base64. ``pending`` are members, in their JSON form, as they will be when what is under way has ended
    well.
    """

    uuid: str
    name: str
    project_id: str
    user_id: str
    flavor: Flavor
    image_ref: str
    created_at: str
    updated_at: str
    vm_state: VmState = "building"
    task_state: str | None = "scheduling"
    power_state: int = NO_STATE
    progress: int = 0
    host: str | None = None
    hypervisor_hostname: str | None = None
    cell: str | None = None
    availability_zone: str | None = None
    launched_at: str | None = None
    terminated_at: str | None = None
    is_deleted: bool = False
    hostname: str = ""
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    user_data: str | None = None
    has_config_drive: bool = False
    key_name: str | None = None
    key_data: str | None = None
    disk_config: str = "MANUAL"
    reservation_id: str = ""
    launch_index: int = 0
    root_device_name: str = "/dev/xvda"
    access_ip_v4: str = ""
    access_ip_v6: str = ""
    is_locked: bool = False
    locked_by: str = ""
    locked_reason: str | None = None
    rescue_image_ref: str | None = None
    shelved_image_ref: str | None = None
    shelved_at: str | None = None
    soft_deleted_at: str | None = None
    pending: Mapping[str, Any] = field(default_factory=dict)
    old_flavor: Flavor | None = None
    new_flavor: Flavor | None = None
    vifs: tuple[Vif, ...] = ()
    block_devices: tuple[BlockDevice, ...] = ()
    personality: tuple[File, ...] = ()
    encrypted_password: str = field(default="", repr=False)
    fault: Fault | None = None
    update_seq: int = 0

    @property
    def boots_from_volume(self) -> bool:
        """Whether its root disk is a volume: then it has no image of its own."""
        return any(device.boot_index == 0 for device in self.block_devices)

    @property
    def domain_name(self) -> str:
        """The VM's name_label on its host, found again after a crash."""
        return domain_name(self.uuid)


def domain_name(uuid: str) -> str:
    """The name of a server's VM."""
    return f"instance-{uuid}"
