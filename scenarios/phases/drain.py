"""Afterwards: the cell is given time to settle, the checkers look, everything is deleted, and the checkers look again."""

from __future__ import annotations

import asyncio

from scenarios.checkers.rules import check_all
from scenarios.checkers.views import look_at, server_views
from scenarios.figures import Finding
from scenarios.phases.stage import Stage

SETTLE_LIMIT_S = 300.0
LOOK_AGAIN_S = 5.0


async def settle_and_check(stage: Stage) -> None:
    """Look until the checkers find nothing, or the time to settle is over: what is found then is the result."""
    findings = await _settled(stage)
    stage.results.findings += findings
    for finding in findings:
        stage.journal.note("finding", checker=finding.checker, about=finding.about, problem=finding.problem)


async def _settled(stage: Stage) -> list[Finding]:
    for _ in range(int(SETTLE_LIMIT_S / LOOK_AGAIN_S)):
        findings = await _look(stage)
        if not findings:
            return []
        await asyncio.sleep(LOOK_AGAIN_S)
    return await _look(stage)


async def _look(stage: Stage) -> list[Finding]:
    servers = server_views(await stage.client.servers())
    return check_all(await look_at(stage.hosts), servers)


async def drain(stage: Stage) -> None:
    """Delete every server, and check that nothing of them is left."""
    limit_s = stage.scenario.build_limit_s
    for server in await stage.client.servers():
        await stage.client.delete_server(server["id"])
    async with asyncio.timeout(limit_s):
        while left := await stage.client.servers():
            stage.journal.note("draining", left=len(left))
            await asyncio.sleep(LOOK_AGAIN_S)
    await settle_and_check(stage)
