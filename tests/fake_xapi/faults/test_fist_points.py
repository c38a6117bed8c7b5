"""XAPI's own names of faults: what each does to a pool."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.faults.plain import rule_from
from fake_xapi.transports.inprocess import InProcess
from tests.fake_xapi.faults.bench import HOST, OTHER, Bench, over_fleet
from tests.fake_xapi.pools.fleets import SECOND, Pool, over_pool
from tests.fake_xapi.pools.test_ha import names, protected, with_ha


def test_restarts_by_ha_fail_and_starts_by_clients_do_not() -> None:
    async def body(pool: Pool) -> None:
        await with_ha(pool)
        vm = protected(pool, pool.host(SECOND))
        handle = pool.fleet.faults.add(rule_from({"fist": "simulate_restart_failure", "probability": 1}))
        pool.kill(SECOND)
        await asyncio.sleep(120)
        assert (pool.row(vm)["power_state"], pool.fleet.faults.hits(handle) > 0) == ("Halted", True)
        assert "HA_PROTECTED_VM_RESTART_FAILED" in names(pool)
        await pool.call("VM.start", vm, False, False)
        assert pool.row(vm)["power_state"] == "Running"

    over_pool(body)


@pytest.mark.parametrize(
    ("point", "error"),
    [
        ("ha_daemon_startup_failed", ["HA_HEARTBEAT_DAEMON_STARTUP_FAILED"]),
        ("ha_cannot_access_statefile", ["HA_HOST_CANNOT_ACCESS_STATEFILE"]),
        ("reconfigure_host", ["INTERNAL_ERROR", "reconfigure_host"]),
    ],
)
def test_ha_is_not_enabled(point: str, error: list[str]) -> None:
    async def body(bench: Bench) -> list[str]:
        bench.faults.add(rule_from({"fist": point}))
        with pytest.raises(Failure) as caught:
            await bench.call("pool.enable_ha", [], {})
        return caught.value.details

    assert over_fleet(body) == error


def test_an_unplug_fails_once() -> None:
    async def body(bench: Bench) -> list[str]:
        bench.faults.add(rule_from({"fist": "simulate_vbd_unplug_failure"}))
        codes = []
        for _ in range(2):
            with pytest.raises(Failure) as caught:
                await bench.call("VBD.unplug", "OpaqueRef:nothing")
            codes.append(caught.value.code)
        return codes

    assert over_fleet(body) == ["DEVICE_DETACH_REJECTED", "HANDLE_INVALID"]


def test_the_clock_of_a_host_is_ten_minutes_ahead() -> None:
    async def body(bench: Bench) -> list[str]:
        bench.faults.add(rule_from({"fist": "insert_clock_skew", "host": HOST}))
        return [bench.fleet.hosts[host].now() for host in (HOST, OTHER)]

    assert over_fleet(body) == ["20120801T00:10:00Z", "20120801T00:00:00Z"]


@pytest.mark.parametrize("point", ["hang_psr_backup", "hang_psr_notify_new", "hang_psr_notify_send", "hang_psr_cleanup"])
def test_the_rotation_of_the_pools_secret_hangs(point: str) -> None:
    async def body(bench: Bench) -> bool:
        handle = bench.faults.add(rule_from({"fist": point}))
        asking = asyncio.create_task(InProcess(bench.fleet.xapi_of(HOST)).call("pool.rotate_secret", [bench.session]))
        await asyncio.sleep(1000)
        held = bench.faults.in_force()[0].held == 1
        bench.faults.remove(handle)
        await asyncio.gather(asking, return_exceptions=True)
        return held

    assert over_fleet(body)
