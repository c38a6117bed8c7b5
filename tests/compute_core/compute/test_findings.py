"""What the comparison of a host's VMs with the cell's instances finds, by name."""

from __future__ import annotations

from typing import Any

import pytest

from compute_core.compute.findings import Finding, Kind, findings
from compute_core.compute.vms import Vms
from compute_core.model.instances import NO_STATE, PAUSED, RUNNING, SHUTDOWN
from tests.compute_core.compute.test_vms import record
from tests.compute_core.values import UUID, an_instance


def found(vm_is: str | None, **changes: Any) -> list[Finding]:
    vms = Vms()
    if vm_is:
        vms.see("r1", record(vm_is))
    return list(findings([an_instance(**changes)], [], vms, lambda _: False))


@pytest.mark.parametrize(
    ("vm_is", "instance", "finding"),
    [
        ("Running", {"task_state": "spawning"}, (Kind.FINISHED_BUILD, RUNNING, "", None)),
        ("Halted", {"task_state": "spawning"}, (Kind.HALF_BUILT, SHUTDOWN, "", None)),
        (None, {"task_state": "spawning"}, (Kind.HALF_BUILT, NO_STATE, "", None)),
        ("Running", {"vm_state": "active", "task_state": "deleting"}, (Kind.HALF_DELETED, NO_STATE, "", None)),
        (None, {"vm_state": "building", "task_state": "deleting"}, (Kind.HALF_DELETED, NO_STATE, "", None)),
        ("Paused", {"vm_state": "active", "task_state": "pausing"}, (Kind.BROKEN_ACTION, PAUSED, "pause", None)),
        (
            "Running",
            {"vm_state": "active", "task_state": "pausing"},
            (Kind.BROKEN_ACTION, RUNNING, "pause", "the agent was interrupted during pause"),
        ),
        (
            "Running",
            {"vm_state": "active", "task_state": "image_snapshot_pending"},
            (Kind.BROKEN_ACTION, RUNNING, "snapshot", "the agent was interrupted during snapshot"),
        ),
        ("Halted", {"vm_state": "active", "task_state": None, "power_state": RUNNING}, (Kind.OTHER_POWER_STATE, SHUTDOWN, "", None)),
        (None, {"vm_state": "active", "task_state": None, "power_state": RUNNING}, (Kind.OTHER_POWER_STATE, NO_STATE, "", None)),
    ],
)
def test_each_difference_has_a_name(vm_is: str | None, instance: dict[str, Any], finding: tuple[Any, ...]) -> None:
    one = found(vm_is, **instance)

    assert [(each.kind, each.power_state, each.action, each.error) for each in one] == [finding]


def test_a_server_at_rest_is_no_finding() -> None:
    assert found("Running", vm_state="active", task_state=None, power_state=RUNNING) == []


def test_a_vm_that_the_cell_does_not_want_here_is_found_and_one_that_it_does_not_name_is_not() -> None:
    vms = Vms()
    vms.see("r1", record("Running"))

    assert list(findings([], [UUID, "not here"], vms, lambda _: False)) == [Finding(Kind.UNWANTED_VM, UUID)]
    assert list(findings([], [], vms, lambda _: False)) == []


def test_nothing_is_said_of_a_server_on_which_an_operation_is_under_way() -> None:
    vms = Vms()
    vms.see("r1", record("Halted"))

    assert list(findings([an_instance()], [], vms, lambda _: True)) == []
    assert list(findings([], [UUID], vms, lambda _: True)) == []


def test_only_a_finished_build_is_certain_at_first_sight() -> None:
    assert [kind for kind in Kind if kind.is_certain] == [Kind.FINISHED_BUILD]
