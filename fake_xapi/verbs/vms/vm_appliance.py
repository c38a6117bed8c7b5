"""The verbs of VM_appliance: VMs that start and stop together, in the order that each of them specifies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import groupby

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb

Step = Callable[[Call, Id], Awaitable[None]]


async def start(call: Call, appliance: Id, paused: bool) -> None:
    """Start every VM, or leave it paused: those with the lowest ``order`` first, the next group once their ``start_delay`` is over.

    OPERATION_PARTIALLY_FAILED ["start"] when one could not.
    """

    async def run(call: Call, vm: Id) -> None:
        await _let_run(call, vm, paused=paused)
        await call.wait(call.world[vm]["start_delay"])

    await _in_order(call, appliance, run, is_reversed=False)


async def _let_run(call: Call, vm: Id, *, paused: bool) -> None:
    state = call.world[vm]["power_state"]
    if state == "Halted":
        await call.perform("VM.start", vm, paused, False)
    elif state == "Suspended":
        await call.perform("VM.resume", vm, paused, False)
    elif state == "Paused" and not paused:
        await call.perform("VM.unpause", vm)


def _stopping(message: str) -> Verb:
    """A verb that sends a message to every VM that is not halted, the highest ``order`` first."""

    async def stop(call: Call, appliance: Id) -> None:
        async def halt(call: Call, vm: Id) -> None:
            if call.world[vm]["power_state"] != "Halted":
                await call.perform(message, vm)
                await call.wait(call.world[vm]["shutdown_delay"])

        await _in_order(call, appliance, halt, is_reversed=True)

    return stop


async def _in_order(call: Call, appliance: Id, step: Step, *, is_reversed: bool) -> None:
    """Take a step for all VMs, those of equal order concurrently. A failure of one does not hold up the others."""
    world = call.world
    vms = sorted(world[appliance]["VMs"], key=lambda vm: (world[vm]["order"], vm), reverse=is_reversed)
    has_failed = False
    for _, members in groupby(vms, key=lambda vm: world[vm]["order"]):
        outcomes = await asyncio.gather(*(step(call, vm) for vm in members), return_exceptions=True)
        has_failed |= any(_is_failure(outcome) for outcome in outcomes)
    if has_failed:
        raise Failure("OPERATION_PARTIALLY_FAILED", call.message.name)


def _is_failure(outcome: BaseException | None) -> bool:
    """Whether an outcome is a refusal; anything else that was raised, such as the end of the call itself, is raised again."""
    if outcome is None:
        return False
    if not isinstance(outcome, Failure) or outcome.code == "TASK_CANCELLED":
        raise outcome
    return True


def destroy(call: Call, appliance: Id) -> None:
    """Dissolve an appliance; its VMs stay."""
    with call.world.edit() as edit:
        for vm in edit[appliance]["VMs"]:
            edit.set(vm, appliance=0)
        edit.destroy(appliance)


VERBS: Mapping[str, Verb] = {
    "VM_appliance.destroy": destroy,
    "VM_appliance.start": start,
    "VM_appliance.clean_shutdown": _stopping("VM.clean_shutdown"),
    "VM_appliance.hard_shutdown": _stopping("VM.hard_shutdown"),
    "VM_appliance.shutdown": _stopping("VM.shutdown"),
}
