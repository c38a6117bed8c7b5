"""What an operator looks at and what a project may use: services, zones, limits, extensions."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from compute_core.api.call import Call
from compute_core.api.schemas.types import LAST
from compute_core.api.texts import is_true
from compute_core.model.errors import Invalid, NotFound
from compute_core.model.hosts import Service
from compute_core.model.limits import MOST_FILE_BYTES, MOST_FILES, Limits

CELL_NUMBER = 1


def number_of(uuid: str) -> int:
    """The number by which versions before 2.53 name what has a UUID."""
    return zlib.crc32(uuid.encode()) & 0x7FFFFFFF


def date_of(date: str | None) -> str | None:
    """A date as these resources write it: with microseconds and without a zone."""
    return None if date is None else f"{date.removesuffix('Z')}.000000"


# ---- services ----------------------------------------------------------------------------------------------------------------


def _service(call: Call, service: Service) -> dict[str, Any]:
    answer = {
        "id": service.uuid if call.version >= 53 else number_of(service.uuid),
        "binary": service.binary,
        "host": service.host,
        "zone": service.availability_zone,
        "status": "enabled" if service.is_enabled else "disabled",
        "state": "up" if service.is_up else "down",
        "updated_at": date_of(service.updated_at),
        "disabled_reason": service.disabled_reason,
    }
    return answer | ({"forced_down": service.is_forced_down} if call.version >= 11 else {})


async def services(call: Call) -> dict[str, Any]:
    """Every service, or those of one host or kind."""
    host, binary = call.query.get("host"), call.query.get("binary")
    found = await call.services.compute.list_services(call.context)
    wanted = [item for item in found if host in {None, item.host} and binary in {None, item.binary}]
    return {"services": [_service(call, item) for item in wanted]}


async def set_service(call: Call) -> dict[str, Any]:
    """Enable, disable or force down one service, named by its UUID."""
    asked = call.body
    status = asked.get("status")
    if "disabled_reason" in asked and status != "disabled":
        raise Invalid("Specifying disabled_reason requires that status is 'disabled'.")
    service = await call.services.compute.set_service(
        call.context,
        call.path["service_id"],
        is_enabled=None if status is None else status == "enabled",
        disabled_reason=asked.get("disabled_reason"),
        is_forced_down=is_true(asked["forced_down"]) if "forced_down" in asked else None,
    )
    return {"service": _service(call, service)}


async def _named(call: Call) -> Service:
    asked = call.body
    found = await call.services.compute.list_services(call.context)
    named = [service for service in found if (service.host, service.binary) == (asked["host"], asked["binary"])]
    if not named:
        raise NotFound(f"Could not find binary {asked['binary']} on host {asked['host']}.")
    return named[0]


async def enable(call: Call) -> dict[str, Any]:
    """Enable the service that the body names by host and binary."""
    service = await call.services.compute.set_service(call.context, (await _named(call)).uuid, is_enabled=True)
    return {"service": {"host": service.host, "binary": service.binary, "status": "enabled"}}


async def disable(call: Call) -> dict[str, Any]:
    """Disable it."""
    service = await call.services.compute.set_service(call.context, (await _named(call)).uuid, is_enabled=False)
    return {"service": {"host": service.host, "binary": service.binary, "status": "disabled"}}


async def disable_with_reason(call: Call) -> dict[str, Any]:
    """Disable it and say why."""
    reason = call.body.get("disabled_reason")
    if reason is None:
        raise Invalid("Missing disabled reason field")
    service = await call.services.compute.set_service(
        call.context, (await _named(call)).uuid, is_enabled=False, disabled_reason=reason
    )  # fmt: skip
    return {"service": {"host": service.host, "binary": service.binary, "status": "disabled", "disabled_reason": reason}}


async def force_down(call: Call) -> dict[str, Any]:
    """Say that it is down, whatever its heartbeats say; or no longer."""
    if "forced_down" not in call.body:
        raise Invalid("Missing forced_down field")
    is_down = is_true(call.body["forced_down"])
    service = await call.services.compute.set_service(call.context, (await _named(call)).uuid, is_forced_down=is_down)
    return {"service": {"host": service.host, "binary": service.binary, "forced_down": is_down}}


# ---- availability zones ------------------------------------------------------------------------------------------------------


async def zones(call: Call) -> dict[str, Any]:
    """The zones and whether they are available."""
    found = await call.services.compute.availability_zones(call.context)
    return {"availabilityZoneInfo": [_zone(zone.name, None, is_available=zone.is_available) for zone in found]}


async def zones_detail(call: Call) -> dict[str, Any]:
    """The zones with their hosts and services."""
    found = await call.services.compute.availability_zones(call.context)
    by_host: dict[str, dict[str, Any]] = {}
    for item in await call.services.compute.list_services(call.context):
        state = {"active": item.is_enabled, "available": item.is_up, "updated_at": date_of(item.updated_at)}
        by_host.setdefault(item.host, {})[item.binary] = state
    return {
        "availabilityZoneInfo": [
            _zone(zone.name, {host: by_host.get(host, {}) for host in zone.hosts}, is_available=zone.is_available) for zone in found
        ]
    }


def _zone(name: str, hosts: dict[str, Any] | None, *, is_available: bool) -> dict[str, Any]:
    return {"zoneName": name, "zoneState": {"available": is_available}, "hosts": hosts}


# ---- limits ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Limit:
    name: str
    value: Callable[[Limits], int]
    until: int = LAST


LIMITS: tuple[_Limit, ...] = (
    _Limit("maxTotalInstances", lambda limits: limits.maximum.instances),
    _Limit("maxTotalCores", lambda limits: limits.maximum.cores),
    _Limit("maxTotalRAMSize", lambda limits: limits.maximum.memory_mb),
    _Limit("maxServerMeta", lambda limits: limits.maximum.metadata_items),
    _Limit("maxTotalKeypairs", lambda limits: limits.maximum.key_pairs),
    _Limit("maxServerGroups", lambda limits: limits.maximum.server_groups),
    _Limit("maxServerGroupMembers", lambda limits: limits.maximum.server_group_members),
    _Limit("totalInstancesUsed", lambda limits: limits.used.instances),
    _Limit("totalCoresUsed", lambda limits: limits.used.cores),
    _Limit("totalRAMUsed", lambda limits: limits.used.memory_mb),
    _Limit("totalServerGroupsUsed", lambda _: 0),
    _Limit("maxImageMeta", lambda limits: limits.maximum.metadata_items, until=38),
    _Limit("maxPersonality", lambda _: MOST_FILES, until=56),
    _Limit("maxPersonalitySize", lambda _: MOST_FILE_BYTES, until=56),
    _Limit("maxSecurityGroups", lambda _: 1, until=35),
    _Limit("maxSecurityGroupRules", lambda _: 0, until=35),
    _Limit("totalSecurityGroupsUsed", lambda _: 1, until=35),
    _Limit("maxTotalFloatingIps", lambda _: 0, until=35),
    _Limit("totalFloatingIpsUsed", lambda _: 0, until=35),
)
"""What ``GET /limits`` tells, and the last version that tells it. No address floats: those say 0."""


async def limits(call: Call) -> dict[str, Any]:
    """What the caller's project may use and does."""
    found = await call.services.compute.limits(call.context)
    absolute = {limit.name: limit.value(found) for limit in LIMITS if call.version <= limit.until}
    return {"limits": {"rate": [], "absolute": absolute}}


