"""Hosts are disabled, emptied, rebooted, shut down, switched on, declared dead and forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.lifecycle.rules import POOL
from tests.fake_xapi.pools.fleets import MASTER, SECOND, THIRD, Pool, at, logged_in, over_pool, refused
from tests.fake_xapi.verbs.kit.hosts import GIB, VM_RECORD

EMPTY: dict[str, Any] = {"string": "", "map": {}, "ref": "OpaqueRef:NULL", "bool": False}
"""What a parameter is when nothing is to be said."""
REALISTIC = Settings(durations=durations("realistic"))


def is_up(pool: Pool, address: str) -> bool:
    """Whether connections to an address are taken."""
    try:
        return pool.fleet.xapi_at(address, 80) is not None
    except ConnectionRefusedError:
        return False


def made_running(pool: Pool, host: str, **fields: Any) -> str:
    """A VM without devices that runs on a host, made behind XAPI's back; its ref."""
    given = {"power_state": "Running", "resident_on": pool.id(host), "memory_dynamic_max": GIB, "memory_static_max": GIB}
    more = {"memory_target": GIB, "memory_dynamic_min": GIB, "VCPUs_max": 1, "VCPUs_at_startup": 1, "domain_type": "pv", "domid": 3}
    boots = {"PV_bootloader": "pygrub", "domain_type": "pv", "name_label": "guest"}
    with pool.world.edit() as edit:
        metrics = edit.create("VM_metrics", current_domain_type="pv")
        return pool.world.ref(edit.create("VM", **{**given, **more, **boots, "metrics": metrics, **fields}))


def test_a_host_goes_down_ten_seconds_after_it_was_asked_to_reboot_and_comes_back_enabled() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        await pool.call("host.disable", second)
        await pool.call("host.reboot", second)
        assert (is_up(pool, "127.0.1.2"), pool.is_live(second)) == (True, True)
        assert await pool.refused("host.enable", second) == ["HOST_DISABLED_UNTIL_REBOOT", second]
        await asyncio.sleep(11)
        assert (is_up(pool, "127.0.1.2"), pool.is_live(second), pool.row(second)["enabled"]) == (False, False, False)
        assert await pool.refused("host.enable", second) == ["HOST_OFFLINE", second]
        await asyncio.sleep(300)
        assert (is_up(pool, "127.0.1.2"), pool.is_live(second), pool.row(second)["enabled"]) == (True, True, True)
        assert pool.row(second)["other_config"]["boot_time"] != "1343779200."

    over_pool(body, settings=REALISTIC)


def test_a_host_that_is_not_to_be_enabled_by_itself_stays_disabled() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        await pool.call("host.disable", second, False)
        await pool.call("host.reboot", second)
        await asyncio.sleep(1)
        assert (pool.is_live(second), pool.row(second)["enabled"]) == (True, False)
        await pool.call("host.enable", second)
        assert pool.row(second)["enabled"] is True

    over_pool(body)


def test_a_rebooted_master_knows_nobody_who_was_logged_in() -> None:
    async def body(pool: Pool) -> None:
        master = pool.host(MASTER)
        await pool.call("host.disable", master)
        await pool.call("host.reboot", master)
        await asyncio.sleep(11)
        assert await refused(pool.fleet.hosts[SECOND], "session.login_with_password", "root", "xenroot") == ["HOST_STILL_BOOTING"]
        await asyncio.sleep(300)
        assert await pool.refused("host.get_all") == ["SESSION_INVALID", pool.session]
        await logged_in(pool.xapi)

    over_pool(body, settings=REALISTIC)


def test_a_host_alone_reboots_too() -> None:
    async def body(pool: Pool) -> None:
        host = pool.host(MASTER)
        await pool.call("host.disable", host)
        await pool.call("host.reboot", host)
        await asyncio.sleep(20)
        assert not is_up(pool, "127.0.1.1")
        await asyncio.sleep(300)
        assert (is_up(pool, "127.0.1.1"), pool.row(host)["enabled"]) == (True, True)

    over_pool(body, hosts=2, pool_size=1, settings=REALISTIC)


