"""The steps of migrations: what becomes of server, record and room when a host reports that its part has ended. Pure functions.

A resize is three parts of two hosts: the source sends the disks (`resize`), the cell moves the server over in one transaction, the
destination starts it (`finish_resize`); then the user's word is waited for, which is the source's (`confirm_resize`) or the
destination's part first and the source's after it (`revert_resize`, `finish_revert`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from compute_core.cells.outcomes import AT_REST, with_changes
from compute_core.model.instances import NO_STATE, RUNNING, Fault, Instance
from compute_core.model.migrations import Migration
from compute_core.model.transitions import ACTIONS


@dataclass(frozen=True, slots=True)
class End:
    """How a part has ended, at ``now``; ``host`` "" is the cell itself, which has waited long enough."""

    action: str
    host: str
    error: str | None
    power_state: int
    now: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fault(self) -> Fault | None:
        """As the server shows it."""
        return None if self.error is None else Fault(500, f"{self.action} failed: {self.error}", self.now, kind="ComputeError")


@dataclass(frozen=True, slots=True)
class Step:
    """Server and record as they are now, and whose part begins: (host, action)."""

    instance: Instance
    migration: Migration
    then: tuple[str, str] | None = None


Decide = Callable[[Instance, Migration, End], Step]


def decided(instance: Instance, migration: Migration, end: End) -> Step | None:
    """The step after an end; None for news that are too old to matter, or from a host that has no part in it."""
    actor, decide = PARTS[end.action]
    if instance.is_deleted or instance.task_state != ACTIONS[end.action].task_state:
        return None
    if end.host not in {"", getattr(migration, actor)}:
        return None
    return decide(instance, migration, end)


def _resized(instance: Instance, migration: Migration, end: End) -> Step:
    """The disks are there, and the VM is made of them: the server moves. Or nothing has happened."""
    if end.error is not None:
        return Step(_back_at_rest(instance, end, new_flavor=None), replace(migration, status="error"))
    moved = replace(_at_destination(instance, migration), flavor=migration.new_flavor, old_flavor=migration.old_flavor, new_flavor=None)
    begun = replace(with_changes(moved, end.changes), task_state=ACTIONS["finish_resize"].task_state, power_state=end.power_state)
    return Step(begun, replace(migration, status="post-migrating"), then=(migration.destination, "finish_resize"))


def _finished(instance: Instance, migration: Migration, end: End) -> Step:
    """It runs in its new size. Or it will not, and goes back to the old one."""
    if end.error is not None:
        return reverting(replace(instance, fault=end.fault), migration)
    done = replace(instance, vm_state="resized", task_state=None, power_state=end.power_state, fault=None)
    return Step(done, replace(migration, status="finished"))


def confirming(instance: Instance, migration: Migration) -> Step:
    """The old one may go."""
    begun = replace(instance, task_state=ACTIONS["confirm_resize"].task_state)
    return Step(begun, replace(migration, status="confirming"), then=(migration.source, "confirm_resize"))


def _confirmed(instance: Instance, migration: Migration, _: End) -> Step:
    """It is what the user wants, whatever is left of the old one: its host hears that it is not wanted there."""
    state = AT_REST.get(instance.power_state, "active")
    done = replace(instance, vm_state=state, task_state=None, old_flavor=None, fault=None)
    return Step(done, replace(migration, status="confirmed"))


def reverting(instance: Instance, migration: Migration) -> Step:
    """The new one is to go."""
    begun = replace(instance, task_state=ACTIONS["revert_resize"].task_state)
    return Step(begun, replace(migration, status="reverting"), then=(migration.destination, "revert_resize"))


def _reverted(instance: Instance, migration: Migration, end: End) -> Step:
    """The new one is gone: the server is the source's again. There is no way back from here: what failed is asked for again."""
    if end.error is not None:
        return Step(instance, migration)
    back = replace(
        instance,
        host=migration.source,
        hypervisor_hostname=migration.source_node,
        flavor=migration.old_flavor,
        old_flavor=None,
        task_state=ACTIONS["finish_revert"].task_state,
        power_state=NO_STATE,
    )
    return Step(back, migration, then=(migration.source, "finish_revert"))


def _brought_back(instance: Instance, migration: Migration, end: End) -> Step:
    """It is what it was. Or it is there and will not run; one that is not there yet is asked for again."""
    if end.error is not None and end.power_state == NO_STATE:
        return Step(instance, migration)
    state = AT_REST.get(end.power_state, "error")
    fault = end.fault or instance.fault
    here = with_changes(instance, end.changes)
    done = replace(here, vm_state=state, task_state=None, power_state=end.power_state, fault=fault)
    return Step(done, replace(migration, status="reverted"))


def _migrated(instance: Instance, migration: Migration, end: End) -> Step:
    """It runs there. Or it still runs here: because it cannot go, or was asked to stay."""
    if end.changes.get("was_cancelled"):
        stays = replace(instance, task_state=None, power_state=end.power_state or instance.power_state, progress=100)
        return Step(stays, replace(migration, status="cancelled"))
    if end.error is not None:
        return Step(_back_at_rest(instance, end), replace(migration, status="error"))
    there = with_changes(_at_destination(instance, migration), end.changes)
    moved = replace(there, task_state=None, power_state=end.power_state, progress=100, fault=None)
    return Step(moved, replace(migration, status="completed", progress=100))


def _evacuated(instance: Instance, migration: Migration, end: End) -> Step:
    """It is built again there. Or it is where it was, on a host that is gone."""
    if end.error is not None:
        lost = replace(
            instance,
            host=migration.source,
            hypervisor_hostname=migration.source_node,
            vm_state="error",
            task_state=None,
            power_state=NO_STATE,
            fault=end.fault,
        )
        return Step(lost, replace(migration, status="error"))
    state = AT_REST.get(end.power_state, "active")
    there = with_changes(instance, end.changes)
    built = replace(there, vm_state=state, task_state=None, power_state=end.power_state, launched_at=end.now, fault=None)
    return Step(built, replace(migration, status="done"))


PARTS: Mapping[str, tuple[Literal["source", "destination"], Decide]] = {
    "resize": ("source", _resized),
    "finish_resize": ("destination", _finished),
    "confirm_resize": ("source", _confirmed),
    "revert_resize": ("destination", _reverted),
    "finish_revert": ("source", _brought_back),
    "live_migrate": ("source", _migrated),
    "evacuate": ("destination", _evacuated),
}
"""Whose part each is, and what comes of it."""


def _at_destination(instance: Instance, migration: Migration) -> Instance:
    return replace(instance, host=migration.destination, hypervisor_hostname=migration.destination_node)


def _back_at_rest(instance: Instance, end: End, **changes: Any) -> Instance:
    state = AT_REST.get(end.power_state, instance.vm_state)
    power_state = end.power_state or instance.power_state
    return replace(instance, vm_state=state, task_state=None, power_state=power_state, fault=end.fault, **changes)


def set_out(instance: Instance, migration: Migration, action: str) -> Instance:
    """The server as it is on its way; one that is evacuated is the new host's at once, since nobody answers at the old one."""
    begun = replace(instance, task_state=ACTIONS[action].task_state, progress=0)
    changes: Mapping[str, Callable[[], Instance]] = {
        "resize": lambda: replace(begun, new_flavor=migration.new_flavor),
        "live_migrate": lambda: begun,
        "evacuate": lambda: replace(_at_destination(begun, migration), power_state=NO_STATE),
    }
    return changes[action]()


def was_running(instance: Instance) -> bool:
    """Whether it is to run again afterwards."""
    return instance.power_state == RUNNING or instance.vm_state == "active"
