"""How the rows change when a VM's domain is created, destroyed or suspended. Pure edits: no time passes and nothing is checked here."""

from __future__ import annotations

from typing import Any

from fake_xapi.datamodel.digits import whole
from fake_xapi.dom0 import rrd_notes
from fake_xapi.guest import machine
from fake_xapi.lifecycle.guests import configured_domain_type
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id, make_id
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.devices import passthrough, pvs_proxies
from fake_xapi.verbs.networks import attachment
from fake_xapi.verbs.updates import guidance
from fake_xapi.verbs.vms import memory, vm_bios

_ORDINAL = make_id(0, 1)
_DEVICES = ("VBDs", "VIFs", "VGPUs", "VUSBs")
_CPU_KEYS = ("vendor", "features", "features_hvm", "features_pv")


def begin(call: Call, edit: Edit, vm: Id, host: Id, *, is_paused: bool) -> int:
    """Record a new domain: power state, host, devices, consoles, metrics. Returns its domid, which only ever grows on a host."""
    row = edit[vm]
    rrd_notes.end_run(edit, vm, call.now())
    domain_type = configured_domain_type(row)
    target = _memory_target(row)
    consoles = _open_consoles(call, edit, vm, host, domain_type)
    domid = consoles[0] // _ORDINAL
    edit.set(
        vm,
        power_state="Paused" if is_paused else "Running",
        domid=domid,
        resident_on=host,
        scheduled_to_be_resident_on=0,
        memory_target=target,
        last_boot_CPU_flags={key: value for key, value in edit[host]["cpu_info"].items() if key in _CPU_KEYS},
    )
    guidance.vm_device_model_restarted(edit, vm)
    attachment.bring_networks_up(call, edit, vm, host)
    _attach_devices(edit, row, domain_type)
    passthrough.attach(edit, vm, host)
    if row["metrics"]:
        _start_metrics(edit, row, domain_type, target, call.now())
    return domid


def _memory_target(vm: Any) -> int:
    """The VM's memory target on its host, within its limits."""
    return int(min(max(vm["memory_target"] or vm["memory_dynamic_max"], vm["memory_dynamic_min"]), vm["memory_dynamic_max"]))


def _open_consoles(call: Call, edit: Edit, vm: Id, host: Id, domain_type: str) -> list[Id]:
    """The graphical console and, where the domain has one, the text console. The domid is derived from the id of the first."""
    protocols = ("rfb",) if domain_type == "hvm" else ("rfb", "vt100")
    address: str = edit[host]["address"]
    made = [edit.create("console", VM=vm, protocol=protocol) for protocol in protocols]
    for console in made:
        edit.set(console, location=f"https://{address}/console?uuid={call.world.uuid(console)}")
    return made


def _attach_devices(edit: Edit, vm: Any, domain_type: str) -> None:
    has_ide = domain_type == "hvm" and edit.personality.era != "modern"
    for vbd in vm["VBDs"]:
        edit.set(vbd, currently_attached=True, device=device_name(edit[vbd]["userdevice"], has_ide=has_ide))
    for vif in vm["VIFs"]:
        pvs_proxies.follow(edit, vif, is_attached=True)
    for field in _DEVICES[1:]:
        for device in vm[field]:
            edit.set(device, currently_attached=True)


def device_name(userdevice: str, *, has_ide: bool) -> str:
    """The guest's name for a disk: position 0 is xvda, or hda where the first four are on IDE; a name once given is kept."""
    number = whole(userdevice)
    if number is None:
        return userdevice
    return ("hd" if has_ide and number < 4 else "xvd") + _letters(number)


def _letters(number: int) -> str:
    """A to z, then aa, ab, ..."""
    head, tail = divmod(number, 26)
    return (_letters(head - 1) if head else "") + chr(ord("a") + tail)


def _start_metrics(edit: Edit, vm: Any, domain_type: str, target: int, now: str) -> None:
    is_hvm, platform = domain_type == "hvm", vm["platform"]
    edit.set(
        vm["metrics"],
        start_time=now,
        last_updated=now,
        VCPUs_number=vm["VCPUs_at_startup"],
        memory_actual=target,
        current_domain_type=domain_type,
        hvm=is_hvm,
        nested_virt=is_hvm and platform.get("nested-virt") == "true",
        nomigrate=is_hvm and platform.get("nomigrate") == "true",
        state=("running",),
    )


def halt(edit: Edit, vm: Id, now: str) -> None:
    """Record that the domain is gone for good: devices detached, consoles closed, host released. The guest metrics stay as a memory."""
    row = edit[vm]
    for field in _DEVICES:
        for device in row[field]:
            _detach(edit, device)
    _stop_proxies(edit, row)
    passthrough.detach(edit, vm)
    _leave_host(edit, vm, row, now)
    edit.set(vm, power_state="Halted", requires_reboot=False, suspend_VDI=0)
    guidance.vm_restarted(edit, vm)


def _stop_proxies(edit: Edit, vm: Any) -> None:
    for vif in vm["VIFs"]:
        pvs_proxies.follow(edit, vif, is_attached=False)


def _detach(edit: Edit, device: Id) -> None:
    row = edit[device]
    if row.cls in ("VBD", "VIF"):
        edit.set(device, currently_attached=False, reserved=False, current_operations={})
    else:
        edit.set(device, currently_attached=False)


def suspend(edit: Edit, vm: Id, suspend_vdi: Id, now: str) -> None:
    """Record that the domain is suspended to a VDI: no host and no consoles, but its devices stay attached."""
    _stop_proxies(edit, edit[vm])
    passthrough.detach(edit, vm)
    _leave_host(edit, vm, edit[vm], now)
    edit.set(vm, power_state="Suspended", suspend_VDI=suspend_vdi)


def _leave_host(edit: Edit, vm: Id, row: Any, now: str) -> None:
    for console in row["consoles"]:
        edit.destroy(console)
    edit.set(vm, resident_on=0, scheduled_to_be_resident_on=0, domid=-1)
    if row["metrics"]:
        edit.set(
            row["metrics"],
            VCPUs_number=0,
            memory_actual=0,
            current_domain_type="unspecified",
            hvm=False,
            nested_virt=False,
            nomigrate=False,
            state=(),
            last_updated=now,
        )


def settle(edit: Edit, vm: Id) -> None:
    """Decide afresh, as every start does, how a VM boots and what that costs beyond its memory."""
    row = edit[vm]
    edit.set(vm, domain_type=configured_domain_type(row), memory_overhead=memory.overhead_bytes(row))
    vm_bios.settle(edit, vm)
    forget_guest(edit, vm)


def forget_guest(edit: Edit, vm: Id) -> None:
    """Drop the metrics of a guest that is gone."""
    metrics: Id = edit[vm]["guest_metrics"]
    if metrics and edit.get(metrics) is not None:
        edit.destroy(metrics)
    edit.set(vm, guest_metrics=0)
    machine.begin_boot(edit, vm)
