"""How a guest reacts to keys pressed at its console: its screen shows them; Ctrl-Alt-Del reboots an HVM guest.

Only a running guest reacts. Typing never logs anybody in.
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
    """Pass typed keys to a guest: ENTER brings back the login prompt, BACKSPACE deletes a character that was typed."""
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
    """Press Ctrl-Alt-Del: an HVM guest reboots, unless it hangs or an operation is under way; others ignore it."""
    row = call.world.get(vm)
    if row is None or row["power_state"] != "Running" or row["is_control_domain"] or row["current_operations"]:
        return
    if is_hvm(call.world, row) and wishes_of(row["other_config"]).shutdown.how not in _DEAF:
        leave_domain(call, vm, "reboot")
