"""Operators' access to a host's control domain: SSH, temporarily or permanently, and the timeout of idle consoles."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import NEVER, later, moment
from fake_xapi.verbs.pools.pool_wide import on_every_host

_LONGEST_S = 2 * 86_400


def enable_ssh(call: Call, host: Id) -> None:
    """Open SSH for ``ssh_enabled_timeout`` seconds, 0 meaning permanently. This ends the automatic mode (``ssh_auto_mode``)."""
    was_automatic = call.world[host]["ssh_auto_mode"]
    with call.world.edit() as edit:
        edit.set(host, ssh_enabled=True, ssh_auto_mode=False)
        _set_expiry(call, edit, host)
    _await_expiry(call, host, was_automatic=was_automatic)


def disable_ssh(call: Call, host: Id) -> None:
    """Close SSH now."""
    call.stop(_closing(host))
    with call.world.edit() as edit:
        edit.set(host, ssh_enabled=False, ssh_expiry=call.now())


def set_ssh_timeout(call: Call, host: Id, value: int) -> None:
    """Set how long SSH stays open, from its opening or, when it is open, from now. INVALID_VALUE beyond two days."""
    if not 0 <= value <= _LONGEST_S:
        raise Failure("INVALID_VALUE", "ssh_enabled_timeout", str(value))
    with call.world.edit() as edit:
        edit.set(host, ssh_enabled_timeout=value)
        if edit[host]["ssh_enabled"]:
            _set_expiry(call, edit, host)
    if call.world[host]["ssh_enabled"]:
        _await_expiry(call, host, was_automatic=False)


def _set_expiry(call: Call, edit: Edit, host: Id) -> None:
    timeout = edit[host]["ssh_enabled_timeout"]
    edit.set(host, ssh_expiry=later(call.now(), timeout) if timeout else NEVER)


def _await_expiry(call: Call, host: Id, *, was_automatic: bool) -> None:
    """Close SSH when its time is over; a timer runs only while there is such a time."""
    if call.world[host]["ssh_enabled_timeout"]:
        call.spawn(_closing(host), _close_later(call, host, was_automatic=was_automatic))
    else:
        call.stop(_closing(host))


def _closing(host: Id) -> str:
    return f"ssh of {host}"


async def _close_later(call: Call, host: Id, *, was_automatic: bool) -> None:
    left = moment(call.world[host]["ssh_expiry"]) - moment(call.now())
    await asyncio.sleep(max(left.total_seconds(), 0.0))
    if call.world.get(host) is not None:
        with call.world.edit() as edit:
            edit.set(host, ssh_enabled=False, ssh_auto_mode=was_automatic)


def follow_all(call: Call) -> None:
    """Restart the timers that close SSH, for a database that was just loaded or rolled back."""
    for host, row in list(call.world.rows("host")):
        if row["ssh_enabled"] and row["ssh_expiry"] != NEVER:
            _await_expiry(call, host, was_automatic=False)


def set_console_timeout(call: Call, host: Id, value: int) -> None:
    """Set after how many idle seconds a console is logged out, 0 meaning never. INVALID_VALUE below 0."""
    if value < 0:
        raise Failure("INVALID_VALUE", "console_idle_timeout", str(value))
    with call.world.edit() as edit:
        edit.set(host, console_idle_timeout=value)


def set_ssh_auto_mode(call: Call, host: Id, value: bool) -> None:
    """Set whether SSH is open only while XAPI does not work: since it works, switching this on closes SSH."""
    with call.world.edit() as edit:
        edit.set(host, ssh_auto_mode=value)
        if value:
            edit.set(host, ssh_enabled=False)


VERBS: Mapping[str, Verb] = {
    "host.enable_ssh": enable_ssh,
    "host.disable_ssh": disable_ssh,
    "host.set_ssh_enabled_timeout": set_ssh_timeout,
    "host.set_console_idle_timeout": set_console_timeout,
    "host.set_ssh_auto_mode": set_ssh_auto_mode,
    "pool.enable_ssh": on_every_host(enable_ssh, "ENABLE_SSH_PARTIALLY_FAILED"),
    "pool.disable_ssh": on_every_host(disable_ssh, "DISABLE_SSH_PARTIALLY_FAILED"),
    "pool.set_ssh_enabled_timeout": on_every_host(set_ssh_timeout, "SET_SSH_TIMEOUT_PARTIALLY_FAILED"),
    "pool.set_console_idle_timeout": on_every_host(set_console_timeout, "SET_CONSOLE_TIMEOUT_PARTIALLY_FAILED"),
    "pool.set_ssh_auto_mode": on_every_host(set_ssh_auto_mode, "SET_SSH_AUTO_MODE_PARTIALLY_FAILED"),
}
