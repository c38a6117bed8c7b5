"""From a request for servers to the instances that are to be built: checks and names, as pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any
from uuid import UUID

from compute_core.model.errors import Invalid
from compute_core.model.flavors import Flavor
from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.model.json import to_json
from compute_core.model.keypairs import KeyPair
from compute_core.model.limits import UNLIMITED, QuotaLimits, Usage
from compute_core.model.requests import RequestContext, ServerRequest

RESERVATION_SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789"
LONGEST_HOSTNAME = 63
ENABLED, DISABLED = frozenset({"1", "t", "true", "on", "y", "yes"}), frozenset({"0", "f", "false", "off", "n", "no"})
"""What images say of automatic disk configuration."""


def check_image(image: Image, flavor: Flavor, context: RequestContext) -> None:
    """Raises Invalid for an image that this caller cannot boot with this flavor."""
    is_visible = context.is_admin or image.owner == context.project_id or image.visibility in {"public", "community", "shared"}
    if not is_visible:
        raise Invalid(f"Image {image.id} could not be found.")
    if image.status != "active":
        raise Invalid(f"Image {image.id} is not active.")
    if flavor.memory_mb < image.min_ram_mb:
        raise Invalid(f"Flavor's memory is too small for requested image: it wants {image.min_ram_mb} MB.")
    if flavor.root_gb < image.min_disk_gb:
        raise Invalid(f"Flavor's disk is too small for requested image: it wants {image.min_disk_gb} GB.")
    if image.virtual_size_bytes is not None and image.virtual_size_bytes > flavor.root_gb << 30:
        raise Invalid(f"Flavor's disk is too small for requested image: its disk has {image.virtual_size_bytes} bytes.")


def how_many(most_wanted: int, flavor: Flavor, used: Usage, limits: QuotaLimits) -> int:
    """As many of ``most_wanted`` as the quota leaves room for."""
    each = (
        (limits.instances, used.instances, 1),
        (limits.cores, used.cores, flavor.vcpus),
        (limits.memory_mb, used.memory_mb, flavor.memory_mb),
    )
    room = [(most - now) // size for most, now, size in each if size and most != UNLIMITED]
    return max(min([most_wanted, *room]), 0)


def usage_of(flavor: Flavor, count: int = 1) -> Usage:
    """What so many servers of a flavor count against a quota."""
    return Usage(count, flavor.vcpus * count, flavor.memory_mb * count)


def counted(instance: Instance) -> Usage:
    """What a server counts against its project's quota: while it may have either of two sizes, the larger one."""
    sizes = [flavor for flavor in (instance.flavor, instance.old_flavor, instance.new_flavor) if flavor is not None]
    return Usage(1, max(flavor.vcpus for flavor in sizes), max(flavor.memory_mb for flavor in sizes))


def beyond(usage: Usage, other: Usage) -> Usage:
    """By how much one is more than the other; less is negative."""
    return Usage(usage.instances - other.instances, usage.cores - other.cores, usage.memory_mb - other.memory_mb)


def new_instances(
    context: RequestContext, request: ServerRequest, flavor: Flavor, key: KeyPair | None, now: str, chance: Random
) -> tuple[Instance, ...]:
    """The ``max_count`` instances of a request, with uuids from a stream of chance."""
    reservation = "r-" + "".join(chance.choice(RESERVATION_SIGNS) for _ in range(8))
    count = request.max_count
    names = [request.name] if count == 1 else [f"{request.name}-{index + 1}" for index in range(count)]
    return tuple(
        Instance(
            uuid=str(UUID(int=chance.getrandbits(128), version=4)),
            name=name,
            project_id=context.project_id,
            user_id=context.user_id,
            flavor=flavor,
            image_ref=request.image_ref,
            created_at=now,
            updated_at=now,
            hostname=hostname_of(request.hostname or name),
            description=request.description,
            metadata=dict(request.metadata),
            tags=request.tags,
            user_data=request.user_data,
            personality=request.personality,
            has_config_drive=request.has_config_drive,
            key_name=request.key_name,
            key_data=None if key is None else key.public_key,
            disk_config=request.disk_config,
            reservation_id=reservation,
            launch_index=index,
            access_ip_v4=request.access_ip_v4,
            access_ip_v6=request.access_ip_v6,
            availability_zone=request.availability_zone,
        )
        for index, name in enumerate(names)
    )


def disk_config(request: ServerRequest, image: Image) -> str:
    """How the root disk is treated: as is asked, else as the image says. Invalid when the image forbids what is asked."""
    said = image.properties.get("auto_disk_config", "").lower()
    if request.disk_config == "AUTO" and said in DISABLED:
        raise Invalid(f"Requested image {image.id} has automatic disk resize disabled.")
    return request.disk_config or ("AUTO" if said in ENABLED else "MANUAL")


def hints_of(request: ServerRequest) -> Mapping[str, Any]:
    """What the cell needs to know beyond the instances."""
    return {
        "availability_zone": request.availability_zone,
        "target_host": request.target_host,
        "networks": None if request.networks is None else to_json(request.networks),
        "scheduler_hints": dict(request.scheduler_hints),
    }


def hostname_of(name: str) -> str:
    """A name that a guest can bear."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower())[:LONGEST_HOSTNAME].strip("-.") or "server"
