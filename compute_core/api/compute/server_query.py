"""From the query of ``GET /servers`` to filters: one table of names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from compute_core.api.call import Call
from compute_core.api.paging import limit_of
from compute_core.api.schemas.servers import KNOWN_FILTERS
from compute_core.api.texts import number, truth
from compute_core.model.clock import iso
from compute_core.model.errors import Forbidden, Invalid
from compute_core.model.requests import ServerFilters

STATUSES = (
    "ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT", "REBUILD", "PAUSED", "SUSPENDED", "SHUTOFF", "RESCUE", "SHELVED", "SHELVED_OFFLOADED",
    "SOFT_DELETED", "ERROR", "DELETED",
)  # fmt: skip

SORT_KEYS: Mapping[str, str] = {
    "access_ip_v4": "access_ip_v4",
    "access_ip_v6": "access_ip_v6",
    "availability_zone": "availability_zone",
    "created_at": "created_at",
    "display_description": "description",
    "display_name": "name",
    "host": "host",
    "hostname": "hostname",
    "image_ref": "image_ref",
    "instance_type_id": "flavor_id",
    "key_name": "key_name",
    "launch_index": "launch_index",
    "launched_at": "launched_at",
    "node": "hypervisor_hostname",
    "power_state": "power_state",
    "progress": "progress",
    "project_id": "project_id",
    "root_device_name": "root_device_name",
    "task_state": "task_state",
    "terminated_at": "terminated_at",
    "updated_at": "updated_at",
    "user_id": "user_id",
    "uuid": "uuid",
    "vm_state": "vm_state",
}
"""What a list may be sorted by: the API's name and the instance's."""

_ADMINS_KEYS = frozenset({"host", "node"})


@dataclass(frozen=True, slots=True)
class _Filter:
    field: str
    read: Callable[[str, str], Any]
    is_admins: bool = False


def _text(_name: str, value: str) -> str:
    return value


def _pattern(name: str, value: str) -> str:
    try:
        re.compile(value)
    except re.error as problem:
        raise Invalid(f"Invalid filter value for {name}: {value} is no regular expression ({problem}).") from None
    return value


def _date(name: str, value: str) -> str:
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        raise Invalid(f"Invalid filter value for {name}: {value} is no date.") from None
    return iso(date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC))


FILTERS: Mapping[str, _Filter] = {
    "name": _Filter("name", _pattern),
    "image": _Filter("image_ref", _text),
    "flavor": _Filter("flavor_id", _text),
    "changes-since": _Filter("changes_since", _date),
    "changes-before": _Filter("changes_before", _date),
    "reservation_id": _Filter("reservation_id", _text),
    "uuid": _Filter("uuid", _text),
    "ip": _Filter("ip", _pattern),
    "key_name": _Filter("key_name", _text),
    "availability_zone": _Filter("availability_zone", _text),
    "description": _Filter("description", _text),
    "power_state": _Filter("power_state", number),
    "vm_state": _Filter("vm_state", _text),
    "task_state": _Filter("task_state", _text),
    "config_drive": _Filter("has_config_drive", truth),
    "user_id": _Filter("user_id", _text),
    "host": _Filter("host", _text, is_admins=True),
    "project_id": _Filter("project_id", _text, is_admins=True),
    "tenant_id": _Filter("project_id", _text, is_admins=True),
}
"""The filters that this API has. What only admins may ask is passed over for others, as Nova does."""

_CONTROLS = frozenset({"all_tenants", "deleted", "limit", "marker", "sort_key", "sort_dir", "status"})


def filters_of(call: Call) -> ServerFilters:
    """What the caller asks for. Invalid where it cannot be meant; Forbidden for all projects' servers without being an admin."""
    found = {entry.field: entry.read(name, value) for name, entry, value in _named(call)}
    keys, directions = _sorting(call)
    filters = ServerFilters(**found, marker=call.query.get("marker"), limit=limit_of(call.query), sort_keys=keys, is_descending=directions)
    return replace(filters, status=_statuses(call), **_of_projects(call, filters), **_deleted(call, filters))


def is_impossible(call: Call) -> bool:
    """Whether a status was asked for that no server can have: nothing is listed then."""
    asked = call.query.all("status")
    return bool(asked) and not any(value.upper() in STATUSES for value in asked)


def _named(call: Call) -> list[tuple[str, _Filter, str]]:
    for name in call.query.names:  # A filter that were passed over would show servers that nobody asked for.
        if name in KNOWN_FILTERS and name not in FILTERS and name not in _CONTROLS:
            raise Invalid(f"Servers cannot be filtered by {name} here.")
    return [
        (name, FILTERS[name], call.query.get(name) or "")
        for name in call.query.names
        if name in FILTERS and (call.context.is_admin or not FILTERS[name].is_admins)
    ]


def _statuses(call: Call) -> tuple[str, ...] | None:
    asked = tuple(value.upper() for value in call.query.all("status"))
    if "DELETED" in asked and not call.context.is_admin:
        raise Forbidden("Only administrators may list deleted instances")
    return tuple(status for status in asked if status in STATUSES) or None


def _of_projects(call: Call, filters: ServerFilters) -> dict[str, Any]:
    asked = call.query.get("all_tenants")
    is_all = asked is not None and (asked == "" or truth("all_tenants", asked))
    if is_all and not call.context.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:servers:index:get_all_tenants to be performed.")
    return {"project_id": filters.project_id if is_all else call.context.project_id}


def _deleted(call: Call, filters: ServerFilters) -> dict[str, Any]:
    if not call.context.is_admin:
        return {"is_deleted": None if filters.changes_since else False}
    asked = call.query.get("deleted")
    if asked is not None:
        return {"is_deleted": truth("deleted", asked)}
    if "DELETED" in {value.upper() for value in call.query.all("status")}:
        return {"is_deleted": True}
    return {"is_deleted": None if filters.changes_since else False}


def _sorting(call: Call) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    keys = call.query.all("sort_key") or ("created_at",)
    for key in keys:
        if key not in SORT_KEYS or (key in _ADMINS_KEYS and not call.context.is_admin):
            raise Invalid(f"Sort key supplied is not valid: {key}")
    directions = call.query.all("sort_dir")
    if len(directions) > len(keys):
        raise Invalid("Sort direction size exceeds sort key size")
    descending = [direction == "desc" for direction in directions] or [True]
    descending += [descending[-1]] * (len(keys) - len(descending))
    names = [SORT_KEYS[key] for key in keys]
    if "uuid" not in names:  # What makes the order whole, so that a page begins where the last one ended.
        names, descending = [*names, "uuid"], [*descending, descending[-1]]
    return tuple(names), tuple(descending)
