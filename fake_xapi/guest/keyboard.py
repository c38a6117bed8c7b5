"""What a guest does with keys that somebody presses at its console: its screen shows them; Ctrl-Alt-Del reboots hardware.

Only a running guest has ears. Nobody is logged in by typing.
"""

from __future__ import annotations

from fake_xapi.guest import machine
from fake_xapi.guest.console_log import console_text
from fake_xapi.guest.life import leave_domain
from fake_xapi.guest.wishes import wishes_of
from fake_xapi.lifecycle.guests import is_hvm
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call

ENTER, BACKSPACE = "\r", "\b"
_DEAF = ("hang", "ignore")


def type_keys(call: Call, vm: Id, text: str) -> None:
    """Let a guest take what is typed: ENTER asks who one is again, BACKSPACE takes one character of one's own back."""
    row = call.world.get(vm)
    if row is None or row["power_state"] != "Running" or row["is_control_domain"]:
        return
    shown, prompt = console_text(call.world, vm), f"{row['name_label']} login: "
    if shown.endswith("\n"):
        shown += prompt
    for key in text:
        shown = _with(shown, key, prompt)
    with call.world.edit() as edit:
        machine.keep(edit, vm, console=shown[-machine.CONSOLE_KEPT :])


def _with(shown: str, key: str, prompt: str) -> str:
    if key in (ENTER, "\n"):
        return f"{shown}\r\n{prompt}"
    if key in (BACKSPACE, "\x7f"):
        return shown if shown.endswith(("\n", prompt)) else shown[:-1]
    return shown + key if key.isprintable() else shown


def press_reset(call: Call, vm: Id) -> None:
    """Ctrl-Alt-Del: a guest on hardware of its own reboots, unless it hangs or is operated on; any other does not notice."""
    row = call.world.get(vm)
    if row is None or row["power_state"] != "Running" or row["is_control_domain"] or row["current_operations"]:
        return
    if is_hvm(call.world, row) and wishes_of(row["other_config"]).shutdown.how not in _DEAF:
        leave_domain(call, vm, "reboot")
