"""What goes wrong between the cells, the hosts and the bus, and how it ends: every server has an end, every claim is given back once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from compute_core.bus.in_process import InProcessBus
from compute_core.cells.compute_cell import ComputeCell
from compute_core.cells.settings import ApiCellSettings, ComputeCellSettings
from compute_core.model.errors import ComputeError, Conflict, NotFound
from compute_core.model.hosts import ComputeNode
from compute_core.model.instances import RUNNING, Instance
from compute_core.model.json import to_json
from compute_core.model.limits import Usage
from compute_core.networks.embedded import EmbeddedNetworks
from compute_core.scheduler.capacity import Ask
from compute_core.store import hosts, instances, mappings, usages
from compute_core.store.adapters import open_store
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.cells.cloud import ADMIN, USER, Agent, Cloud, cloud, is_at_rest

Body = Callable[[Cloud], Awaitable[None]]
Within = Callable[..., None]


class LossyBus(InProcessBus):
    """A bus that loses, once, the casts of certain methods; and refuses to lose anything else."""

    def __init__(self, *lost: str) -> None:
        super().__init__()
        self._lost = list(lost)

    async def cast(self, topic: str, method: str, arguments: Mapping[str, Any]) -> None:
        if method in self._lost:
            self._lost.remove(method)
        else:
            await super().cast(topic, method, arguments)


@pytest.fixture
def within(tmp_path: Path) -> Within:
    """Runs a test's body in a cloud on virtual time, and checks the books at the end."""

    def run(body: Body, **options: Any) -> None:
        async def main() -> None:
            async with cloud(tmp_path, **options) as whole:
                await body(whole)
                await check_books(whole)

        run_virtual(main(), limit_s=14400)

    return run


async def check_books(it: Cloud) -> None:
    """What is claimed, counted and plugged is what lives."""
    claims = await it.leaf.run(hosts.claimed)
    live = {uuid: server for uuid, server in (await leaf_servers(it)).items() if not server.is_deleted}
    assert {uuid: host for uuid, (host, _) in claims.items()} == {uuid: server.host for uuid, server in live.items() if server.host}
    for stored in await it.leaf.run(hosts.listed):
        asks = [ask for host, ask in claims.values() if host == stored.node.report.host]
        assert claimed_of(stored.node) == sum(asks, Ask(0, 0, 0))
        assert stored.node.claimed_instances == len(asks)
    counted = await it.top.run(usages.of_project, USER.project_id)
    here = [server for server in (await top_servers(it)).values() if not server.is_deleted]
    assert counted == Usage(len(here), sum(s.flavor.vcpus for s in here), sum(s.flavor.memory_mb for s in here))


def claimed_of(node: ComputeNode) -> Ask:
    return Ask(node.claimed_vcpus, node.claimed_memory_mb, node.claimed_disk_gb)


async def leaf_servers(it: Cloud) -> dict[str, Instance]:
    return await it.leaf.run(instances.among, list(await top_servers(it)))


async def top_servers(it: Cloud) -> dict[str, Instance]:
    everything = await it.top.run(lambda connection: connection.exec_driver_sql("SELECT uuid FROM instances").scalars().all())
    return await it.top.run(instances.among, list(everything))


