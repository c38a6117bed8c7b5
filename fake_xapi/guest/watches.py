"""How a guest's drivers and agent react when dom0 writes to their part of xenstore."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fake_xapi.dom0 import xenstore
from fake_xapi.guest import agent
from fake_xapi.guest.interfaces import interfaces_changed
from fake_xapi.guest.life import leave_domain
from fake_xapi.guest.systems import system_of
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call

_DESKTOP_SERVICE, _SYSRQ = "control/ts", "control/sysrq"


def written_by_dom0(call: Call, vm: Id, path: str, value: str) -> None:
    """Write a key as dom0 does, and let the guest notice."""
    xenstore.write(call, vm, {path: value})
    for prefix, notice in WATCHES.items():
        if path.startswith(prefix):
            notice(call, vm, path.removeprefix(prefix))


def _request(call: Call, vm: Id, name: str) -> None:
    agent.notice(call, vm, name)


def _desktop(call: Call, vm: Id, rest: str) -> None:
    """Let Windows turn its remote desktop on or off, remove the request, and report the state."""
    wanted = xenstore.read(call.world, vm, _DESKTOP_SERVICE)
    if wanted in ("0", "1") and xenstore.read(call.world, vm, "control/feature-ts2") == "1":
        xenstore.remove(call, vm, _DESKTOP_SERVICE)
        xenstore.write(call, vm, {"data/ts": wanted})


def _sysrq(call: Call, vm: Id, rest: str) -> None:
    """Linux' drivers take the key away and press it; what they know here is the key of a crash."""
    row = call.world[vm]
    if xenstore.read(call.world, vm, _SYSRQ) != "c" or system_of(row, call.world.personality.era).behaviour == "windows":
        return
    xenstore.remove(call, vm, _SYSRQ)
    if row["power_state"] == "Running":
        leave_domain(call, vm, "crash")


def _configuration(call: Call, vm: Id, rest: str) -> None:
    interfaces_changed(call, vm)


WATCHES: Mapping[str, Callable[[Call, Id, str], None]] = {
    f"{agent.REQUESTS}/": _request,
    _DESKTOP_SERVICE: _desktop,
    _SYSRQ: _sysrq,
    "xenserver/device/vif/": _configuration,
}
"""The beginning of a path -> who reacts to it; the rest of the path is passed on."""
