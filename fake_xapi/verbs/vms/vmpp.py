"""The verbs of VMPP, the protection policies of the releases of 2011 and 2012, removed since 6.2.

Snapshots are taken by the clock. An archive would go to a share of another machine, which a simulator has none of: to archive fails as
where the share cannot be mounted, with the alert of that.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.setters import drops, puts, writes
from fake_xapi.verbs.vms import snapshot_policies
from fake_xapi.verbs.vms.schedules import checked
from fake_xapi.verbs.vms.snapshot_policies import KINDS

_VMPP = KINDS["VMPP"]
_WITH_LIVES = frozenset({"boston", "tampa"})
_OFTEN = ("hourly", "daily", "weekly")


def create(call: Call, record: dict[str, Any]) -> Id:
    """Create a policy. INVALID_VALUE for a value that is not allowed, VMPP_ARCHIVE_MORE_FREQUENT_THAN_BACKUP []."""
    archive = record.get("archive_frequency", "never")
    _check_archive(archive, record.get("backup_frequency", "daily"))
    plan = checked("archive_schedule", archive, record.get("archive_schedule", {}))
    return snapshot_policies.create(call, _VMPP, {**record, "archive_schedule": plan})


def _check_archive(archive: str, backup: str) -> None:
    if archive in _OFTEN and _OFTEN.index(archive) < _OFTEN.index(backup):
        raise Failure("VMPP_ARCHIVE_MORE_FREQUENT_THAN_BACKUP")


async def protect_now(call: Call, vmpp: Id) -> str:
    """Take the snapshots now, outside the schedule; returns what failed, "" when nothing did."""
    with call.world.edit() as edit:
        edit.set(vmpp, is_backup_running=True)
    try:
        return "; ".join(await snapshot_policies.run(call, vmpp))
    finally:
        with call.world.edit() as edit:
            edit.set(vmpp, is_backup_running=False)


def archive_now(call: Call, snapshot: Id) -> str:
    """Copy a snapshot to the policy's share; returns what failed: the share can never be mounted here."""
    vmpp: Id = call.world[call.world[snapshot]["snapshot_of"]]["protection_policy"] if call.world[snapshot]["is_a_snapshot"] else 0
    if not vmpp:
        raise Failure("INVALID_VALUE", "snapshot", call.world.ref(snapshot))
    call.announce("VMPP_ARCHIVE_TARGET_MOUNT_FAILED", vmpp, "<message>the share cannot be reached</message>")
    return "VMPP_ARCHIVE_TARGET_MOUNT_FAILED"


def create_alert(call: Call, vmpp: Id, name: str, priority: int, body: str, data: str) -> None:
    """Report what a policy did: in a message object, and in its list of recent alerts."""
    call.announce(name, vmpp, body)
    with call.world.edit() as edit:
        edit.set(vmpp, recent_alerts=(*edit[vmpp]["recent_alerts"], data)[-10:])


def get_alerts(call: Call, vmpp: Id, hours_from_now: int) -> list[str]:
    """The bodies of the messages about a policy from the last hours."""
    now_s, uuid = moment(call.now()).timestamp(), call.world.uuid(vmpp)
    rows = (call.world[message] for message in sorted(call.world.ids("message")))
    oldest_s = now_s - hours_from_now * 3600.0
    return [row["body"] for row in rows if row["obj_uuid"] == uuid and moment(row["timestamp"]).timestamp() >= oldest_s]


def set_backup_retention_value(call: Call, vmpp: Id, value: int) -> None:
    """Set how many snapshots of a VM are kept. INVALID_VALUE ["backup_retention_value", value] outside 1 to 10."""
    snapshot_policies.check_retained("backup_retention_value", value)
    with call.world.edit() as edit:
        edit.set(vmpp, backup_retention_value=value)


def set_backup_frequency(call: Call, vmpp: Id, value: str) -> None:
    """Let it run hourly, daily or weekly. VMPP_ARCHIVE_MORE_FREQUENT_THAN_BACKUP []."""
    _check_archive(call.world[vmpp]["archive_frequency"], value)
    snapshot_policies.set_plan(call, vmpp, value, call.world[vmpp]["backup_schedule"])


def set_backup_schedule(call: Call, vmpp: Id, value: dict[str, str]) -> None:
    """Change when it runs. INVALID_VALUE ["backup_schedule:key", value]."""
    snapshot_policies.set_plan(call, vmpp, call.world[vmpp]["backup_frequency"], value)


def add_to_backup_schedule(call: Call, vmpp: Id, key: str, value: str) -> None:
    """Change one key of the schedule."""
    set_backup_schedule(call, vmpp, {**call.world[vmpp]["backup_schedule"], key: value})


