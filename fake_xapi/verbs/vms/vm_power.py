"""The power operations of VM: what remains of each once admission, marking and the rows of a domain are handled elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest.life import begin_life, end_life
from fake_xapi.guest.requests import get_ready_to_sleep, shut_down
from fake_xapi.lifecycle.guests import configured_domain_type, features
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.devices import passthrough
from fake_xapi.verbs.pools import ha_admission
from fake_xapi.verbs.vms import domains, placement, squeezing, suspension, vm_groups

_CANCELLED_BY_HARD_REBOOT = frozenset({"clean_shutdown", "clean_reboot", "pool_migrate", "call_plugin", "suspend"})
_CANCELLED_BY_HARD_SHUTDOWN = _CANCELLED_BY_HARD_REBOOT | {"hard_reboot", "shutdown"}


async def start(call: Call, vm: Id, start_paused: bool, force: bool) -> None:
    """Start a VM on the host that suits it best. Failures about its devices come before those about its placement."""
    await _start(call, vm, 0, is_paused=start_paused)


async def start_on(call: Call, vm: Id, host: Id, start_paused: bool, force: bool) -> None:
    """Start a VM on a given host, or say why that host cannot run it."""
    placement.assert_can_start_on(call.world, vm, host)
    await _start(call, vm, host, is_paused=start_paused)


async def _start(call: Call, vm: Id, wanted_host: Id, *, is_paused: bool) -> None:
    _assert_hvm_disks_are_writable(call, vm)
    ha_admission.assert_vm_can_run(call.world, vm)
    place = _decide_place(call, vm, wanted_host)
    async with call.operating(*_device_marks(call, vm), *_host_mark(place, "vm_start")):
        host = _take_place(call, vm, place, is_new_domain=True)
        try:
            await squeezing.make_room(call, vm, host)
            await call.takes("VM.start")
        except BaseException:
            _give_up_place(call, vm)
            raise
        with call.world.edit() as edit:
            domid = domains.begin(call, edit, vm, host, is_paused=is_paused)
            ha_admission.is_to_run(edit, vm)
            _announce(call, "VM_STARTED", vm, f"started on host: {_host_name(call, host)}")
        vm_groups.tell(call, vm)
        if not is_paused:
            begin_life(call, vm, domid)
        ha_admission.plan_anew(call)


def _device_marks(call: Call, vm: Id) -> list[tuple[Id, str]]:
    row = call.world[vm]
    return [(device, "attach") for device in (*row["VBDs"], *row["VIFs"])]


def _assert_hvm_disks_are_writable(call: Call, vm: Id) -> None:
    row = call.world[vm]
    if configured_domain_type(row) != "hvm":
        return
    for vbd in row["VBDs"]:
        device = call.world[vbd]
        if device["type"] == "Disk" and device["mode"] == "RO":
            raise Failure("DISK_VBD_MUST_BE_READWRITE_FOR_HVM", Handle(vbd))


def _decide_place(call: Call, vm: Id, wanted: Id) -> Id | Failure:
    """The host, or the reason why there is none; faults of the devices are reported first."""
    try:
        return wanted or placement.choose_host(call, vm)
    except Failure as failure:
        return failure


def _host_mark(place: Id | Failure, operation: str) -> list[tuple[Id, str]]:
    return [] if isinstance(place, Failure) else [(place, operation)]


def _take_place(call: Call, vm: Id, place: Id | Failure, *, is_new_domain: bool) -> Id:
    """Reserve a host's memory for a VM. The call may have waited for the marks, so the host is checked again."""
    if isinstance(place, Failure):
        raise place
    placement.assert_can_start_on(call.world, vm, place)
    with call.world.edit() as edit:
        if is_new_domain:
            domains.settle(edit, vm)
        edit.set(vm, scheduled_to_be_resident_on=place)
        passthrough.reserve(edit, vm, place)
    return place


def _give_up_place(call: Call, vm: Id) -> None:
    host: Id = call.world[vm]["scheduled_to_be_resident_on"]
    with call.world.edit() as edit:
        edit.set(vm, scheduled_to_be_resident_on=0)
        passthrough.release(edit, vm)
    squeezing.balance(call, host)


