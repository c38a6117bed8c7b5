"""The storm: servers are asked for at a steady rate, some are deleted soon after, and the faults of the scenario strike meanwhile."""

from __future__ import annotations

import asyncio

from scenarios.figures import ServerTrial
from scenarios.phases.stage import Stage
from scenarios.scenario import FaultPlan
from scenarios.traffic.client import ApiRefused

LIFE_S = (5.0, 30.0)
"""How long a server that is deleted in the storm has lived."""


async def storm(stage: Stage) -> None:
    """Ask for all servers, let the faults pass, and wait until each server has come to an end state or its time is over."""
    stage.results.storm_began_s = stage.journal.now_s()
    doomed = sum(plan.servers for plan in stage.scenario.faults if plan.kind == "corrupt-image")
    faults = [asyncio.create_task(_fault(stage, plan)) for plan in stage.scenario.faults]
    servers = [asyncio.create_task(_life(stage, number, is_doomed=False)) for number in range(stage.scenario.servers)]
    servers += [asyncio.create_task(_life(stage, number, is_doomed=True)) for number in range(doomed)]
    await asyncio.gather(*servers)
    await asyncio.gather(*faults)
    stage.results.storm_ended_s = stage.journal.now_s()


async def _life(stage: Stage, number: int, *, is_doomed: bool) -> None:
    """One server from the wish for it to its end state, and to its deletion when it is one of those."""
    scenario = stage.scenario
    delete_draw, life_draw = stage.chance.random(), stage.chance.uniform(*LIFE_S)
    await asyncio.sleep(number / scenario.builds_per_second)
    name = f"{'doomed' if is_doomed else 'storm'}-{number}"
    trial = ServerTrial(name, asked_s=stage.journal.now_s(), is_doomed=is_doomed)
    stage.results.servers.append(trial)
    try:
        trial.uuid = await stage.client.create_server(name, stage.images["corrupt" if is_doomed else "sound"], scenario.flavor)
        server = await stage.watcher.until(trial.uuid, "ACTIVE", "ERROR", limit_s=scenario.build_limit_s)
    except ApiRefused as refusal:
        trial.failed_s, trial.reason = stage.journal.now_s(), str(refusal)
        return
    except TimeoutError:
        trial.reason = f"no end state within {scenario.build_limit_s:g} s"
        return
    if server["status"] == "ERROR":
        trial.failed_s, trial.reason = stage.journal.now_s(), server["fault"]["message"]
        return
    trial.active_s = stage.journal.now_s()
    if delete_draw < scenario.delete_fraction:
        await asyncio.sleep(life_draw)
        await _delete(stage, trial)


async def _delete(stage: Stage, trial: ServerTrial) -> None:
    await stage.client.delete_server(trial.uuid)
    try:
        await stage.watcher.until(trial.uuid, "DELETED", limit_s=stage.scenario.build_limit_s)
        trial.deleted_s = stage.journal.now_s()
    except TimeoutError:
        trial.reason = f"not deleted within {stage.scenario.build_limit_s:g} s"


async def _fault(stage: Stage, plan: FaultPlan) -> None:
    """One fault's hour."""
    hosts = [] if plan.kind == "corrupt-image" else sorted(stage.chance.sample(sorted(stage.hosts), min(plan.hosts, len(stage.hosts))))
    await asyncio.sleep(plan.at_s)
    where = ", ".join(hosts) or f"{plan.servers} servers"
    stage.results.faults.append((stage.journal.now_s() - stage.results.storm_began_s, plan.kind, where))
    stage.journal.note("fault begins", kind=plan.kind, hosts=hosts)
    stage.disturber.begin(plan, hosts)
    try:
        await asyncio.sleep(plan.lasts_s)
    finally:
        stage.disturber.end(plan, hosts)
    stage.journal.note("fault ends", kind=plan.kind, hosts=hosts)
