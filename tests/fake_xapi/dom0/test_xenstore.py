"""A domain's part of xenstore: told by the database, written into it, and gone with the domain."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.dom0 import xenstore
from fake_xapi.dom0.tapdisks import disk_number
from fake_xapi.engine.call import RunningCall
from fake_xapi.state.ids import Id
from tests.fake_xapi.verbs.kit.hosts import Host, over_host


def _call(host: Host) -> RunningCall:
    return RunningCall(host.kit.xapi, host.kit.xapi.personality.messages["VM.start"], "guest", 0)


async def _up(host: Host, **fields: object) -> Id:
    vm, *_ = await host.server(**fields)
    await host.call("VM.start", vm, False, False)
    await asyncio.sleep(1)
    return host.id(vm)


def test_a_halted_vm_has_no_tree() -> None:
    async def body(host: Host) -> None:
        vm = host.id(await host.vm(xenstore_data={"vm-data/a": "1"}))
        assert xenstore.tree(host.world, vm) == {}
        assert xenstore.read(host.world, vm, "name") is None
        xenstore.write(_call(host), vm, {"vm-data/b": "2"})
        assert host.world[vm]["xenstore_data"] == {"vm-data/a": "1"}

    over_host(body)


def test_the_database_is_told_as_paths() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, xenstore_data={"vm-data/a/b": "1", "FIST/x": "2", "other": "never"})
        row = host.world[vm]
        vif = host.world[row["VIFs"][0]]
        found = xenstore.tree(host.world, vm)
        expected = {
            "vm": f"/vm/{host.world.uuid(vm)}", "name": "web", "domid": str(row["domid"]), "memory/target": "1048576",
            "cpu/0/availability": "online", "cpu/1/availability": "online", "vm-data/a/b": "1", "FIST/x": "2",
            "device/vbd/51712/device-type": "disk", "device/vbd/51712/state": "4", "device/vif/0/mac": vif["MAC"],
            "attr/PVAddons/MajorVersion": "7", "data/os_distro": "debian", "control/feature-shutdown": "1", "data/updated": "1",
        }  # fmt: skip
        assert {path: found.get(path) for path in expected} == expected
        assert "other" not in found
        assert xenstore.children(host.world, vm, "device") == ["vbd", "vif"]
        assert xenstore.read(host.world, vm, "device/vif") == ""
        assert xenstore.below(host.world, vm, "vm-data") == {"a/b": "1"}

    over_host(body)


@pytest.mark.parametrize(("place", "number"), [(0, 51712), (1, 51728), (15, 51952), (16, 268439552)])
def test_disks_have_xens_numbers(place: int, number: int) -> None:
    assert disk_number(place) == number


def test_data_of_the_vm_are_the_same_in_both_places() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host)
        ref = host.world.ref(vm)
        await host.call("VM.add_to_xenstore_data", ref, "vm-data/k", "v")
        assert xenstore.read(host.world, vm, "vm-data/k") == "v"
        xenstore.write(_call(host), vm, {"vm-data/from": "guest"})
        assert await host.call("VM.get_xenstore_data", ref) == {"vm-data/k": "v", "vm-data/from": "guest"}
        await host.call("VM.remove_from_xenstore_data", ref, "vm-data/k")
        assert xenstore.read(host.world, vm, "vm-data/k") is None
        assert xenstore.remove(_call(host), vm, "vm-data")
        assert await host.call("VM.get_xenstore_data", ref) == {}

    over_host(body)


def test_what_a_guest_writes_shows_in_its_metrics() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host)
        metrics = host.world[vm]["guest_metrics"]
        before = host.world[metrics]
        xenstore.write(_call(host), vm, {"data/os_name": "Plan 9", "attr/vif/0/ipv4/1": "10.1.1.1", "data/custom": "kept"})
        row = host.world[metrics]
        assert row["os_version"]["name"] == "Plan 9"
        assert row["networks"] == {**before["networks"], "0/ipv4/1": "10.1.1.1"}
        assert xenstore.read(host.world, vm, "data/custom") == "kept"
        assert xenstore.remove(_call(host), vm, "data/os_name")
        assert "name" not in host.world[metrics]["os_version"]
        assert not xenstore.remove(_call(host), vm, "data/os_name")

    over_host(body)


def test_what_only_xenstore_holds_is_gone_with_the_domain() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host)
        xenstore.write(_call(host), vm, {"data/custom": "kept", "vm-data/k": "v"})
        await host.call("VM.clean_reboot", host.world.ref(vm))
        assert xenstore.read(host.world, vm, "data/custom") is None
        assert xenstore.read(host.world, vm, "vm-data/k") == "v"

    over_host(body)


def test_a_destroyed_vm_leaves_nothing_unseen() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host)
        xenstore.write(_call(host), vm, {"data/custom": "kept"})
        assert host.world.count("guest") == 1
        await host.call("VM.hard_shutdown", host.world.ref(vm))
        await host.call("VM.destroy", host.world.ref(vm))
        assert host.world.count("guest") == 0

    over_host(body)


def test_a_write_is_one_commit_and_one_that_changes_nothing_is_none() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host)
        before = host.world.generation
        xenstore.write(_call(host), vm, {"data/os_name": "x", "data/a": "1", "vm-data/b": "2"})
        assert host.world.generation == before + 1
        xenstore.write(_call(host), vm, {"data/os_name": "x", "data/a": "1", "vm-data/b": "2"})
        assert host.world.generation == before + 1

    over_host(body)