async def pause(call: Call, vm: Id) -> None:
    """Pause the VM's virtual processors."""
    await call.takes("VM.pause")
    end_life(call, vm)
    with call.world.edit() as edit:
        edit.set(vm, power_state="Paused")
        _announce(call, "VM_PAUSED", vm, "paused")
    vm_groups.tell(call, vm)


async def unpause(call: Call, vm: Id) -> None:
    """Let the VM's virtual processors run again."""
    await call.takes("VM.unpause")
    with call.world.edit() as edit:
        edit.set(vm, power_state="Running")
        _announce(call, "VM_UNPAUSED", vm, "unpaused")
    vm_groups.tell(call, vm)
    begin_life(call, vm, call.world[vm]["domid"])


async def clean_shutdown(call: Call, vm: Id) -> None:
    """Ask the guest to shut down, and wait until it has."""
    await shut_down(call, vm, "halt", share=(0.0, 0.9))
    if call.world[vm]["power_state"] != "Halted":
        _stop(call, vm)


async def hard_shutdown(call: Call, vm: Id) -> None:
    """Destroy the VM's domain, whatever else is being done to it."""
    await call.cancel_operations(vm, _CANCELLED_BY_HARD_SHUTDOWN)
    if call.world[vm]["power_state"] == "Halted":
        return
    await call.takes("VM.hard_shutdown")
    _stop(call, vm)


async def shutdown(call: Call, vm: Id) -> None:
    """Shut down cleanly where the guest can, hard where it cannot."""
    if _can_shut_itself_down(call, vm):
        await clean_shutdown(call, vm)
    else:
        await hard_shutdown(call, vm)


def _can_shut_itself_down(call: Call, vm: Id) -> bool:
    row = call.world[vm]
    return row["power_state"] == "Running" and bool(features(call.world, row) & {"feature-shutdown", "feature-poweroff"})


def _stop(call: Call, vm: Id) -> None:
    host: Id = call.world[vm]["resident_on"]
    end_life(call, vm)
    with call.world.edit() as edit:
        suspension.destroy_image(call, vm)
        domains.halt(edit, vm, call.now())
        ha_admission.is_to_rest(edit, vm)
        _announce(call, "VM_SHUTDOWN", vm, "shutdown")
    vm_groups.tell(call, vm)
    squeezing.balance(call, host)
    ha_admission.plan_anew(call)


async def clean_reboot(call: Call, vm: Id) -> None:
    """Ask the guest to reboot: on the same host, in a new domain."""
    await shut_down(call, vm, "reboot", share=(0.0, 0.5))
    await _reboot(call, vm)


async def hard_reboot(call: Call, vm: Id) -> None:
    """Replace the VM's domain by a new one, whatever else is being done to the VM."""
    await call.cancel_operations(vm, _CANCELLED_BY_HARD_REBOOT)
    _assert_live(call, vm)
    await call.takes("VM.hard_shutdown", share=(0.0, 0.5))
    await _reboot(call, vm)


def _assert_live(call: Call, vm: Id) -> None:
    """Refuse when whatever was cancelled has ended the domain first."""
    state: str = call.world[vm]["power_state"]
    if state not in ("Paused", "Running"):
        raise Failure("VM_BAD_POWER_STATE", Handle(vm), "paused, running", state.lower())


async def _reboot(call: Call, vm: Id) -> None:
    await call.takes("VM.start", share=(0.5, 1.0))
    host: Id = call.world[vm]["resident_on"] or call.host
    end_life(call, vm)
    with call.world.edit() as edit:
        domains.halt(edit, vm, call.now())
        domains.settle(edit, vm)
        domid = domains.begin(call, edit, vm, host, is_paused=False)
        _announce(call, "VM_REBOOTED", vm, "rebooted")
    begin_life(call, vm, domid)


