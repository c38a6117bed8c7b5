"""Faults: each effect does what it says, to the calls it is about, as often as it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.faults.faults import Faults, message_name
from fake_xapi.faults.rules import (
    ClockSkew,
    Dead,
    Delay,
    Drop,
    Effect,
    FullSr,
    Hang,
    LoseReply,
    LostNetwork,
    Refuse,
    Rule,
    Truncate,
)
from fake_xapi.transports.inprocess import InProcess
from tests.fake_xapi.faults.bench import HOST, Bench, over_fleet


async def _networks(bench: Bench) -> int:
    return len(await bench.call("network.get_all"))


NEW = {"name_label": "n", "other_config": {}}


def test_a_refused_call_has_done_nothing() -> None:
    async def body(bench: Bench) -> None:
        before = await _networks(bench)
        bench.faults.add(Rule(Refuse("OUT_OF_SPACE", ("/var",)), message="network.create"))
        with pytest.raises(Failure) as caught:
            await bench.call("network.create", NEW)
        assert (caught.value.details, await _networks(bench)) == (["OUT_OF_SPACE", "/var"], before)

    over_fleet(body)


def test_a_lost_reply_leaves_the_effect_behind() -> None:
    async def body(bench: Bench) -> None:
        before = await _networks(bench)
        bench.faults.add(Rule(LoseReply(), message="network.create"))
        with pytest.raises(ConnectionResetError):
            await bench.call("network.create", NEW)
        assert await _networks(bench) == before + 1

    over_fleet(body)


def test_a_dropped_call_leaves_nothing_behind() -> None:
    async def body(bench: Bench) -> None:
        before = await _networks(bench)
        bench.faults.add(Rule(Drop(), message="network.create"))
        with pytest.raises(ConnectionResetError):
            await bench.call("network.create", NEW)
        assert await _networks(bench) == before

    over_fleet(body)


def test_a_truncated_reply_breaks_the_connection_after_the_work() -> None:
    async def body(bench: Bench) -> None:
        before = await _networks(bench)
        bench.faults.add(Rule(Truncate(0.5), message="network.create"))
        with pytest.raises(ConnectionResetError):
            await bench.call("network.create", NEW)
        assert await _networks(bench) == before + 1

    over_fleet(body)


def test_a_delay_holds_every_call_of_its_host_and_no_other() -> None:
    async def body(bench: Bench) -> None:
        bench.faults.add(Rule(Delay(3.0), host=HOST))
        loop = asyncio.get_running_loop()
        await bench.call("network.get_all")
        assert loop.time() == 3.0
        await bench.call("session.login_with_password", "root", "xenroot", host="xs00002")
        assert loop.time() == 3.0

    over_fleet(body)


def test_what_hangs_goes_on_when_the_rule_is_removed() -> None:
    async def body(bench: Bench) -> None:
        handle = bench.faults.add(Rule(Hang(), message="network.get_all"))
        asking = asyncio.create_task(bench.call("network.get_all"))
        await asyncio.sleep(1000)
        assert not asking.done()
        bench.faults.remove(handle)
        assert await asking

    over_fleet(body)


def test_a_dead_host_refuses_connections_until_it_lives_again() -> None:
    async def body(bench: Bench) -> None:
        bench.faults.add(Rule(Dead(), host=HOST))
        with pytest.raises(ConnectionRefusedError):
            await bench.call("network.get_all")
        bench.faults.clear()
        assert await bench.call("network.get_all")

    over_fleet(body)


def test_the_nth_call_alone_is_meant() -> None:
    async def body(bench: Bench) -> None:
        handle = bench.faults.add(Rule(Drop(), message="network.get_all", nth=2))
        outcomes = [await _survives(bench) for _ in range(3)]
        assert (outcomes, bench.faults.hits(handle)) == ([True, False, True], 1)

    over_fleet(body)


def test_a_count_bounds_how_often_a_rule_strikes() -> None:
    async def body(bench: Bench) -> None:
        bench.faults.add(Rule(Drop(), message="network.get_all", count=2))
        assert [await _survives(bench) for _ in range(4)] == [False, False, True, True]

    over_fleet(body)


def test_chance_repeats_with_the_seed() -> None:
    async def body(bench: Bench) -> list[bool]:
        bench.faults.add(Rule(Drop(), message="network.get_all", probability=0.5))
        return [await _survives(bench) for _ in range(40)]

    first, second = over_fleet(body), over_fleet(body)
    assert first == second
    assert 5 < sum(first) < 35


def test_a_rule_may_be_about_one_object() -> None:
    async def body(bench: Bench) -> None:
        first, second = (await bench.call("network.get_all"))[:2]
        bench.faults.add(Rule(Drop(), subject=first))
        assert await bench.call("network.get_name_label", second)
        with pytest.raises(ConnectionResetError):
            await bench.call("network.get_name_label", first)

    over_fleet(body)


def test_an_object_may_be_named_by_its_label_or_uuid() -> None:
    async def body(bench: Bench) -> list[bool]:
        bench.faults.add(Rule(Drop(), subject="Host internal *"))
        mine = await bench.call("network.get_by_name_label", "Pool-wide network associated with eth1")
        bench.faults.add(Rule(Drop(), subject=await bench.call("network.get_uuid", mine[0])))
        return [await _has_a_name(bench, network) for network in sorted(await bench.call("network.get_all"))]

    assert sorted(over_fleet(body)) == [False, False, True]


async def _has_a_name(bench: Bench, network: str) -> bool:
    try:
        return bool(await bench.call("network.get_name_label", network))
    except ConnectionResetError:
        return False


def test_a_host_that_dies_during_a_call_never_answers_it() -> None:
    async def body(bench: Bench) -> None:
        xapi = InProcess(bench.fleet.xapi_of(HOST))
        waiting = asyncio.create_task(xapi.call("event.from", [bench.session, ["task"], "", 60.0]))
        token = (await waiting)["token"]
        waiting = asyncio.create_task(xapi.call("event.from", [bench.session, ["task"], token, 60.0]))
        await asyncio.sleep(1)
        bench.faults.add(Rule(Dead(), host=HOST))
        with pytest.raises(ConnectionRefusedError):
            await waiting

    over_fleet(body)


def test_transports_and_pools_hear_of_deaths_of_their_ends_and_of_nothing_else() -> None:
    told: list[str] = []
    faults = Faults("1", [HOST])
    faults.deaths.append(lambda: told.append("told"))
    faults.add(Rule(Delay(1.0)))
    faults.remove(faults.add(Rule(Dead(), host="xs*")))
    assert told == ["told", "told"]


def test_a_rule_about_no_host_of_the_fleet_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no host of the fleet matches 'xs0001'; did you mean xs00001"):
        Faults("1", [HOST]).add(Rule(Drop(), host="xs0001"))


async def _survives(bench: Bench) -> bool:
    try:
        await bench.call("network.get_all")
    except ConnectionResetError:
        return False
    return True


def test_a_host_without_rules_answers_by_itself() -> None:
    async def body(bench: Bench) -> None:
        bench.faults.add(Rule(Drop(), host="xs00002"))
        assert bench.fleet.xapi_at("127.0.1.1", 80) is bench.fleet.hosts[HOST]

    over_fleet(body)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"message": "VM.strat"}, r"no message of XenAPI matches 'VM.strat'; did you mean VM.start"),
        ({"effect": Refuse("SR_FUL")}, r"XenAPI has no error 'SR_FUL'; did you mean SR_FULL"),
        ({"probability": 2.0}, r"between 0 and 1"),
        ({"nth": -1}, r"nth and count are 0 or more, not -1 and 0"),
        ({"effect": Delay(-1.0)}, r"a delay takes 0 seconds or more, not -1.0"),
        ({"effect": Delay(float("nan"))}, r"a delay takes 0 seconds or more, not nan"),
        ({"effect": Truncate(1.0)}, r"a fraction from 0 to less than 1, not 1.0"),
        ({"effect": Dead(), "message": "VM.*"}, r"a dead host answers nothing at all"),
        ({"effect": Refuse("SR_FULL", ("1",))}, r"SR_FULL has parameters requested, maximum: give 2, not 1"),
        ({"effect": Refuse("HA_NO_PLAN", ("x",))}, r"HA_NO_PLAN has no parameters: give 0, not 1"),
        ({"effect": Refuse("SR_BACKEND_FAILURE_46", ("",))}, r"SR_BACKEND_FAILURE_46 has parameters status, stdout, stderr: give 3"),
        ({"at": "VDI.copi"}, r"no phase of an operation matches 'VDI.copi'; did you mean VDI.copy"),
        ({"at": "VDI.copy"}, r"drop strikes whole calls, not a phase of an operation; there it may be refuse, delay, hang, dead"),
        ({"effect": FullSr(), "message": "VDI.*"}, r"full-sr is about hosts, not calls"),
        ({"effect": LostNetwork(), "nth": 2}, r"lost-network is about hosts, not calls"),
        ({"effect": ClockSkew(1.0), "subject": "x"}, r"a host has one clock: name the host alone, no subject"),
        ({"effect": ClockSkew(float("inf"))}, r"a clock is wrong by less than a century, not by inf seconds"),
        ({"message": "put_import_raw_vdi", "subject": "x"}, r"put_import_raw_vdi is a transfer, whose object is not looked at"),
    ],
)
def test_a_rule_that_can_never_strike_is_refused(wrong: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        Rule(**{"effect": Drop(), **wrong})


IMAGE = bytes(range(256)) * 8192


async def _disk(bench: Bench) -> str:
    storage = (await bench.call("pool.get_all_records")).popitem()[1]["default_SR"]
    record = {"name_label": "d", "SR": storage, "virtual_size": str(len(IMAGE)), "type": "user", "other_config": {}}
    vdi: str = await bench.call("VDI.create", {"sharable": False, "read_only": False, **record})
    return vdi


async def _pieces() -> AsyncIterator[bytes]:
    yield IMAGE


async def _put(bench: Bench, vdi: str) -> None:
    query = {"session_id": bench.session, "vdi": vdi}
    await InProcess(bench.fleet.xapi_of(HOST)).put("/import_raw_vdi", query, _pieces(), len(IMAGE))


async def _got(bench: Bench, vdi: str) -> bytes:
    query, got = {"session_id": bench.session, "vdi": vdi}, bytearray()
    with suppress(ConnectionResetError):
        async for piece in InProcess(bench.fleet.xapi_of(HOST)).get("/export_raw_vdi", query):
            got += piece
    return bytes(got)


def test_a_slow_hosts_transfers_are_late_as_well() -> None:
    async def body(bench: Bench) -> tuple[float, bytes]:
        vdi = await _disk(bench)
        bench.faults.add(Rule(Delay(7.0)))
        await _put(bench, vdi)
        return asyncio.get_running_loop().time(), await _got(bench, vdi)

    assert over_fleet(body) == (7.0, IMAGE)


@pytest.mark.parametrize(("effect", "is_written"), [(Drop(), False), (LoseReply(), True), (Truncate(0.5), True)])
def test_a_disturbed_import_breaks_before_or_after_its_work(effect: Effect, *, is_written: bool) -> None:
    async def body(bench: Bench) -> bytes:
        vdi = await _disk(bench)
        bench.faults.add(Rule(effect, message="put_import_raw_vdi"))
        with suppress(ConnectionResetError):
            await _put(bench, vdi)
        return await _got(bench, vdi)

    assert over_fleet(body) == (IMAGE if is_written else bytes(len(IMAGE)))


def test_a_truncated_export_ends_in_the_middle() -> None:
    async def body(bench: Bench) -> bytes:
        vdi = await _disk(bench)
        await _put(bench, vdi)
        bench.faults.add(Rule(Truncate(0.25), message="get_export_raw_vdi"))
        return await _got(bench, vdi)

    assert over_fleet(body) == IMAGE[: len(IMAGE) // 4]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("VM.start", "VM.start"),
        ("VM_start", "VM.start"),
        ("Async.VM.start", "VM.start"),
        ("InternalAsync.VM.start", "VM.start"),
        ("VM_guest_metrics_get_record", "VM_guest_metrics.get_record"),
        ("event_from", "event.from"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_message_is_known_by_each_of_its_names(method: str, message: str) -> None:
    assert message_name(method) == message
