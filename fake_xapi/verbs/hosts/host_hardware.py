"""A host's hardware settings: scheduling granularity, CPU sleep states, use of the graphics card by the console, drivers."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.editions import require
from fake_xapi.state.ids import NULL, Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.vms import placement

GRANULARITY = "/boot/sched-gran"
_ENABLING = {"disabled": "enable_on_reboot", "disable_on_reboot": "enabled"}
_DISABLING = {"enabled": "disable_on_reboot", "enable_on_reboot": "disabled"}


def get_sched_gran(call: Call, host: Id) -> str:
    """The unit that Xen schedules as a whole from the next boot on: cpu, core or socket."""
    return dom0_files.read(call.world, GRANULARITY, host) or "cpu"


def set_sched_gran(call: Call, host: Id, value: str) -> None:
    """Set the unit that Xen schedules as a whole from the next boot on."""
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, GRANULARITY, value, host)


def set_max_cstate(call: Call, host: Id, value: str) -> None:
    """Set how deep CPUs may sleep: a number, two separated by a comma, or "" for no limit. INVALID_VALUE ["max_cstate", value]."""
    numbers = value.split(",") if value else []
    if len(numbers) > 2 or not all(number.isascii() and number.isdecimal() for number in numbers):
        raise Failure("INVALID_VALUE", "max_cstate", value)
    with call.world.edit() as edit:
        edit.set(host, max_cstate=value)


def enable_display(call: Call, host: Id) -> str:
    """Give the graphics card to the host's console from the next boot on; returns the resulting state."""
    return _change_display(call, host, _ENABLING)


def disable_display(call: Call, host: Id) -> str:
    """Take the graphics card from the host's console at the next boot. LICENCE_RESTRICTION ["Integrated_GPU"]."""
    require(call.world, "Integrated_GPU")
    return _change_display(call, host, _DISABLING)


def _change_display(call: Call, host: Id, steps: Mapping[str, str]) -> str:
    now: str = call.world[host]["display"]
    with call.world.edit() as edit:
        edit.set(host, display=steps.get(now, now))
    return steps.get(now, now)


def allocate_for_vm(call: Call, host: Id, vm: Id, live: bool) -> None:
    """Reserve room on a host for a VM that is about to come; refused for the same reasons as starting it there."""
    refusal = placement.refusal(call.world, vm, host)
    if refusal is not None:
        raise refusal
    with call.world.edit() as edit:
        edit.set(vm, scheduled_to_be_resident_on=host)


def apply_guest_agent_config(call: Call, host: Id) -> None:
    """Pass ``pool.guest_agent_config`` to the guests' agents: it is in xenstore, where they read it when they choose."""


def rescan_drivers(call: Call, host: Id) -> None:
    """Look for variants of drivers: the rows are always current, as nobody installs drivers without XAPI."""


def select_variant(call: Call, driver: Id, variant: Id) -> None:
    """Use a variant of a driver from the next boot on. INVALID_VALUE for one of another driver."""
    if call.world[variant]["driver"] != driver:
        raise Failure("INVALID_VALUE", "variant", call.world.ref(variant))
    with call.world.edit() as edit:
        edit.set(driver, selected_variant=variant)


def select(call: Call, variant: Id) -> None:
    """Select this variant of its driver. HOST_DRIVER_NO_HARDWARE [variant] when there is no hardware for it."""
    row = call.world[variant]
    if not row["hardware_present"]:
        raise Failure("HOST_DRIVER_NO_HARDWARE", Handle(variant))
    select_variant(call, row["driver"], variant)


def deselect(call: Call, driver: Id) -> None:
    """Let the driver choose its own variant."""
    with call.world.edit() as edit:
        edit.set(driver, selected_variant=NULL)


VERBS: Mapping[str, Verb] = {
    "host.get_sched_gran": get_sched_gran,
    "host.set_sched_gran": set_sched_gran,
    "host.set_max_cstate": set_max_cstate,
    "host.enable_display": enable_display,
    "host.disable_display": disable_display,
    "host.allocate_resources_for_vm": allocate_for_vm,
    "host.apply_guest_agent_config": apply_guest_agent_config,
    "host.rescan_drivers": rescan_drivers,
    "Host_driver.rescan": rescan_drivers,
    "Host_driver.select": select_variant,
    "Host_driver.deselect": deselect,
    "Driver_variant.select": select,
}
