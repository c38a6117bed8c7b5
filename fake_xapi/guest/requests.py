"""XAPI's requests to a guest and how it reacts: shutdown, suspend, release of a device.

The deadlines are XAPI's own, in seconds of the clock whatever the profile.
"""

from __future__ import annotations

from typing import Literal

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest import machine
from fake_xapi.guest.prints import printed
from fake_xapi.guest.wishes import Wishes, wishes_of
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call

ACKNOWLEDGMENT_S = 60.0
"""The time within which a guest acknowledges a request in xenstore, if it can."""
SHUTDOWN_S = 1200.0
SUSPEND_S = 1200.0
DETACH_S = 1200.0
Share = tuple[float, float]


async def shut_down(call: Call, vm: Id, how: Literal["halt", "reboot"], *, share: Share) -> None:
    """Ask a guest to shut down; it is gone when this returns, one way or another.

    Failures VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT [vm], VM_SHUTDOWN_TIMEOUT [vm, seconds]: then it keeps running.
    """
    answer = _wishes(call, vm).shutdown
    domid = call.world[vm]["domid"]
    if answer.how == "ignore":
        await call.wait(ACKNOWLEDGMENT_S, share=share)
        _unless_gone(call, vm, domid, Failure("VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT", Handle(vm)))
    elif answer.how == "hang" or answer.delay_s > SHUTDOWN_S:
        await call.wait(SHUTDOWN_S, share=share)
        _unless_gone(call, vm, domid, Failure("VM_SHUTDOWN_TIMEOUT", Handle(vm), f"{SHUTDOWN_S:.0f}."))
    elif answer.how == "slow":
        await call.wait(answer.delay_s, share=share)
    else:
        await call.takes("guest.shutdown", share=share)
    _say_goodbye(call, vm, domid, "crash" if answer.how == "crash" else how)


def _wishes(call: Call, vm: Id) -> Wishes:
    return wishes_of(call.world[vm]["other_config"])


def _unless_gone(call: Call, vm: Id, domid: int, failure: Failure) -> None:
    """Raise the failure of a request, unless the guest has gone by itself in the meantime."""
    if call.world[vm]["domid"] == domid:
        raise failure


def _say_goodbye(call: Call, vm: Id, domid: int, words: str) -> None:
    if call.world[vm]["domid"] != domid:
        return
    with call.world.edit() as edit:
        machine.prints(edit, vm, printed(call.world, vm, (words,)))
    if words == "crash":
        call.announce("VM_CRASHED", vm, f"VM '{call.world[vm]['name_label']}' (uuid: {call.world.uuid(vm)}) crashed")


async def get_ready_to_sleep(call: Call, vm: Id) -> None:
    """Ask a guest to suspend itself. Failures VM_FAILED_SUSPEND_ACKNOWLEDGMENT [vm], VM_SUSPEND_TIMEOUT [vm, seconds]."""
    answer = _wishes(call, vm).suspend
    if answer.how == "ignore":
        await call.wait(ACKNOWLEDGMENT_S)
        raise Failure("VM_FAILED_SUSPEND_ACKNOWLEDGMENT", Handle(vm))
    if answer.how == "hang":
        await call.wait(SUSPEND_S)
        raise Failure("VM_SUSPEND_TIMEOUT", Handle(vm), f"{SUSPEND_S:.0f}.")


async def give_back(call: Call, device: Id) -> None:
    """Ask a guest to release a disk or interface.

    Failures DEVICE_DETACH_REJECTED [class, device, reason], DEVICE_DETACH_TIMEOUT [class, device].
    """
    row = call.world[device]
    answer = _wishes(call, row["VM"]).hotplug
    if answer.how == "refuse":
        raise Failure("DEVICE_DETACH_REJECTED", row.cls, Handle(device), answer.reason)
    if answer.how == "hang":
        await call.wait(DETACH_S)
        raise Failure("DEVICE_DETACH_TIMEOUT", row.cls, Handle(device))
