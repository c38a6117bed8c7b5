"""What is tried with each server when its host is to be empty, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from compute_core.cells.clearing import WAYS, Look, look
from compute_core.model.instances import CRASHED, NO_STATE, PAUSED, RUNNING, SHUTDOWN, SUSPENDED, Fault, VmState
from compute_core.model.transitions import ACTIONS, ANY
from compute_core.model.upkeep import Clearing, Stuck, Upkeep
from tests.compute_core.values import DATE, UUID, an_instance

STUCK = "It is {}: such a server is neither moved nor stopped by itself."


def job(**changes: Any) -> Upkeep:
    return Upkeep("xs1", "leaving", DATE, **changes)


def server(vm_state: VmState = "active", power_state: int = RUNNING, **changes: Any) -> Any:
    return an_instance(**{"vm_state": vm_state, "power_state": power_state, "task_state": None, **changes})


@pytest.mark.parametrize("clearing", WAYS)
def test_every_way_may_begin_in_its_state(clearing: Clearing) -> None:
    for state, ways in WAYS[clearing].items():
        assert all(state in ACTIONS[way].from_states for way in ways)


@pytest.mark.parametrize(
    ("clearing", "vm_state", "power_state", "tried", "next_way"),
    [
        ("move", "active", RUNNING, (), "live_migrate"),
        ("move", "active", RUNNING, ("live_migrate",), "resize"),
        ("move", "active", RUNNING, ("live_migrate", "resize"), None),
        ("move", "stopped", SHUTDOWN, (), "resize"),
        ("move", "stopped", SHUTDOWN, ("resize",), None),
        ("move", "shelved", SHUTDOWN, (), "shelve_offload"),
        ("move", "paused", PAUSED, (), None),
        ("move", "suspended", SUSPENDED, (), None),
        ("move", "rescued", RUNNING, (), None),
        ("move", "resized", RUNNING, (), None),
        ("move", "soft-delete", SHUTDOWN, (), None),
        ("move", "error", NO_STATE, (), None),
        ("stop", "active", RUNNING, (), "stop"),
        ("stop", "active", RUNNING, ("stop",), None),
        ("stop", "paused", PAUSED, (), None),
        ("stop", "rescued", RUNNING, (), None),
        ("stop", "resized", RUNNING, (), None),
        ("stop", "error", RUNNING, (), None),
    ],
)
def test_a_server_is_tried_by_its_state(
    clearing: Clearing, vm_state: VmState, power_state: int, tried: tuple[str, ...], next_way: str | None
) -> None:
    fault = Fault(500, "broken", DATE)
    asked = job(clearing=clearing, tried={UUID: tried} if tried else {})
    found = look(asked, [server(vm_state, power_state, fault=fault)], [], 4)
    if next_way is None:
        reason = "broken" if tried else STUCK.format(vm_state)
        assert found == Look(stuck=(Stuck(UUID, "web", reason),))
    else:
        assert found == Look(begin=((UUID, next_way),))


@pytest.mark.parametrize(
    ("vm_state", "power_state"),
    [
        ("stopped", SHUTDOWN),
        ("stopped", CRASHED),
        ("suspended", SUSPENDED),
        ("error", NO_STATE),
        ("shelved", SHUTDOWN),
        ("soft-delete", SHUTDOWN),
    ],
)
def test_a_server_without_a_domain_may_stay_where_servers_are_stopped(vm_state: VmState, power_state: int) -> None:
    assert look(job(clearing="stop"), [server(vm_state, power_state)], [], 4).is_over


def test_states_are_all_thought_of() -> None:
    assert {"building", "shelved_offloaded"} == ANY - {
        "active", "stopped", "shelved", "paused", "suspended", "rescued", "resized", "soft-delete", "error",
    }  # fmt: skip


def test_only_so_many_are_under_way_and_what_goes_on_elsewhere_is_waited_for() -> None:
    busy = server(uuid="b", task_state="migrating")
    found = look(job(), [busy, *(server(uuid=f"{number}") for number in range(5))], [], 3)
    assert (len(found.begin), found.is_busy, found.is_over) == (2, True, False)
    arriving, waiting, gone = server(uuid="x", task_state="resize_finish"), server("resized", uuid="y"), server(uuid="z", is_deleted=True)
    assert look(job(), [], [arriving, waiting, gone], 3) == Look(confirm=("y",), is_busy=True)
    assert look(job(), [], [server(uuid="x"), gone], 3).is_over


def test_a_refusal_says_more_than_an_old_fault_and_halting_may_be_ruled_out() -> None:
    asked = job(tried={UUID: ("live_migrate",)}, refusals={UUID: "no room"}, may_halt=False)
    assert look(asked, [server(fault=Fault(500, "old", DATE))], [], 4) == Look(stuck=(Stuck(UUID, "web", "no room"),))
