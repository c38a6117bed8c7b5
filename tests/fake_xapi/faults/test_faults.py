"""Faults: each effect does what it says, to the calls it is about, as often as it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.faults.faults import Faults, message_name
from fake_xapi.faults.rules import Dead, Delay, Drop, Hang, LoseReply, Refuse, Rule, Truncate
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.transports.inprocess import InProcess

T = TypeVar("T")
HOST = "xs00001"


class Bench:
    """A fleet of two hosts and a session on the first."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.session = ""

    @property
    def faults(self) -> Faults:
        return self.fleet.faults

    async def call(self, method: str, *params: Any, host: str = HOST) -> Any:
        given = [*params] if method.startswith("session.login") else [self.session, *params]
        return await InProcess(self.fleet.xapi_of(host)).call(method, given)


def over_fleet(body: Callable[[Bench], Awaitable[T]]) -> T:
    async def main() -> T:
        bench = Bench(Fleet(Order(hosts=2)))
        bench.session = await bench.call("session.login_with_password", "root", "xenroot")
        try:
            return await body(bench)
        finally:
            await bench.fleet.close()

    return run_virtual(main())


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


async def _survives(bench: Bench) -> bool:
    try:
        await bench.call("network.get_all")
    except ConnectionResetError:
        return False
    return True


def test_a_host_without_rules_answers_by_itself() -> None:
    async def body(bench: Bench) -> None:
        bench.faults.add(Rule(Drop(), host="xs00002"))
        assert bench.fleet.xapi_of(HOST) is bench.fleet.hosts[HOST]

    over_fleet(body)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"message": "VM.strat"}, r"no message of XenAPI matches 'VM.strat'; did you mean VM.start"),
        ({"effect": Refuse("SR_FUL")}, r"XenAPI has no error 'SR_FUL'; did you mean SR_FULL"),
        ({"probability": 2.0}, r"between 0 and 1"),
    ],
)
def test_a_rule_that_can_never_strike_is_refused(wrong: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        Rule(**{"effect": Drop(), **wrong})


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
