"""Servers that are resized and migrated over simulated hosts: the whole core, from API to XenAPI; what they hold comes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from compute_core.model.instances import RUNNING, SHUTDOWN
from tests.compute_core.faults.digest import world_rows
from tests.compute_core.faults.scene import ADMIN, Scene
from tests.compute_core.moves.hosts import GIB, migrate, on_hosts, resize, root_disk, web, word
from tests.compute_core.rig import CONTENT


@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_disk_comes_along_whole_and_grows_to_the_flavors_size(tmp_path: Path, pool_size: int) -> None:
    async def body(there: Scene) -> None:
        moved = await resize(there)
        assert (moved.vm_state, moved.power_state) == ("resized", RUNNING)
        assert root_disk(there, moved) == (20 * GIB, CONTENT)
        done = await word(there, "confirm_resize")
        assert (done.vm_state, done.flavor.id, done.old_flavor) == ("active", "2", None)

    on_hosts(tmp_path, body, pool_size=pool_size)


@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_migration_goes_to_another_host_with_what_the_disk_holds(tmp_path: Path, pool_size: int) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        moved = await migrate(there)
        assert (moved.vm_state, moved.power_state, moved.host == before.host) == ("resized", RUNNING, False)
        assert root_disk(there, moved) == (GIB, CONTENT)
        await word(there, "confirm_resize")

    on_hosts(tmp_path, body, pool_size=pool_size)


def test_a_resize_with_its_confirmation_needs_a_third_of_the_calls_that_it_may(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await resize(there)
        await word(there, "confirm_resize")
        assert len(there.tape.requests) <= 60 // 2

    on_hosts(tmp_path, body)


def test_a_server_that_does_not_run_does_not_run_afterwards(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await word(there, "stop")
        moved = await migrate(there)
        assert (moved.vm_state, moved.power_state) == ("resized", SHUTDOWN)
        done = await word(there, "confirm_resize")
        assert (done.vm_state, done.power_state) == ("stopped", SHUTDOWN)

    on_hosts(tmp_path, body)


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_revert_brings_back_the_old_disk_and_leaves_nothing_of_the_new_one(tmp_path: Path, hosts: int) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        worlds = [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()]
        await resize(there)
        back = await word(there, "revert_resize")
        assert (back.vm_state, back.host, back.flavor, back.power_state) == ("active", before.host, before.flavor, RUNNING)
        assert root_disk(there, back) == (GIB, CONTENT)
        assert [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()] == worlds

    on_hosts(tmp_path, body, hosts)


def test_a_server_goes_there_and_back_again(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        for _ in range(2):
            await migrate(there)
            await word(there, "confirm_resize")
        assert (await web(there)).host == before.host
        assert root_disk(there, await web(there)) == (GIB, CONTENT)

    on_hosts(tmp_path, body)


def test_a_size_that_is_too_small_for_a_disk_that_nobody_may_touch_is_refused_and_the_server_never_stops(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await resize(there)
        await word(there, "confirm_resize")
        there.tape.rewind()
        refused = await resize(there, "1")
        assert refused.fault is not None
        assert refused.fault.message == "resize failed: Resize error: Resize down not allowed without auto_disk_config"
        assert (refused.vm_state, refused.flavor.id) == ("active", "2")
        assert "VM.clean_shutdown" not in there.tape.requests

    on_hosts(tmp_path, body)


def test_a_resized_server_that_is_deleted_leaves_nothing_on_either_host(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        server = await resize(there)
        await there.delete()
        await there.quiet()
        for xapi in there.fleet.hosts.values():
            assert [row for row in world_rows(xapi.world) if server.uuid in row] == []

    on_hosts(tmp_path, body)


def test_an_evacuated_server_is_built_elsewhere_and_its_old_vm_goes_when_its_host_is_back(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        host = before.host or ""
        services = await there.cloud.api_cell.list_services(ADMIN)
        (uuid,) = [service.uuid for service in services if service.host == host]
        await there.cloud.api_cell.set_service(ADMIN, uuid, is_forced_down=True)
        await there.cloud.api_cell.evacuate_server(ADMIN, before.uuid, None, "secret")
        await there.quiet()
        after = await web(there)
        assert (after.vm_state, after.power_state, after.host == host) == ("active", RUNNING, False)
        assert root_disk(there, after) == (GIB, CONTENT)
        await there.cloud.api_cell.set_service(ADMIN, uuid, is_forced_down=False)

    on_hosts(tmp_path, body)
