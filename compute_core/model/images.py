"""Images as the image service shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ImageStatus = Literal["queued", "saving", "active", "killed", "deleted"]


@dataclass(frozen=True, slots=True)
class Image:
    """One image. ``properties`` are the custom ones (``hypervisor_type``, ``vm_mode``, ``os_type``, ...), texts all."""

    id: str
    name: str
    status: ImageStatus
    owner: str
    created_at: str
    updated_at: str
    disk_format: str | None = None
    container_format: str | None = None
    visibility: str = "private"
    size_bytes: int | None = None
    virtual_size_bytes: int | None = None
    checksum_md5: str | None = None
    hash_sha512: str | None = None
    min_disk_gb: int = 0
    min_ram_mb: int = 0
    is_protected: bool = False
    is_hidden: bool = False
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
