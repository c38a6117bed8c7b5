"""What projects have used: ``os-simple-tenant-usage``, by how long servers of which size lived between two dates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from compute_core.api.call import Call
from compute_core.api.paging import limit_of, next_link
from compute_core.model.clock import iso
from compute_core.model.errors import Invalid
from compute_core.model.instances import Instance

PAGED_SINCE = 40
WINDOW = timedelta(weeks=4)
FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")
SHOWN = "%Y-%m-%dT%H:%M:%S.%f"
HOUR_S = 3600.0


async def index(call: Call) -> dict[str, Any]:
    """Of every project, with its servers when they are asked for."""
    start, end = _window(call)
    servers = await _servers(call, start, end, None)
    by_project: dict[str, list[Instance]] = {}
    for server in servers:
        by_project.setdefault(server.project_id, []).append(server)
    is_detailed = (call.query.get("detailed") or "").lower() in ("1", "true")
    usages = [_usage(call, project, own, start, end, is_detailed=is_detailed) for project, own in by_project.items()]
    return {"tenant_usages": usages, **_links(call, "tenant_usages_links", "/os-simple-tenant-usage", servers)}


async def show(call: Call) -> dict[str, Any]:
    """Of one project, server by server; nothing of one that had none."""
    start, end = _window(call)
    project = call.path["tenant_id"]
    servers = await _servers(call, start, end, project)
    usage = _usage(call, project, servers, start, end, is_detailed=True) if servers else {}
    return {"tenant_usage": usage, **_links(call, "tenant_usage_links", f"/os-simple-tenant-usage/{project}", servers)}


async def _servers(call: Call, start: datetime, end: datetime, project: str | None) -> tuple[Instance, ...]:
    is_paged = call.version >= PAGED_SINCE
    after, limit = (call.query.get("marker"), limit_of(call.query)) if is_paged else (None, None)
    return await call.services.compute.servers_of_time(call.context, iso(start), iso(end), project, after, limit)


def _links(call: Call, member: str, path: str, servers: tuple[Instance, ...]) -> dict[str, Any]:
    if call.version < PAGED_SINCE or not servers or len(servers) < limit_of(call.query):
        return {}
    return {member: [{"rel": "next", "href": next_link(call, call.base_url + path, servers[-1].uuid)}]}


def _window(call: Call) -> tuple[datetime, datetime]:
    """The dates that are asked for; the last four weeks when none is."""
    now = call.services.clock.now()
    start, end = (_date(call.query.get(name)) for name in ("start", "end"))
    window = start or now - WINDOW, end or now
    if window[0] >= window[1]:
        raise Invalid("Invalid start time. The start time cannot occur after the end time.")
    return window


def _date(text: str | None) -> datetime | None:
    if not text:
        return None
    for form in FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Invalid(f"Datetime is in invalid format: {text}")


# ---- sums -----------------------------------------------------------------------------------------------------------------------


def _usage(
    call: Call, project: str, servers: Iterable[Instance], start: datetime, end: datetime, *, is_detailed: bool
) -> dict[str, Any]:  # fmt: skip
    now = call.services.clock.now()
    lines = [_line(server, start, end, now) for server in servers]
    sums = {f"total_{name}_usage": sum(line[name] * line["hours"] for line in lines) for name in ("local_gb", "memory_mb", "vcpus")}
    detail = {"server_usages": lines} if is_detailed else {}
    dates = {"start": start.strftime(SHOWN), "stop": end.strftime(SHOWN)}
    return {"tenant_id": project, "total_hours": sum(line["hours"] for line in lines), **sums, **dates, **detail}


def _line(server: Instance, start: datetime, end: datetime, now: datetime) -> dict[str, Any]:
    """One server's share of the time. It is counted up to the end of the window, to its own, or to now: nobody has used what lies ahead."""
    began, gone = _moment(server.launched_at), None if server.terminated_at is None else _moment(server.terminated_at)
    counted = min(end, gone or now) - max(start, began)
    size: Mapping[str, Any] = {
        "flavor": server.flavor.name,
        "vcpus": server.flavor.vcpus,
        "memory_mb": server.flavor.memory_mb,
        "local_gb": server.flavor.root_gb + server.flavor.ephemeral_gb,
    }
    return {
        "instance_id": server.uuid,
        "name": server.name,
        "tenant_id": server.project_id,
        "hours": max(counted.total_seconds(), 0.0) / HOUR_S,
        **size,
        "started_at": began.strftime(SHOWN),
        "ended_at": None if gone is None else gone.strftime(SHOWN),
        "state": "terminated" if gone is not None else server.vm_state,
        "uptime": int(((gone or now) - began).total_seconds()),
    }


def _moment(date: str | None) -> datetime:
    return datetime.strptime(date or "1970-01-01T00:00:00Z", "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
