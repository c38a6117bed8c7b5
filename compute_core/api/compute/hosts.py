"""Hosts as ``os-hosts`` shows and tends them; Nova has given this up with 2.43, the operator's API goes further."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.model.errors import Invalid, NotFound
from compute_core.model.hosts import ComputeNode
from compute_core.model.requests import ServerFilters

LAST_VERSION = 42
SERVICE = "compute"


async def index(call: Call) -> dict[str, Any]:
    """Every host, or those of a zone."""
    zone = call.query.get("zone")
    nodes = await call.services.compute.list_hosts(call.context)
    return {"hosts": [_listed(node) for node in nodes if zone in {None, node.availability_zone}]}


def _listed(node: ComputeNode) -> dict[str, Any]:
    return {"host_name": node.report.host, "service": SERVICE, "zone": node.availability_zone}


async def show(call: Call) -> dict[str, Any]:
    """What a host has, what is used of it, and by which project."""
    node = await host_of(call, call.path["host"])
    report = node.report
    sums = await _by_project(call, report.host)
    total = sums.pop("")
    used = _sizes(
        node.claimed_vcpus, node.claimed_memory_mb + node.other_memory_mb, node.claimed_disk_gb + node.other_disk_gb
    )  # fmt: skip
    rows = [
        ("(total)", _sizes(report.vcpus, report.memory_mb_total, report.disk_gb_total)),
        ("(used_now)", used),
        ("(used_max)", total),
        *sorted(sums.items()),
    ]
    return {"host": [{"resource": {"host": report.host, "project": project, **sizes}} for project, sizes in rows]}


def _sizes(vcpus: int, memory_mb: int, disk_gb: int) -> Counter[str]:
    return Counter({"cpu": vcpus, "memory_mb": memory_mb, "disk_gb": disk_gb})


async def _by_project(call: Call, host: str) -> dict[str, Counter[str]]:
    """What the servers of each project may use at most; of all projects under ""."""
    sums: dict[str, Counter[str]] = {"": _sizes(0, 0, 0)}
    marker: str | None = None
    while servers := await call.services.compute.list_servers(call.context, ServerFilters(host=host, marker=marker)):
        for server in servers:
            flavor = server.flavor
            size = _sizes(flavor.vcpus, flavor.memory_mb, flavor.root_gb + flavor.ephemeral_gb)
            for project in ("", server.project_id):
                sums.setdefault(project, _sizes(0, 0, 0)).update(size)
        marker = servers[-1].uuid
    return sums


async def update(call: Call) -> dict[str, Any]:
    """Enable or disable a host, XenServer's part of it as well; put it into maintenance, or take it out."""
    asked, host = {key.lower(): str(value).strip().lower() for key, value in call.body.items()}, call.path["host"]
    if not asked:
        raise Invalid("Invalid update setting: neither status nor maintenance_mode.")
    unknown = asked.keys() - WISHES.keys()
    if unknown:
        raise Invalid(f"Invalid update setting: '{min(unknown)}'")
    for key, value in asked.items():
        if value not in WISHES[key]:
            raise Invalid(f"Invalid {key}: '{value}'. Cure: enable or disable.")
    await host_of(call, host)
    answer = {"host": host}
    for key, value in asked.items():
        answer[key] = await WISHES[key][value](call, host)
    return answer


def _wish(said: str, request: str, **arguments: Any) -> Callable[[Call, str], Awaitable[str]]:
    async def ask(call: Call, host: str) -> str:
        await call.services.compute.tend_host(call.context, host, request, **arguments)
        return said

    return ask


WISHES: Mapping[str, Mapping[str, Callable[[Call, str], Awaitable[str]]]] = {
    "status": {"enable": _wish("enabled", "enable", on_host=True), "disable": _wish("disabled", "disable", on_host=True)},
    "maintenance_mode": {"enable": _wish("on_maintenance", "enter"), "disable": _wish("off_maintenance", "end")},
}
"""What a host may be told, by member and value: how that is done, and what is answered."""


def power(action: str, request: str, **arguments: Any) -> Callable[[Call], Awaitable[dict[str, Any]]]:
    """The handler of one power action."""

    async def handler(call: Call) -> dict[str, Any]:
        host = call.path["host"]
        await host_of(call, host)
        await call.services.compute.tend_host(call.context, host, request, **arguments)
        return {"host": host, "power_action": action}

    return handler


async def host_of(call: Call, name: str) -> ComputeNode:
    """One host by its name. NotFound."""
    for node in await call.services.compute.list_hosts(call.context, (name,)):
        return node
    raise NotFound(f"Compute host {name} could not be found.")
