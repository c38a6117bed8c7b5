"""Snapshot schedules and protection policies, which run by the clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host

HOUR_S = 3600.0
VMSS: dict[str, Any] = {
    "name_label": "nightly", "name_description": "", "enabled": True, "type": "snapshot", "retained_snapshots": "2", "frequency": "hourly",
    "schedule": {"min": "30"},
}  # fmt: skip
VMPP: dict[str, Any] = {
    "name_label": "nightly", "name_description": "", "is_policy_enabled": True, "backup_type": "snapshot", "backup_retention_value": "2",
    "backup_frequency": "hourly", "backup_schedule": {"min": "30"}, "archive_target_type": "none", "archive_target_config": {},
    "archive_frequency": "never", "archive_schedule": {}, "is_alarm_enabled": False, "alarm_config": {},
}  # fmt: skip
CASES = [("latest", "VMSS", VMSS, "snapshot_schedule"), ("tampa", "VMPP", VMPP, "protection_policy")]
BOTH = pytest.mark.parametrize(("release", "cls", "record", "field"), CASES, ids=["schedule", "policy"])


async def _with_vm(host: Host, cls: str, record: dict[str, Any], field: str) -> tuple[str, str]:
    """A policy and a VM with a disk that it is to take snapshots of."""
    policy = str(await host.call(f"{cls}.create", record))
    vm, *_ = await host.server()
    await host.call(f"VM.set_{field}", vm, policy)
    return policy, vm


async def _snapshots(host: Host, vm: str) -> list[str]:
    rows = [host.world[host.id(ref)] for ref in await host.call("VM.get_snapshots", vm)]
    return sorted(row["name_label"] for row in rows)


@BOTH
def test_snapshots_are_taken_when_they_are_due_and_the_oldest_go(release: str, cls: str, record: dict[str, Any], field: str) -> None:
    async def body(host: Host) -> None:
        policy, vm = await _with_vm(host, cls, record, field)
        counts, disks = [], []
        for _ in range(4):
            await asyncio.sleep(HOUR_S)
            counts.append(len(await _snapshots(host, vm)))
            disks.append(sum(row["is_a_snapshot"] for _, row in host.world.rows("VDI")))
        assert (counts, disks) == ([1, 2, 2, 2], [1, 2, 2, 2])
        names = {row["name"] for _, row in host.world.rows("message") if row["obj_uuid"] == host.world.uuid(host.id(policy))}
        assert names == {f"{cls}_SNAPSHOT_SUCCEEDED"}

    over_host(body, release)


@BOTH
def test_snapshots_are_named_by_their_time_and_marked(release: str, cls: str, record: dict[str, Any], field: str) -> None:
    async def body(host: Host) -> None:
        policy, vm = await _with_vm(host, cls, record, field)
        await asyncio.sleep(HOUR_S)
        last_run = host.row(policy)["last_run_time" if cls == "VMSS" else "backup_last_run_time"]
        assert last_run.endswith(":30:00Z")
        (snapshot,) = await host.call("VM.get_snapshots", vm)
        assert host.row(snapshot)["name_label"] == f"web-{last_run}"
        assert host.row(snapshot)["is_vmss_snapshot" if cls == "VMSS" else "is_snapshot_from_vmpp"] is True

    over_host(body, release)


@BOTH
def test_one_that_is_off_or_has_no_vm_takes_none(release: str, cls: str, record: dict[str, Any], field: str) -> None:
    async def body(host: Host) -> None:
        policy, vm = await _with_vm(host, cls, record, field)
        await host.call(f"{cls}.set_{'enabled' if cls == 'VMSS' else 'is_policy_enabled'}", policy, False)
        await asyncio.sleep(2 * HOUR_S)
        assert await _snapshots(host, vm) == []
        await host.call(f"{cls}.set_{'enabled' if cls == 'VMSS' else 'is_policy_enabled'}", policy, True)
        await host.call(f"VM.set_{field}", vm, "OpaqueRef:NULL")
        await asyncio.sleep(2 * HOUR_S)
        assert await _snapshots(host, vm) == []

    over_host(body, release)


@BOTH
def test_a_vm_that_cannot_is_told_of_and_the_others_have_theirs(release: str, cls: str, record: dict[str, Any], field: str) -> None:
    async def body(host: Host) -> None:
        policy, vm = await _with_vm(host, cls, record, field)
        other, *_ = await host.server(name_label="other")
        await host.call(f"VM.set_{field}", other, policy)
        await host.call("VM.add_to_blocked_operations", vm, "snapshot", "broken")
        told = await host.call(f"{cls}.{'snapshot_now' if cls == 'VMSS' else 'protect_now'}", policy)
        assert told == f"{host.world.uuid(host.id(vm))}: OPERATION_BLOCKED"
        assert (len(await _snapshots(host, vm)), len(await _snapshots(host, other))) == (0, 1)
        assert host.bodies()[-1] == f"{cls}_SNAPSHOT_FAILED"

    over_host(body, release)


@BOTH
def test_one_with_vms_is_not_destroyed(release: str, cls: str, record: dict[str, Any], field: str) -> None:
    async def body(host: Host) -> None:
        policy, vm = await _with_vm(host, cls, record, field)
        assert await host.refused(f"{cls}.destroy", policy) == [f"{cls}_HAS_VM"]
        await host.call(f"VM.set_{field}", vm, "OpaqueRef:NULL")
        await host.call(f"{cls}.destroy", policy)
        assert await host.call(f"{cls}.get_all") == []

    over_host(body, release)


@BOTH
@pytest.mark.parametrize("value", ["0", "11"])
def test_one_to_ten_snapshots_are_kept(release: str, cls: str, record: dict[str, Any], field: str, value: str) -> None:
    name = "retained_snapshots" if cls == "VMSS" else "backup_retention_value"

    async def body(host: Host) -> None:
        policy = await host.call(f"{cls}.create", record)
        assert await host.refused(f"{cls}.create", {**record, name: value}) == ["INVALID_VALUE", name, value]
        assert await host.refused(f"{cls}.set_{name}", policy, value) == ["INVALID_VALUE", name, value]
        await host.call(f"{cls}.set_{name}", policy, "10")
        assert host.row(policy)[name] == 10

    over_host(body, release)


@pytest.mark.parametrize(
    ("message", "params", "schedule"),
    [
        ("set_frequency", ("daily",), {"min": "30", "hour": "0"}),
        ("set_schedule", ({"min": "45"},), {"min": "45"}),
        ("add_to_schedule", ("min", "15"), {"min": "15"}),
        ("remove_from_schedule", ("min",), {"min": "0"}),
    ],
)
def test_a_schedule_can_be_changed(message: str, params: tuple[Any, ...], schedule: dict[str, str]) -> None:
    async def body(host: Host) -> dict[str, str]:
        policy = await host.call("VMSS.create", VMSS)
        await host.call(f"VMSS.{message}", policy, *params)
        found: dict[str, str] = await host.call("VMSS.get_schedule", policy)
        return found

    assert over_host(body) == schedule


@pytest.mark.parametrize(("field", "code"), [("is_a_template", "VM_IS_TEMPLATE"), ("is_a_snapshot", "VM_IS_SNAPSHOT")])
def test_templates_and_snapshots_are_not_taken_snapshots_of(field: str, code: str) -> None:
    async def body(host: Host) -> None:
        policy, vm = await host.call("VMSS.create", VMSS), await host.vm()
        host.set(vm, **{field: True})
        assert await host.refused("VM.set_snapshot_schedule", vm, policy) == [code, vm, "set_snapshot_schedule"]

    over_host(body)


def test_archives_are_not_made_more_often_than_backups() -> None:
    async def body(host: Host) -> None:
        policy = await host.call("VMPP.create", {**VMPP, "backup_frequency": "daily", "backup_schedule": {}})
        code = ["VMPP_ARCHIVE_MORE_FREQUENT_THAN_BACKUP"]
        await host.call("VMPP.set_archive_frequency", policy, "daily")
        assert await host.refused("VMPP.set_backup_frequency", policy, "weekly") == code
        assert await host.refused("VMPP.create", {**VMPP, "backup_frequency": "weekly", "archive_frequency": "daily"}) == code

    over_host(body, "boston")


def test_an_archive_fails_as_where_the_share_cannot_be_mounted() -> None:
    async def body(host: Host) -> None:
        policy, vm = await _with_vm(host, "VMPP", VMPP, "protection_policy")
        await host.call("VMPP.protect_now", policy)
        (snapshot,) = await host.call("VM.get_snapshots", vm)
        assert await host.call("VMPP.archive_now", snapshot) == "VMPP_ARCHIVE_TARGET_MOUNT_FAILED"
        assert host.bodies()[-1] == "VMPP_ARCHIVE_TARGET_MOUNT_FAILED"
        assert await host.refused("VMPP.archive_now", vm) == ["INVALID_VALUE", "snapshot", vm]
        alerts = await host.call("VMPP.get_alerts", policy, "1")
        assert alerts[-1] == "<message>the share cannot be reached</message>"
        farthest = [await host.call("VMPP.get_alerts", policy, str(hours)) for hours in (1 << 40, (1 << 63) - 1, -(1 << 63))]
        assert farthest == [alerts, alerts, []]

    over_host(body, "boston")


def test_the_release_that_removed_policies_says_so() -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("VMPP.get_alerts", host.kit.make("VMPP"), "1")

    assert over_host(body, "clearwater") == ["MESSAGE_REMOVED"]
