"""The lifecycle of a VIF, row by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fake_xapi.lifecycle.hosts import TASK, Scene, hvm, scene

Change = Callable[[Scene], Scene]


def _running(s: Scene) -> Scene:
    return s.set("vm", power_state="Running")


def _sriov(s: Scene) -> Scene:
    s.make("pif", "PIF", network="@network", host="@host")
    return s.make("sriov", "network_sriov", logical_PIF="@pif")


REFUSALS: list[tuple[str, list[Change], tuple[str, ...], list[str]]] = [
    ("latest", [lambda s: s.busy("vif", "attach")], ("attach", "plug", "unplug"),
     ["OTHER_OPERATION_IN_PROGRESS", "VIF", "vif", "{attach}", f"{{{TASK}}}"]),
    ("tampa", [lambda s: s.busy("vif", "attach")], ("plug",), ["OTHER_OPERATION_IN_PROGRESS", "VIF", "vif", "attach"]),
    ("latest", [lambda s: s.set("vm", is_control_domain=True), _running], ("plug",),
     ["OPERATION_NOT_ALLOWED", "Control domain does not support hotplug"]),
    ("latest", [_sriov, _running], ("plug", "unplug"), ["OPERATION_NOT_ALLOWED", "Network SR-IOV VIF plug/unplug not allowed"]),
    ("latest", [_running, lambda s: s.set("vif", currently_attached=True)], ("plug",), ["DEVICE_ALREADY_ATTACHED", "vif"]),
    ("latest", [_running], ("unplug",), ["DEVICE_ALREADY_DETACHED", "vif"]),
    ("latest", [], ("plug", "unplug"), ["VM_BAD_POWER_STATE", "vm", "running", "halted"]),
    ("latest", [_running, lambda s: s.busy("vm", "clean_shutdown")], ("plug",),
     ["OPERATION_NOT_ALLOWED", "Current operation on VM:vm is clean_shutdown"]),
]  # fmt: skip


@pytest.mark.parametrize(("release", "changes", "operations", "refusal"), REFUSALS)
def test_each_guard_refuses_in_its_own_words(release: str, changes: list[Change], operations: tuple[str, ...], refusal: list[str]) -> None:
    made = scene(release).after(changes)
    assert made.check_each("vif", operations) == dict.fromkeys(operations, refusal)


def test_an_hvm_guest_without_drivers_takes_no_interface() -> None:
    assert hvm().check("vif", "plug") == ["VM_MISSING_PV_DRIVERS", "vm"]
    assert hvm().set("guest", can_use_hotplug_vif="yes").check("vif", "plug") is None
    refusal = ["OPERATION_NOT_ALLOWED", "VM states it does not support VIF hotplug."]
    assert hvm().set("guest", can_use_hotplug_vif="no").check("vif", "plug") == refusal


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ([], "attach"),
        ([_running], "attach, plug"),
        ([_running, lambda s: s.set("vif", currently_attached=True)], "attach, unplug"),
    ],
)
def test_what_is_shown_follows_from_the_guards(changes: list[Change], listed: str) -> None:
    made = scene().after(changes)
    assert made.allowed("vif") == listed
