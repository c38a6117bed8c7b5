"""Any calls in any order to two pools of a fleet that VMs go between, with faults, saves and rewinding: whatever happens, this holds.

The same as in test_any_calls, of both pools at every step; and what a pool is loaded from, or goes back to, goes on.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.durations import durations
from fake_xapi.engine.rewinding import replace_world
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import VirtualTimeLoop
from fake_xapi.faults.rules import LoseReply, Refuse, Rule
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.state_file import load_fleet, save_fleet
from fake_xapi.state import storage
from fake_xapi.state.value import Value, diff
from tests.fake_xapi.stateful.messages import ANY, GIB, MODERN, QOS, Draw, Params
from tests.fake_xapi.stateful.side import NULL, Side

T = TypeVar("T")
SETTINGS = Settings(durations=durations("realistic"), waits_for_busy=False)
STRUCK = ("INTERNAL_ERROR", "struck")
picks = st.randoms(use_true_random=False)
sides = st.integers(0, 1)


class AnyPools(RuleBasedStateMachine):
    """A pool of three hosts and one of two."""

    release = "latest"
    messages: Mapping[str, Params] = MODERN

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.fleet = self._run(self._made(Order(hosts=5, pool_size=3, personality=self.release)))
        self.sides = self._sides()
        self.points: list[tuple[int, Value, DiskStore]] = []

    def teardown(self) -> None:
        self._run(self.fleet.close())
        self.runner.close()

    @initialize()
    def a_guest_on_each_side(self) -> None:
        for side in self.sides:
            self._make(side, random.Random(1))

    # ---- what clients do ---------------------------------------------------------------------------------------------------------

    @rule(pick=picks, number=sides)
    def make_a_vm(self, pick: random.Random, number: int) -> None:
        self._make(self.sides[number], pick)

    @rule(pick=picks, number=sides, choice=st.integers(0, 10_000), is_async=st.booleans())
    def ask(self, pick: random.Random, number: int, choice: int, is_async: bool) -> None:
        """Any call about any objects. One that is refused at once has changed nothing."""
        side, names = self.sides[number], sorted(self.messages)
        name = names[choice % len(names)]
        params = self.messages[name](Draw(side, pick))
        if is_async:
            note(f"{side.name}: Async.{name} {params}")
            side.refusal(f"Async.{name}", *params)
            self._wait(0)
            return
        before, began = side.world.value, self._now()
        details = side.refusal(name, *params)
        note(f"{side.name}: {name} {params} -> {details}")
        assert details[:1] != ["INTERNAL_ERROR"]
        if details and self._now() == began:
            assert side.changes(before) == []

    @rule(pick=picks, number=sides, is_live=st.booleans())
    def send_to_the_other_pool(self, pick: random.Random, number: int, is_live: bool) -> None:
        """Whatever becomes of it, the VM is in one of the pools."""
        here, there = self.sides[number], self.sides[1 - number]
        vm = Draw(here, pick).guest
        if vm == NULL:
            return
        row, uuid = here.world[here.world.find_ref(vm)], here.call("VM.get_uuid", vm)
        network, sr = there.any(pick, "network"), there.any(pick, "SR")
        try:
            dest = there.call("host.migrate_receive", there.any(pick, "host"), network, {})
        except Failure as failure:
            note(f"no way to {there.name}: {failure.details}")
            return
        vdis = {here.world.ref(here.world[vbd]["VDI"]): sr for vbd in row["VBDs"] if here.world[vbd]["VDI"]}
        vifs = {here.world.ref(vif): network for vif in row["VIFs"]}
        details = here.refusal("VM.migrate_send", vm, dest, is_live, vdis, vifs, {})
        note(f"{here.name}: migrate_send {vm} to {there.name} -> {details}")
        assert details[:1] != ["INTERNAL_ERROR"]
        found = [side.name for side in self.sides if not side.refusal("VM.get_by_uuid", uuid)]
        assert (here.name if details else there.name) in found

    @precondition(lambda self: any(side.world.count("task") for side in self.sides))
    @rule(pick=picks, number=sides, message=st.sampled_from(["task.cancel", "task.destroy"]))
    def end_a_task(self, pick: random.Random, number: int, message: str) -> None:
        side = self.sides[number]
        if side.world.count("task"):
            side.refusal(message, side.any(pick, "task"))

    @rule(seconds=st.sampled_from([0.5, 5.0, 60.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self._wait(seconds)

    # ---- what goes wrong ---------------------------------------------------------------------------------------------------------

    @rule(pick=picks, number=sides, name=st.sampled_from(["VM.start", "VM.clone", "VDI.create", "network.create", "host.disable"]))
    def a_call_is_struck(self, pick: random.Random, number: int, name: str) -> None:
        """One that is refused by a fault has changed nothing."""
        side, before = self.sides[number], self.sides[number].world.value
        handle = self.fleet.faults.add(Rule(Refuse(STRUCK[0], STRUCK[1:]), host=side.name, message=name, count=1))
        with pytest.raises(Failure) as caught:
            self._answer_of(self.fleet.faults.over(side.name, side.xapi), name, [side.session, *self.messages[name](Draw(side, pick))])
        self.fleet.faults.remove(handle)
        assert caught.value.details == list(STRUCK)
        assert side.changes(before) == []

    @rule(pick=picks, number=sides)
    def a_reply_is_lost(self, pick: random.Random, number: int) -> None:
        """The work is done though nobody hears of it."""
        side = self.sides[number]
        count = side.world.count("network")
        handle = self.fleet.faults.add(Rule(LoseReply(), host=side.name, message="network.create", count=1))
        with pytest.raises(ConnectionError):
            self._answer_of(
                self.fleet.faults.over(side.name, side.xapi), "network.create", [side.session, *ANY["network.create"](Draw(side, pick))]
            )
        self.fleet.faults.remove(handle)
        assert side.world.count("network") == count + 1

    # ---- what is kept ------------------------------------------------------------------------------------------------------------

    @rule(number=sides)
    def what_is_saved_is_what_is_loaded(self, number: int) -> None:
        value = self.sides[number].world.value
        restored = storage.restore(storage.dump(value))
        assert list(diff(value, restored)) == []

    @rule()
    def go_on_from_a_file(self) -> None:
        """The fleet is saved and ends; another one begins where it was. What was under way is over, and everything holds."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fleet"
            save_fleet(self.fleet, path)
            self._run(self.fleet.close())
            saved = load_fleet(path)
        self.fleet = self._run(self._made(saved.order, saved))
        self.sides, self.points = self._sides(), []

    @rule(number=sides)
    def keep_a_point(self, number: int) -> None:
        side = self.sides[number]
        self.points.append((number, side.world.value, side.xapi.disks.fork()))

    @precondition(lambda self: self.points)
    @rule(pick=picks)
    def go_back_to_a_point(self, pick: random.Random) -> None:
        """A pool goes back; sessions stay, and whoever follows the events sees it become what it was."""
        number, value, disks = pick.choice(self.points)
        side = self.sides[number]
        self._run(replace_world(side.xapi, value, disks.fork(), self.release))

    @invariant()
    def everything_holds(self) -> None:
        for side in self.sides:
            side.holds()

    # ---- how ---------------------------------------------------------------------------------------------------------------------

    @staticmethod
    async def _made(order: Order, before: Any = None) -> Fleet:
        return Fleet(order, SETTINGS, before=before)

    def _sides(self) -> list[Side]:
        found = [Side(name, xapi, self._answer_of) for name, xapi in self.fleet.hosts.items() if xapi.is_master]
        for side in found:
            side.log_in()
        return found

    def _make(self, side: Side, pick: random.Random) -> None:
        template = side.any(pick, "VM", lambda row: row["is_default_template"])
        vm = side.call("VM.clone", template, "made")
        side.refusal("VM.provision", vm)
        side.refusal("VM.set_memory_limits", vm, *[str(GIB)] * 4)
        side.refusal("VIF.create", {"VM": vm, "network": side.any(pick, "network"), "device": "0", "MAC": "", "MTU": "1500", **QOS})

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def _now(self) -> float:
        return self.runner.get_loop().time()

    def _wait(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))

    def _answer_of(self, xapi: Any, method: str, params: list[Any]) -> Any:
        return self._run(_answered(xapi, method, params))


async def _answered(xapi: Any, method: str, params: list[Any]) -> Any:
    outcome = xapi.dispatch(method, params)
    answer = await outcome if asyncio.iscoroutine(outcome) else outcome
    return answer.value() if hasattr(answer, "value") else answer


class AnyPoolsOf2012(AnyPools):
    """The same with the rules of 2012."""

    release = "tampa"
    messages = ANY


def _ran(examples: int, steps: int) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    return settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=slow, print_blob=True)


TestAnyPools = AnyPools.TestCase
TestAnyPools.settings = _ran(8, 30)


class AnyPoolsForLong(AnyPools):
    """The same, over and over."""


TestAnyPoolsForLong = pytest.mark.long(AnyPoolsForLong.TestCase)
TestAnyPoolsForLong.settings = _ran(60, 50)
TestAnyPoolsOf2012 = pytest.mark.long(AnyPoolsOf2012.TestCase)
TestAnyPoolsOf2012.settings = _ran(40, 40)
