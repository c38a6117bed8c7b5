"""A pool is upgraded host by host: what is refused meanwhile, where VMs may be, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.state_file import load_fleet, save_fleet
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.transfers import BadRequest
from tests.fake_xapi.pools.fleets import MASTER, SECOND, THIRD, Pool, at, logged_in, over_pool
from tests.fake_xapi.pools.test_host_life import made_running
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD

FLAG = "rolling_upgrade_in_progress"


async def upgrade(pool: Pool, name: str, release: str = "clearwater") -> None:
    """Boot a host into another release, as an operator does."""
    master = next(xapi for xapi in pool.fleet.hosts.values() if xapi.is_master)
    pool.session = await logged_in(master)
    host = pool.host(name)
    await at(master, "host.disable", pool.session, host)
    await at(master, "host.add_to_other_config", pool.session, host, "sim.boot_release", release)
    await at(master, "host.reboot", pool.session, host)
    await asyncio.sleep(1)
    pool.session = await logged_in(master)


async def import_refused(pool: Pool) -> tuple[int, str]:
    """The status of an import that is not taken, and what its task says."""

    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    task = await pool.call("task.create", "import", "")
    with pytest.raises(BadRequest) as caught:
        await InProcess(pool.xapi).put("/import", {"session_id": pool.session, "task_id": task}, nothing(), 10)
    return (caught.value.status, *pool.row(task)["error_info"])


def versions(pool: Pool) -> list[str]:
    """What each host says of its product."""
    return [pool.row(pool.host(name))["software_version"]["product_version"] for name in (MASTER, SECOND, THIRD)]


def test_the_flag_is_there_while_hosts_differ() -> None:
    async def body(pool: Pool) -> None:
        assert FLAG not in pool.pool["other_config"]
        for number, name in enumerate((MASTER, SECOND, THIRD), start=1):
            await upgrade(pool, name)
            assert (versions(pool).count("6.2.0"), FLAG in pool.pool["other_config"]) == (number, number < 3)
        assert "sim.boot_release" not in pool.row(pool.host(SECOND))["other_config"]

    over_pool(body, release="tampa")


def test_the_pool_speaks_as_its_master_does() -> None:
    async def body(pool: Pool) -> None:
        vm = await pool.call("VM.create", {**VM_RECORD, "name_label": "a"})
        assert await pool.refused("VM.get_generation_id", vm) == ["MESSAGE_METHOD_UNKNOWN", "VM.get_generation_id"]
        await upgrade(pool, SECOND)
        assert pool.world.personality.name == "tampa"
        await upgrade(pool, MASTER)
        assert pool.world.personality.name == "clearwater"
        assert await pool.call("VM.get_generation_id", vm) == "0:0"
        assert await pool.call("host.get_API_version_major", pool.host(MASTER)) == 2

    over_pool(body, release="tampa")


def test_only_what_is_safe_may_be_done_meanwhile() -> None:
    async def body(pool: Pool) -> None:
        vm = await pool.call("VM.create", {**VM_RECORD, "name_label": "a"})
        assert "snapshot" in pool.row(vm)["allowed_operations"]
        await upgrade(pool, MASTER)
        assert "snapshot" not in pool.row(vm)["allowed_operations"]
        assert {"start", "clone", "destroy"} <= set(pool.row(vm)["allowed_operations"])
        refusal = ["NOT_SUPPORTED_DURING_UPGRADE"]
        assert await pool.refused("VM.snapshot", vm, "s") == refusal
        second = pool.host(SECOND)
        assert await pool.refused("SR.create", second, {}, "0", "s", "", "ext", "user", False, {}) == refusal
        assert await import_refused(pool) == (400, *refusal)
        assert await pool.refused("pool.eject", second) == refusal
        assert await pool.refused("pool.designate_new_master", second) == refusal
        for name in (SECOND, THIRD):
            await upgrade(pool, name)
        assert "snapshot" in pool.row(vm)["allowed_operations"]
        await pool.call("VM.snapshot", vm, "s")

    over_pool(body, release="tampa")


def test_vms_start_on_the_newest_hosts_and_go_to_none_that_is_older() -> None:
    async def body(pool: Pool) -> None:
        vm = await pool.call("VM.create", {**VM_RECORD, "name_label": "a"})
        await upgrade(pool, MASTER)
        second = pool.host(SECOND)
        assert await pool.refused("VM.start_on", vm, second, False, False) == ["NOT_SUPPORTED_DURING_UPGRADE"]
        await pool.call("VM.start", vm, False, False)
        assert pool.row(vm)["resident_on"] == pool.id(pool.host(MASTER))
        assert await pool.call("host.get_vms_which_prevent_evacuation", pool.host(MASTER)) == {vm: ["NO_HOSTS_AVAILABLE", vm]}
        other = made_running(pool, second)
        await pool.call("host.evacuate", second)
        assert pool.row(other)["resident_on"] in (pool.id(pool.host(MASTER)), pool.id(pool.host(THIRD)))

    over_pool(body, release="tampa")


def test_a_release_that_is_none_is_not_booted_and_told_of() -> None:
    async def body(pool: Pool) -> None:
        await upgrade(pool, SECOND, "tampax")
        assert versions(pool) == ["6.1.0"] * 3
        (alert,) = (row for _, row in pool.world.rows("message"))
        assert (alert["name"], alert["obj_uuid"]) == ("SIM_SETTING_IGNORED", pool.world.uuid(pool.id(pool.host(SECOND))))
        assert alert["body"] == "sim.boot_release: no XenServer release is called 'tampax'"

    over_pool(body, release="tampa")


def test_a_host_alone_is_upgraded_and_stays_so_in_its_file(tmp_path: Path) -> None:
    async def body() -> None:
        fleet = Fleet(Order(hosts=2, personality="tampa"))
        pool = Pool(fleet)
        await upgrade(pool, MASTER)
        assert FLAG not in pool.world[POOL]["other_config"]
        save_fleet(fleet, tmp_path / "f")
        await fleet.close()
        again = Fleet(load_fleet(tmp_path / "f").order, before=load_fleet(tmp_path / "f"))
        assert [xapi.world.personality.name for xapi in again.hosts.values()] == ["clearwater", "tampa"]
        await again.close()

    run_virtual(body())
