"""What becomes of an instance when something is reported of it: pure functions from an instance to the next, or None for "as it was"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from compute_core.model.errors import ComputeError, Conflict
from compute_core.model.instances import CRASHED, NO_STATE, PAUSED, RUNNING, SHUTDOWN, SUSPENDED, Fault, Instance, VmState
from compute_core.model.json import from_json, to_json
from compute_core.model.transitions import ACTIONS, BY_TASK_STATE, IMAGE_MAKING, UNSHELVING, begin, is_being_built, is_unshelving

NOTHING: Mapping[str, Any] = MappingProxyType({})

Outcome = Callable[[Instance], Instance | None]

DELETING = ACTIONS["delete"].task_state
SCHEDULING = "scheduling"

AT_REST: Mapping[int, VmState] = {RUNNING: "active", SHUTDOWN: "stopped", PAUSED: "paused", SUSPENDED: "suspended", CRASHED: "stopped"}
"""What a server is whose VM is found in a power state while nothing is under way."""

FOLLOWS_POWER = frozenset(AT_REST.values())
"""A server in one of these states follows its VM; one that is in error or being built does not."""


def is_deleting(instance: Instance) -> bool:
    """Whether it is on its way out."""
    return instance.task_state == DELETING


def is_waiting_for_host(instance: Instance) -> bool:
    """Whether the scheduler is to find it a host."""
    return is_being_built(instance) and instance.task_state in {SCHEDULING, UNSHELVING} and instance.host is None


def is_on(instance: Instance, host: str) -> bool:
    """Whether a report from ``host`` concerns it; "" is a reporter that does not say where it is."""
    return host in ("", instance.host)


def began(action: str, changes: Mapping[str, Any] = NOTHING) -> Outcome:
    """An action begins; ``changes`` are members that are different from now on, in their JSON form. Conflict where it may not."""
    return lambda instance: replace(with_changes(instance, changes), task_state=begin(instance, action).task_state)


def began_if(action: str) -> Outcome:
    """As ``began``; nothing where it may not."""

    def outcome(instance: Instance) -> Instance | None:
        try:
            return None if instance.is_deleted else began(action)(instance)
        except Conflict:
            return None

    return outcome


def with_changes(instance: Instance, changes: Mapping[str, Any]) -> Instance:
    """The instance with other members, given in their JSON form."""
    return from_json({**to_json(instance), **changes}, Instance) if changes else instance


def progressed(host: str, task_state: str | None, progress: int) -> Outcome:
    """A build goes on."""

    def outcome(instance: Instance) -> Instance | None:
        if instance.vm_state != "building" or is_deleting(instance) or not is_on(instance, host):
            return None
        return replace(instance, task_state=task_state, progress=progress)

    return outcome


def sent(host: str, percent: int) -> Outcome:
    """So much of the image that is made of it has been sent."""

    def outcome(instance: Instance) -> Instance | None:
        action = BY_TASK_STATE.get(instance.task_state or "")
        if action not in IMAGE_MAKING or instance.is_deleted or not is_on(instance, host):
            return None
        return replace(instance, task_state=(*ACTIONS[action].stages, instance.task_state)[0], progress=percent)

    return outcome


def built(host: str, power_state: int, now: str, changes: Mapping[str, Any] = NOTHING) -> Outcome:
    """A build has ended well. From a host that the instance has been moved away from it means nothing.

    ``changes``: members that are different now, in their JSON form.
    """

    def outcome(instance: Instance) -> Instance | None:
        if not is_being_built(instance) or instance.host is None or is_deleting(instance) or not is_on(instance, host):
            return None
        unpacked = with_changes(instance, {**changes, **(ACTIONS["unshelve"].if_done if is_unshelving(instance) else NOTHING)})
        launched_at = instance.launched_at or now
        return replace(
            unpacked, vm_state="active", task_state=None, power_state=power_state, progress=100, launched_at=launched_at, fault=None
        )

    return outcome


def failed(error: ComputeError, now: str, *, details: str = "") -> Outcome:
    """It is in error, without a host; one that was to be unshelved is shelved as before."""
    fault = Fault(error.status, error.message, now, details, type(error).__name__)

    def outcome(instance: Instance) -> Instance:
        state: VmState = instance.vm_state if is_unshelving(instance) else "error"
        return replace(instance, vm_state=state, task_state=None, host=None, hypervisor_hostname=None, fault=fault)

    return outcome


def acted(host: str, action: str, error: str | None, power_state: int, now: str, changes: Mapping[str, Any] = NOTHING) -> Outcome:
    """An action has ended. ``changes`` are members in their JSON form. One that failed leaves the server as its VM is, or as they say."""
    table = ACTIONS[action]

    def outcome(instance: Instance) -> Instance | None:
        if not is_on(instance, host) or instance.is_deleted:
            return None
        if not table.is_shown_as(instance.task_state):
            return replace(instance, power_state=power_state) if power_state != instance.power_state else None
        if error is not None:
            return _without_success(instance, action, error, power_state, now, changes)
        changed = with_changes(instance, {**instance.pending, **table.if_done, **changes})
        return replace(
            changed,
            vm_state=table.to_state or changed.vm_state,
            task_state=None,
            power_state=power_state if table.to_state else power_state or instance.power_state,
            fault=None,
        )

    return outcome


def _without_success(
    instance: Instance, action: str, error: str, power_state: int, now: str, changes: Mapping[str, Any]
) -> Instance:  # fmt: skip
    fault = Fault(500, f"{action} failed: {error}", now, kind="ComputeError")
    follows = instance.vm_state in FOLLOWS_POWER or instance.vm_state == "error"
    state = AT_REST.get(power_state, instance.vm_state) if follows else instance.vm_state
    there = replace(instance, vm_state=state, task_state=None, power_state=power_state or instance.power_state, fault=fault)
    return with_changes(there, {**ACTIONS[action].if_failed, **changes})


def power_changed(host: str, power_state: int) -> Outcome:
    """The VM was found in another power state; nobody had asked for it."""

    def outcome(instance: Instance) -> Instance | None:
        if not is_on(instance, host) or instance.is_deleted or power_state == instance.power_state:
            return None
        follows = instance.task_state is None and instance.vm_state in FOLLOWS_POWER
        state = AT_REST.get(power_state, instance.vm_state) if follows else instance.vm_state
        return replace(instance, vm_state=state, power_state=power_state)

    return outcome


def deleted(now: str) -> Outcome:
    """It is gone."""

    def outcome(instance: Instance) -> Instance | None:
        if instance.is_deleted:
            return None
        return replace(instance, vm_state="deleted", task_state=None, power_state=NO_STATE, terminated_at=now, is_deleted=True)

    return outcome