def test_a_deleted_server_gives_back_what_it_had(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        await it.api.delete_server(USER, server.uuid)
        gone = await it.gone(server.uuid)
        assert (gone.vm_state, gone.task_state, agent.vms) == ("deleted", None, {})
        with pytest.raises(NotFound):
            await it.api.delete_server(USER, server.uuid)
        again = await it.active()
        assert again.vifs[0].ip == "10.0.0.11"

    within(body)


def test_a_server_can_be_deleted_while_it_is_built(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1", build_s=30)
        created = await it.create()
        await it.until(created.uuid, lambda now: now.task_state == "spawning")
        await it.api.delete_server(USER, created.uuid)
        await it.api.delete_server(USER, created.uuid)
        await it.gone(created.uuid)

    within(body)


def test_a_build_that_ends_after_the_deletion_changes_nothing(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1", build_s=5)
        created = await it.create()
        await it.until(created.uuid, lambda now: now.task_state == "spawning")
        await it.api.delete_server(USER, created.uuid)
        await it.gone(created.uuid)
        await asyncio.sleep(10)  # virtual: the build ends, and the agent hears at its heartbeat that it is not wanted
        assert (await it.gone(created.uuid)).vm_state == "deleted"
        await asyncio.sleep(10)
        assert agent.vms == {}

    within(body)


def test_a_server_in_error_without_a_host_can_be_deleted(within: Within) -> None:
    async def body(it: Cloud) -> None:
        ended = await it.active()
        assert ended.vm_state == "error"
        await it.api.delete_server(USER, ended.uuid)
        await it.gone(ended.uuid)

    within(body)


def test_a_server_whose_cell_never_got_it_can_be_deleted_and_does_not_come_back(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        created = await it.create()
        await it.api.delete_server(USER, created.uuid)
        await it.gone(created.uuid)
        late = {"context": {}, "instances": [to_json(created)], "image": to_json(it.image), "admin_password": "", "hints": {}}
        await it.bus.cast("cell.cell1", "build_instances", late)
        await asyncio.sleep(5)
        assert agent.attempts == []

    within(body, bus=LossyBus("build_instances"))


def test_a_lost_hand_over_is_sent_again(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        assert (await it.active()).vm_state == "active"

    within(body, bus=LossyBus("build_instances"))


def test_a_lost_deletion_is_sent_again(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.delete_server(USER, server.uuid)
        await it.gone(server.uuid)

    within(body, bus=LossyBus("delete_instance", "destroy", "instance_destroyed"))


def test_a_lost_build_or_result_ends_with_a_built_server(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        await it.add_host("host2")
        assert (await it.active()).vm_state == "active"

    within(body, bus=LossyBus("build"), cell_settings=ComputeCellSettings(build_timeout_s=60))


def test_a_host_that_dies_while_building_has_its_builds_done_elsewhere(within: Within) -> None:
    async def body(it: Cloud) -> None:
        dying = await it.add_host("dying", memory_mb=32768, build_s=50)
        await it.add_host("other", build_s=1)
        created = await it.create()
        await it.until(created.uuid, lambda now: now.task_state == "spawning")
        dying.vms[created.uuid] = RUNNING  # half built, but there
        await dying.stop()
        active = await it.until(created.uuid, is_at_rest)
        assert (active.vm_state, active.host) == ("active", "other")
        await dying.start()
        assert dying.unwanted == [created.uuid]
        assert dying.vms == {}
        await dying.tell("build_succeeded", uuid=created.uuid, power_state=RUNNING)
        await asyncio.sleep(5)
        assert (await it.api.get_server(USER, created.uuid)).host == "other"

    within(body)


def test_what_a_host_says_of_a_server_that_has_been_moved_away_means_nothing(within: Within) -> None:
    async def body(it: Cloud) -> None:
        dying = await it.add_host("dying", memory_mb=32768, build_s=50)
        await it.add_host("other", build_s=40)
        created = await it.create()
        await it.until(created.uuid, lambda now: now.task_state == "spawning")
        await dying.stop()
        moved = await it.until(created.uuid, lambda now: now.host == "other" and now.task_state == "spawning")
        await dying.tell("build_succeeded", uuid=created.uuid, power_state=RUNNING)
        await dying.tell("build_failed", uuid=created.uuid, message="too late", is_retryable=True)
        await dying.tell("power_state_changed", uuid=created.uuid, power_state=RUNNING)
        await asyncio.sleep(5)
        assert await it.top.run(instances.get, created.uuid) == moved
        assert (await it.until(created.uuid, is_at_rest)).host == "other"

    within(body)


def test_a_host_that_fails_every_build_does_not_draw_all_builds_to_itself(within: Within) -> None:
    async def body(it: Cloud) -> None:
        bad = await it.add_host("bad", memory_mb=65536, fails_with="the SR is full")
        await it.add_host("good", memory_mb=32768)
        servers = [await it.active() for _ in range(5)]
        assert {server.vm_state for server in servers} == {"active"}
        assert len(bad.attempts) == 1
        await asyncio.sleep(700)  # virtual: it may have been repaired meanwhile
        bad.fails_with = None
        assert (await it.active()).host == "bad"

    within(body)


def test_a_server_on_a_dead_host_can_be_deleted(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        await agent.stop()
        await asyncio.sleep(120)
        with pytest.raises(Conflict, match="is down"):
            await it.api.act(USER, server.uuid, "stop")
        await it.api.delete_server(USER, server.uuid)
        await it.gone(server.uuid)
        await agent.start()
        assert agent.vms == {}

    within(body)


def test_a_host_that_dies_while_deleting_does_not_keep_the_server(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        await agent.stop()
        await it.api.delete_server(USER, server.uuid)
        await it.gone(server.uuid)

    within(body)


def test_forcing_a_host_down_moves_its_builds(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("stuck", memory_mb=32768, build_s=1000)
        await it.add_host("other")
        created = await it.create()
        await it.until(created.uuid, lambda now: now.task_state == "spawning")
        service = next(each for each in await it.api.list_services(ADMIN) if each.host == "stuck")
        down = await it.api.set_service(ADMIN, service.uuid, is_forced_down=True)
        assert (down.is_up, down.is_forced_down) == (False, True)
        assert (await it.until(created.uuid, is_at_rest)).host == "other"

    within(body)


def test_an_action_that_never_ends_is_ended_by_the_watch(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.act(USER, server.uuid, "stop")
        ended = await it.until(server.uuid, is_at_rest)
        assert ended.fault is not None
        assert ended.fault.message == "stop failed: host host1 did not finish it in time"

    within(body, bus=LossyBus("act"), cell_settings=ComputeCellSettings(action_timeout_s=100))


def test_a_cell_that_is_restarted_goes_on_where_it_was(within: Within) -> None:
    async def body(it: Cloud) -> None:
        created = await it.create()
        await asyncio.sleep(0)
        await it.cell.close()
        networks = await EmbeddedNetworks.open(it.leaf)
        it.cell = ComputeCell(ComputeCellSettings(), it.leaf, it.bus, networks, it.clock, Random(7))
        await it.cell.start()
        await it.add_host("host1")
        assert (await it.until(created.uuid, is_at_rest)).vm_state in {"active", "error"}

    within(body)


def test_the_top_hears_everything_although_it_was_away(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.close()
        await it.agents["host1"].tell("power_state_changed", uuid=server.uuid, power_state=4)
        await asyncio.sleep(300)
        await it.api.start()
        assert (await it.until(server.uuid, lambda now: now.vm_state == "stopped")).power_state == 4

    within(body)


def test_old_news_do_not_overwrite_newer_ones(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        for old in (replace(server, name="old", update_seq=server.update_seq), replace(server, name="older", update_seq=1)):
            update = {"seq": old.update_seq, "instance": to_json(old)}
            answer = await it.bus.call("cell.api", "updates", {"cell": "api!cell1", "updates": [update]}, 10)
            assert answer == [[server.uuid, old.update_seq]]
        elsewhere = {"seq": 99, "instance": to_json(replace(server, name="foreign", update_seq=99))}
        await it.bus.call("cell.api", "updates", {"cell": "api!other", "updates": [elsewhere]}, 10)
        assert (await it.api.get_server(USER, server.uuid)).name == "web"

    within(body)


def test_a_cell_without_room_passes_the_server_on_to_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        async with cloud(tmp_path, api_settings=ApiCellSettings(children=("cell1", "cell2"))) as it:
            store = await open_store("sqlite://")
            settings = ComputeCellSettings(path="api!cell2")
            second = ComputeCell(settings, store, it.bus, await EmbeddedNetworks.open(store), it.clock, Random(4))
            await second.start()
            await it.add_host("full", memory_mb=1500)
            roomy = await it.add_host("roomy", cell="cell2")
            servers = [await it.active() for _ in range(4)]
            assert {(server.vm_state, server.cell, server.host) for server in servers} == {("active", "api!cell2", "roomy")}
            assert set(roomy.vms) == {server.uuid for server in servers}
            mapped = await it.top.run(mappings.among, [server.uuid for server in servers])
            assert {mapping.cell for mapping in mapped.values()} == {"api!cell2"}
            await asyncio.sleep(10)
            await it.api.delete_server(USER, servers[0].uuid)
            await it.gone(servers[0].uuid)
            await second.close()
            await store.close()

    run_virtual(main(), limit_s=7200)


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
