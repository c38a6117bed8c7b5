"""The lifecycle of a VUSB, row by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fake_xapi.lifecycle.hosts import Scene, scene

Change = Callable[[Scene], Scene]


def _running(s: Scene) -> Scene:
    return s.set("vm", power_state="Running")


def _attached(s: Scene) -> Scene:
    return s.set("vusb", currently_attached=True)


REFUSALS: list[tuple[list[Change], tuple[str, ...], list[str]]] = [
    ([lambda s: s.busy("vusb", "unplug")], ("attach", "plug", "unplug"), ["OTHER_OPERATION_IN_PROGRESS", "VUSB", "vusb", "unplug"]),
    ([_running, _attached], ("plug",), ["DEVICE_ALREADY_ATTACHED", "vusb"]),
    ([_running], ("unplug",), ["DEVICE_ALREADY_DETACHED", "vusb"]),
    ([], ("plug", "unplug"), ["VM_BAD_POWER_STATE", "vm", "running", "halted"]),
    (
        [_running, _attached, lambda s: s.busy("vm", "clean_shutdown")],
        ("unplug",),
        ["OPERATION_NOT_ALLOWED", "Current operation on VM:vm is clean_shutdown"],
    ),
]


@pytest.mark.parametrize(("changes", "operations", "refusal"), REFUSALS)
def test_each_guard_refuses_in_its_own_words(changes: list[Change], operations: tuple[str, ...], refusal: list[str]) -> None:
    made = scene().make("vusb", "VUSB", VM="@vm").after(changes)
    assert made.check_each("vusb", operations) == dict.fromkeys(operations, refusal)


@pytest.mark.parametrize(("changes", "listed"), [([], "attach"), ([_running], "attach, plug"), ([_running, _attached], "attach, unplug")])
def test_what_is_shown_follows_from_the_guards(changes: list[Change], listed: str) -> None:
    made = scene().make("vusb", "VUSB", VM="@vm").after(changes)
    assert made.allowed("vusb") == listed
