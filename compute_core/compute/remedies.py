"""What is done about each finding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from compute_core.compute.findings import Finding, Kind
from compute_core.compute.registry import RECOVERIES, RESUMES
from compute_core.compute.servers import Servers
from compute_core.model.errors import BuildFailed
from compute_core.model.instances import Instance

BROKEN_OFF = "The build was broken off when the agent of {host} ended."


async def _report_build(servers: Servers, finding: Finding) -> None:
    server = _instance(finding)
    await servers.operations.run(server.uuid, lambda: servers.finish_build(server, finding.power_state))


async def _undo_build(servers: Servers, finding: Finding) -> None:
    failure = BuildFailed(BROKEN_OFF.format(host=servers.name), is_retryable=True)
    await servers.operations.run(finding.uuid, lambda: servers.give_up(_instance(finding), failure))


async def _finish_deletion(servers: Servers, finding: Finding) -> None:
    await servers.operations.run(finding.uuid, lambda: servers.removal(_instance(finding)))


async def _report_action(servers: Servers, finding: Finding) -> None:
    """What can be taken back or finished is; of the rest is told what it has come to."""
    if finding.action in RESUMES or (finding.action in RECOVERIES and finding.arguments):
        await servers.recover(_instance(finding), finding.action, finding.arguments)
        return
    end: dict[str, Any] = {"action": finding.action, "error": finding.error, "power_state": finding.power_state, "changes": {}}
    await servers.cell.tell("action_finished", finding.uuid, **end)


async def _report_power_state(servers: Servers, finding: Finding) -> None:
    await servers.cell.tell("power_state_changed", uuid=finding.uuid, power_state=finding.power_state)


async def _reap(servers: Servers, finding: Finding) -> None:
    if servers.host.settings.reaps_unwanted:
        await servers.operations.run(finding.uuid, lambda: servers.reap(finding.uuid))


async def _discard_former(servers: Servers, finding: Finding) -> None:
    if servers.host.settings.reaps_unwanted:
        await servers.operations.run(finding.uuid, lambda: servers.discard_former(finding.uuid))


async def _clear_rescue(servers: Servers, finding: Finding) -> None:
    await servers.operations.run(finding.uuid, lambda: servers.clear_rescue(finding.uuid))


def may_take_long(servers: Servers, finding: Finding) -> bool:
    """Whether it may wait for a guest: it is not to keep an agent from its work."""
    vm = servers.host.vms.get(finding.uuid)
    return finding.kind is Kind.FINISHED_BUILD and vm is not None and vm.terms.hold(servers.host.settings.guest_agents)


def _instance(finding: Finding) -> Instance:
    if finding.instance is None:
        raise ValueError(f"{finding.kind} concerns an instance of the cell")
    return finding.instance


REMEDIES: Mapping[Kind, Callable[[Servers, Finding], Awaitable[None]]] = {
    Kind.FINISHED_BUILD: _report_build,
    Kind.HALF_BUILT: _undo_build,
    Kind.HALF_DELETED: _finish_deletion,
    Kind.BROKEN_ACTION: _report_action,
    Kind.OTHER_POWER_STATE: _report_power_state,
    Kind.UNWANTED_VM: _reap,
    Kind.UNWANTED_RESCUE: _clear_rescue,
    Kind.UNWANTED_FORMER: _discard_former,
}
