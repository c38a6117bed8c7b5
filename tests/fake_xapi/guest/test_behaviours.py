"""Behaviours as data: stages, what follows by weight, and what is said of one that is none."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.guest.behaviours import BadBehaviour, Stage, behaviour, behaviours
from fake_xapi.guest.console_log import console_text
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

REALISTIC = Settings(durations=durations("realistic"))
TWO_STAGES = {"first": "a", "stages": {"a": {"delay_s": 5, "prints": ["loader"], "next": ["b"]}, "b": {"delay_s": 5, "tells": ["drivers"]}}}


def test_every_behaviour_leads_from_its_first_stage_to_all_others() -> None:
    for plan in behaviours().values():
        reached, waiting = set(), [plan.first]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += plan.stages[name].next
        assert reached == set(plan.stages)


def test_a_delay_is_a_part_of_the_profile_and_seconds_of_its_own() -> None:
    chance = random.Random(1)
    assert Stage("s", of="guest.boot", part=0.5, delay_s=2.0).delay(10.0, chance) == 7.0
    drawn = [Stage("s", delay_s=10.0, jitter=0.2).delay(0.0, chance) for _ in range(200)]
    assert 8.0 <= min(drawn) < 9.0
    assert 11.0 < max(drawn) <= 12.0


def test_what_follows_is_drawn_by_weight() -> None:
    plan, chance = behaviours()["flaky"], random.Random(7)
    drawn = Counter(stage.name for _ in range(1000) if (stage := plan.follower(plan.stages["kernel"], chance)) is not None)
    assert set(drawn) == {"drivers", "panic"}
    assert 850 < drawn["drivers"] < 950
    assert plan.follower(plan.stages["agent"], chance) is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("dance", "no behaviour is called 'dance'"),
        ("{", "not a behaviour: Expecting property name"),
        ("{}", 'a behaviour is {"first": NAME'),
        ('{"first": "a", "stages": []}', 'a behaviour is {"first": NAME'),
        ('{"first": "a", "stages": {}}', "no stage is called 'a'"),
        ('{"first": "a", "stages": {"a": {"next": ["b"]}}}', "no stage is called 'b'"),
        ('{"first": "a", "stages": {"a": {"sleeps": 3}}}', "stage a: an object with some of"),
        ('{"first": "a", "stages": {"a": {"delay_s": -1}}}', "stage a: delay_s is -1, not a number from 0 on"),
        ('{"first": "a", "stages": {"a": {"weight": true}}}', "stage a: weight is True"),
        ('{"first": "a", "stages": {"a": {"of": "VM.start"}}}', "stage a: of is 'VM.start', none of guest.boot, guest.agent"),
        ('{"first": "a", "stages": {"a": {"does": "dance"}}}', "stage a: does is 'dance', none of halt, reboot, crash"),
        ('{"first": "a", "stages": {"a": {"prints": ["poem"]}}}', "stage a: prints is ['poem'], not a list of"),
        ('{"first": "a", "stages": {"a": {"tells": "drivers"}}}', "stage a: tells is 'drivers'"),
        ('{"first": "a", "stages": {"a": {"next": [7]}}}', "stage a: next is [7], not a list of names of stages"),
    ],
)
def test_what_is_no_behaviour_is_said(given: str, problem: str) -> None:
    with pytest.raises(BadBehaviour) as caught:
        behaviour(given)
    assert problem in str(caught.value)


async def _states(host: Host, vm: str, seconds: int) -> list[tuple[int, str]]:
    """The states of a VM as they change, by the second."""
    seen = [(0, host.row(vm)["power_state"])]
    for second in range(1, seconds):
        await asyncio.sleep(1)
        if host.row(vm)["power_state"] != seen[-1][1]:
            seen.append((second, host.row(vm)["power_state"]))
    return seen


def test_a_vm_brings_a_behaviour_of_its_own() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config={"sim.behaviour": json.dumps(TWO_STAGES)})
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(6)
        assert console_text(host.world, host.id(vm)).count("\r\n") == 2
        assert host.row(vm)["guest_metrics"] == 0
        await asyncio.sleep(5)
        assert host.world[host.row(vm)["guest_metrics"]]["PV_drivers_version"]["major"] == "7"

    over_host(body)


@pytest.mark.parametrize(
    ("config", "actions", "ends", "message"),
    [
        ({"sim.boot": "panic"}, {"actions_after_crash": "destroy"}, "Halted", "VM_CRASHED"),
        ({"sim.boot": "panic"}, {"actions_after_crash": "preserve"}, "Paused", "VM_CRASHED"),
        ({"sim.halt-after": "20"}, {}, "Halted", "VM_SHUTDOWN"),
        ({"sim.crash-after": "20"}, {"actions_after_crash": "destroy"}, "Halted", "VM_CRASHED"),
        ({"sim.reboot-after": "5", "sim.halt-after": "90"}, {"actions_after_reboot": "destroy"}, "Halted", "VM_REBOOTED"),
        ({"sim.behaviour": "job"}, {}, "Halted", "VM_SHUTDOWN"),
        ({"sim.behaviour": "installer"}, {"actions_after_reboot": "destroy"}, "Halted", "VM_REBOOTED"),
    ],
)
def test_a_guest_ends_by_itself(config: dict[str, str], actions: dict[str, str], ends: str, message: str) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config=config, **actions)
        await host.call("VM.start", vm, False, False)
        states = await _states(host, vm, 1500)
        assert [state for _, state in states] == ["Running", ends]
        assert host.bodies() == ["VM_STARTED", message]

    over_host(body, settings=REALISTIC)


def test_a_guest_that_reboots_itself_does_so_again_and_again() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config={"sim.reboot-after": "100"})
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1000)
        assert host.bodies()[:3] == ["VM_STARTED", "VM_REBOOTED", "VM_REBOOTED"]
        assert 5 <= len(host.bodies()) <= 10
        assert host.row(vm)["power_state"] == "Running"

    over_host(body, settings=REALISTIC)


def test_a_guest_that_hangs_at_boot_never_tells() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config={"sim.boot": "hang"})
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(500)
        assert (host.row(vm)["power_state"], host.row(vm)["guest_metrics"]) == ("Running", 0)
        assert "Waiting for devices" in console_text(host.world, host.id(vm))

    over_host(body, settings=REALISTIC)


def test_a_boot_takes_the_seconds_that_were_wished() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config={"sim.boot": "100"})
        await host.call("VM.start", vm, False, False)
        lives = []
        for _ in range(110):
            await asyncio.sleep(1)
            metrics = host.world.get(host.row(vm)["guest_metrics"])
            lives.append(metrics is not None and metrics["live"])
        assert lives.index(True) == 99

    over_host(body, settings=REALISTIC)


def test_a_guest_waits_with_its_end_until_nothing_else_is_done_to_it() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config={"sim.halt-after": "0"})
        await host.call("VM.start", vm, False, False)
        marked = host.row(vm)
        host.set(vm, current_operations={"OpaqueRef:t": "checkpoint"})
        await asyncio.sleep(60)
        assert host.row(vm)["power_state"] == "Running"
        host.set(vm, current_operations={})
        await asyncio.sleep(2)
        assert host.row(vm)["power_state"] == "Halted"
        assert marked["power_state"] == "Running"

    over_host(body)


def test_a_clone_of_a_template_behaves_as_the_template_says() -> None:
    async def body(host: Host) -> None:
        template = await host.vm(is_a_template=True, other_config={"sim.halt-after": "10"})
        vm = await host.call("VM.clone", template, "copy")
        await host.call("VM.set_is_a_template", vm, False)
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(11)
        assert host.row(vm)["power_state"] == "Halted"

    over_host(body)


@pytest.mark.parametrize(
    ("drivers", "version", "is_new"),
    [
        ("new", {"major": "7", "minor": "30", "micro": "0", "build": "3"}, True),
        ("old", {"major": "5", "minor": "6", "micro": "0", "build": "31188"}, False),
    ],
)
def test_drivers_may_be_old(drivers: str, version: dict[str, str], is_new: bool) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config={"sim.drivers": drivers})
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1)
        metrics = host.world[host.row(vm)["guest_metrics"]]
        assert (metrics["PV_drivers_version"], metrics["PV_drivers_up_to_date"]) == (version, is_new)

    over_host(body)


def test_a_guest_without_drivers_tells_nothing() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(HVM_boot_policy="BIOS order", other_config={"sim.drivers": "none"})
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1)
        assert host.row(vm)["guest_metrics"] == 0
        assert await host.refused("VM.clean_shutdown", vm) == ["VM_LACKS_FEATURE", vm]

    over_host(body)
