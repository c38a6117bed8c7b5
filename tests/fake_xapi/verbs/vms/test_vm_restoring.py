"""VMs that become again what their snapshots kept of them."""

from __future__ import annotations

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.sources import devices, web_server


def test_a_revert_brings_fields_disks_and_interfaces_back() -> None:
    async def body(host: Host) -> None:
        vm, vdi, _, vif = await web_server(host)
        host.write(vdi, 0, b"before")
        snapshot = await host.call("VM.snapshot", vm, "before")
        await host.call("VM.set_name_label", vm, "changed")
        await host.call("VM.set_VCPUs_at_startup", vm, "1")
        host.write(vdi, 0, b"after!")
        left = await host.disk()
        await host.vbd(vm, left, "1")
        await host.call("VIF.destroy", vif)
        await host.call("VM.start", vm, False, False)
        await host.call("VM.revert", snapshot)
        row = host.row(vm)
        assert (row["power_state"], row["name_label"], row["VCPUs_at_startup"], row["parent"]) == ("Halted", "web", 2, host.id(snapshot))
        (_, _, restored), _ = devices(host, vm)
        assert host.kit.xapi.disks.read(restored, 0, 6) == b"before"
        assert host.world.get(host.id(vdi)) is None
        assert host.row(left)["VBDs"] == ()
        assert len(row["VIFs"]) == 1
        assert host.world[devices(host, snapshot)[0][2]]["snapshot_of"] == restored
        assert host.bodies()[-1] == "VM_SNAPSHOT_REVERTED"

    over_host(body)


def test_a_revert_brings_back_all_that_the_snapshot_keeps_of_its_vm() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await web_server(host, order=3, start_delay=7, version=2)
        host.set(vm, suspend_SR=host.id(host.sr), blocked_operations={"destroy": "no"}, generation_id="1:2")
        snapshot = await host.call("VM.snapshot", vm, "before")
        host.set(vm, order=0, start_delay=0, version=9, suspend_SR=0, blocked_operations={"pause": "no"}, ha_always_run=True)
        host.set(vm, tags=("red",), name_description="changed", generation_id="1:2")
        await host.call("VM.revert", snapshot)
        row = host.row(vm)
        kept = ("order", "start_delay", "version", "suspend_SR", "blocked_operations", "ha_always_run", "tags", "name_description")
        assert {name: row[name] for name in kept} == {
            "order": 3,
            "start_delay": 7,
            "version": 2,
            "suspend_SR": host.id(host.sr),
            "blocked_operations": {"destroy": "no"},
            "ha_always_run": False,
            "tags": ("red",),
            "name_description": "a web server",
        }
        assert row["generation_id"] not in ("", "1:2")

    over_host(body)


@pytest.mark.parametrize("release", ["tampa", "latest"])
def test_a_reverted_vm_knows_of_its_guest_what_the_snapshot_knew(release: str) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        host.kit.make("VM_guest_metrics")
        with host.world.edit() as edit:
            edit.set(host.id(vm), guest_metrics=edit.create("VM_guest_metrics", os_version={"name": "then"}))
        snapshot = await host.call("VM.snapshot", vm, "before")
        with host.world.edit() as edit:
            edit.set(host.row(vm)["guest_metrics"], os_version={"name": "now"})
        before = host.row(vm)["guest_metrics"], host.row(vm)["metrics"]
        await host.call("VM.revert", snapshot)
        row = host.row(vm)
        assert host.world[row["guest_metrics"]]["os_version"] == {"name": "then"}
        assert row["guest_metrics"] not in (before[0], host.row(snapshot)["guest_metrics"])
        assert (row["metrics"] == before[1]) == (release == "tampa")

    over_host(body, release)


def test_a_snapshot_keeps_its_vm_as_the_database_has_it() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(name_label="it's", tags=["a", "b"])
        snapshot = await host.call("VM.snapshot", vm, "kept")
        kept = host.row(snapshot)["snapshot_metadata"]
        uuid = host.world.uuid(host.id(vm))
        pairs = (
            r"('name__label' 'it\'s')",
            f"('uuid' '{uuid}')",
            f"('ref' '{vm}')",
            r"('tags' '(\'a\' \'b\')')",
            "('is_a_snapshot' 'false')",
        )
        assert [pair for pair in pairs if pair not in kept] == []
        assert (kept[:3], kept[-3:]) == ("(('", "'))")

    over_host(body)


def test_a_snapshot_that_keeps_nothing_or_nonsense() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        snapshot = await host.call("VM.snapshot", vm, "before")
        await host.call("VM.set_VCPUs_at_startup", vm, "1")
        host.set(snapshot, snapshot_metadata="nonsense")
        assert await host.refused("VM.revert", snapshot) == ["INVALID_VALUE", "Invalid vm_string"]
        host.set(snapshot, snapshot_metadata="(('VCPUs__max' 'many'))")
        assert await host.refused("VM.revert", snapshot) == ["INVALID_VALUE", "Invalid vm_string"]
        host.set(snapshot, snapshot_metadata="")
        await host.call("VM.revert", snapshot)
        row = host.row(vm)
        assert (row["VCPUs_at_startup"], row["name_label"], row["is_a_template"]) == (2, "web", False)

    over_host(body)


def test_a_revert_to_a_checkpoint_ends_asleep() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        checkpoint = await host.call("VM.checkpoint", vm, "awake")
        await host.call("VM.revert", checkpoint)
        assert host.row(vm)["power_state"] == "Suspended"
        assert host.row(vm)["suspend_VDI"] not in (0, host.row(checkpoint)["suspend_VDI"])
        await host.call("VM.resume", vm, False, False)
        assert host.row(vm)["power_state"] == "Running"

    over_host(body)


def test_a_vm_that_is_gone_comes_back_under_its_uuid() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        uuid = host.world.uuid(host.id(vm))
        snapshot = await host.call("VM.snapshot", vm, "before")
        await host.call("VM.destroy", vm)
        await host.call("VM.revert", snapshot)
        again = await host.call("VM.get_by_uuid", uuid)
        assert (host.row(again)["name_label"], len(devices(host, again))) == ("web", 1)
        assert host.row(snapshot)["snapshot_of"] == host.id(again)

    over_host(body)
