"""A guest that ends its own domain: it halts, reboots or crashes, and its VM's ``actions_after_*`` decide what follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fake_xapi.guest import machine
from fake_xapi.guest.prints import printed
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.vms import domains, squeezing, vm_groups

Exit = Literal["shutdown", "reboot", "crash"]
Outcome = Literal["Halted", "Paused", "Running"]

_OUTCOMES: Mapping[str, Outcome] = {
    "destroy": "Halted",
    "coredump_and_destroy": "Halted",
    "preserve": "Paused",
    "restart": "Running",
    "soft_reboot": "Running",
    "coredump_and_restart": "Running",
    "rename_restart": "Running",
}
_MESSAGES: Mapping[Exit, tuple[str, str]] = {
    "shutdown": ("VM_SHUTDOWN", "shutdown"),
    "reboot": ("VM_REBOOTED", "rebooted"),
    "crash": ("VM_CRASHED", "crashed"),
}
_LAST_WORDS: Mapping[Exit, str] = {"shutdown": "halt", "reboot": "reboot", "crash": "crash"}


def end_domain(call: Call, vm: Id, how: Exit) -> Outcome:
    """Carry out the actions of a VM whose guest halts, reboots or crashes; returns the resulting power state."""
    row = call.world[vm]
    outcome = _OUTCOMES[row[f"actions_after_{how}"]]
    host: Id = row["resident_on"]
    name, word = _MESSAGES[how]
    with call.world.edit() as edit:
        machine.prints(edit, vm, printed(call.world, vm, (_LAST_WORDS[how],)))
        if outcome == "Paused":
            edit.set(vm, power_state="Paused")
        else:
            domains.halt(edit, vm, call.now())
        if outcome == "Running":
            domains.settle(edit, vm)
            domains.begin(call, edit, vm, host, is_paused=False)
        call.announce(name, vm, f"VM '{row['name_label']}' (uuid: {call.world.uuid(vm)}) {word}")
    vm_groups.tell(call, vm)
    if outcome == "Halted":
        squeezing.balance(call, host)
    return outcome
