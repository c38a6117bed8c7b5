"""Power operations as recipes: their calls, refusals, and what a lost reply leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from compute_core.model.images import Image
from compute_core.xenapi import power
from compute_core.xenapi.errors import ReplyLost, XenApiFailure
from compute_core.xenapi.power import Patience
from tests.compute_core.rig import Rig, over_rig
from tests.compute_core.simulated import Disturbance, loses_reply
from tests.compute_core.values import an_instance

PATIENCE = Patience(clean_shutdown_s=30.0, clean_reboot_s=30.0)
Operation = Callable[[Rig, str], Awaitable[None]]

OPERATIONS: dict[str, Operation] = {
    "start": lambda rig, vm: power.start(rig.session, rig.place, vm),
    "stop": lambda rig, vm: power.stop(rig.session, vm, PATIENCE),
    "reboot_soft": lambda rig, vm: power.reboot_soft(rig.session, rig.place, vm, PATIENCE),
    "reboot_hard": lambda rig, vm: power.reboot_hard(rig.session, rig.place, vm),
    "pause": lambda rig, vm: power.pause(rig.session, vm),
    "unpause": lambda rig, vm: power.unpause(rig.session, vm),
    "suspend": lambda rig, vm: power.suspend(rig.session, vm),
    "resume": lambda rig, vm: power.resume(rig.session, vm),
}
TO_REACH = {"Running": [], "Halted": ["stop"], "Paused": ["pause"], "Suspended": ["suspend"]}


def after(tmp_path: Path, state: str, operation: str, *, after: Disturbance | None = None, vm_mode: str = "xen") -> tuple[list[str], str]:
    """What an operation asks of a VM in a state, and where the VM then is."""

    async def body(rig: Rig) -> tuple[list[str], str]:
        image: Image = await rig.images.update(rig.image.id, properties={"vm_mode": vm_mode})
        vm = await rig.spawn(an_instance(), image)
        for step in TO_REACH[state]:
            await OPERATIONS[step](rig, vm)
        rig.undisturbed()
        rig.wire.after = after
        await OPERATIONS[operation](rig, vm)
        asked = rig.undisturbed()
        return asked, await rig.session.call("VM.get_power_state", vm)

    return over_rig(tmp_path, body)


@pytest.mark.parametrize(
    ("state", "operation", "asked", "end"),
    [
        ("Halted", "start", ["VM.start_on"], "Running"),
        ("Running", "stop", ["VM.clean_shutdown"], "Halted"),
        ("Running", "reboot_soft", ["VM.clean_reboot"], "Running"),
        ("Running", "reboot_hard", ["VM.hard_reboot"], "Running"),
        ("Running", "pause", ["VM.pause"], "Paused"),
        ("Paused", "unpause", ["VM.unpause"], "Running"),
        ("Running", "suspend", ["VM.suspend"], "Suspended"),
        ("Suspended", "resume", ["VM.resume"], "Running"),
        ("Running", "start", ["VM.start_on"], "Running"),
        ("Halted", "stop", ["VM.clean_shutdown"], "Halted"),
        ("Paused", "stop", ["VM.clean_shutdown", "VM.hard_shutdown"], "Halted"),
        ("Suspended", "stop", ["VM.clean_shutdown", "VM.hard_shutdown"], "Halted"),
        ("Paused", "reboot_hard", ["VM.hard_reboot"], "Running"),
        ("Halted", "reboot_hard", ["VM.hard_reboot", "VM.start_on"], "Running"),
        ("Suspended", "reboot_hard", ["VM.hard_reboot", "VM.hard_shutdown", "VM.start_on"], "Running"),
    ],
)
def test_an_operation_takes_one_call_where_nothing_is_in_its_way(
    tmp_path: Path, state: str, operation: str, asked: list[str], end: str
) -> None:
    assert after(tmp_path, state, operation) == (asked, end)


@pytest.mark.parametrize(
    ("state", "operation"), [("Suspended", "unpause"), ("Halted", "pause"), ("Halted", "suspend"), ("Paused", "resume")]
)
def test_what_the_state_forbids_is_refused_in_xapis_words(tmp_path: Path, state: str, operation: str) -> None:
    with pytest.raises(XenApiFailure, match="VM_BAD_POWER_STATE"):
        after(tmp_path, state, operation)


@pytest.mark.parametrize(
    ("operation", "asked", "end"),
    [
        ("stop", ["VM.clean_shutdown", "VM.hard_shutdown"], "Halted"),
        ("reboot_soft", ["VM.clean_reboot", "VM.hard_reboot"], "Running"),
    ],
)
def test_a_guest_without_drivers_is_made_to(tmp_path: Path, operation: str, asked: list[str], end: str) -> None:
    assert after(tmp_path, "Running", operation, vm_mode="hvm") == (asked, end)


@pytest.mark.parametrize(
    ("state", "operation", "end"),
    [
        ("Halted", "start", "Running"),
        ("Running", "stop", "Halted"),
        ("Running", "reboot_soft", "Running"),
        ("Running", "reboot_hard", "Running"),
        ("Running", "pause", "Paused"),
        ("Paused", "unpause", "Running"),
        ("Running", "suspend", "Suspended"),
        ("Suspended", "resume", "Running"),
    ],
)
def test_a_lost_reply_is_answered_by_the_vm_itself(tmp_path: Path, state: str, operation: str, end: str) -> None:
    asked, reached = after(tmp_path, state, operation, after=loses_reply(1))

    assert (asked[1:], reached) == (["VM.get_record"], end)


def test_a_request_that_got_lost_on_its_way_is_an_error(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        rig.undisturbed()

        def lose(name: str, number: int) -> None:
            if number == 1:
                raise ReplyLost(name, "lost on its way there")

        rig.wire.before = lose
        with pytest.raises(ReplyLost, match=r"VM\.pause"):
            await power.pause(rig.session, vm)

    over_rig(tmp_path, body)


def test_a_guest_that_does_not_react_in_time_is_made_to(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[list[str], str]:
        vm = await rig.spawn(an_instance())
        rig.undisturbed()

        async def forever() -> None:
            await asyncio.get_running_loop().create_future()

        rig.wire.before = lambda name, _: forever() if name == "VM.clean_shutdown" else None
        await power.stop(rig.session, vm, PATIENCE)
        return rig.undisturbed(), await rig.session.call("VM.get_power_state", vm)

    assert over_rig(tmp_path, body) == (["VM.clean_shutdown", "VM.hard_shutdown"], "Halted")
