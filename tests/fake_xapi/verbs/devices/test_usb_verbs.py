"""USB devices: found and lost by scans, left to VMs, and given to one."""

from __future__ import annotations

import pytest

from fake_xapi.verbs.devices import usb_devices
from fake_xapi.verbs.devices.usb_devices import UsbDevice
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host
from tests.fake_xapi.verbs.kit.networks import fields_of, set_pool

STICK = UsbDevice("1-2", "0781", "5591", "SanDisk", "Ultra", "4C53", "2.10", 480.0)


def plug_in(host: Host, device: UsbDevice = STICK) -> None:
    with host.world.edit() as edit:
        usb_devices.put_in(host.world, edit, host.id(host.host), device)


async def found(host: Host) -> tuple[str, str]:
    """A device that a scan has found, and its group."""
    plug_in(host)
    await host.call("PUSB.scan", host.host)
    (pusb,) = host.row(host.host)["PUSBs"]
    return host.world.ref(pusb), host.world.ref(host.world[pusb]["USB_group"])


def test_a_scan_finds_devices_and_loses_them() -> None:
    async def body(host: Host) -> None:
        pusb, group = await found(host)
        names = ("path", "vendor_id", "product_id", "vendor_desc", "product_desc", "serial", "version", "speed", "description")
        assert fields_of(host, pusb, *names) == ("1-2", "0781", "5591", "SanDisk", "Ultra", "4C53", "2.10", 480.0, "SanDisk_Ultra_4C53")
        assert fields_of(host, pusb, "passthrough_enabled") == (False,)
        assert fields_of(host, group, "name_label") == ("Group of 0781 5591 USBs",)
        await host.call("PUSB.scan", host.host)
        assert (host.world.count("PUSB"), host.world.count("USB_group")) == (1, 1)
        with host.world.edit() as edit:
            usb_devices.take_out(host.world, edit, host.id(host.host), "1-2")
        await host.call("VUSB.create", await host.vm(), group)
        await host.call("PUSB.scan", host.host)
        assert [host.world.count(cls) for cls in ("PUSB", "USB_group", "VUSB")] == [0, 0, 0]

    over_host(body)


def test_a_device_that_a_vm_has_is_not_lost() -> None:
    async def body(host: Host) -> None:
        pusb, group = await found(host)
        vm = await host.vm()
        await host.call("VUSB.create", vm, group)
        await host.call("VM.start", vm, False, False)
        with host.world.edit() as edit:
            usb_devices.take_out(host.world, edit, host.id(host.host), "1-2")
        await host.call("PUSB.scan", host.host)
        assert fields_of(host, pusb, "path") == ("1-2",)

    over_host(body)


def test_a_disk_on_a_device_is_left_to_the_host_or_to_vms() -> None:
    async def body(host: Host) -> None:
        pusb, group = await found(host)
        sr = host.kit.make("SR", type="udev")
        vdi = host.kit.make("VDI", SR=host.id(sr), sm_config={"usb_path": "1-2"})
        vbd = host.kit.make("VBD", VDI=host.id(vdi))
        assert await host.refused("PUSB.set_passthrough_enabled", pusb, True) == ["PUSB_VDI_CONFLICT", pusb, vdi]
        with host.world.edit() as edit:
            edit.destroy(host.id(vbd))
        await host.call("PUSB.set_passthrough_enabled", pusb, True)
        assert (fields_of(host, pusb, "passthrough_enabled"), host.world.count("VDI")) == ((True,), 0)
        vm = await host.vm()
        vusb = await host.call("VUSB.create", vm, group)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("PUSB.set_passthrough_enabled", pusb, False) == ["USB_ALREADY_ATTACHED", pusb, vm]
        await host.call("VUSB.unplug", vusb)
        await host.call("PUSB.set_passthrough_enabled", pusb, False)
        assert (fields_of(host, pusb, "passthrough_enabled"), host.world.count("VUSB")) == ((False,), 0)

    over_host(body)


