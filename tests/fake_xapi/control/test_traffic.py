"""What is counted of the calls, what metrics say, and what those who watch are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fake_xapi.control.errors import TooMany
from fake_xapi.control.live import MOST_WATCHERS
from fake_xapi.control.metrics import metrics
from fake_xapi.control.simulation import Simulation
from fake_xapi.control.traffic import KEPT, MOST_ERRORS, Count, Traffic, outcome_of
from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.ports import Xapi

T = TypeVar("T")
HOST = "xs00001"


class Bench:
    """A controlled fleet in this process."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.simulation = Simulation(fleet, Path())
        self.session = ""

    async def call(self, method: str, *params: Any) -> Any:
        return await InProcess(self.fleet.xapi_of(HOST)).call(method, [self.session, *params])

    async def refused(self, method: str, *params: Any) -> str:
        with pytest.raises(Failure) as caught:
            await self.call(method, *params)
        return caught.value.code

    async def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        families = text_string_to_metric_families(await metrics(self.simulation))
        return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def controlled(body: Callable[[Bench], Awaitable[T]], hosts: int = 3) -> T:
    async def main() -> T:
        bench = Bench(Fleet(Order(hosts, 7)))
        xapi = bench.fleet.hosts[HOST]
        bench.session = xapi.dispatch("session.login_with_password", ["root", "xenroot"])
        if asyncio.iscoroutine(bench.session):
            bench.session = await bench.session
        try:
            return await body(bench)
        finally:
            bench.simulation.close()
            await bench.fleet.close()

    return run_virtual(main())


def test_calls_are_counted_by_message_and_outcome() -> None:
    async def body(bench: Bench) -> dict[str, Any]:
        await bench.call("network.get_all")
        await bench.call("network_get_all")
        await bench.refused("network.get_uuid", "OpaqueRef:nothing")
        await bench.refused("nonsense.message")
        return bench.simulation.counters()

    counters = controlled(body)
    assert (counters["calls"], counters["errors"], counters["under_way"]) == (4, 2, 0)
    assert {name: (found["calls"], found["errors"]) for name, found in counters["messages"].items()} == {
        "network.get_all": (2, {}),
        "network.get_uuid": (1, {"HANDLE_INVALID": 1}),
        "unknown": (1, {"MESSAGE_METHOD_UNKNOWN": 1}),
    }


def test_a_call_that_a_fault_struck_is_seen_as_its_client_saw_it() -> None:
    async def body(bench: Bench) -> list[str]:
        bench.simulation.add_fault({"effect": {"kind": "lose-reply"}, "message": "network.get_all"})
        with pytest.raises(ConnectionResetError):
            await bench.call("network.get_all")
        return [call["outcome"] for call in bench.simulation.calls()["calls"]]

    assert controlled(body) == ["connection lost"]


def test_what_a_call_took_is_told_in_the_simulations_time() -> None:
    async def body(bench: Bench) -> list[float]:
        bench.simulation.add_fault({"effect": {"kind": "delay", "seconds": 90}, "message": "network.get_all"})
        asking = asyncio.create_task(bench.call("network.get_all"))
        await asyncio.sleep(30)
        assert bench.simulation.counters()["under_way"] == 1
        await asking
        return [call["took_s"] for call in bench.simulation.calls()["calls"]]

    assert controlled(body) == [90.0]


def test_a_call_that_is_given_up_is_cut_off() -> None:
    async def body(bench: Bench) -> list[str]:
        waiting = asyncio.create_task(bench.call("event.from", ["task"], "", 1000.0))
        bench.simulation.add_fault({"effect": {"kind": "hang"}, "message": "network.get_all"})
        asking = asyncio.create_task(bench.call("network.get_all"))
        await asyncio.sleep(10)
        for task in (waiting, asking):
            task.cancel()
        await asyncio.gather(waiting, asking, return_exceptions=True)
        return [call["outcome"] for call in bench.simulation.calls(message="network.*")["calls"]]

    assert controlled(body) == ["cut off"]


def test_only_the_last_calls_are_kept_and_only_so_many_outcomes_are_told_apart() -> None:
    async def main() -> None:
        traffic = Traffic(lambda name: True)
        for number in range(KEPT + 10):
            traffic.note(HOST, "VM.start", f"ERROR_{number}", (0.0, 0.0))
        assert (len(traffic.calls), traffic.calls[0].number, len(traffic.counts["VM.start"].outcomes)) == (KEPT, 11, MOST_ERRORS + 1)
        assert [call.number for call in traffic.since(KEPT + 8)] == [KEPT + 9, KEPT + 10]
        assert len(list(traffic.since(0))) == KEPT

    run_virtual(main())


def test_latencies_are_told_by_the_class_that_they_fall_into() -> None:
    count = Count()
    for real_s in [0.0002] * 90 + [0.2] * 9 + [1000.0]:
        count.add("success", real_s)
    assert (count.within_s(0.5), count.within_s(0.95), count.within_s(1.0)) == (0.00025, 0.25, 300.0)
    assert Count().within_s(0.5) == 0.0


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(Failure("SR_FULL", "1", "secret"), "SR_FULL"), (ConnectionResetError("x"), "connection lost"), (KeyError("x"), "KeyError")],
)
def test_an_outcome_has_no_parameters(error: Exception, outcome: str) -> None:
    assert outcome_of(error) == outcome