@pytest.mark.parametrize("method", ["host.reboot", "host.shutdown", "host.prepare_for_poweroff"])
def test_who_may_not_go_down(method: str) -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        assert await pool.refused(method, second) == ["HOST_NOT_DISABLED"]
        await pool.call("host.disable", second)
        vm = made_running(pool, second)
        assert await pool.refused(method, second) == ["HOST_IN_USE", second, "VM", vm]

    over_pool(body)


def test_a_host_that_was_shut_down_is_switched_on_from_afar() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        assert await pool.refused("host.power_on", second) == ["HOST_IS_LIVE", second]
        await pool.call("host.disable", second)
        await pool.call("host.shutdown", second)
        await asyncio.sleep(3600)
        assert (is_up(pool, "127.0.1.2"), pool.is_live(second)) == (False, False)
        assert await pool.refused("host.power_on", second) == ["HOST_POWER_ON_MODE_DISABLED"]
        await pool.call("host.set_power_on_mode", second, "telepathy", {})
        assert await pool.refused("host.power_on", second) == ["XENAPI_MISSING_PLUGIN", "telepathy"]
        await pool.call("host.set_power_on_mode", second, "wake-on-lan", {})
        await pool.call("host.power_on", second)
        assert (is_up(pool, "127.0.1.2"), pool.is_live(second), pool.row(second)["enabled"]) == (True, True, True)

    over_pool(body, settings=REALISTIC)


def test_a_restarted_agent_is_away_for_a_while_and_its_sessions_for_good() -> None:
    async def body(pool: Pool) -> None:
        await pool.call("host.restart_agent", pool.host(MASTER))
        await pool.call("host.get_all")
        await asyncio.sleep(11)
        assert not is_up(pool, "127.0.1.1")
        await asyncio.sleep(60)
        assert await pool.refused("host.get_all") == ["SESSION_INVALID", pool.session]

    over_pool(body, settings=REALISTIC)


def test_an_agent_that_is_shut_down_stays_away() -> None:
    async def body(pool: Pool) -> None:
        member = pool.fleet.hosts[SECOND]
        session = await at(member, "session.slave_local_login_with_password", "root", "xenroot")
        await at(member, "host.shutdown_agent", session)
        await asyncio.sleep(3600)
        assert not is_up(pool, "127.0.1.2")

    over_pool(body)


def test_a_dead_host_is_declared_dead_and_forgotten() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        vm = made_running(pool, second)
        for method in ("host.declare_dead", "host.destroy"):
            assert await pool.refused(method, second) == ["HOST_IS_LIVE", second]
            assert await pool.refused(method, pool.host(MASTER)) == ["HOST_IS_LIVE", pool.host(MASTER)]
        death = pool.kill(SECOND)
        await asyncio.sleep(601)
        assert await pool.refused("host.destroy", second) == ["HOST_HAS_RESIDENT_VMS", second]
        assert await pool.refused("VM.hard_shutdown", vm) == ["HOST_OFFLINE", second]
        await pool.call("host.declare_dead", second)
        assert (pool.row(vm)["power_state"], pool.row(vm)["resident_on"], pool.row(second)["enabled"]) == ("Halted", 0, False)
        uuid = pool.world.uuid(pool.id(second))
        await pool.call("host.destroy", second)
        assert pool.world.count("host") == 2
        assert {row["host"] for _, row in pool.world.rows("PBD")} == {pool.id(pool.host(name)) for name in (MASTER, THIRD)}
        pool.fleet.faults.remove(death)
        assert await refused(pool.fleet.hosts[SECOND], "host.get_all", "x") == ["HOST_UNKNOWN_TO_MASTER", uuid]

    over_pool(body)


