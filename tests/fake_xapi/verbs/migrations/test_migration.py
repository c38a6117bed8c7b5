"""VMs that go to another pool, and what is as it was when they cannot."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.engine.durations import profiles
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.verbs.kit.hosts import MIB
from tests.fake_xapi.verbs.kit.pools import Breaking, Pools, bytes_of, disks, guest_up, over_pools, running, state

REALISTIC = Settings(durations=profiles()["realistic"])


@pytest.mark.parametrize("shares_bytes", [True, False])
def test_a_running_vm_goes_to_another_pool_and_goes_on(*, shares_bytes: bool) -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, _ = await running(here, other_config={"nova": "x"})
        row, uuid = here.row(vm), here.world.uuid(here.id(vm))
        mac, target = here.world[row["VIFs"][0]]["MAC"], row["memory_target"]
        before = here.world[row["metrics"]]["start_time"]
        networks = here.world[row["guest_metrics"]]["networks"]
        made = await pools.send(vm)
        assert await there.call("VM.get_by_uuid", uuid) == made
        arrived = there.row(made)
        assert (arrived["power_state"], arrived["resident_on"], arrived["memory_target"]) == ("Running", there.id(there.host), target)
        assert arrived["domid"] > 0
        assert [there.world[vbd]["currently_attached"] for vbd in arrived["VBDs"]] == [True]
        [vif] = arrived["VIFs"]
        assert (there.world[vif]["MAC"], there.world[vif]["network"]) == (mac, there.id(there.network))
        assert there.world[arrived["metrics"]]["start_time"] == before
        assert there.world[arrived["guest_metrics"]]["networks"] == networks
        assert there.world[arrived["guest_metrics"]]["live"]
        assert bytes_of(there, made) == [bytes(5) + b"content"]
        assert arrived["current_operations"] == {}
        assert there.bodies() == ["VM_MIGRATED", "VM_STARTED"]
        for cls in ("VM", "VBD", "VIF", "console", "VM_metrics", "VM_guest_metrics"):
            assert list(here.world.ids(cls)) == []
        assert (list(here.world.ids("VDI")), disks(here)) == ([], set())
        await there.call("VM.clean_shutdown", made)

    over_pools(body, settings=REALISTIC, shares_bytes=shares_bytes)


@pytest.mark.parametrize(("release", "answer"), [("tampa", ""), ("clearwater", ""), ("dundee", None)])
def test_old_releases_do_not_say_where_the_vm_is(release: str, answer: str | None) -> None:
    async def body(pools: Pools) -> None:
        vm, _ = await running(pools.here)
        uuid = pools.here.world.uuid(pools.here.id(vm))
        told = await pools.send(vm)
        found = await pools.there.call("VM.get_by_uuid", uuid)
        assert told == (found if answer is None else answer)
        assert pools.there.row(found)["power_state"] == "Running"

    over_pools(body, release)


@pytest.mark.parametrize("power_state", ["Halted", "Suspended"])
def test_what_stands_still_goes_as_it_is(power_state: str) -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, _ = await running(here)
        await here.call("VM.suspend" if power_state == "Suspended" else "VM.hard_shutdown", vm)
        if power_state == "Suspended":
            here.kit.xapi.disks.write(here.row(vm)["suspend_VDI"], 0, b"memory")
        made = await pools.send(vm)
        assert there.row(made)["power_state"] == power_state
        assert (list(here.world.ids("VM")), list(here.world.ids("VDI"))) == ([], [])
        if power_state == "Suspended":
            assert there.kit.xapi.disks.read(there.row(made)["suspend_VDI"], 0, 6) == b"memory"
            await there.call("VM.resume", made, False, False)
        else:
            await there.call("VM.start", made, False, False)

    over_pools(body)


def test_snapshots_go_with_their_vm() -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, vdi = await running(here)
        snapshot = await here.call("VM.snapshot", vm, "before")
        here.write(vdi, 5, b"changed")
        uuid = here.world.uuid(here.id(snapshot))
        made = await pools.send(vm)
        [kept] = there.row(made)["snapshots"]
        assert (there.world.uuid(kept), there.world[kept]["name_label"]) == (uuid, "before")
        assert there.row(made)["parent"] == kept
        new, old = (there.world[there.world[vm_]["VBDs"][0]]["VDI"] for vm_ in (there.id(made), kept))
        assert (there.world[old]["is_a_snapshot"], there.world[old]["snapshot_of"]) == (True, new)
        assert [there.kit.xapi.disks.read(disk, 5, 7) for disk in (new, old)] == [b"changed", b"content"]
        await asyncio.sleep(3600)
        assert [row["name_label"] for _, row in here.world.rows("VDI")] == []
        await there.call("VM.revert", there.world.ref(kept))
        assert bytes_of(there, made) == [bytes(5) + b"content"]

    over_pools(body)


def test_a_checkpoint_goes_with_its_memory() -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, _ = await running(here)
        checkpoint = await here.call("VM.checkpoint", vm, "asleep")
        here.kit.xapi.disks.write(here.row(checkpoint)["suspend_VDI"], 0, b"memory")
        with there.world.edit() as edit:
            edit.set(next(there.world.ids("pool")), suspend_image_SR=0)
        made = await pools.send(vm)
        [kept] = there.row(made)["snapshots"]
        assert there.world[kept]["power_state"] == "Suspended"
        assert there.kit.xapi.disks.read(there.world[kept]["suspend_VDI"], 0, 6) == b"memory"
        await there.call("VM.revert", there.world.ref(kept))
        await there.call("VM.resume", made, False, False)

    over_pools(body)


def test_where_nobody_says_where_to_snapshots_have_no_place() -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, vdi = await running(here)
        snapshot = await here.call("VM.snapshot", vm, "s")
        await here.call("VM.checkpoint", vm, "c")
        kept = here.world[here.row(snapshot)["VBDs"][0]]["VDI"]
        with here.world.edit() as edit:
            edit.set(kept, snapshot_of=0)
        with there.world.edit() as edit:
            edit.set(next(there.world.ids("pool")), suspend_image_SR=0, default_SR=0)
        vdis, vifs = pools.maps(vm)
        found = await here.refused("VM.migrate_send", vm, await pools.dest(), True, vdis, vifs, {})
        assert found[0] == "VDI_NOT_IN_MAP"
        assert found[1] != vdi

    over_pools(body)


def test_what_was_said_of_a_vm_goes_with_it() -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, _ = await running(here, name_label="<büro & co>")
        before = [(row["name"], row["body"], row["timestamp"]) for _, row in sorted(here.world.rows("message"))]
        uuids = [here.world.uuid(message) for message in sorted(here.world.ids("message"))]
        assert [name for name, _, _ in before] == ["VM_STARTED"]
        await pools.send(vm)
        assert here.bodies() == []
        found = {there.world.uuid(message): row for message, row in there.world.rows("message")}
        assert [(found[uuid]["name"], found[uuid]["body"], found[uuid]["timestamp"]) for uuid in uuids] == before

    over_pools(body, settings=REALISTIC)


def test_a_copy_leaves_the_vm_where_it_is() -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, _ = await running(here)
        vdis, vifs = pools.maps(vm)
        assert await here.refused("VM.migrate_send", vm, await pools.dest(), True, vdis, vifs, {"copy": "true"}) == [
            *("VM_BAD_POWER_STATE", vm, "halted", "running")
        ]
        await here.call("VM.hard_shutdown", vm)
        before = state(here)
        made = await pools.send(vm, copy="true")
        assert state(here) == before
        assert there.world.uuid(there.id(made)) != here.world.uuid(here.id(vm))
        mine, theirs = (host.world[host.row(ref)["VIFs"][0]]["MAC"] for host, ref in ((here, vm), (there, made)))
        assert mine != theirs
        assert bytes_of(there, made) == bytes_of(here, vm)

    over_pools(body)


def test_a_guest_that_boots_goes_on_booting_there() -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm = await here.vm()
        await here.vbd(vm, await here.disk(4 * MIB))
        await here.call("VM.start", vm, False, False)
        assert here.row(vm)["guest_metrics"] == 0
        made = await pools.send(vm)
        assert there.row(made)["power_state"] == "Running"
        await guest_up(there, made)

    over_pools(body, settings=REALISTIC)


def test_devices_arrive_plugged_or_not_as_they_were_and_media_stay() -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, _ = await running(here)
        await here.vbd(vm, await here.disk(4 * MIB), "1")
        iso = here.kit.made("SR", content_type="iso", type="iso")
        medium = here.kit.made("VDI", SR=iso, read_only=True, location="tools.iso", managed=True, type="user")
        await here.vbd(vm, here.world.ref(medium), "3", type="CD", mode="RO")
        made = await pools.send(vm)
        found = {there.world[vbd]["userdevice"]: there.world[vbd] for vbd in there.row(made)["VBDs"]}
        assert {number: (vbd["currently_attached"], vbd["empty"]) for number, vbd in found.items()} == {
            "0": (True, False),
            "1": (False, False),
            "3": (False, True),
        }

    over_pools(body)


# ---- on the way ------------------------------------------------------------------------------------------------------------------


def test_the_task_tells_how_far_it_is_and_objects_what_is_done_to_them() -> None:
    async def body(pools: Pools) -> None:
        here = pools.here
        vm, vdi = await running(here, size=600 * MIB)
        for block in range(250):
            here.write(vdi, block * 2 * MIB, block.to_bytes(2, "big"))
        vdis, vifs = pools.maps(vm)
        task = await here.call("Async.VM.migrate_send", vm, await pools.dest(), True, vdis, vifs, {})
        seen, marks = [], set()
        await asyncio.sleep(0.1)
        while here.row(task)["status"] == "pending":
            seen.append(here.row(task)["progress"])
            marks |= set(here.row(vdi)["current_operations"].items())
            assert here.row(vm)["current_operations"] == {task: "migrate_send"}
            await asyncio.sleep(1)
        assert here.row(task)["status"] == "success"
        assert seen == sorted(seen)
        assert len(set(seen)) > 5
        assert marks == {(task, "mirror")}

    over_pools(body, settings=REALISTIC)


PHASES = (
    *("VM.migrate.prepare", "VDI.mirror.start", "VDI.mirror", "VM.migrate.metadata", "VM.import_metadata", "VM.migrate.copy"),
    *("VM.migrate.switch", "VM.migrate.finish"),
)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("snapshots", [0, 1])
def test_whatever_fails_the_vm_runs_where_it_was_and_nothing_is_left_there(phase: str, snapshots: int) -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, _ = await running(here)
        for number in range(snapshots):
            await here.call("VM.snapshot", vm, f"s{number}")
        vdis, vifs = pools.maps(vm)
        dest = await pools.dest()
        before, held = [state(pools.here), state(there)], [disks(here), disks(there)]
        settings = here.kit.xapi.settings
        for host in (here, there):
            host.kit.xapi.settings = Settings(durations=Breaking(phase))
        found = await here.refused("VM.migrate_send", vm, dest, True, vdis, vifs, {})
        assert found[-1] == phase if phase != "VM.import_metadata" else found[0] == "INTERNAL_ERROR"
        for host in (here, there):
            host.kit.xapi.settings = settings
        assert [state(here), state(there)] == before
        assert [disks(here), disks(there)] == held
        await here.call("VM.clean_shutdown", vm)

    over_pools(body)


@pytest.mark.parametrize("after_s", [1, 4, 8, 11, 14])
def test_cancelled_at_any_time_it_is_as_if_it_had_not_begun(after_s: int) -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, vdi = await running(here, size=600 * MIB)
        for block in range(100):
            here.write(vdi, block * 2 * MIB, block.to_bytes(2, "big"))
        vdis, vifs = pools.maps(vm)
        dest = await pools.dest()
        before, held = [state(here), state(there)], [disks(here), disks(there)]
        task = await here.call("Async.VM.migrate_send", vm, dest, True, vdis, vifs, {})
        await asyncio.sleep(after_s)
        assert here.row(task)["status"] == "pending"
        await here.call("task.cancel", task)
        await asyncio.sleep(600)
        assert here.row(task)["status"] == "cancelled"
        assert [state(here), state(there)] == before
        assert [disks(here), disks(there)] == held

    over_pools(body, settings=REALISTIC)


def test_a_pool_that_is_lost_on_the_way_is_told_as_that() -> None:
    async def body(pools: Pools) -> None:
        here = pools.here
        vm, _ = await running(here)
        vdis, vifs = pools.maps(vm)
        dest = await pools.dest()
        pools.process.lost.add("10.0.0.2")
        before = state(here)
        assert await here.refused("VM.migrate_send", vm, dest, True, vdis, vifs, {}) == ["CANNOT_CONTACT_HOST", "10.0.0.2"]
        assert state(here) == before

    over_pools(body)


def test_a_guest_that_halts_on_the_way_arrives_halted() -> None:
    async def body(pools: Pools) -> None:
        here, there = pools.here, pools.there
        vm, _ = await running(here)
        uuid = here.world.uuid(here.id(vm))
        vdis, vifs = pools.maps(vm)
        task = await here.call("Async.VM.migrate_send", vm, await pools.dest(), True, vdis, vifs, {})
        await asyncio.sleep(3)
        await here.call("VM.hard_shutdown", vm)
        await asyncio.sleep(600)
        assert here.row(task)["status"] == "success"
        assert there.row(await there.call("VM.get_by_uuid", uuid))["power_state"] == "Halted"

    over_pools(body, settings=REALISTIC)


def test_three_vms_at_a_time_leave_a_host() -> None:
    async def body(pools: Pools) -> None:
        here = pools.here
        vms = [(await running(here, name_label=f"vm{number}"))[0] for number in range(4)]
        tasks = []
        for vm in vms:
            vdis, vifs = pools.maps(vm)
            tasks.append(await here.call("Async.VM.migrate_send", vm, await pools.dest(), True, vdis, vifs, {}))
            await asyncio.sleep(0.1)
        await asyncio.sleep(600)
        assert [here.row(task)["status"] for task in tasks] == ["success", "success", "success", "failure"]
        assert here.row(tasks[3])["error_info"] == ("TOO_MANY_STORAGE_MIGRATES", "3")
        assert here.row(vms[3])["power_state"] == "Running"

    over_pools(body, settings=REALISTIC)
