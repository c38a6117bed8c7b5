"""The shutdown and boot of hosts and of their XAPIs, in the loop's time."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest.life import end_life
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.hosts import dom0_access, host_enabling
from fake_xapi.verbs.networks import plugging
from fake_xapi.verbs.pools import ha_admission, rolling_upgrade
from fake_xapi.verbs.updates import guidance
from fake_xapi.verbs.vms import domains

POWER_ON_MODES = frozenset({"wake-on-lan", "iLO", "DRAC", "IPMI"})


async def reboot(call: Call, host: Id) -> None:
    """Shut a host down shortly, and boot it again. HOST_IN_USE [host, "VM", vm] while a VM runs there; see also ``ha_admission``."""
    _prepare(call, host)
    call.spawn(_name(host), _reboot(call, host))


async def shutdown(call: Call, host: Id) -> None:
    """Shut a host down shortly, for good. Failures as for ``reboot``."""
    _prepare(call, host)
    call.spawn(_name(host), _go_down(call, host))


def prepare_for_poweroff(call: Call, host: Id) -> None:
    """Check before a host's power goes that nothing runs there. HOST_NOT_DISABLED [], HOST_IN_USE [host, "VM", vm]."""
    if call.world[host]["enabled"]:
        raise Failure("HOST_NOT_DISABLED")
    _assert_unused(call.world, host)


def _prepare(call: Call, host: Id) -> None:
    _assert_unused(call.world, host)
    ha_admission.assert_host_can_be_disabled(call.world, host)
    with call.world.edit() as edit:
        host_enabling.disable_until_reboot(call.world, edit, host)


def _assert_unused(world: World, host: Id) -> None:
    for vm in world[host]["resident_VMs"]:
        if world[vm]["power_state"] == "Running" and not world[vm]["is_control_domain"]:
            raise Failure("HOST_IN_USE", Handle(host), "VM", Handle(vm))


def _name(host: Id) -> str:
    return f"power of {host}"


async def _reboot(call: Call, host: Id) -> None:
    await _go_down(call, host)
    await boot(call, host)


async def _go_down(call: Call, host: Id) -> None:
    await call.takes("xapi.fuse")
    if call.world.get(host) is not None:
        set_live(call, host, is_live=False)
    call.machines.switch_off(host)
    await call.takes("host.shutdown")


async def boot(call: Call, host: Id) -> None:
    """Boot a host; the pool hears of it when XAPI runs."""
    await call.takes("host.boot")
    if call.world.get(host) is not None:
        welcome(call, host)
    call.machines.switch_on(host)


def welcome(call: Call, host: Id) -> None:
    """Receive a host that has booted: it runs no VM, its storage and networks are up, and what awaited a reboot takes effect."""
    world, now = call.world, call.now()
    for vm in world[host]["resident_VMs"]:
        if not world[vm]["is_control_domain"]:
            end_life(call, vm)
    rolling_upgrade.install(call, host)
    with world.edit() as edit:
        for vm in edit[host]["resident_VMs"]:
            if not edit[vm]["is_control_domain"]:
                domains.halt(edit, vm, now)
        connect(call, edit, host)
        since = f"{moment(now).timestamp():.0f}."
        other = {**edit[host]["other_config"], "boot_time": since, "agent_start_time": since}
        edit.set(host, other_config=other)
        guidance.host_rebooted(edit, host)
        guidance.toolstack_restarted(edit, host)
        host_enabling.enable_after_boot(world, edit, host)
    set_live(call, host, is_live=True)
    if host == world[POOL]["master"]:
        call.machines.forget_sessions()
    rolling_upgrade.look(call)
    ha_admission.plan_anew(call)


def connect(call: Call, edit: Edit, host: Id) -> None:
    """Plug the storage and the interfaces that a host needs, as at its boot."""
    row = edit[host]
    for pbd in row["PBDs"]:
        edit.set(pbd, currently_attached=True)
    plugging.host_booted(call, edit, host)
    dom0_access.host_booted(call.world, edit, host)


def set_live(call: Call, host: Id, *, is_live: bool) -> None:
    """Record whether a host is believed to be alive, and update the operations that depend on it."""
    with call.world.edit() as edit:
        if edit[host]["metrics"]:
            edit.set(edit[host]["metrics"], live=is_live, last_updated=call.now())
        edit.set(host)


async def power_on(call: Call, host: Id) -> None:
    """Switch a host on remotely, and wait until it has booted. XENAPI_MISSING_PLUGIN [mode] for a mode without a script."""
    mode = call.world[host]["power_on_mode"]
    if mode not in POWER_ON_MODES:
        raise Failure("XENAPI_MISSING_PLUGIN", mode)
    await boot(call, host)


def restart_agent(call: Call, host: Id) -> None:
    """Restart a host's XAPI shortly: its clients have to reconnect, and those of the master have to log in again."""
    call.spawn(_name(host), _restart_agent(call, host))


async def _restart_agent(call: Call, host: Id) -> None:
    await call.takes("xapi.fuse")
    call.machines.switch_off(host)
    await call.takes("xapi.restart")
    with call.world.edit() as edit:
        guidance.toolstack_restarted(edit, host)
    if host == call.world[POOL]["master"]:
        call.machines.forget_sessions()
    call.machines.switch_on(host)


def shutdown_agent(call: Call) -> None:
    """Stop the XAPI that was called, shortly. Only somebody at the machine can start it again."""
    call.spawn(_name(call.host), _shutdown_agent(call, call.host))


async def _shutdown_agent(call: Call, host: Id) -> None:
    await call.takes("xapi.fuse")
    call.machines.switch_off(host)


VERBS: Mapping[str, Verb] = {
    "host.reboot": reboot,
    "host.shutdown": shutdown,
    "host.prepare_for_poweroff": prepare_for_poweroff,
    "host.power_on": power_on,
    "host.restart_agent": restart_agent,
    "host.shutdown_agent": shutdown_agent,
}