def test_without_control_nothing_stands_between_a_transport_and_its_xapi() -> None:
    async def body(bench: Bench) -> list[bool]:
        def direct() -> bool:
            found: Xapi | None = bench.fleet.xapi_at("127.0.1.1", 80)
            return found is bench.fleet.hosts[HOST]

        watched = direct()
        bench.simulation.close()
        return [watched, direct()]

    assert controlled(body) == [False, True]


# ---- metrics ------------------------------------------------------------------------------------------------------------------


def test_metrics_say_what_the_simulation_is() -> None:
    async def body(bench: Bench) -> None:
        await bench.call("network.get_all")
        await bench.refused("network.get_uuid", "OpaqueRef:nothing")
        bench.simulation.set_alive("xs00002", alive=False)
        bench.simulation.add_fault({"effect": {"kind": "refuse", "code": "HA_NO_PLAN"}, "message": "VM.get_all"})
        await bench.refused("VM.get_all")
        found = await bench.samples()
        assert found["xapi_calls_total", (("message", "network.get_all"), ("outcome", "success"))] == 1
        assert found["xapi_calls_total", (("message", "network.get_uuid"), ("outcome", "HANDLE_INVALID"))] == 1
        assert found["xapi_call_seconds_count", (("message", "network.get_all"),)] == 1
        assert found["xapi_call_seconds_bucket", (("le", "+Inf"), ("message", "network.get_all"))] == 1
        assert [found["xapi_hosts", (("state", state),)] for state in ("up", "dead")] == [2, 1]
        assert found["xapi_objects", (("class", "VM"),)] == 3 * bench.fleet.hosts[HOST].world.count("VM")
        assert found["xapi_fault_hits_total", (("effect", "refuse"), ("rule", "2"))] == 1
        assert found["xapi_tasks_pending", ()] == 0

    controlled(body)


def test_the_lag_of_the_loop_is_measured_once_somebody_asks() -> None:
    async def body(bench: Bench) -> bool:
        await bench.samples()
        await asyncio.sleep(10)
        return (await bench.samples())["xapi_loop_lag_worst_seconds", ()] >= 0

    assert controlled(body)


# ---- those who watch ----------------------------------------------------------------------------------------------------------


async def told(watcher: Any) -> dict[str, Any]:
    return dict(await watcher.look())


def test_a_watcher_is_told_all_at_first_and_then_what_differs() -> None:
    async def body(bench: Bench) -> None:
        watcher = bench.simulation.live.open()
        first = await told(watcher)
        assert (first["map"]["names"], first["map"]["cells"]) == (["xs00001", "xs00002", "xs00003"], [[0, 0, 0, 0, 0]] * 3)
        assert set(await told(watcher)) == {"clock", "traffic"}
        bench.simulation.set_alive("xs00002", alive=False)
        second = await told(watcher)
        assert second["cells"] == {"xs00002": [4, 0, 0, 0, 1]}
        assert [fault["rule"]["host"] for fault in second["faults"]["faults"]] == ["xs00002"]
        bench.simulation.clear_faults()
        assert (await told(watcher))["cells"] == {"xs00002": [0, 0, 0, 0, 0]}

    controlled(body)


def test_a_watcher_sees_vms_tasks_and_calls() -> None:
    async def body(bench: Bench) -> None:
        watcher = bench.simulation.live.open()
        await told(watcher)
        world = bench.fleet.hosts[HOST].world
        with world.edit() as edit:
            edit.create("VM", name_label="a", power_state="Running", resident_on=bench.fleet.hosts[HOST].host)
            edit.create("VM", name_label="b", power_state="Halted")
            edit.create("task", status="pending")
        await bench.call("network.get_all")
        found = await told(watcher)
        assert found["cells"] == {HOST: [0, 1, 1, 1, 0]}
        assert [call["message"] for call in found["traffic"]["calls"]] == ["network.get_all"]
        assert (found["traffic"]["came"], found["traffic"]["total"]) == (1, 1)

    controlled(body)


def test_a_busy_fleet_is_told_in_portions() -> None:
    async def body(bench: Bench) -> list[int]:
        watcher = bench.simulation.live.open()
        await told(watcher)
        bench.simulation.add_fault({"effect": {"kind": "dead"}})
        return [len((await told(watcher)).get("cells", {})) for _ in range(3)]

    assert controlled(body, hosts=1500) == [1000, 500, 0]


def test_when_nobody_watches_nothing_is_noted() -> None:
    async def body(bench: Bench) -> None:
        world = bench.fleet.hosts[HOST].world
        before = len(world.listeners)
        watchers = [bench.simulation.live.open() for _ in range(MOST_WATCHERS)]
        assert len(world.listeners) == before + 1
        with pytest.raises(TooMany, match="16 watch already; close a page"):
            bench.simulation.live.open()
        for watcher in watchers:
            bench.simulation.live.leave(watcher)
        assert (len(world.listeners), bench.simulation.live.watchers) == (before, 0)

    controlled(body)


def test_a_host_that_comes_is_told() -> None:
    async def body(bench: Bench) -> dict[str, Any]:
        watcher = bench.simulation.live.open()
        await told(watcher)
        bench.simulation.fork_host(HOST)
        found: dict[str, Any] = (await told(watcher))["cells"]
        return found

    assert controlled(body) == {"xs00004": [0, 0, 0, 0, 0]}
