"""The verbs of VBD and the numbers of disks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.verbs.kit.hosts import MIB, NULL, QOS, Host, over_host


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"userdevice": "nonsense"}, ["INVALID_DEVICE", "nonsense"]),
        ({"userdevice": "fda"}, ["INVALID_DEVICE", "fda"]),
        ({"userdevice": "0"}, ["DEVICE_ALREADY_EXISTS", "0"]),
        ({"userdevice": "xvda"}, ["DEVICE_ALREADY_EXISTS", "xvda"]),
        ({"userdevice": "1", "type": "CD"}, ["VBD_CDS_MUST_BE_READONLY"]),
        ({"userdevice": "1", "empty": True}, ["VBD_NOT_REMOVABLE_MEDIA", "in constructor"]),
    ],
)
def test_a_vbd_is_refused_before_it_is_made(fields: dict[str, Any], refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        vm, vdi, *_ = await host.server()
        assert await host.refused("VBD.create", _record(vm, vdi, **fields)) == refusal
        assert host.world.count("VBD") == 1

    over_host(body)


def _record(vm: str, vdi: str, **fields: Any) -> dict[str, Any]:
    record = {"VM": vm, "VDI": vdi, "userdevice": "1", "bootable": False, "mode": "RW", "type": "Disk", "empty": False, **QOS}
    return {**record, **fields}


def test_a_disk_must_bear_what_a_vbd_wants() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        readonly, statefile = await host.disk(read_only=True), await host.disk(type="redo_log")
        assert await host.refused("VBD.create", _record(vm, readonly)) == ["VDI_READONLY", readonly]
        assert await host.refused("VBD.create", _record(vm, statefile)) == ["VDI_INCOMPATIBLE_TYPE", statefile, "redo_log"]

    over_host(body)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"mode": "RW", "type": "CD"}, "VDI_INCOMPATIBLE_TYPE"),
        ({"mode": "RW", "type": "CD", "empty": True}, "VBD_CDS_MUST_BE_READONLY"),
        ({"mode": "RW", "empty": True}, "VBD_NOT_REMOVABLE_MEDIA"),
        ({"VDI": NULL}, "HANDLE_INVALID"),
    ],
)
def test_what_is_wrong_with_the_disk_is_told_before_the_number(fields: dict[str, Any], code: str) -> None:
    async def body(host: Host) -> None:
        vm, statefile = await host.vm(), await host.disk(type="redo_log", read_only=True)
        assert (await host.refused("VBD.create", _record(vm, statefile, **{"userdevice": "nonsense", **fields})))[0] == code

    over_host(body)


@pytest.mark.parametrize(("release", "is_strict"), [("boston", True), ("clearwater", True), ("latest", False)])
def test_only_media_go_into_drives_of_2012(release: str, *, is_strict: bool) -> None:
    async def body(host: Host) -> None:
        vm, disk = await host.vm(), await host.disk(read_only=True)
        drive = await host.drive(vm)
        if is_strict:
            refusal = ["VDI_IS_NOT_ISO", disk, "user"]
            assert await host.refused("VBD.create", _record(vm, disk, type="CD", mode="RO", userdevice="nonsense")) == refusal
            assert await host.refused("VBD.insert", drive, disk) == refusal
            host.set(host.sr, content_type="iso")
        await host.call("VBD.insert", drive, disk)
        assert host.row(drive)["VDI"] == host.id(disk)

    over_host(body, release)


def test_two_vms_that_start_at_once_do_not_both_get_the_disk() -> None:
    async def body(host: Host) -> None:
        vdi, vms = await host.disk(), [await host.vm(), await host.vm()]
        for vm in vms:
            await host.vbd(vm, vdi)
        tasks = [await host.call("Async.VM.start", vm, False, False) for vm in vms]
        await asyncio.sleep(600)
        assert [host.row(task)["error_info"] for task in tasks] == [(), ("VDI_IN_USE", vdi)]

    over_host(body, settings=Settings(durations=durations("realistic")))


def test_a_vbd_that_is_held_for_a_domain_is_not_destroyed() -> None:
    async def body(host: Host) -> None:
        vm, _, vbd, _ = await host.server()
        host.set(vbd, reserved=True)
        text = f"VBD '{host.row(vbd)['uuid'] or host.world.uuid(host.id(vbd))}' still attached to '{host.world.uuid(host.id(vm))}'"
        assert await host.refused("VBD.destroy", vbd) == ["OPERATION_NOT_ALLOWED", text]

    over_host(body)


def test_a_vm_that_moves_gets_no_new_disk() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await host.vm(), await host.disk()
        host.set(vm, current_operations={"OpaqueRef:t": "pool_migrate"})
        assert await host.refused("VBD.create", _record(vm, vdi)) == [
            "OTHER_OPERATION_IN_PROGRESS",
            "VM",
            vm,
            "pool_migrate",
            "OpaqueRef:t",
        ]

    over_host(body)


def test_a_new_vbd_has_metrics_and_is_believed_attached_only_of_a_suspended_vm() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        given = {"currently_attached": True, "device": "xvdb"}
        halted = host.row(await host.call("VBD.create", _record(vm, await host.disk(), **given)))
        assert (halted["currently_attached"], halted["device"]) == (False, "")
        metrics = host.world[halted["metrics"]]
        assert (metrics["io_read_kbs"], metrics["last_updated"]) == (0.0, "19700101T00:00:00Z")
        host.set(vm, power_state="Suspended")
        suspended = host.row(await host.call("VBD.create", _record(vm, await host.disk(), userdevice="2", **given)))
        assert (suspended["currently_attached"], suspended["device"]) == (True, "xvdb")

    over_host(body)


@pytest.mark.parametrize("name", ["autodetect", "1", "xvdb", "sdb", "hdb", "xvdb1"])
def test_names_of_disks(name: str) -> None:
    async def body(host: Host) -> tuple[str, list[str]]:
        vm, *_ = await host.server()
        vbd = await host.vbd(vm, await host.disk(), name)
        return host.row(vbd)["userdevice"], (await host.call("VM.get_allowed_VBD_devices", vm))[:2]

    assert over_host(body) == ("1" if name == "autodetect" else name, ["2", "3"])


@pytest.mark.parametrize(
    ("release", "fields", "count", "last"),
    [
        ("latest", {}, 255, "254"),
        ("latest", {"HVM_boot_policy": "BIOS order"}, 255, "254"),
        ("tampa", {}, 16, "15"),
        ("tampa", {"HVM_boot_policy": "BIOS order"}, 4, "3"),
    ],
)
def test_how_many_disks_a_vm_may_have(release: str, fields: dict[str, str], count: int, last: str) -> None:
    async def body(host: Host) -> list[str]:
        return list(await host.call("VM.get_allowed_VBD_devices", await host.vm(**fields)))

    free = over_host(body, release)
    assert (len(free), free[0], free[-1]) == (count, "0", last)


def test_drivers_gave_an_hvm_guest_of_2012_more_disks_and_interfaces() -> None:
    async def body(host: Host) -> tuple[int, int, int]:
        vm = await host.vm(HVM_boot_policy="BIOS order")
        vifs = len(await host.call("VM.get_allowed_VIF_devices", vm))
        metrics = host.kit.made("VM_guest_metrics", PV_drivers_version={"major": "6", "minor": "1"})
        host.set(vm, guest_metrics=metrics)
        return vifs, len(await host.call("VM.get_allowed_VBD_devices", vm)), len(await host.call("VM.get_allowed_VIF_devices", vm))

    assert over_host(body, "tampa") == (4, 16, 7)


def test_the_control_domain_may_have_the_most_disks() -> None:
    async def body(host: Host) -> int:
        dom0 = host.kit.make("VM", is_control_domain=True, domid=0, power_state="Running")
        return len(await host.call("VM.get_allowed_VBD_devices", dom0))

    assert over_host(body) == 256


def test_a_disk_is_plugged_into_and_unplugged_from_a_running_vm() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        vbd = await host.vbd(vm, await host.disk(), "1")
        assert await host.refused("VBD.plug", vbd) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]
        await host.call("VM.start", vm, False, False)
        late = await host.vbd(vm, await host.disk(), "2")
        await host.call("VBD.plug", late)
        assert (host.row(late)["currently_attached"], host.row(late)["device"], host.row(late)["current_operations"]) == (True, "xvdc", {})
        assert await host.refused("VBD.plug", late) == ["DEVICE_ALREADY_ATTACHED", late]
        text = f"VBD '{host.world.uuid(host.id(late))}' still attached to '{host.world.uuid(host.id(vm))}'"
        assert await host.refused("VBD.destroy", late) == ["OPERATION_NOT_ALLOWED", text]
        await host.call("VBD.unplug", late)
        assert (host.row(late)["currently_attached"], host.row(late)["device"]) == (False, "")
        await host.call("VBD.destroy", late)
        assert host.world.count("VBD_metrics") == 2

    over_host(body)


@pytest.mark.parametrize("starts", [False, True])
def test_media_are_inserted_and_ejected_halted_or_running(starts: bool) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        drive, iso = await host.drive(vm), await host.disk(read_only=True)
        if starts:
            await host.call("VM.start", vm, False, False)
        await host.call("VBD.insert", drive, iso)
        assert (host.row(drive)["VDI"], host.row(drive)["empty"]) == (host.id(iso), False)
        assert await host.refused("VBD.insert", drive, iso) == ["VBD_NOT_EMPTY", drive]
        await host.call("VBD.eject", drive)
        assert (host.row(drive)["VDI"], host.row(drive)["empty"]) == (0, True)
        assert await host.refused("VBD.eject", drive) == ["VBD_IS_EMPTY", drive]

    over_host(body)


def test_a_disk_that_is_written_is_no_medium() -> None:
    async def body(host: Host) -> None:
        vm, vdi, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        drive = await host.drive(await host.vm())
        assert await host.refused("VBD.insert", drive, vdi) == ["VDI_IN_USE", vdi]

    over_host(body)


def test_the_mode_changes_only_while_the_vm_is_halted() -> None:
    async def body(host: Host) -> None:
        vm, vdi, vbd, _ = await host.server()
        await host.call("VBD.set_mode", vbd, "RO")
        assert host.row(vbd)["mode"] == "RO"
        host.set(vdi, read_only=True)
        assert await host.refused("VBD.set_mode", vbd, "RW") == ["VDI_READONLY", vdi]
        host.set(vm, power_state="Running")
        assert await host.refused("VBD.set_mode", vbd, "RO") == ["VM_BAD_POWER_STATE", vm, "halted", "running"]

    over_host(body)


def test_whether_a_disk_could_be_attached_is_told_without_attaching_it() -> None:
    async def body(host: Host) -> None:
        vm, vdi, vbd, _ = await host.server()
        await host.call("VBD.assert_attachable", vbd)
        host.set(vdi, managed=False)
        assert await host.refused("VBD.assert_attachable", vbd) == ["VDI_NOT_MANAGED", vbd]
        assert host.row(vm)["power_state"] == "Halted"

    over_host(body)


def test_dom0_takes_a_disk_without_being_started() -> None:
    async def body(host: Host) -> None:
        dom0 = host.kit.make("VM", is_control_domain=True, domid=0, power_state="Running", resident_on=host.id(host.host))
        vbd = await host.vbd(dom0, await host.disk(MIB), "autodetect")
        await host.call("VBD.plug", vbd)
        assert (host.row(vbd)["device"], host.row(vbd)["userdevice"]) == ("xvda", "0")

    over_host(body)


def test_an_empty_drive_has_no_disk() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        vbd = await host.call("VBD.create", _record(vm, await host.disk(), type="CD", mode="RO", empty=True))
        assert await host.call("VBD.get_VDI", vbd) == NULL

    over_host(body)


def test_a_disk_is_torn_off_whatever_happens_to_it() -> None:
    async def body(host: Host) -> None:
        vm, vdi, vbd, _ = await host.server()
        tear_off = "VBD.unplug_force_no_safety_check"
        assert await host.call(tear_off, vbd) == ""
        await host.call("VM.start", vm, False, False)
        host.set(vbd, unpluggable=False, current_operations={"OpaqueRef:x": "unplug"})
        await host.call(tear_off, vbd)
        assert (host.row(vbd)["currently_attached"], host.row(vbd)["device"], host.row(vbd)["VDI"]) == (False, "", host.id(vdi))

    over_host(body)


@pytest.mark.parametrize(("algorithm", "listed"), [("", ()), ("ionice", ()), ("frob", ("frob",))])
def test_an_algorithm_that_is_unknown_is_listed_when_the_disk_is_plugged(algorithm: str, listed: tuple[str, ...]) -> None:
    async def body(host: Host) -> tuple[str, ...]:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        vbd = await host.vbd(vm, await host.disk(), qos_algorithm_type=algorithm, qos_algorithm_params={"sched": "rt", "class": "5"})
        await host.call("VBD.plug", vbd)
        return tuple(host.row(vbd)["qos_supported_algorithms"])

    assert over_host(body) == listed


def test_the_storage_daemon_knows_the_ways_to_disks_and_lets_them_go() -> None:
    async def body(host: Host) -> None:
        vm, vdi, vbd, _ = await host.server()
        assert host.world.uuid(host.id(vdi)) not in await host.call("host.get_sm_diagnostics", host.host)
        await host.call("VM.start", vm, False, False)
        name = f"vbd/{host.row(vm)['domid']}/xvda"
        assert await host.call("host.get_sm_diagnostics", host.host) == (
            f"The following SRs are attached:\nSR {host.world.uuid(host.id(host.sr))}\n"
            f"    VDI {host.world.uuid(host.id(vdi))}\n        DP: {name}: activated RW"
        )
        refusal = await host.refused("host.sm_dp_destroy", host.host, "vbd/9/xvdz", False)
        assert refusal[0] == "INTERNAL_ERROR"
        assert await host.call("host.sm_dp_destroy", host.host, "vbd/9/xvdz", True) == ""
        await host.call("host.sm_dp_destroy", host.host, name, False)
        assert host.row(vbd)["currently_attached"] is False

    over_host(body)
