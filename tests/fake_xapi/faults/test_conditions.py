"""What a host suffers while a rule is in force, and that all of it is taken back."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.faults.rules import ClockSkew, FullSr, LostNetwork, Rule
from tests.fake_xapi.faults.bench import HOST, OTHER, Bench, over_fleet

GIB = 1 << 30


async def _default_sr(bench: Bench) -> str:
    pools = await bench.call("pool.get_all_records")
    return str(pools.popitem()[1]["default_SR"])


async def _disk(bench: Bench, sr: str) -> str:
    record = {"name_label": "d", "SR": sr, "virtual_size": str(GIB), "type": "user", "other_config": {}, "sharable": False}
    return str(await bench.call("VDI.create", {**record, "read_only": False}))


def test_a_full_sr_refuses_disks_until_it_has_room_again() -> None:
    async def body(bench: Bench) -> None:
        sr = await _default_sr(bench)
        size = await bench.call("SR.get_physical_size", sr)
        handle = bench.faults.add(Rule(FullSr(), host=HOST))
        with pytest.raises(Failure, match=r"SR_FULL|SR_BACKEND_FAILURE_44"):
            await _disk(bench, sr)
        assert bench.faults.hits(handle) == 1
        bench.faults.remove(handle)
        assert await _disk(bench, sr)
        assert await bench.call("SR.get_physical_size", sr) == size

    over_fleet(body)


def test_a_full_sr_may_be_named_and_the_others_have_room() -> None:
    async def body(bench: Bench) -> None:
        sr = await _default_sr(bench)
        world = bench.xapi.world
        with world.edit() as edit:
            second = edit.create("SR", name_label="second", type="ext", content_type="user", physical_size=10 * GIB)
            edit.create("PBD", SR=second, host=bench.xapi.host, currently_attached=True)
        bench.faults.add(Rule(FullSr(), host=HOST, subject="second"))
        assert await _disk(bench, sr)
        with pytest.raises(Failure):
            await _disk(bench, world.ref(second))

    over_fleet(body)


def test_two_rules_that_fill_one_sr_give_its_room_back_when_both_are_gone() -> None:
    async def body(bench: Bench) -> list[bool]:
        sr = await _default_sr(bench)
        size = await bench.call("SR.get_physical_size", sr)
        handles = [bench.faults.add(Rule(FullSr(), host=HOST)) for _ in range(2)]
        has_room = []
        for handle in handles:
            bench.faults.remove(handle)
            has_room.append(await bench.call("SR.get_physical_size", sr) == size)
        return has_room

    assert over_fleet(body) == [False, True]


async def _carriers(bench: Bench) -> dict[str, bool]:
    metrics = await bench.call("PIF_metrics.get_all_records")
    pifs = await bench.call("PIF.get_all_records")
    return {pif["device"]: metrics[pif["metrics"]]["carrier"] for pif in pifs.values()}


def test_an_interface_without_a_carrier_is_seen_and_has_one_again() -> None:
    async def body(bench: Bench) -> list[dict[str, bool]]:
        before = await _carriers(bench)
        handle = bench.faults.add(Rule(LostNetwork(), host=HOST, subject="eth1"))
        meanwhile = await _carriers(bench)
        bench.faults.remove(handle)
        return [before, meanwhile, await _carriers(bench)]

    before, meanwhile, after = over_fleet(body)
    assert before["eth0"]
    assert before["eth1"]
    assert meanwhile == {**before, "eth1": False}
    assert after == before


def test_a_host_that_lost_its_management_network_answers_when_it_has_it_again() -> None:
    async def body(bench: Bench) -> None:
        before = bench.xapi.world.generation
        handle = bench.faults.add(Rule(LostNetwork(), host=HOST))
        asking = asyncio.create_task(bench.call("network.create", {"name_label": "n", "other_config": {}}))
        await asyncio.sleep(1000)
        networks = bench.xapi.world.count("network")
        assert (asking.done(), bench.faults.is_isolated(HOST), bench.faults.is_isolated(OTHER)) == (False, True, False)
        bench.faults.remove(handle)
        assert await asking
        assert bench.xapi.world.count("network") == networks + 1
        assert bench.xapi.world.generation > before

    over_fleet(body)


def test_what_a_host_did_before_its_network_went_is_told_when_it_is_back() -> None:
    async def body(bench: Bench) -> bool:
        token = (await bench.call("event.from", ["network"], "", 1.0))["token"]
        waiting = asyncio.create_task(bench.call("event.from", ["network"], token, 60.0))
        await asyncio.sleep(1)
        handle = bench.faults.add(Rule(LostNetwork(), host=HOST))
        with bench.xapi.world.edit() as edit:
            edit.create("network", name_label="n")
        await asyncio.sleep(1000)
        assert not waiting.done()
        bench.faults.remove(handle)
        return bool((await waiting)["events"])

    assert over_fleet(body)


@pytest.mark.parametrize(("skew_s", "date"), [(3600.0, "20120801T01:00:00Z"), (-60.0, "20120731T23:59:00Z")])
def test_the_clock_of_one_host_is_wrong(skew_s: float, date: str) -> None:
    async def body(bench: Bench) -> list[str]:
        handle = bench.faults.add(Rule(ClockSkew(skew_s), host=HOST))
        [host] = await bench.call("host.get_all")
        wrong, other = str(await bench.call("host.get_servertime", host)), bench.fleet.hosts[OTHER].now()
        bench.faults.remove(handle)
        return [wrong, other, bench.xapi.now()]

    assert over_fleet(body) == [date, "20120801T00:00:00Z", "20120801T00:00:00Z"]


def test_a_world_that_became_another_suffers_what_it_did_before() -> None:
    async def body(bench: Bench) -> list[bool]:
        sr = await _default_sr(bench)
        before = bench.xapi.world.value
        size = await bench.call("SR.get_physical_size", sr)
        handle = bench.faults.add(Rule(FullSr(), host=HOST))
        bench.xapi.world.become(before, keeping=("session",))
        bench.faults.world_replaced(HOST)
        is_full = await bench.call("SR.get_physical_size", sr) != size
        bench.faults.remove(handle)
        return [is_full, await bench.call("SR.get_physical_size", sr) == size]

    assert over_fleet(body) == [True, True]
