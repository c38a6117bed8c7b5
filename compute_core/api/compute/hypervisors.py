"""Hosts as ``os-hypervisors`` shows them."""

from __future__ import annotations

import re
from typing import Any

import orjson

from compute_core.api.call import Call
from compute_core.api.compute.operations import number_of
from compute_core.api.paging import limit_of, next_link, page
from compute_core.api.texts import truth
from compute_core.model.errors import ComputeError, Invalid, NotFound
from compute_core.model.hosts import ComputeNode
from compute_core.model.instances import Instance
from compute_core.model.requests import ServerFilters

PAGED_SINCE, UUID_SINCE, ALWAYS_SERVERS_SINCE = 33, 53, 75


class UptimeUnknown(ComputeError):
    """What Nova says for drivers that cannot tell."""

    status = 501
    name = "notImplemented"


def identity_of(call: Call, node: ComputeNode) -> str | int:
    """The UUID, or before 2.53 a number."""
    uuid = node.report.hypervisor_uuid
    return uuid if call.version >= UUID_SINCE else number_of(uuid)


def _brief(call: Call, node: ComputeNode) -> dict[str, Any]:
    return {
        "id": identity_of(call, node),
        "hypervisor_hostname": node.report.hypervisor_hostname,
        "state": "up" if node.is_up and not node.is_forced_down else "down",
        "status": "enabled" if node.is_enabled else "disabled",
    }


def _service(call: Call, node: ComputeNode) -> dict[str, Any]:
    uuid = node.service_uuid
    return {
        "id": uuid if call.version >= UUID_SINCE else number_of(uuid),
        "host": node.report.host,
        "disabled_reason": node.disabled_reason,
    }


def version_number(text: str) -> int:
    """The version as one number, as the API has it: 6.2.0 is 6002000, 26.1.10 is 26001010."""
    parts = [int(part) for part in re.findall(r"\d+", text)[:3]]
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    return (major * 1000 + minor) * 1000 + patch


def _cpu_info(call: Call, node: ComputeNode) -> Any:
    info = {"model": node.report.cpu_model, "topology": {"cores": node.report.vcpus}}
    return info if call.version >= 28 else orjson.dumps(info).decode()


def _whole(call: Call, node: ComputeNode) -> dict[str, Any]:
    report = node.report
    return {
        **_brief(call, node),
        "hypervisor_type": "XenServer",
        "hypervisor_version": version_number(report.hypervisor_version),
        "host_ip": report.host_ip,
        "cpu_info": _cpu_info(call, node),
        "service": _service(call, node),
        "vcpus": report.vcpus,
        "vcpus_used": node.claimed_vcpus,
        "memory_mb": report.memory_mb_total,
        "memory_mb_used": node.claimed_memory_mb + node.other_memory_mb,
        "free_ram_mb": report.memory_mb_total - node.claimed_memory_mb - node.other_memory_mb,
        "local_gb": report.disk_gb_total,
        "local_gb_used": node.claimed_disk_gb + node.other_disk_gb,
        "free_disk_gb": report.disk_gb_total - node.claimed_disk_gb - node.other_disk_gb,
        "disk_available_least": report.disk_gb_free,
        "running_vms": report.running_vms,
        "current_workload": 0,
    }


async def _nodes(call: Call) -> list[ComputeNode]:
    nodes = await call.services.compute.list_hosts(call.context)
    pattern = call.query.get("hypervisor_hostname_pattern") if call.version >= UUID_SINCE else None
    wanted = [node for node in nodes if pattern is None or pattern in node.report.hypervisor_hostname]
    if pattern is not None and not wanted:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return sorted(wanted, key=lambda node: node.report.hypervisor_hostname)


async def _servers_of(call: Call) -> dict[str, list[Instance]] | None:
    """The servers by host, when they are asked for."""
    if call.version < UUID_SINCE or not truth("with_servers", call.query.get("with_servers") or "false"):
        return None
    return await _servers_by_host(call)


