"""VMs share a host's memory: they shrink when another one comes and grow when one goes."""

from __future__ import annotations

import asyncio
from typing import Any

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, add_host, over_host

REALISTIC = Settings(durations=durations("realistic"))
ELASTIC: dict[str, Any] = {
    "memory_static_min": str(GIB),
    "memory_dynamic_min": str(2 * GIB),
    "memory_dynamic_max": str(8 * GIB),
    "memory_static_max": str(8 * GIB),
}


async def up(host: Host, **fields: Any) -> str:
    """A VM that runs, with its drivers."""
    vm = await host.vm(**fields)
    await host.call("VM.start", vm, False, False)
    await asyncio.sleep(120)
    return vm


def targets(host: Host, *vms: str) -> list[int]:
    return [host.row(vm)["memory_target"] for vm in vms]


def actual(host: Host, vm: str) -> int:
    return int(host.world[host.row(vm)["metrics"]]["memory_actual"])


def test_vms_whose_limits_differ_share_what_is_left_in_proportion() -> None:
    async def body(host: Host) -> None:
        first = await up(host, **ELASTIC)
        assert targets(host, first) == [8 * GIB]
        second, third = await up(host, **ELASTIC), await up(host, **ELASTIC)
        shares = targets(host, first, second, third)
        assert len(set(shares)) == 1
        overheads = sum(host.row(vm)["memory_overhead"] for vm in (first, second, third))
        left = 16 * GIB - overheads - sum(shares)
        assert 0 <= left < 3 * MIB
        assert [actual(host, vm) for vm in (first, second, third)] == shares

    over_host(body)


def test_who_stays_grows_again_when_another_one_goes() -> None:
    async def body(host: Host) -> None:
        vms = [await up(host, **ELASTIC) for _ in range(3)]
        await host.call("VM.hard_shutdown", vms[0])
        await host.call("VM.suspend", vms[1])
        assert (targets(host, vms[2]), actual(host, vms[2])) == ([8 * GIB], 8 * GIB)

    over_host(body)


def test_a_vm_with_fixed_memory_takes_from_those_that_can_shrink() -> None:
    async def body(host: Host) -> None:
        elastic = [await up(host, **ELASTIC), await up(host, **ELASTIC)]
        fixed = await up(host, **{name: str(8 * GIB) for name in ELASTIC})
        assert targets(host, fixed) == [8 * GIB]
        assert all(2 * GIB <= target < 4 * GIB for target in targets(host, *elastic))
        needed, free = (await host.refused("VM.start", await host.vm(**{name: str(8 * GIB) for name in ELASTIC}), False, False))[1:]
        assert (int(needed) > int(free), int(free)) == (True, await host.call("host.compute_free_memory", host.host))

    over_host(body)


def test_a_start_waits_until_the_others_have_given_back() -> None:
    async def body(host: Host) -> None:
        first = await up(host, **ELASTIC)
        second = await host.vm(**{name: str(10 * GIB) for name in ELASTIC})
        starting = asyncio.ensure_future(host.call("VM.start", second, False, False))
        await asyncio.sleep(1)
        assert (targets(host, first)[0] < 6 * GIB, host.row(second)["power_state"]) == (True, "Halted")
        await starting
        assert (actual(host, first), host.row(second)["power_state"]) == (targets(host, first)[0], "Running")

    over_host(body, settings=REALISTIC)


def test_one_that_keeps_its_memory_lets_the_start_fail_and_all_have_what_they_had() -> None:
    async def body(host: Host) -> None:
        stubborn = await up(host, **ELASTIC, other_config={"sim.balloon": "stuck"})
        other = await host.vm(**{name: str(10 * GIB) for name in ELASTIC})
        assert await host.refused("VM.start", other, False, False) == ["VMS_FAILED_TO_COOPERATE"]
        assert (targets(host, stubborn), actual(host, stubborn)) == ([8 * GIB], 8 * GIB)
        assert (host.row(other)["power_state"], host.row(other)["scheduled_to_be_resident_on"]) == ("Halted", 0)

    over_host(body)


def test_a_vm_that_migrates_fits_in_where_it_comes_and_leaves_room_where_it_goes() -> None:
    async def body(host: Host) -> None:
        moving, staying, third = await up(host, **ELASTIC), await up(host, **ELASTIC), await up(host, **ELASTIC)
        there = add_host(host)
        fixed = await host.vm(**{name: str(10 * GIB) for name in ELASTIC})
        await host.call("VM.start_on", fixed, there, False, False)
        await host.call("VM.pool_migrate", moving, there, {"live": "true"})
        assert host.row(moving)["resident_on"] == host.id(there)
        assert 2 * GIB < targets(host, moving)[0] < 6 * GIB
        assert all(target > 7 * GIB for target in targets(host, staying, third))

    over_host(body)
