"""The verbs of PUSB, USB_group and VUSB: USB devices of hosts, and their use by VMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.editions import require
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.devices.usb_devices import UsbDevice, plugged

MOST = 6
"""The most VUSBs that a VM can have."""


# ---- devices of hosts --------------------------------------------------------------------------------------------------------------


def scan(call: Call, host: Id) -> None:
    """Create a PUSB, with a group of its own, for every new device; forget those that are gone, unless a VM uses one."""
    here = {device.path: device for device in plugged(call.world, host)}
    known = {call.world[pusb]["path"]: pusb for pusb in call.world[host]["PUSBs"]}
    with call.world.edit() as edit:
        for path in sorted(here.keys() - known.keys()):
            create_row(edit, host, here[path])
        for path in sorted(known.keys() - here.keys()):
            _forget(edit, known[path])


def create_row(edit: Edit, host: Id, device: UsbDevice) -> Id:
    """Create a PUSB and its group, which it does not share."""
    label = f"Group of {device.vendor_id} {device.product_id} USBs"
    group = edit.create("USB_group", name_label=label)
    return edit.create("PUSB", host=host, USB_group=group, description=device.description, **asdict(device))


def _forget(edit: Edit, pusb: Id) -> None:
    group: Id = edit[pusb]["USB_group"]
    vusbs = edit[group]["VUSBs"]
    if any(edit[vusb]["currently_attached"] for vusb in vusbs):
        return
    for each in (*vusbs, pusb, group):
        edit.destroy(each)


def set_passthrough_enabled(call: Call, pusb: Id, value: bool) -> None:
    """Set whether VMs may have a device.

    Failures PUSB_VDI_CONFLICT [pusb, vdi] while a VM has a disk on it, USB_ALREADY_ATTACHED [pusb, vm] while a VM has it.
    """
    if value:
        _leave_to_vms(call, pusb)
    else:
        _take_from_vms(call, pusb)
    with call.world.edit() as edit:
        edit.set(pusb, passthrough_enabled=value)


def _leave_to_vms(call: Call, pusb: Id) -> None:
    """Forget the VDI of a disk on the device, now that VMs may have it."""
    path = call.world[pusb]["path"]
    disks = [vdi for vdi, row in call.world.rows("VDI") if row["sm_config"].get("usb_path") == path and _is_removable(call, row["SR"])]
    for vdi in disks:
        if call.world[vdi]["VBDs"]:
            raise Failure("PUSB_VDI_CONFLICT", Handle(pusb), Handle(vdi))
    with call.world.edit() as edit:
        for vdi in disks:
            edit.destroy(vdi)


def _is_removable(call: Call, sr: Id) -> bool:
    row = call.world.get(sr)
    return row is not None and row["type"] == "udev"


def _take_from_vms(call: Call, pusb: Id) -> None:
    group: Id = call.world[pusb]["USB_group"]
    vusbs = call.world[group]["VUSBs"]
    for vusb in vusbs:
        if call.world[vusb]["currently_attached"]:
            raise Failure("USB_ALREADY_ATTACHED", Handle(pusb), Handle(call.world[vusb]["VM"]))
    with call.world.edit() as edit:
        for vusb in vusbs:
            edit.destroy(vusb)


# ---- groups ------------------------------------------------------------------------------------------------------------------------


def create_group(call: Call, name_label: str = "", name_description: str = "", other_config: dict[str, str] | None = None) -> Id:
    """Create a group without devices."""
    with call.world.edit() as edit:
        return edit.create("USB_group", name_label=name_label, name_description=name_description, other_config=other_config or {})


def destroy_group(call: Call, group: Id) -> None:
    """Destroy a group without devices. USB_GROUP_CONTAINS_VUSB [attached ones], USB_GROUP_CONTAINS_PUSB [devices]."""
    row = call.world[group]
    attached = [vusb for vusb in row["VUSBs"] if call.world[vusb]["currently_attached"]]
    for code, members in (("USB_GROUP_CONTAINS_VUSB", attached), ("USB_GROUP_CONTAINS_PUSB", row["PUSBs"])):
        if members:
            raise Failure(code, *(Handle(member) for member in members))
    with call.world.edit() as edit:
        for vusb in row["VUSBs"]:
            edit.destroy(vusb)
        edit.destroy(group)


# ---- devices of VMs ----------------------------------------------------------------------------------------------------------------


def create(call: Call, vm: Id, group: Id, other_config: dict[str, str] | None = None) -> Id:
    """Give a device to a VM, from its next start on.

    Failures LICENCE_RESTRICTION, TOO_MANY_VUSBS ["6"], USB_GROUP_CONFLICT [group], OPERATION_NOT_ALLOWED [text] for a protected VM.
    """
    require(call.world, "USB_passthrough")
    row = call.world[vm]
    if len(row["VUSBs"]) >= MOST:
        raise Failure("TOO_MANY_VUSBS", str(MOST))
    if call.world[group]["VUSBs"]:
        raise Failure("USB_GROUP_CONFLICT", Handle(group))
    if row["ha_restart_priority"] == "restart":
        told = f"VM {call.world.ref(vm)} ha_restart_priority has been set to 'restart', cannot create VUSB for it. "
        raise Failure("OPERATION_NOT_ALLOWED", told)
    with call.world.edit() as edit:
        return edit.create("VUSB", VM=vm, USB_group=group, other_config=other_config or {})


async def unplug(call: Call, vusb: Id) -> None:
    """Detach a device from a running VM."""
    await call.takes("VUSB.unplug")
    with call.world.edit() as edit:
        edit.set(vusb, currently_attached=False)


def destroy(call: Call, vusb: Id) -> None:
    """Remove a device from a VM, once it is unplugged."""
    row = call.world[vusb]
    if row["currently_attached"]:
        told = f"VUSB '{call.world.uuid(vusb)}' still attached to '{call.world.uuid(row['VM'])}'"
        raise Failure("OPERATION_NOT_ALLOWED", told)
    with call.world.edit() as edit:
        edit.destroy(vusb)


VERBS: Mapping[str, Verb] = {
    "PUSB.scan": scan,
    "PUSB.set_passthrough_enabled": set_passthrough_enabled,
    "USB_group.create": create_group,
    "USB_group.destroy": destroy_group,
    "VUSB.create": create,
    "VUSB.unplug": unplug,
    "VUSB.destroy": destroy,
}