def test_a_vm_has_a_device_while_it_runs() -> None:
    async def body(host: Host) -> None:
        _, group = await found(host)
        vm = await host.vm()
        vusb = await host.call("VUSB.create", vm, group, {"k": "v"})
        assert fields_of(host, vusb, "VM", "USB_group", "other_config", "currently_attached") == (
            host.id(vm),
            host.id(group),
            {"k": "v"},
            False,
        )
        assert fields_of(host, vusb, "allowed_operations") == (("attach",),)
        await host.call("VM.start", vm, False, False)
        assert fields_of(host, vusb, "currently_attached", "allowed_operations") == (True, ("attach", "unplug"))
        for message, params in (("VM.suspend", (vm,)), ("VM.snapshot", (vm, "s")), ("VM.checkpoint", (vm, "c"))):
            assert await host.refused(message, *params) == ["VM_HAS_VUSBS", vm]
        refusal = ["OPERATION_NOT_ALLOWED", f"VUSB '{host.world.uuid(host.id(vusb))}' still attached to '{host.world.uuid(host.id(vm))}'"]
        assert await host.refused("VUSB.destroy", vusb) == refusal
        await host.call("VUSB.unplug", vusb)
        assert await host.refused("VUSB.unplug", vusb) == ["DEVICE_ALREADY_DETACHED", vusb]
        await host.call("VUSB.destroy", vusb)
        assert "suspend" in host.row(vm)["allowed_operations"]

    over_host(body)


def test_a_vm_runs_where_its_device_is() -> None:
    async def body(host: Host) -> None:
        other = add_host(host, capabilities=("hvm-3.0-x86_64",))
        _, group = await found(host)
        vm = await host.vm()
        await host.call("VUSB.create", vm, group)
        assert await host.refused("VM.assert_can_boot_here", vm, other) == ["VM_REQUIRES_VUSB", vm, group]
        assert await host.call("VM.get_possible_hosts", vm) == [host.host]

    over_host(body)


def test_why_a_vm_gets_no_device() -> None:
    async def body(host: Host) -> None:
        _, group = await found(host)
        vm = await host.vm()
        for _ in range(6):
            await host.call("VUSB.create", vm, await host.call("USB_group.create"))
        assert await host.refused("VUSB.create", vm, group) == ["TOO_MANY_VUSBS", "6"]
        other = await host.vm()
        await host.call("VUSB.create", other, group)
        assert await host.refused("VUSB.create", other, group) == ["USB_GROUP_CONFLICT", group]
        host.set(other, ha_restart_priority="restart")
        told = f"VM {other} ha_restart_priority has been set to 'restart', cannot create VUSB for it. "
        assert await host.refused("VUSB.create", other, await host.call("USB_group.create")) == ["OPERATION_NOT_ALLOWED", told]
        set_pool(host, restrictions={"restrict_usb_passthrough": "true"})
        assert await host.refused("VUSB.create", other, group) == ["LICENCE_RESTRICTION", "USB_passthrough"]

    over_host(body)


def test_a_group_is_destroyed_when_nothing_is_left_in_it() -> None:
    async def body(host: Host) -> None:
        pusb, group = await found(host)
        vm = await host.vm()
        vusb = await host.call("VUSB.create", vm, group)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("USB_group.destroy", group) == ["USB_GROUP_CONTAINS_VUSB", vusb]
        await host.call("VM.hard_shutdown", vm)
        assert await host.refused("USB_group.destroy", group) == ["USB_GROUP_CONTAINS_PUSB", pusb]
        empty = await host.call("USB_group.create", "g", "d", {"k": "v"})
        assert fields_of(host, empty, "name_label", "name_description", "other_config") == ("g", "d", {"k": "v"})
        await host.call("VUSB.create", vm, empty)
        await host.call("USB_group.destroy", empty)
        assert len(host.row(vm)["VUSBs"]) == 1

    over_host(body)


@pytest.mark.parametrize("serial", ["", "77"])
def test_a_device_is_described_by_its_descriptors(serial: str) -> None:
    device = UsbDevice("1-1", "1", "2", "A", "B", serial)
    assert device.description == "A_B" + (f"_{serial}" if serial else "")