def test_the_master_cannot_destroy_itself() -> None:
    async def body(pool: Pool) -> list[str]:
        master = pool.host(MASTER)
        with pool.world.edit() as edit:
            edit.set(pool.row(master)["metrics"], live=False)
        return [*await pool.refused("host.destroy", master), master]

    code, host, master = over_pool(body)
    assert (code, host) == ("HOST_CANNOT_DESTROY_SELF", master)


def test_a_host_is_emptied_some_vms_at_a_time() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        vms = [made_running(pool, second, memory_target=(number + 1) * GIB) for number in range(12)]
        await pool.call("host.assert_can_evacuate", second)
        await pool.call("host.disable", second)
        await pool.call("host.evacuate", second)
        homes = [pool.row(vm)["resident_on"] for vm in vms]
        assert {pool.world[home]["name_label"] for home in homes} == {MASTER, THIRD}
        assert 5 <= homes.count(homes[0]) <= 7
        assert [pool.row(vm)["power_state"] for vm in vms] == ["Running"] * 12
        assert [vm for vm in pool.row(second)["resident_VMs"] if not pool.world[vm]["is_control_domain"]] == []

    over_pool(body)


def test_while_a_host_is_emptied_nothing_starts_there() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        made_running(pool, second)
        halted = await pool.call("VM.create", {**VM_RECORD, "name_label": "late"})
        task = await pool.call("Async.host.evacuate", second)
        await asyncio.sleep(0.1)
        assert await pool.refused("VM.start_on", halted, second, False, False) == ["HOST_EVACUATE_IN_PROGRESS", second]
        await asyncio.sleep(600)
        assert await pool.call("task.get_status", task) == "success"

    over_pool(body, settings=REALISTIC)


def test_why_a_host_cannot_be_emptied() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        sizes = ("memory_target", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max")
        large = made_running(pool, second, **dict.fromkeys(sizes, 95 * GIB))
        assert await pool.refused("host.evacuate", second) == ["HOST_NOT_ENOUGH_FREE_MEMORY", large]
        assert await pool.refused("host.assert_can_evacuate", second) == [
            "CANNOT_EVACUATE_HOST",
            f"HOST_NOT_ENOUGH_FREE_MEMORY,{large}",
        ]
        pool.set(large, **dict.fromkeys(sizes, GIB))
        with pool.world.edit() as edit:
            edit.set(POOL, ha_enabled=True)
        assert await pool.call("host.get_vms_which_prevent_evacuation", second) == {large: ["HOST_EVACUATE_VM_NOT_HA_PROTECTED", large]}
        pool.set(large, ha_restart_priority="best-effort")
        for name in (MASTER, THIRD):
            pool.set(pool.host(name), enabled=False)
        assert await pool.refused("host.evacuate", second) == ["NO_HOSTS_AVAILABLE", large]

    over_pool(body)


def test_a_host_is_made_known_before_it_says_hello() -> None:
    async def body(pool: Pool) -> None:
        uuid = "11111111-2222-4333-8444-555555555555"
        values: dict[str, Any] = {"uuid": uuid, "name_label": "new", "hostname": "new", "address": "10.0.0.9", "edition": "free"}
        message = pool.xapi.routes["host.create"].message
        given = [values.get(param.name, EMPTY[param.type.kind]) for param in message.params[: message.min_params]]
        given += [
            param.default or "unknown" if param.type.kind == "enum" else param.default for param in message.params[message.min_params :]
        ]
        host = await pool.call("host.create", *given)
        row = pool.row(host)
        assert (row["name_label"], row["address"], row["enabled"], pool.is_live(host)) == ("new", "10.0.0.9", False, False)
        assert pool.world.uuid(pool.id(host)) == uuid
        assert row["software_version"] == pool.row(pool.host(MASTER))["software_version"]
        assert await pool.refused("host.create", *given) == ["UUID_INVALID", "host", uuid]

    over_pool(body)
