"""The lifecycle of a VBD, row by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fake_xapi.lifecycle.hosts import TASK, Scene, hvm, scene

Change = Callable[[Scene], Scene]
HOTPLUGS = ("plug", "unplug", "unplug_force")


def _cd(s: Scene) -> Scene:
    return s.set("vbd", type="CD", mode="RO")


def _running(s: Scene) -> Scene:
    return s.set("vm", power_state="Running")


def _plugged(s: Scene) -> Scene:
    return s.set("vbd", currently_attached=True)


def _shared(mode: str, **vm: object) -> Change:
    def share(s: Scene) -> Scene:
        s.make("other vm", "VM", power_state="Running").set("other vm", **vm)
        return s.make("other", "VBD", VM="@other vm", VDI="@vdi", mode=mode, type="Disk", currently_attached=True)

    return share


REFUSALS: list[tuple[str, list[Change], tuple[str, ...], list[str]]] = [
    ("latest", [lambda s: s.busy("vbd", "plug")], ("attach", "eject", "unplug", "insert", "plug"),
     ["OTHER_OPERATION_IN_PROGRESS", "VBD", "vbd", "plug", TASK]),
    ("tampa", [lambda s: s.busy("vbd", "plug")], ("attach",), ["OTHER_OPERATION_IN_PROGRESS", "VBD", "vbd", "plug"]),
    ("latest", [_running, _plugged, lambda s: s.set("vbd", unpluggable=False)], ("unplug", "unplug_force"), ["VBD_NOT_UNPLUGGABLE", "vbd"]),
    ("latest", [], ("insert", "eject"), ["VBD_NOT_REMOVABLE_MEDIA", "vbd"]),
    ("latest", [_cd, lambda s: s.set("vbd", empty=True)], ("eject",), ["VBD_IS_EMPTY", "vbd"]),
    ("latest", [_cd], ("insert",), ["VBD_NOT_EMPTY", "vbd"]),
    ("latest", [_running, _plugged], ("plug",), ["DEVICE_ALREADY_ATTACHED", "vbd"]),
    ("latest", [_running, lambda s: s.set("vbd", reserved=True)], ("plug",), ["DEVICE_ALREADY_ATTACHED", "vbd"]),
    ("latest", [_running], ("unplug", "unplug_force"), ["DEVICE_ALREADY_DETACHED", "vbd"]),
    ("latest", [], (*HOTPLUGS, "pause", "unpause"), ["VM_BAD_POWER_STATE", "vm", "running", "halted"]),
    ("latest", [lambda s: s.set("vm", power_state="Paused")], HOTPLUGS, ["VM_BAD_POWER_STATE", "vm", "running", "paused"]),
    ("latest", [_running, lambda s: s.busy("vm", "suspend")], ("plug",),
     ["OPERATION_NOT_ALLOWED", "Current operation on VM:vm is suspend"]),
    ("latest", [lambda s: s.set("vbd", VDI=0), _cd, lambda s: s.set("vm", power_state="Suspended")], ("eject",),
     ["VM_BAD_POWER_STATE", "vm", "halted, running", "suspended"]),
    ("latest", [lambda s: s.set("vdi", managed=False)], ("attach",), ["VDI_NOT_MANAGED", "vbd"]),
    ("latest", [lambda s: s.busy("vdi", "snapshot")], ("attach",), ["OTHER_OPERATION_IN_PROGRESS", "VDI", "vdi", "snapshot", TASK]),
    ("tampa", [lambda s: s.busy("vdi", "snapshot")], ("attach",), ["OTHER_OPERATION_IN_PROGRESS", "VDI", "vdi", "snapshot"]),
    ("latest", [_shared("RW")], ("attach",), ["VDI_IN_USE", "vdi"]),
    ("latest", [_shared("RO")], ("attach",), ["VDI_IN_USE", "vdi"]),
    ("latest", [lambda s: s.set("vdi", read_only=True)], ("attach",), ["VDI_READONLY", "vdi"]),
]  # fmt: skip


@pytest.mark.parametrize(("release", "changes", "operations", "refusal"), REFUSALS)
def test_each_guard_refuses_in_its_own_words(release: str, changes: list[Change], operations: tuple[str, ...], refusal: list[str]) -> None:
    made = scene(release).after(changes)
    assert made.check_each("vbd", operations) == dict.fromkeys(operations, refusal)


@pytest.mark.parametrize(
    ("guest", "vbd", "refusal"),
    [
        ({"can_use_hotplug_vbd": "no"}, {}, ["OPERATION_NOT_ALLOWED", "VM states it does not support VBD hotplug."]),
        ({}, {}, ["VM_MISSING_PV_DRIVERS", "vm"]),
        (
            {"can_use_hotplug_vbd": "yes"},
            {"type": "CD", "mode": "RO"},
            ["OPERATION_NOT_ALLOWED", "HVM CDROMs cannot be hotplugged/unplugged, only inserted or ejected"],
        ),
        ({"can_use_hotplug_vbd": "yes"}, {}, None),
        ({"PV_drivers_detected": True}, {}, None),
        ({"PV_drivers_version": {"major": "7", "minor": "1"}}, {}, None),
    ],
)
def test_an_hvm_guest_takes_disks_when_its_drivers_do(guest: dict[str, object], vbd: dict[str, object], refusal: list[str] | None) -> None:
    assert hvm().set("guest", **guest).set("vbd", **vbd).check("vbd", "plug") == refusal


@pytest.mark.parametrize("device", ["vbd", "vif"])
@pytest.mark.parametrize(
    ("guest", "refusal"),
    [
        ({}, ["VM_MISSING_PV_DRIVERS", "vm"]),
        ({"PV_drivers_detected": True}, ["VM_MISSING_PV_DRIVERS", "vm"]),
        ({"PV_drivers_version": {"major": "5", "minor": "6", "micro": "100"}}, ["VM_OLD_PV_DRIVERS", "vm", "5", "6", "100"]),
        ({"PV_drivers_version": {"major": "5", "minor": "6"}}, ["VM_OLD_PV_DRIVERS", "vm", "5", "6", "-1"]),
        ({"PV_drivers_version": {"major": "6", "minor": "1"}, "PV_drivers_up_to_date": True}, None),
    ],
)
def test_an_hvm_guest_of_2012_takes_devices_when_its_drivers_are_of_their_day(
    device: str, guest: dict[str, object], refusal: list[str] | None
) -> None:
    assert hvm("tampa").set("guest", **guest).check(device, "plug") == refusal


@pytest.mark.parametrize(
    "changes",
    [
        [lambda s: s.set("vdi", sharable=True), _shared("RW")],
        [lambda s: s.set("vdi", read_only=True), lambda s: s.set("vbd", mode="RO"), _shared("RO")],
        [lambda s: s.set("vbd", mode="RO"), _shared("RO")],
        [_shared("RW", power_state="Suspended")],
        [_shared("RW", other_config={"is_system_domain": "true"})],
        [_shared("RW"), lambda s: s.set("other", currently_attached=False)],
    ],
)
def test_a_disk_is_shared_when_nobody_is_hurt(changes: list[Change]) -> None:
    made = scene().after(changes)
    assert made.check("vbd", "attach") is None


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ([], "attach"),
        ([_running], "attach, unpause, plug, pause"),
        ([_running, _plugged], "attach, unpause, unplug, unplug_force, pause"),
        ([_cd], "attach, eject"),
        ([_cd, lambda s: s.set("vbd", empty=True, VDI=0)], "attach, insert"),
    ],
)
def test_what_is_shown_follows_from_the_guards(changes: list[Change], listed: str) -> None:
    made = scene().after(changes)
    assert made.allowed("vbd") == listed
