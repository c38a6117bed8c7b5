"""What goes wrong between the cells, the hosts and the bus, and how it ends: every server has an end, every claim is given back once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from compute_core.bus.in_process import InProcessBus
from compute_core.cells.compute_cell import ComputeCell
from compute_core.cells.settings import ApiCellSettings, ComputeCellSettings
from compute_core.model.errors import Conflict, NotFound
from compute_core.model.instances import RUNNING
from compute_core.model.json import to_json
from compute_core.store import instances, mappings
from compute_core.store.adapters import open_store
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.cells.books import check_books
from tests.compute_core.cells.cloud import ADMIN, USER, Cloud, cloud, embedded_networks, is_at_rest
from tests.compute_core.cells.running import Within, runner


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
    return runner(tmp_path, after=check_books)


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
        networks = await embedded_networks(it.leaf, it.clock)
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
            second = ComputeCell(settings, store, it.bus, await embedded_networks(store, it.clock), it.clock, Random(4))
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
