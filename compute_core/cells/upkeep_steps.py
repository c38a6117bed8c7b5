"""The steps of a host's upkeep, by its stage: each does its part once, and says what the upkeep is then. Again is fine with each."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from compute_core.cells import pool_steps
from compute_core.cells.clearing import Look, look
from compute_core.cells.healing import CONTEXT
from compute_core.cells.host_hands import Hands
from compute_core.model.errors import ComputeError, HostUnreachable
from compute_core.model.instances import Instance
from compute_core.model.upkeep import Stage, Stuck, Upkeep
from compute_core.store import instances

log = logging.getLogger(__name__)

Step = Callable[[Hands, Upkeep], Awaitable[Upkeep | None]]
"""None: the host is in use again, and nothing is done with it any more."""


async def _leave(hands: Hands, job: Upkeep) -> Upkeep:
    """Servers make way, a few at a time."""
    here, gone = await hands.store.run(_servers, job)
    found = look(job, here, gone, hands.settings.moves_at_once)
    if found.is_over:
        return replace(job, stage="stuck" if found.stuck else "closing", stuck=found.stuck)
    refused = [stuck async for stuck in _confirmed(hands, gone, found)]
    after = await _begin(hands, job, replace(found, stuck=(*found.stuck, *refused)))
    goes_on = found.begin or found.is_busy or len(refused) < len(found.confirm)
    return after if goes_on else replace(after, stage="stuck")


async def _confirmed(hands: Hands, gone: Iterable[Instance], found: Look) -> AsyncIterator[Stuck]:
    """Confirm the moves of those that have left; those whose confirmation is refused, which keeps no other from its way."""
    names = {server.uuid: server.name for server in gone}
    for uuid in found.confirm:
        try:
            await hands.act(CONTEXT, uuid, "confirm_resize", {})
        except HostUnreachable as absence:
            log.info("the move of %s is not confirmed yet: %s", uuid, absence.message)
        except ComputeError as refusal:
            yield Stuck(uuid, names[uuid], f"It has left, but its move cannot be confirmed: {refusal.message}")


async def _begin(hands: Hands, job: Upkeep, found: Look) -> Upkeep:
    tried, refusals, stopped = dict(job.tried), dict(job.refusals), dict.fromkeys(job.stopped)
    for uuid, way in found.begin:
        tried[uuid] = (*tried.get(uuid, ()), way)
        refusals.pop(uuid, None)
        try:
            await hands.act(CONTEXT, uuid, way, {})
        except ComputeError as refusal:
            refusals[uuid] = refusal.message
        else:
            stopped.update({uuid: None} if way == "stop" else {})
    return replace(job, tried=tried, refusals=refusals, stopped=tuple(stopped), stuck=found.stuck)


async def _close(hands: Hands, job: Upkeep) -> Upkeep:
    """XenServer starts nothing there any more; then it does what it is closed for."""
    if not job.then:
        await hands.ask(job.host, "disable")
        return replace(job, stage="in maintenance", fault="")
    if job.boot_time is None:
        return replace(job, boot_time=(await hands.ask(job.host, "state"))["boot_time"])
    await hands.ask(job.host, job.then, boot_time=job.boot_time)
    return replace(job, stage="going down", fault="")


async def _go_down(hands: Hands, job: Upkeep) -> Upkeep:
    """It is off, or has booted."""
    if job.then == "shutdown":
        return replace(job, stage="off") if await hands.is_off(job.host) else job
    return replace(job, stage="starting") if await hands.has_booted(job.host, job.boot_time) else job


async def _switch_on(hands: Hands, job: Upkeep) -> Upkeep:
    neighbour = hands.neighbour(job.host)
    await hands.ask(neighbour, "power_on", uuid=hands.node(job.host).report.hypervisor_uuid)
    return replace(job, stage="going down", then="reboot", fault="")


async def _start(hands: Hands, job: Upkeep) -> Upkeep | None:
    """It is in use as it was, or stays in maintenance; servers run again that ran, where the installation wants that."""
    if not job.returns:
        await hands.ask(job.host, "disable")
        return replace(job, stage="in maintenance", then="", boot_time=None, fault="")
    await hands.ask(job.host, "enable")
    await hands.use(job.host, is_enabled=job.was_enabled, reason=job.was_reason)
    for uuid in job.stopped if hands.settings.resume_guests_state_on_host_boot else ():
        await _start_server(hands, job.host, uuid)
    return None


async def _start_server(hands: Hands, host: str, uuid: str) -> None:
    server = await hands.store.run(instances.find, uuid)
    if server is None or server.host != host or server.vm_state != "stopped" or server.task_state is not None:
        return
    try:
        await hands.act(CONTEXT, uuid, "start", {})
    except ComputeError as refusal:
        log.warning("%s is not started again: %s", uuid, refusal.message)


STEPS: Mapping[Stage, Step] = {
    "leaving": _leave,
    "closing": _close,
    "going down": _go_down,
    "switching on": _switch_on,
    "starting": _start,
    "joining": pool_steps.join,
    "ejecting": pool_steps.eject,
}
"""What is done in each stage that is not waited in."""


def _servers(connection: Connection, job: Upkeep) -> tuple[tuple[Instance, ...], tuple[Instance, ...]]:
    """The host's servers, and those that have left it because of this."""
    here = instances.on_host(connection, job.host)
    present = {server.uuid for server in here}
    elsewhere = instances.among(connection, [uuid for uuid in job.tried if uuid not in present])
    return here, tuple(elsewhere[uuid] for uuid in sorted(elsewhere))
