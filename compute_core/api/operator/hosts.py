"""Hosts as an operator tends them: in and out of use, maintenance, reboots and power, with what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.hosts import host_of
from compute_core.model.hosts import ComputeNode
from compute_core.model.upkeep import Upkeep


async def index(call: Call) -> dict[str, Any]:
    """Every host, and what is done with it."""
    jobs = await _jobs(call)
    return {"hosts": [_view(node, jobs.get(node.report.host)) for node in await call.services.compute.list_hosts(call.context)]}


async def show(call: Call) -> dict[str, Any]:
    """One host."""
    return {"host": await _one(call)}


async def act(call: Call) -> dict[str, Any]:
    """One of ACTIONS; the host as it is then."""
    ((action, asked),) = call.body.items()
    request, given = ACTIONS[action]
    await call.services.compute.tend_host(call.context, call.path["host"], request, **{**given, **(asked or {})})
    return {"host": await _one(call)}


ACTIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "disable": ("disable", {}),
    "enable": ("enable", {}),
    "maintenance": ("enter", {}),
    "end_maintenance": ("end", {}),
    "reboot": ("reboot", {}),
    "shutdown": ("shutdown", {}),
    "power_on": ("power_on", {}),
}
"""By the body's one member: what the cell is asked, and with what beside the member's own."""


async def _one(call: Call) -> dict[str, Any]:
    node = await host_of(call, call.path["host"])
    return _view(node, (await _jobs(call)).get(node.report.host))


async def _jobs(call: Call) -> dict[str, Upkeep]:
    return {job.host: job for job in await call.services.compute.list_upkeep(call.context)}


def _view(node: ComputeNode, job: Upkeep | None) -> dict[str, Any]:
    return {
        "host": node.report.host,
        "hypervisor_hostname": node.report.hypervisor_hostname,
        "zone": node.availability_zone,
        "aggregates": [membership.aggregate for membership in node.aggregates],
        "pool": node.report.pool,
        "is_master": node.report.is_master,
        "servers": node.claimed_instances,
        "status": "enabled" if node.is_enabled else "disabled",
        "state": "up" if node.is_up and not node.is_forced_down else "down",
        "reason": node.disabled_reason,
        "upkeep": None if job is None else _upkeep(job),
    }


def _upkeep(job: Upkeep) -> dict[str, Any]:
    return {
        "stage": job.stage,
        "since": job.since,
        "then": job.then or None,
        "tried": {uuid: list(ways) for uuid, ways in job.tried.items()},
        "stopped": list(job.stopped),
        "stuck": [{"id": each.uuid, "name": each.name, "reason": each.reason} for each in job.stuck],
        "fault": job.fault or None,
    }