def remove_from_backup_schedule(call: Call, vmpp: Id, key: str) -> None:
    """Reset one key of the schedule to its default."""
    set_backup_schedule(call, vmpp, {name: value for name, value in call.world[vmpp]["backup_schedule"].items() if name != key})


def set_archive_frequency(call: Call, vmpp: Id, value: str) -> None:
    """Set when archives are made. VMPP_ARCHIVE_MORE_FREQUENT_THAN_BACKUP []."""
    _check_archive(value, call.world[vmpp]["backup_frequency"])
    _plan_archive(call, vmpp, value, call.world[vmpp]["archive_schedule"])


def set_archive_schedule(call: Call, vmpp: Id, value: dict[str, str]) -> None:
    """Change when archives are made. INVALID_VALUE ["archive_schedule:key", value]."""
    _plan_archive(call, vmpp, call.world[vmpp]["archive_frequency"], value)


def add_to_archive_schedule(call: Call, vmpp: Id, key: str, value: str) -> None:
    """Change one key of the archives' schedule."""
    set_archive_schedule(call, vmpp, {**call.world[vmpp]["archive_schedule"], key: value})


def remove_from_archive_schedule(call: Call, vmpp: Id, key: str) -> None:
    """Reset one key of the archive schedule to its default."""
    set_archive_schedule(call, vmpp, {name: value for name, value in call.world[vmpp]["archive_schedule"].items() if name != key})


def _plan_archive(call: Call, vmpp: Id, frequency: str, schedule: Mapping[str, str]) -> None:
    plan = checked("archive_schedule", frequency, schedule)
    with call.world.edit() as edit:
        edit.set(vmpp, archive_frequency=frequency, archive_schedule=plan)


def set_protection_policy(call: Call, vm: Id, value: Id) -> None:
    """Assign a VM to a policy; NULL withdraws it from the one that it has."""
    snapshot_policies.assign(call, _VMPP, vm, value)


def _while_alive(verb: Verb) -> Verb:
    """Wrap a verb so that the first release without protection policies answers MESSAGE_REMOVED []."""

    def check(call: Call) -> None:
        if call.world.personality.era not in _WITH_LIVES:
            raise Failure("MESSAGE_REMOVED")

    @functools.wraps(verb)
    def at_once(call: Call, *params: Any) -> Any:
        check(call)
        return verb(call, *params)

    return at_once


VERBS: Mapping[str, Verb] = {
    "VMPP.create": create,
    "VMPP.destroy": snapshot_policies.destroy,
    "VMPP.protect_now": protect_now,
    "VMPP.archive_now": _while_alive(archive_now),
    "VMPP.create_alert": _while_alive(create_alert),
    "VMPP.get_alerts": _while_alive(get_alerts),
    "VMPP.set_is_policy_enabled": _while_alive(snapshot_policies.set_enabled),
    "VMPP.set_backup_type": _while_alive(writes("backup_type")),
    "VMPP.set_backup_retention_value": _while_alive(set_backup_retention_value),
    "VMPP.set_is_backup_running": _while_alive(writes("is_backup_running")),
    "VMPP.set_is_archive_running": _while_alive(writes("is_archive_running")),
    "VMPP.set_backup_frequency": _while_alive(set_backup_frequency),
    "VMPP.set_backup_schedule": _while_alive(set_backup_schedule),
    "VMPP.add_to_backup_schedule": _while_alive(add_to_backup_schedule),
    "VMPP.remove_from_backup_schedule": _while_alive(remove_from_backup_schedule),
    "VMPP.set_archive_frequency": _while_alive(set_archive_frequency),
    "VMPP.set_archive_schedule": _while_alive(set_archive_schedule),
    "VMPP.add_to_archive_schedule": _while_alive(add_to_archive_schedule),
    "VMPP.remove_from_archive_schedule": _while_alive(remove_from_archive_schedule),
    "VMPP.set_archive_target_type": _while_alive(writes("archive_target_type")),
    "VMPP.set_archive_target_config": _while_alive(writes("archive_target_config")),
    "VMPP.add_to_archive_target_config": _while_alive(puts("archive_target_config")),
    "VMPP.remove_from_archive_target_config": _while_alive(drops("archive_target_config")),
    "VMPP.set_is_alarm_enabled": _while_alive(writes("is_alarm_enabled")),
    "VMPP.set_alarm_config": _while_alive(writes("alarm_config")),
    "VMPP.add_to_alarm_config": _while_alive(puts("alarm_config")),
    "VMPP.remove_from_alarm_config": _while_alive(drops("alarm_config")),
    "VMPP.set_backup_last_run_time": _while_alive(writes("backup_last_run_time")),
    "VMPP.set_archive_last_run_time": _while_alive(writes("archive_last_run_time")),
    "VM.set_protection_policy": _while_alive(set_protection_policy),
}
