"""Scheduled snapshots: snapshot schedules (VMSS), and the protection policies (VMPP) of the releases before them.

The two differ only in the names of their fields, so they share one implementation over a table. A timer exists only while a policy
is enabled and has VMs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import Id, class_of
from fake_xapi.state.row import Row
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.dates import date, moment
from fake_xapi.verbs.vms.schedules import KEYS, checked, due_after

RETAINED = range(1, 11)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a class of policies names its fields, the VM's field that refers to the policy, and the field that marks its snapshots."""

    cls: str
    enabled: str
    type: str
    frequency: str
    schedule: str
    retained: str
    last_run: str
    assigned: str
    mark: str


KINDS: Mapping[str, Kind] = {
    kind.cls: kind
    for kind in (
        Kind(
            "VMSS", "enabled", "type", "frequency", "schedule", "retained_snapshots", "last_run_time",
            "snapshot_schedule", "is_vmss_snapshot",
        ),
        Kind(
            "VMPP", "is_policy_enabled", "backup_type", "backup_frequency", "backup_schedule", "backup_retention_value",
            "backup_last_run_time", "protection_policy", "is_snapshot_from_vmpp",
        ),
    )
}  # fmt: skip
_MESSAGES: Mapping[str, str] = {
    "snapshot": "VM.snapshot",
    "checkpoint": "VM.checkpoint",
    "snapshot_with_quiesce": "VM.snapshot_with_quiesce",
}


def create(call: Call, kind: Kind, record: dict[str, Any]) -> Id:
    """Create a policy. INVALID_VALUE for a schedule or a number of retained snapshots that is not allowed."""
    fields = {kind.frequency: "daily", **record}
    fields[kind.schedule] = checked(kind.schedule, fields[kind.frequency], fields.get(kind.schedule, {}))
    check_retained(kind.retained, fields.get(kind.retained, RETAINED[0]))
    with call.world.edit() as edit:
        return edit.create(kind.cls, **fields)


def destroy(call: Call, policy: Id) -> None:
    """Remove a policy. VMSS_HAS_VM [], VMPP_HAS_VM [] while VMs are assigned to it."""
    row = call.world[policy]
    if row["VMs"]:
        raise Failure(f"{row.cls}_HAS_VM")
    call.stop(_name(policy))
    with call.world.edit() as edit:
        edit.destroy(policy)


def check_retained(field: str, value: int) -> None:
    """Raise INVALID_VALUE [field, value] for a number outside 1 to 10."""
    if value not in RETAINED:
        raise Failure("INVALID_VALUE", field, str(value))


def set_plan(call: Call, policy: Id, frequency: str, schedule: Mapping[str, str]) -> None:
    """Change when it runs. INVALID_VALUE ["schedule:key", value]; keys that do not belong to the frequency are dropped."""
    kind = KINDS[class_of(policy)]
    kept = {key: value for key, value in schedule.items() if key in KEYS[frequency]}
    with call.world.edit() as edit:
        edit.set(policy, **{kind.frequency: frequency, kind.schedule: checked(kind.schedule, frequency, kept)})
    follow(call, policy)


def set_enabled(call: Call, policy: Id, value: bool) -> None:
    """Switch its automatic runs on or off."""
    with call.world.edit() as edit:
        edit.set(policy, **{KINDS[class_of(policy)].enabled: value})
    follow(call, policy)


def assign(call: Call, kind: Kind, vm: Id, policy: Id) -> None:
    """Assign a VM to a policy; NULL withdraws it from the one that it has. VM_IS_TEMPLATE, VM_IS_SNAPSHOT [vm, operation]."""
    row = call.world[vm]
    for field, code in (("is_a_snapshot", "VM_IS_SNAPSHOT"), ("is_a_template", "VM_IS_TEMPLATE")):
        if policy and row[field]:
            raise Failure(code, Handle(vm), call.message.name)
    before = row[kind.assigned]
    with call.world.edit() as edit:
        edit.set(vm, **{kind.assigned: policy})
    for concerned in dict.fromkeys((before, policy)):
        if concerned:
            follow(call, concerned)


def follow(call: Call, policy: Id) -> None:
    """Wait for the next time that a policy is due, if there is one."""
    row = call.world.get(policy)
    if row is not None and _is_at_work(row):
        call.spawn(_name(policy), _run_by_itself(call, policy))
    else:
        call.stop(_name(policy))


def follow_all(call: Call) -> None:
    """Resume the policies of a database that was loaded or rolled back."""
    for cls in KINDS:
        for policy in list(call.world.ids(cls)):
            follow(call, policy)


def _is_at_work(row: Row) -> bool:
    return bool(row[KINDS[row.cls].enabled] and row["VMs"])


def _name(policy: Id) -> str:
    return f"snapshots of {policy}"


async def _run_by_itself(call: Call, policy: Id) -> None:
    while (row := call.world.get(policy)) is not None and _is_at_work(row):
        kind, now = KINDS[row.cls], moment(call.now())
        due = due_after(row[kind.frequency], row[kind.schedule], now)
        if due is None:
            return
        await asyncio.sleep((due - now).total_seconds())
        if call.world.get(policy) is not None:
            await run(call, policy)


async def run(call: Call, policy: Id) -> list[str]:
    """Take a snapshot of each of a policy's VMs, keep as many as the policy says, and return one text for each failure."""
    failures: list[str] = []
    row = call.world[policy]
    kind = KINDS[row.cls]
    with call.world.edit() as edit:
        edit.set(policy, **{kind.last_run: call.now()})
    for vm in row["VMs"]:
        try:
            await _protect(call, kind, policy, vm)
        except Failure as failure:
            failures.append(f"{call.world.uuid(vm)}: {failure.code}")
    name = f"{kind.cls}_SNAPSHOT_{'FAILED' if failures else 'SUCCEEDED'}"
    told = "; ".join(failures) or f"{len(row['VMs'])} snapshots were taken"
    call.announce(name, policy, f"<message>{escape(told)}</message>")
    return failures


async def _protect(call: Call, kind: Kind, policy: Id, vm: Id) -> None:
    """Take one more snapshot of a VM and discard those in excess of the limit."""
    row = call.world[policy]
    name = f"{call.world[vm]['name_label']}-{date(moment(call.now()))}"
    taken = call.world.find_ref(await call.perform(_MESSAGES[row[kind.type]], vm, name))
    with call.world.edit() as edit:
        edit.set(taken, **{kind.mark: True})
    own = sorted(snapshot for snapshot in call.world[vm]["snapshots"] if call.world[snapshot][kind.mark])
    for surplus in own[: max(0, len(own) - row[kind.retained])]:
        await _discard(call, surplus)


async def _discard(call: Call, snapshot: Id) -> None:
    """Destroy a snapshot with its disks."""
    disks = [call.world[vbd]["VDI"] for vbd in call.world[snapshot]["VBDs"] if call.world[vbd]["type"] == "Disk"]
    await call.perform("VM.destroy", snapshot)
    for vdi in disks:
        if vdi and call.world.get(vdi) is not None:
            await call.perform("VDI.destroy", vdi)