async def _servers_by_host(call: Call) -> dict[str, list[Instance]]:
    found: dict[str, list[Instance]] = {}
    marker: str | None = None
    while servers := await call.services.compute.list_servers(call.context, ServerFilters(marker=marker)):
        for server in servers:
            found.setdefault(server.host or "", []).append(server)
        marker = servers[-1].uuid
    return found


def _with_servers(call: Call, answer: dict[str, Any], node: ComputeNode, servers: dict[str, list[Instance]] | None) -> dict[str, Any]:
    if servers is None:
        return answer
    own = [{"uuid": server.uuid, "name": server.domain_name} for server in servers.get(node.report.host, [])]
    return answer | ({"servers": own} if own or call.version >= ALWAYS_SERVERS_SINCE else {})


async def _list(call: Call, path: str, *, is_whole: bool) -> dict[str, Any]:
    nodes, servers = await _nodes(call), await _servers_of(call)
    shown = list(page(nodes, call.query, lambda node: str(identity_of(call, node)))) if call.version >= PAGED_SINCE else nodes
    render = _whole if is_whole else _brief
    answer: dict[str, Any] = {"hypervisors": [_with_servers(call, render(call, node), node, servers) for node in shown]}
    if call.query.get("limit") is not None and call.version >= PAGED_SINCE and shown and len(shown) == limit_of(call.query):
        last = str(identity_of(call, shown[-1]))
        answer["hypervisors_links"] = [{"rel": "next", "href": next_link(call, call.base_url + path, last)}]
    return answer


async def index(call: Call) -> dict[str, Any]:
    """Hosts by id and name."""
    return await _list(call, "/os-hypervisors", is_whole=False)


async def detail(call: Call) -> dict[str, Any]:
    """Hosts with what they have and what of it is used."""
    return await _list(call, "/os-hypervisors/detail", is_whole=True)


async def _find(call: Call) -> ComputeNode:
    wanted = call.path["hypervisor_id"]
    if call.version >= UUID_SINCE and not re.fullmatch(r"[0-9a-fA-F-]{32,36}", wanted):
        raise Invalid(f"Invalid uuid {wanted}")
    for node in await call.services.compute.list_hosts(call.context):
        if str(identity_of(call, node)) == wanted:
            return node
    raise NotFound(f"Hypervisor with ID '{wanted}' could not be found.")


async def show(call: Call) -> dict[str, Any]:
    """One host."""
    node = await _find(call)
    return {"hypervisor": _with_servers(call, _whole(call, node), node, await _servers_of(call))}


async def uptime(call: Call) -> dict[str, Any]:
    """How long one host has been up. UptimeUnknown: XenServer does not say so in the words of Linux's ``uptime``."""
    await _find(call)
    raise UptimeUnknown("The requested functionality is not supported.")


async def search(call: Call) -> dict[str, Any]:
    """Hosts whose name holds a text (before 2.53)."""
    pattern = call.path["pattern"]
    nodes = [node for node in await _nodes(call) if pattern in node.report.hypervisor_hostname]
    if not nodes:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return {"hypervisors": [_brief(call, node) for node in nodes]}


async def servers(call: Call) -> dict[str, Any]:
    """Hosts whose name holds a text, with their servers (before 2.53)."""
    pattern = call.path["pattern"]
    nodes = [node for node in await _nodes(call) if pattern in node.report.hypervisor_hostname]
    if not nodes:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    by_host = await _servers_by_host(call)
    return {"hypervisors": [_with_servers(call, _brief(call, node), node, by_host) for node in nodes]}


_SUMS = (
    "vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used", "free_disk_gb",
    "disk_available_least", "running_vms", "current_workload",
)  # fmt: skip


async def statistics(call: Call) -> dict[str, Any]:
    """All enabled hosts, added up."""
    nodes = [_whole(call, node) for node in await call.services.compute.list_hosts(call.context) if node.is_enabled]
    return {"hypervisor_statistics": {"count": len(nodes)} | {name: sum(node[name] for node in nodes) for name in _SUMS}}
