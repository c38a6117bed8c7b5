"""Room on hosts while servers are moved, whatever fails meanwhile: what is held is what servers and open migrations say, at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection

from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.errors import ComputeError
from compute_core.model.instances import Instance
from compute_core.model.migrations import Migration, MigrationFilters
from compute_core.scheduler.capacity import Ask
from compute_core.store import hosts, instances
from compute_core.store import migrations_of_servers as migrations
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.cells.books import check_books, claimed_of, top_servers
from tests.compute_core.cells.cloud import ADMIN, USER, Cloud, cloud
from tests.compute_core.cells.movers import Mover, add_movers

Room = dict[str, tuple[str, Ask]]
Deed = Callable[[Cloud, Random, str], Awaitable[None]]


def held(connection: Connection, uuids: list[str]) -> tuple[Room, Room, dict[str, Ask]]:
    """In one transaction: what is claimed by whom, what should be, and what each host's row says."""
    servers = [server for server in instances.among(connection, uuids).values() if not server.is_deleted and server.host]
    wanted = {server.uuid: (server.host or "", Ask.of(server.flavor)) for server in servers}
    for server in servers:
        record = migrations.open_of(connection, server.uuid)
        if record is not None:
            wanted[record.uuid] = other_end(server, record)
    rows = {stored.node.report.host: claimed_of(stored.node) for stored in hosts.listed(connection)}
    return dict(hosts.claimed(connection)), wanted, rows


def other_end(server: Instance, record: Migration) -> tuple[str, Ask]:
    """What a migration holds where its server is not, or in the size that it has not."""
    is_there = (server.host, server.flavor) == (record.destination, record.new_flavor) and server.old_flavor is not None
    is_evacuated = record.kind == "evacuation"
    if is_there or is_evacuated:
        return record.source, Ask.of(record.old_flavor)
    return record.destination, Ask.of(record.new_flavor)


async def check_room(it: Cloud) -> None:
    claims, wanted, rows = await it.leaf.run(held, list(await top_servers(it)))
    assert claims == wanted
    assert rows == {host: sum((ask for where, ask in claims.values() if where == host), Ask(0, 0, 0)) for host in rows}


async def _resize(it: Cloud, chance: Random, uuid: str) -> None:
    await it.api.resize_server(USER, uuid, chance.choice(["1", "2", "3"]))


async def _migrate(it: Cloud, _: Random, uuid: str) -> None:
    await it.api.migrate_server(ADMIN, uuid, None)


async def _live(it: Cloud, _: Random, uuid: str) -> None:
    await it.api.live_migrate_server(ADMIN, uuid, None, moves_disks=None)


async def _evacuate(it: Cloud, _: Random, uuid: str) -> None:
    await it.api.evacuate_server(ADMIN, uuid, None, "secret")


async def _word(it: Cloud, chance: Random, uuid: str) -> None:
    await it.api.act(USER, uuid, chance.choice(["confirm_resize", "revert_resize"]))


async def _delete(it: Cloud, _: Random, uuid: str) -> None:
    await it.api.delete_server(USER, uuid)


LEAST_MOVES = 4
DEEDS: tuple[Deed, ...] = (_resize, _resize, _migrate, _migrate, _live, _live, _evacuate, _word, _word, _word, _delete)
PARTS = ("resize", "finish_resize", "confirm_resize", "revert_resize", "finish_revert", "live_migrate", "evacuate")


async def _flap(movers: dict[str, Mover], chance: Random) -> None:
    """Agents refuse, fall silent, die and come back."""
    mover = movers[chance.choice(sorted(movers))]
    mover.refuses = frozenset(part for part in PARTS if chance.random() < 0.25)
    mover.mute = frozenset(part for part in PARTS if chance.random() < 0.1)
    if chance.random() < 0.2:
        await (mover.stop() if mover.is_running else mover.start())


@pytest.mark.parametrize("seed", range(6))
def test_what_is_held_is_what_servers_and_migrations_say_whatever_fails(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        chance = Random(seed)
        settings = ComputeCellSettings(action_timeout_s=120, delete_retry_s=30, service_down_time_s=30)
        async with cloud(tmp_path, cell_settings=settings) as it:
            movers = await add_movers(it, "a", "b", "c", part_s=2.0)
            uuids = [server.uuid for server in await it.api.create_servers(USER, it.request(min_count=4, max_count=4))]
            await asyncio.sleep(10)
            await check_room(it)
            for _ in range(40):
                await _flap(movers, chance)
                with suppress(ComputeError):
                    await chance.choice(DEEDS)(it, chance, chance.choice(uuids))
                await asyncio.sleep(chance.choice([0, 1, 3, 20, 90]))
                await check_room(it)
            await _all_is_well(it, movers)
            await check_room(it)
            await check_books(it)
            assert len(await it.api.list_migrations(ADMIN, MigrationFilters())) > LEAST_MOVES

    run_virtual(main(), limit_s=36000)


async def _all_is_well(it: Cloud, movers: dict[str, Mover]) -> None:
    """Agents are back and do their parts; users say their word."""
    for mover in movers.values():
        mover.refuses = mover.mute = frozenset()
        if not mover.is_running:
            await mover.start()
    await asyncio.sleep(600)
    for server in (await top_servers(it)).values():
        if server.vm_state == "resized":
            await it.api.act(USER, server.uuid, "confirm_resize")
    await asyncio.sleep(600)