# ---- extensions --------------------------------------------------------------------------------------------------------------

EXTENSIONS: tuple[tuple[str, str, str], ...] = (
    ("os-aggregates", "Aggregates", "Sets of hosts, their zones and pools."),
    ("os-availability-zone", "AvailabilityZone", "Availability zones of hosts and servers."),
    ("os-config-drive", "ConfigDrive", "Configuration for a server on a drive of its own."),
    ("os-console-output", "ConsoleOutput", "What a server has written to its console."),
    ("os-extended-server-attributes", "ExtendedServerAttributes", "Where a server runs."),
    ("os-extended-status", "ExtendedStatus", "Task, power and VM state of a server."),
    ("os-flavor-extra-specs", "FlavorExtraSpecs", "Extra specs of flavors."),
    ("os-flavor-manage", "FlavorManage", "Making and deleting flavors."),
    ("os-hypervisors", "Hypervisors", "The hosts and what they have."),
    ("os-keypairs", "Keypairs", "Key pairs of users."),
    ("os-multiple-create", "MultipleCreate", "Several servers by one request."),
    ("os-pause-server", "PauseServer", "Pausing servers."),
    ("os-services", "Services", "The agents on the hosts."),
    ("os-suspend-server", "SuspendServer", "Suspending servers."),
    ("os-user-data", "UserData", "User data for a server."),
)
"""What this API has beyond its core, by the aliases that clients ask for."""


def _extension(alias: str, name: str, description: str) -> dict[str, Any]:
    namespace = "http://docs.openstack.org/compute/ext/fake_xml"
    return {
        "alias": alias, "name": name, "description": description, "links": [], "namespace": namespace, "updated": "2014-12-03T00:00:00Z",
    }  # fmt: skip


async def extensions(call: Call) -> dict[str, Any]:
    """All of them."""
    del call
    return {"extensions": [_extension(*extension) for extension in EXTENSIONS]}


async def extension(call: Call) -> dict[str, Any]:
    """One of them."""
    for entry in EXTENSIONS:
        if entry[0] == call.path["alias"]:
            return {"extension": _extension(*entry)}
    raise NotFound.of("Extension", call.path["alias"])
