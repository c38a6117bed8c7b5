"""The steps of migrations: what comes of each end of each part, as whole values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compute_core.cells.steps import PARTS, End, Step, confirming, decided, reverting, set_out
from compute_core.model.flavors import DEFAULT_FLAVORS
from compute_core.model.instances import NO_STATE, RUNNING, SHUTDOWN, Fault, Instance
from compute_core.model.transitions import ACTIONS, MOVES
from tests.compute_core.store.test_migrations_of_servers import a_migration
from tests.compute_core.values import an_instance

SMALL, LARGE = DEFAULT_FLAVORS[0], DEFAULT_FLAVORS[1]
NOW = "2012-08-01T01:00:00Z"
HERE = an_instance(vm_state="active", task_state=None, power_state=RUNNING, host="a", hypervisor_hostname="a.example", flavor=SMALL)
THERE = replace(HERE, host="b", hypervisor_hostname="b.example", flavor=LARGE, old_flavor=SMALL)
RESIZED = replace(THERE, vm_state="resized")


def under(instance: Instance, action: str, **changes: Any) -> Instance:
    return replace(instance, task_state=ACTIONS[action].task_state, **changes)


def end(action: str, host: str, *, error: str | None = None, power_state: int = RUNNING, **changes: Any) -> End:
    return End(action, host, error, power_state, NOW, changes)


def fault(action: str) -> Fault:
    return Fault(500, f"{action} failed: broken", NOW, kind="ComputeError")


MIGRATION = a_migration()

DONE = {
    "resize": (
        under(HERE, "resize", new_flavor=LARGE),
        end("resize", "a", power_state=SHUTDOWN),
        Step(
            under(THERE, "finish_resize", power_state=SHUTDOWN),
            replace(MIGRATION, status="post-migrating"),
            ("b", "finish_resize"),
        ),
    ),
    "finish_resize": (
        under(THERE, "finish_resize", power_state=SHUTDOWN),
        end("finish_resize", "b"),
        Step(RESIZED, replace(MIGRATION, status="finished")),
    ),
    "confirm_resize": (
        under(RESIZED, "confirm_resize"),
        end("confirm_resize", "a"),
        Step(replace(THERE, old_flavor=None), replace(MIGRATION, status="confirmed")),
    ),
    "revert_resize": (
        under(RESIZED, "revert_resize"),
        end("revert_resize", "b", power_state=SHUTDOWN),
        Step(under(replace(HERE, vm_state="resized"), "finish_revert", power_state=NO_STATE), MIGRATION, ("a", "finish_revert")),
    ),
    "finish_revert": (
        under(replace(HERE, vm_state="resized"), "finish_revert", power_state=NO_STATE),
        end("finish_revert", "a"),
        Step(HERE, replace(MIGRATION, status="reverted")),
    ),
    "live_migrate": (
        under(HERE, "live_migrate"),
        end("live_migrate", "a"),
        Step(
            replace(HERE, host="b", hypervisor_hostname="b.example", progress=100),
            replace(MIGRATION, status="completed", progress=100),
        ),
    ),
    "evacuate": (
        under(replace(HERE, host="b", hypervisor_hostname="b.example"), "evacuate", power_state=NO_STATE),
        end("evacuate", "b"),
        Step(
            replace(HERE, host="b", hypervisor_hostname="b.example", launched_at=NOW),
            replace(MIGRATION, status="done"),
        ),
    ),
}

FAILED = {
    "resize": Step(replace(HERE, fault=fault("resize")), replace(MIGRATION, status="error")),
    "finish_resize": Step(
        under(THERE, "revert_resize", power_state=SHUTDOWN, fault=fault("finish_resize")),
        replace(MIGRATION, status="reverting"),
        ("b", "revert_resize"),
    ),
    "confirm_resize": Step(replace(THERE, old_flavor=None), replace(MIGRATION, status="confirmed")),
    "revert_resize": Step(under(RESIZED, "revert_resize"), MIGRATION),
    "finish_revert": Step(replace(HERE, fault=fault("finish_revert")), replace(MIGRATION, status="reverted")),
    "live_migrate": Step(replace(HERE, fault=fault("live_migrate")), replace(MIGRATION, status="error")),
    "evacuate": Step(
        replace(HERE, vm_state="error", power_state=NO_STATE, fault=fault("evacuate")),
        replace(MIGRATION, status="error"),
    ),
}


def test_every_part_of_a_move_is_spoken_of() -> None:
    assert set(PARTS) == set(MOVES) == set(DONE) == set(FAILED)


@pytest.mark.parametrize("action", MOVES)
def test_a_part_that_is_done_brings_the_next_one_or_the_end(action: str) -> None:
    before, ended, expected = DONE[action]
    assert decided(before, MIGRATION, ended) == expected


@pytest.mark.parametrize("action", MOVES)
def test_a_part_that_failed_leaves_the_server_where_it_was_or_is_asked_for_again(action: str) -> None:
    before, ended, _ = DONE[action]
    assert decided(before, MIGRATION, replace(ended, error="broken", power_state=RUNNING)) == FAILED[action]


@pytest.mark.parametrize("action", MOVES)
def test_what_comes_too_late_or_from_elsewhere_means_nothing(action: str) -> None:
    before, ended, _ = DONE[action]
    elsewhere = "b" if ended.host == "a" else "a"
    assert decided(replace(before, task_state=None), MIGRATION, ended) is None
    assert decided(replace(before, is_deleted=True), MIGRATION, ended) is None
    assert decided(before, MIGRATION, replace(ended, host=elsewhere)) is None
    assert decided(before, MIGRATION, replace(ended, host="")) is not None


def test_a_live_migration_that_was_cancelled_is_no_failure() -> None:
    before, ended, _ = DONE["live_migrate"]

    step = decided(before, MIGRATION, replace(ended, changes={"was_cancelled": True}))

    assert step == Step(replace(HERE, progress=100), replace(MIGRATION, status="cancelled"))


def test_a_former_vm_that_is_not_there_yet_is_brought_back_until_it_is() -> None:
    before, ended, _ = DONE["finish_revert"]

    assert decided(before, MIGRATION, replace(ended, error="broken", power_state=NO_STATE)) == Step(before, MIGRATION)


def test_a_stopped_server_is_stopped_after_a_resize_as_well() -> None:
    stopped = replace(RESIZED, power_state=SHUTDOWN)

    step = decided(under(stopped, "confirm_resize"), MIGRATION, end("confirm_resize", "a", power_state=SHUTDOWN))

    assert step is not None
    assert (step.instance.vm_state, step.instance.power_state) == ("stopped", SHUTDOWN)


def test_the_users_word_names_who_is_to_act() -> None:
    assert confirming(RESIZED, MIGRATION) == Step(
        under(RESIZED, "confirm_resize"), replace(MIGRATION, status="confirming"), ("a", "confirm_resize")
    )
    assert reverting(RESIZED, MIGRATION) == Step(
        under(RESIZED, "revert_resize"), replace(MIGRATION, status="reverting"), ("b", "revert_resize")
    )


def test_setting_out_says_what_the_server_will_be() -> None:
    assert set_out(HERE, MIGRATION, "resize") == under(HERE, "resize", new_flavor=LARGE)
    assert set_out(HERE, MIGRATION, "live_migrate") == under(HERE, "live_migrate")
    gone = under(replace(HERE, host="b", hypervisor_hostname="b.example"), "evacuate", power_state=NO_STATE)
    assert set_out(HERE, MIGRATION, "evacuate") == gone
