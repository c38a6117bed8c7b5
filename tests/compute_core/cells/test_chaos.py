"""A cloud to which everything happens in an order drawn by lot, and the books at its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.errors import ComputeError, NotFound
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.cells.books import check_books
from tests.compute_core.cells.cloud import USER, Agent, Cloud, cloud, is_at_rest


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_books_agree_in_the_end(tmp_path: Path, seed: int) -> None:
    """Builds, deletions, actions, failing and dying hosts, in an order drawn by lot."""

    async def main() -> None:
        chance = Random(seed)
        settings = ComputeCellSettings(build_timeout_s=90, delete_retry_s=30, service_down_time_s=30)
        async with cloud(tmp_path, cell_settings=settings) as it:
            for number in range(4):
                await it.add_host(f"host{number}", build_s=chance.choice([0.5, 5, 40]), fails_with="no" if number == 0 else None)
            uuids: list[str] = []
            for _ in range(60):
                await chance.choice([_build, _build, _delete, _delete, _act, _flap])(it, chance, uuids)
                await asyncio.sleep(chance.choice([0, 0, 0.3, 3, 20]))
            for agent in it.agents.values():
                await _revive(agent)
            ends = [await it.until(uuid, is_at_rest) for uuid in uuids]
            assert {server.vm_state for server in ends} <= {"active", "stopped", "error", "deleted"}
            await asyncio.sleep(120)
            await check_books(it)
            on_hosts = sorted(uuid for agent in it.agents.values() for uuid in agent.vms)
            assert on_hosts == sorted(server.uuid for server in ends if server.vm_state in {"active", "stopped"})

    run_virtual(main(), limit_s=36000)


async def _build(it: Cloud, chance: Random, uuids: list[str]) -> None:
    count = chance.randrange(1, 4)
    uuids.extend(server.uuid for server in await it.api.create_servers(USER, it.request(min_count=count, max_count=count)))


async def _delete(it: Cloud, chance: Random, uuids: list[str]) -> None:
    if uuids:
        try:
            await it.api.delete_server(USER, chance.choice(uuids))
        except NotFound:
            return


async def _act(it: Cloud, chance: Random, uuids: list[str]) -> None:
    if uuids:
        try:
            await it.api.act(USER, chance.choice(uuids), chance.choice(["stop", "start", "reboot_hard"]))
        except ComputeError:
            return


async def _flap(it: Cloud, chance: Random, _: list[str]) -> None:
    agent = it.agents[chance.choice(sorted(it.agents))]
    await (agent.stop() if agent.is_running else agent.start())


async def _revive(agent: Agent) -> None:
    if not agent.is_running:
        await agent.start()
