"""What a caller asks for, once it has been checked: values between the API and the cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.model.instances import File
from compute_core.model.networks import Wish
from compute_core.model.volumes import NewDisk


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Who asks: from the token. ``request_id`` is ``req-<uuid>`` and follows the request through logs and buses."""

    user_id: str
    project_id: str
    roles: tuple[str, ...] = ()
    request_id: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether the caller may see all projects, hosts and services."""
        return "admin" in self.roles


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """One ``POST /servers``. ``image_ref`` is "" when it boots from one of ``disks``, its volumes;
    ``disk_config`` is "" where the image says how its disk is treated.

    ``admin_password`` goes to the guest and is never stored or logged.
    """

    name: str
    flavor_id: str
    image_ref: str
    min_count: int = 1
    max_count: int = 1
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    user_data: str | None = None
    has_config_drive: bool = False
    key_name: str | None = None
    availability_zone: str | None = None
    target_host: str | None = None
    description: str | None = None
    hostname: str | None = None
    disk_config: str = ""
    access_ip_v4: str = ""
    access_ip_v6: str = ""
    networks: tuple[Wish, ...] | None = None
    scheduler_hints: Mapping[str, str] = field(default_factory=dict)
    disks: tuple[NewDisk, ...] = ()
    personality: tuple[File, ...] = ()
    admin_password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RebuildRequest:
    """One ``rebuild``. ``changes`` are members of the instance; ``sets_key``: whether ``key_name`` (None: no key) was given."""

    image_ref: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    sets_key: bool = False
    key_name: str | None = None
    admin_password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ServerFilters:
    """What ``GET /servers`` may ask for; None means "any". ``name`` and ``ip`` are regular expressions, as in the API."""

    project_id: str | None = None
    is_deleted: bool | None = False
    name: str | None = None
    status: tuple[str, ...] | None = None
    host: str | None = None
    image_ref: str | None = None
    flavor_id: str | None = None
    user_id: str | None = None
    reservation_id: str | None = None
    uuid: str | None = None
    ip: str | None = None
    key_name: str | None = None
    availability_zone: str | None = None
    power_state: int | None = None
    vm_state: str | None = None
    task_state: str | None = None
    has_config_drive: bool | None = None
    description: str | None = None
    changes_since: str | None = None
    changes_before: str | None = None
    marker: str | None = None
    limit: int = 1000
    sort_keys: tuple[str, ...] = ("created_at", "uuid")
    is_descending: tuple[bool, ...] = (True, True)