async def suspend(call: Call, vm: Id) -> None:
    """Write the domain's memory to a VDI and destroy the domain."""
    await get_ready_to_sleep(call, vm)
    image = suspension.create_image(call, vm)
    try:
        await call.takes("VM.suspend", bytes_moved=call.world[vm]["memory_target"])
    except BaseException:
        suspension.discard(call, image)
        raise
    host: Id = call.world[vm]["resident_on"]
    end_life(call, vm)
    with call.world.edit() as edit:
        domains.suspend(edit, vm, image, call.now())
        _announce(call, "VM_SUSPENDED", vm, "suspended")
    vm_groups.tell(call, vm)
    squeezing.balance(call, host)


async def resume(call: Call, vm: Id, start_paused: bool, force: bool) -> None:
    """Resume a suspended VM on the host that suits it best."""
    await _resume(call, vm, 0, is_paused=start_paused)


async def resume_on(call: Call, vm: Id, host: Id, start_paused: bool, force: bool) -> None:
    """Resume a suspended VM on a given host."""
    placement.assert_can_start_on(call.world, vm, host)
    await _resume(call, vm, host, is_paused=start_paused)


async def _resume(call: Call, vm: Id, wanted_host: Id, *, is_paused: bool) -> None:
    place = _decide_place(call, vm, wanted_host)
    async with call.operating(*_device_marks(call, vm), *_host_mark(place, "vm_resume")):
        host = _take_place(call, vm, place, is_new_domain=False)
        try:
            await squeezing.make_room(call, vm, host)
            await call.takes("VM.resume", bytes_moved=call.world[vm]["memory_target"])
        except BaseException:
            _give_up_place(call, vm)
            raise
        with call.world.edit() as edit:
            domid = _wake(call, edit, vm, host, is_paused=is_paused)
            _announce(call, "VM_RESUMED", vm, f"resumed on host: {_host_name(call, host)}")
        vm_groups.tell(call, vm)
        if not is_paused:
            begin_life(call, vm, domid)


def _wake(call: Call, edit: Edit, vm: Id, host: Id, *, is_paused: bool) -> int:
    """Let the guest continue where it was: its metrics are still true."""
    image: Id = edit[vm]["suspend_VDI"]
    edit.set(vm, suspend_VDI=0)
    suspension.discard(call, image)
    return domains.begin(call, edit, vm, host, is_paused=is_paused)


def power_state_reset(call: Call, vm: Id) -> None:
    """Declare a VM halted, whatever the truth: meant for VMs whose host is gone.

    Failures CANNOT_RESET_CONTROL_DOMAIN, HOST_IS_LIVE [host] for a VM that another living host runs, DOMAIN_EXISTS for one that
    runs here.
    """
    row = call.world[vm]
    if row["is_control_domain"]:
        raise Failure("CANNOT_RESET_CONTROL_DOMAIN", Handle(vm))
    host: Id = row["resident_on"]
    if host and placement.is_live(call.world, call.world[host]):
        if host == call.host:
            raise Failure("DOMAIN_EXISTS", Handle(vm), str(row["domid"]))
        raise Failure("HOST_IS_LIVE", Handle(host))
    end_life(call, vm)
    with call.world.edit() as edit:
        suspension.destroy_image(call, vm)
        domains.halt(edit, vm, call.now())


def _announce(call: Call, name: str, vm: Id, what: str) -> None:
    call.announce(name, vm, f"VM '{call.world[vm]['name_label']}' (uuid: {call.world.uuid(vm)}) {what}")


def _host_name(call: Call, host: Id) -> str:
    return f"{call.world[host]['name_label']} (uuid: {call.world.uuid(host)})"


VERBS: Mapping[str, Verb] = {
    "VM.start": start,
    "VM.start_on": start_on,
    "VM.pause": pause,
    "VM.unpause": unpause,
    "VM.clean_shutdown": clean_shutdown,
    "VM.hard_shutdown": hard_shutdown,
    "VM.shutdown": shutdown,
    "VM.clean_reboot": clean_reboot,
    "VM.hard_reboot": hard_reboot,
    "VM.suspend": suspend,
    "VM.resume": resume,
    "VM.resume_on": resume_on,
    "VM.power_state_reset": power_state_reset,
}
