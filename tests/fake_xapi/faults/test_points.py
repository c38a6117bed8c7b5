"""Faults in the midst of operations: at a phase, in whatever call comes to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.faults.rules import BadRule, Dead, Delay, Hang, Refuse, Rule
from tests.fake_xapi.faults.bench import HOST, OTHER, Bench, over_fleet

GIB = 1 << 30


async def _disk(bench: Bench, name: str = "d") -> str:
    sr = (await bench.call("pool.get_all_records")).popitem()[1]["default_SR"]
    record = {"name_label": name, "SR": sr, "virtual_size": str(GIB), "type": "user", "other_config": {}, "sharable": False}
    return str(await bench.call("VDI.create", {**record, "read_only": False}))


async def _is_refused(bench: Bench, method: str, *params: Any) -> bool:
    try:
        await bench.call(method, *params)
    except Failure:
        return True
    return False


def test_an_operation_fails_at_the_phase_with_the_error_of_the_rule() -> None:
    async def body(bench: Bench) -> tuple[list[str], int, int]:
        vdi = await _disk(bench)
        before = bench.xapi.world.count("VDI")
        handle = bench.faults.add(Rule(Refuse("SR_BACKEND_FAILURE_81", ("", "lvcreate", "")), at="VDI.clone"))
        with pytest.raises(Failure) as caught:
            await bench.call("VDI.clone", vdi)
        return caught.value.details, bench.xapi.world.count("VDI") - before, bench.faults.hits(handle)

    assert over_fleet(body) == (["SR_BACKEND_FAILURE_81", "", "lvcreate", ""], 0, 1)


def test_a_phase_begins_late() -> None:
    async def body(bench: Bench) -> float:
        vdi = await _disk(bench)
        bench.faults.add(Rule(Delay(90.0), at="VDI.clone"))
        await bench.call("VDI.clone", vdi)
        return asyncio.get_running_loop().time()

    assert over_fleet(body) == 90.0


def test_only_the_objects_that_are_named_come_to_harm() -> None:
    async def body(bench: Bench) -> list[bool]:
        doomed, sound = await _disk(bench, "doomed"), await _disk(bench, "sound")
        bench.faults.add(Rule(Refuse("SR_FULL", ("1", "0")), at="VDI.*", subject="doomed"))
        return [await _is_refused(bench, "VDI.clone", vdi) for vdi in (doomed, sound)]

    assert over_fleet(body) == [True, False]


def test_only_the_messages_that_are_named_come_to_harm() -> None:
    async def body(bench: Bench) -> list[bool]:
        vdi = await _disk(bench)
        bench.faults.add(Rule(Refuse("SR_FULL", ("1", "0")), at="VDI.*", message="VDI.snapshot"))
        return [await _is_refused(bench, f"VDI.{how}", vdi) for how in ("clone", "snapshot")]

    assert over_fleet(body) == [False, True]


def test_an_operation_that_hangs_at_a_phase_goes_on_when_released_and_the_next_one_hangs_again() -> None:
    async def body(bench: Bench) -> list[bool]:
        vdi = await _disk(bench)
        handle = bench.faults.add(Rule(Hang(), at="VDI.clone"))
        first = asyncio.create_task(bench.call("VDI.clone", vdi))
        await asyncio.sleep(1000)
        released = bench.faults.release(handle)
        await first
        second = asyncio.create_task(bench.call("VDI.clone", vdi))
        await asyncio.sleep(1000)
        was_held = not second.done()
        bench.faults.remove(handle)
        await second
        return [released == 1, was_held]

    assert over_fleet(body) == [True, True]


def test_a_task_that_hangs_at_a_phase_can_be_cancelled() -> None:
    async def body(bench: Bench) -> str:
        vdi = await _disk(bench)
        bench.faults.add(Rule(Hang(), at="VDI.clone"))
        task = await bench.call("Async.VDI.clone", vdi)
        await asyncio.sleep(10)
        await bench.call("task.cancel", task)
        await asyncio.sleep(10)
        return str(await bench.call("task.get_status", task))

    assert over_fleet(body) == "cancelled"


def test_a_host_dies_in_the_midst_of_an_operation() -> None:
    async def body(bench: Bench) -> None:
        vdi = await _disk(bench)
        disks, handle = bench.xapi.world.count("VDI"), bench.faults.add(Rule(Dead(), host=HOST, at="VDI.clone"))
        asking = asyncio.create_task(bench.call("VDI.clone", vdi))
        await asyncio.sleep(10)
        assert (bench.faults.is_dead(HOST), bench.faults.is_dead(OTHER)) == (True, False)
        with pytest.raises(ConnectionRefusedError):
            await bench.call("VDI.get_all")
        assert bench.xapi.world.count("VDI") == disks
        bench.faults.remove(handle)
        await asking
        assert bench.xapi.world.count("VDI") > disks

    over_fleet(body)


def test_a_host_that_died_in_the_midst_of_an_operation_may_be_revived_and_goes_on() -> None:
    async def body(bench: Bench) -> bool:
        vdi = await _disk(bench)
        bench.faults.add(Rule(Dead(), at="VDI.clone", count=1))
        asking = asyncio.create_task(bench.call("VDI.clone", vdi))
        await asyncio.sleep(10)
        assert bench.faults.is_dead(HOST)
        bench.faults.revive(HOST)
        await asking
        return bench.faults.is_dead(HOST)

    assert not over_fleet(body)


def test_a_host_that_dies_with_others_is_not_revived_alone() -> None:
    async def body(bench: Bench) -> None:
        bench.faults.add(Rule(Dead()))
        with pytest.raises(BadRule, match=r"xs00001 is dead by rule 1, which is about '\*'; remove that rule"):
            bench.faults.revive(HOST)

    over_fleet(body)


@pytest.mark.parametrize("host", [HOST, OTHER, "xs*"])
def test_a_rule_about_any_host_of_a_pool_strikes_the_pools_operations_once(host: str) -> None:
    async def body(bench: Bench) -> list[object]:
        vdi = await _disk(bench)
        handle = bench.faults.add(Rule(Refuse("SR_FULL", ("1", "0")), host=host, at="VDI.clone"))
        return [await _is_refused(bench, "VDI.clone", vdi), bench.faults.hits(handle)]

    assert over_fleet(body, pool_size=2) == [True, 1]


def test_a_member_dies_in_the_midst_of_an_operation_of_its_pool() -> None:
    async def body(bench: Bench) -> list[bool]:
        vdi = await _disk(bench)
        bench.faults.add(Rule(Dead(), host=OTHER, at="VDI.clone"))
        await bench.call("VDI.clone", vdi)
        return [bench.faults.is_dead(HOST), bench.faults.is_dead(OTHER)]

    assert over_fleet(body, pool_size=2) == [False, True]


def test_without_a_rule_about_phases_nobody_is_asked() -> None:
    async def body(bench: Bench) -> list[bool]:
        asked = [bench.xapi.at_point is not None]
        handle = bench.faults.add(Rule(Hang(), host=HOST, at="VDI.clone"))
        asked += [bench.xapi.at_point is not None, bench.fleet.hosts[OTHER].at_point is not None]
        bench.faults.remove(handle)
        return [*asked, bench.xapi.at_point is not None]

    assert over_fleet(body) == [False, True, False, False]


def test_rules_that_share_a_stream_share_their_chance() -> None:
    async def body(bench: Bench) -> list[list[bool]]:
        vdi, drawn = await _disk(bench), []
        for stream in ("a", "b", ""):
            handle = bench.faults.add(Rule(Refuse("SR_FULL", ("1", "0")), message="VDI.get_uuid", probability=0.5, stream=stream))
            drawn.append([await _is_refused(bench, "VDI.get_uuid", vdi) for _ in range(40)])
            bench.faults.remove(handle)
        return drawn

    assert over_fleet(body) == over_fleet(body)
    first, second, third = over_fleet(body)
    assert first != second != third
