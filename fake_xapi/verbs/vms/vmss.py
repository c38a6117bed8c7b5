"""The verbs of VMSS, the snapshot schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.setters import writes
from fake_xapi.verbs.vms import snapshot_policies
from fake_xapi.verbs.vms.snapshot_policies import KINDS

_VMSS = KINDS["VMSS"]


def create(call: Call, record: dict[str, Any]) -> Id:
    """Create a schedule. INVALID_VALUE for a value that is not allowed."""
    return snapshot_policies.create(call, _VMSS, record)


async def snapshot_now(call: Call, vmss: Id) -> str:
    """Take the snapshots now, outside the schedule; returns what failed, "" when nothing did."""
    return "; ".join(await snapshot_policies.run(call, vmss))


def set_frequency(call: Call, vmss: Id, value: str) -> None:
    """Let it run hourly, daily or weekly; the minute, hour and days of the schedule are kept where they still apply."""
    snapshot_policies.set_plan(call, vmss, value, call.world[vmss]["schedule"])


def set_schedule(call: Call, vmss: Id, value: dict[str, str]) -> None:
    """Change when it runs. INVALID_VALUE ["schedule:key", value]."""
    snapshot_policies.set_plan(call, vmss, call.world[vmss]["frequency"], value)


def add_to_schedule(call: Call, vmss: Id, key: str, value: str) -> None:
    """Change one key of the schedule. INVALID_VALUE ["schedule:key", value]."""
    set_schedule(call, vmss, {**call.world[vmss]["schedule"], key: value})


def remove_from_schedule(call: Call, vmss: Id, key: str) -> None:
    """Reset one key of the schedule to its default."""
    set_schedule(call, vmss, {name: value for name, value in call.world[vmss]["schedule"].items() if name != key})


def set_retained_snapshots(call: Call, vmss: Id, value: int) -> None:
    """Set how many snapshots of a VM are kept. INVALID_VALUE ["retained_snapshots", value] outside 1 to 10."""
    snapshot_policies.check_retained("retained_snapshots", value)
    with call.world.edit() as edit:
        edit.set(vmss, retained_snapshots=value)


def set_snapshot_schedule(call: Call, vm: Id, value: Id) -> None:
    """Assign a VM to a schedule; NULL withdraws it from the one that it has."""
    snapshot_policies.assign(call, _VMSS, vm, value)


VERBS: Mapping[str, Verb] = {
    "VMSS.create": create,
    "VMSS.destroy": snapshot_policies.destroy,
    "VMSS.snapshot_now": snapshot_now,
    "VMSS.set_enabled": snapshot_policies.set_enabled,
    "VMSS.set_frequency": set_frequency,
    "VMSS.set_schedule": set_schedule,
    "VMSS.add_to_schedule": add_to_schedule,
    "VMSS.remove_from_schedule": remove_from_schedule,
    "VMSS.set_retained_snapshots": set_retained_snapshots,
    "VMSS.set_last_run_time": writes("last_run_time"),
    "VMSS.set_type": writes("type"),
    "VM.set_snapshot_schedule": set_snapshot_schedule,
}
