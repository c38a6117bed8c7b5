"""High availability: on and off, plans, what it lets nobody do, and what it does when a host fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.lifecycle.rules import POOL
from tests.fake_xapi.pools.fleets import MASTER, SECOND, THIRD, Pool, at, logged_in, over_pool, refused
from tests.fake_xapi.pools.test_host_life import made_running
from tests.fake_xapi.verbs.kit.hosts import GIB, VM_RECORD

SIZES = ("memory_target", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max")


def shared_sr(pool: Pool, *without: str, **fields: Any) -> str:
    """A shared SR that every host but some has plugged; its ref."""
    with pool.world.edit() as edit:
        sr = edit.create("SR", name_label="shared", type="nfs", content_type="user", shared=True, physical_size=1 << 40, **fields)
        for host, row in pool.world.rows("host"):
            edit.create("PBD", SR=sr, host=host, currently_attached=row["name_label"] not in without)
        return pool.world.ref(sr)


async def with_ha(pool: Pool, *, tolerated: int = 1) -> str:
    """Switch HA on; the SR of its heartbeat."""
    sr = shared_sr(pool)
    await pool.call("pool.enable_ha", [sr], {})
    await pool.call("pool.set_ha_host_failures_to_tolerate", pool.world.ref(POOL), str(tolerated))
    return sr


def protected(pool: Pool, host: str, *, gib: int = 1, priority: str = "restart", **fields: Any) -> str:
    """A VM that runs on a host and is looked after."""
    return made_running(pool, host, ha_restart_priority=priority, **dict.fromkeys(SIZES, gib * GIB), **fields)


def names(pool: Pool) -> list[str]:
    """The alerts so far, oldest first."""
    return [pool.world[message]["name"] for message in sorted(pool.world.ids("message"))]


def test_ha_goes_on_with_a_statefile_on_shared_storage_and_off_without_a_trace() -> None:
    async def body(pool: Pool) -> None:
        sr = await with_ha(pool)
        row = pool.pool
        files = [vdi for vdi, other in pool.world.rows("VDI") if other["type"] == "ha_statefile"]
        assert (row["ha_enabled"], row["ha_statefiles"]) == (True, tuple(pool.world.ref(vdi) for vdi in files))
        assert [pool.world.ref(pool.world[vdi]["SR"]) for vdi in files] == [sr]
        assert (row["ha_plan_exists_for"], row["ha_overcommitted"], row["ha_host_failures_to_tolerate"]) == (1, False, 1)
        host = pool.row(pool.host(SECOND))
        assert host["ha_statefiles"] == row["ha_statefiles"]
        assert host["ha_network_peers"] == tuple(pool.host(name) for name in (MASTER, SECOND, THIRD))
        assert await pool.refused("pool.enable_ha", [sr], {}) == ["HA_IS_ENABLED"]
        await pool.call("pool.disable_ha")
        assert (pool.pool["ha_enabled"], pool.pool["ha_statefiles"]) == (False, ())
        assert not [row for _, row in pool.world.rows("VDI") if row["type"] in ("ha_statefile", "redo_log")]
        assert await pool.refused("pool.disable_ha") == ["HA_NOT_ENABLED"]

    over_pool(body)


def test_ha_finds_storage_for_itself() -> None:
    async def body(pool: Pool) -> None:
        assert await pool.refused("pool.enable_ha", [], {}) == ["CANNOT_CREATE_STATE_FILE"]
        shared_sr(pool, THIRD)
        assert await pool.refused("pool.enable_ha", [], {}) == ["CANNOT_CREATE_STATE_FILE"]
        sr = shared_sr(pool)
        await pool.call("pool.enable_ha", [], {"timeout": "30"})
        assert {pool.world.ref(row["SR"]) for _, row in pool.world.rows("VDI") if row["type"] == "ha_statefile"} == {sr}
        assert pool.pool["ha_configuration"] == {"timeout": "30"}

    over_pool(body)


def test_who_may_not_have_ha() -> None:
    async def body(pool: Pool) -> None:
        local = pool.world.ref(pool.pool["default_SR"])
        assert await pool.refused("pool.enable_ha", [local], {}) == ["HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", local]
        partly = shared_sr(pool, SECOND)
        assert await pool.refused("pool.enable_ha", [partly], {}) == ["HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", partly]
        sr, third = shared_sr(pool), pool.host(THIRD)
        pif = next(pif for pif in pool.row(third)["PIFs"] if pool.world[pif]["management"])
        with pool.world.edit() as edit:
            edit.set(pif, currently_attached=False)
        assert await pool.refused("pool.enable_ha", [sr], {}) == ["REQUIRED_PIF_IS_UNPLUGGED", pool.world.ref(pif)]
        death = pool.kill(SECOND)
        assert await pool.refused("pool.enable_ha", [sr], {}) == ["HOST_OFFLINE", pool.host(SECOND)]
        pool.fleet.faults.remove(death)
        with pool.world.edit() as edit:
            edit.put(POOL, "other_config", "rolling_upgrade_in_progress", "true")
        assert await pool.refused("pool.enable_ha", [sr], {}) == ["NOT_SUPPORTED_DURING_UPGRADE"]
        with pool.world.edit() as edit:
            edit.put(pool.id(third), "license_params", "enable_xha", "false")
        assert await pool.refused("pool.enable_ha", [sr], {}) == ["LICENCE_RESTRICTION", "HA"]

    over_pool(body)


def test_plans_count_memory_and_what_only_one_host_has() -> None:
    async def body(pool: Pool) -> None:
        assert await pool.call("pool.ha_compute_max_host_failures_to_tolerate") == 2
        vms = [protected(pool, pool.host(name), gib=60) for name in (MASTER, SECOND)]
        assert await pool.call("pool.ha_compute_max_host_failures_to_tolerate") == 1
        assert [await pool.call("pool.ha_failover_plan_exists", str(n)) for n in (0, 1, 2)] == [True, True, False]
        hypothetical = "pool.ha_compute_hypothetical_max_host_failures_to_tolerate"
        assert await pool.call(hypothetical, {vms[0]: "best-effort"}) == 2
        assert await pool.call(hypothetical, {vms[0]: "restart", vms[1]: "restart"}) == 1
        assert await pool.refused(hypothetical, {vms[0]: "always"}) == ["INVALID_VALUE", "ha_restart_priority", "always"]
        both = [pool.host(MASTER), pool.host(SECOND)]
        plan = await pool.call("pool.ha_compute_vm_failover_plan", both, vms)
        assert sorted(map(str, plan.values())) == sorted(
            map(str, ({"host": pool.host(THIRD)}, {"error_code": "NO_HOSTS_AVAILABLE"}))
        )  # fmt: skip
        with pool.world.edit() as edit:
            vdi = edit.create("VDI", SR=pool.pool["default_SR"], virtual_size=1)
            edit.create("VBD", VM=pool.id(vms[0]), VDI=vdi, currently_attached=True)
        assert await pool.call("pool.ha_compute_max_host_failures_to_tolerate") == 0

    over_pool(body)


def test_ha_lets_nobody_break_its_plan() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool)
        for name in (MASTER, SECOND):
            protected(pool, pool.host(name), gib=60)
        third = pool.host(THIRD)
        assert await pool.refused("host.disable", third) == ["HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN"]
        ref = pool.world.ref(POOL)
        assert await pool.refused("pool.set_ha_host_failures_to_tolerate", ref, "2") == ["HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN"]
        assert await pool.refused("pool.set_ha_host_failures_to_tolerate", ref, "-1") == [
            "INVALID_VALUE",
            "ha_host_failures_to_tolerate",
            "-1",
        ]
        await pool.call("pool.set_ha_allow_overcommit", ref, True)
        await pool.call("host.disable", third)
        assert (pool.pool["ha_overcommitted"], pool.pool["ha_plan_exists_for"]) == (True, 0)
        assert names(pool) == ["HA_POOL_DROP_IN_PLAN_EXISTS_FOR", "HA_POOL_OVERCOMMITTED"]

    over_pool(body)


def test_vms_of_a_failed_host_are_restarted_elsewhere_in_their_order() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool)
        second = pool.host(SECOND)
        later = protected(pool, second, order=2, name_label="later")
        first = protected(pool, second, order=1, start_delay=40, name_label="first")
        tried = protected(pool, second, priority="best-effort", order=0, name_label="tried")
        left = protected(pool, second, priority="", name_label="left")
        death = pool.kill(SECOND)
        await asyncio.sleep(59)
        assert pool.row(first)["resident_on"] == pool.id(second)
        await asyncio.sleep(2)
        assert (pool.is_live(second), pool.row(first)["power_state"]) == (False, "Halted")
        await asyncio.sleep(41)
        states = [pool.row(vm)["power_state"] for vm in (first, later, tried, left)]
        assert states == ["Running", "Running", "Running", "Halted"]
        assert pool.id(second) not in {pool.row(vm)["resident_on"] for vm in (first, later, tried)}
        started = [pool.world[message]["obj_uuid"] for message in sorted(pool.world.ids("message")) if _is_start(pool, message)]
        assert started == [pool.world.uuid(pool.id(vm)) for vm in (first, later, tried)]
        assert "HA_HOST_FAILED" in names(pool)
        pool.fleet.faults.remove(death)
        await asyncio.sleep(1)
        assert (pool.is_live(second), pool.row(second)["enabled"]) == (True, True)

    over_pool(body)


def _is_start(pool: Pool, message: int) -> bool:
    return bool(pool.world[message]["name"] == "VM_STARTED")


def test_restarts_go_on_though_the_failed_host_is_back() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool)
        vm = protected(pool, pool.host(SECOND), start_delay=100)
        death = pool.kill(SECOND)
        await asyncio.sleep(70)
        pool.fleet.faults.remove(death)
        await asyncio.sleep(100)
        assert (pool.row(vm)["power_state"], pool.is_live(pool.host(SECOND))) == ("Running", True)

    over_pool(body)


def test_a_protected_vm_that_finds_no_host_is_told_of() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool, tolerated=0)
        for name in (MASTER, SECOND, THIRD):
            protected(pool, pool.host(name), gib=60)
        pool.kill(SECOND)
        await asyncio.sleep(61)
        assert "HA_PROTECTED_VM_RESTART_FAILED" in names(pool)

    over_pool(body)


def test_the_others_elect_a_master_when_theirs_fails() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool)
        vm = protected(pool, pool.host(MASTER))
        death = pool.kill(MASTER)
        await asyncio.sleep(61)
        second = pool.fleet.hosts[SECOND]
        session = await logged_in(second)
        assert await at(second, "pool.get_master", session, second.world.ref(POOL)) == pool.host(SECOND)
        assert pool.row(vm)["power_state"] == "Running"
        assert await refused(pool.fleet.hosts[THIRD], "host.get_all", session) == ["HOST_IS_SLAVE", "127.0.1.2"]
        pool.fleet.faults.remove(death)
        await asyncio.sleep(1)
        assert await refused(pool.fleet.hosts[MASTER], "host.get_all", session) == ["HOST_IS_SLAVE", "127.0.1.2"]
        assert pool.is_live(pool.host(MASTER))

    over_pool(body)


def test_restarts_wait_while_they_are_prevented() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool)
        vm = protected(pool, pool.host(SECOND))
        await pool.call("pool.ha_prevent_restarts_for", "300")
        pool.kill(SECOND)
        await asyncio.sleep(299)
        assert pool.row(vm)["power_state"] == "Halted"
        await asyncio.sleep(2)
        assert pool.row(vm)["power_state"] == "Running"

    over_pool(body)


def test_a_host_that_comes_back_in_time_has_not_failed() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool)
        vm = protected(pool, pool.host(SECOND))
        death = pool.kill(SECOND)
        await asyncio.sleep(30)
        pool.fleet.faults.remove(death)
        await asyncio.sleep(600)
        assert (pool.row(vm)["resident_on"], pool.is_live(pool.host(SECOND))) == (pool.id(pool.host(SECOND)), True)

    over_pool(body)


def test_a_host_that_was_disarmed_is_not_fenced() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool)
        vm = protected(pool, pool.host(SECOND))
        member = pool.fleet.hosts[SECOND]
        session = await at(member, "session.slave_local_login_with_password", "root", "xenroot")
        assert await at(member, "host.ha_xapi_healthcheck", session) is True
        await at(member, "host.emergency_ha_disable", session, True)
        assert await refused(member, "host.emergency_ha_disable", session, True) == ["HA_NOT_ENABLED"]
        pool.kill(SECOND)
        await asyncio.sleep(300)
        assert pool.row(vm)["resident_on"] == pool.id(pool.host(SECOND))

    over_pool(body)


@pytest.mark.parametrize("method", ["pool.eject", "pool.designate_new_master", "host.destroy"])
def test_what_is_not_done_while_ha_is_on(method: str) -> None:
    async def body(pool: Pool) -> list[str]:
        await with_ha(pool, tolerated=0)
        if method == "host.destroy":
            with pool.world.edit() as edit:
                edit.set(pool.row(pool.host(SECOND))["metrics"], live=False)
        return await pool.refused(method, pool.host(SECOND))

    assert over_pool(body) == ["HA_IS_ENABLED"]


def test_a_vm_that_would_be_one_too_many_is_not_protected() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool)
        protected(pool, pool.host(MASTER), gib=30, priority="")
        protected(pool, pool.host(SECOND), gib=70, priority="")
        protected(pool, pool.host(THIRD), gib=60)
        large = protected(pool, pool.host(THIRD), gib=30, priority="")
        refusal = ["HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN"]
        await pool.call("VM.set_ha_restart_priority", large, "best-effort")
        assert await pool.refused("VM.set_ha_restart_priority", large, "restart") == refusal
        await pool.call("VM.hard_shutdown", large)
        await pool.call("VM.set_ha_restart_priority", large, "restart")
        assert await pool.refused("VM.start", large, False, False) == refusal

    over_pool(body)


def test_who_is_started_is_to_run_and_who_is_stopped_is_let_be() -> None:
    async def body(pool: Pool) -> None:
        vm = await pool.call("VM.create", {**VM_RECORD, "name_label": "a"})
        await pool.call("VM.set_ha_restart_priority", vm, "restart")
        assert pool.row(vm)["ha_always_run"] is False
        await pool.call("VM.start", vm, False, False)
        assert pool.row(vm)["ha_always_run"] is True
        await pool.call("VM.hard_shutdown", vm)
        assert pool.row(vm)["ha_always_run"] is False

    over_pool(body)
