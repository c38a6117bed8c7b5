"""Going back: the world is again what it was, for whoever follows its events as for whoever asks; what was under way ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fake_xapi.control.errors import Conflict, NotFound
from fake_xapi.datamodel.failure import Failure
from fake_xapi.fleet.fleet import Order
from fake_xapi.state.value import diff
from fake_xapi.transports.inprocess import InProcess
from tests.fake_xapi.control.bench import HOST, MIB, Bench, controlled


def test_the_journal_has_every_generation_with_its_time_and_its_cause() -> None:
    async def body(bench: Bench) -> list[dict[str, Any]]:
        bench.simulation.keep_journals(HOST, 10)
        await bench.network("a")
        await asyncio.sleep(60)
        await bench.network("b")
        return bench.journal()

    entries = controlled(body)
    assert [(entry["cause"], entry["touched"], entry["date"]) for entry in entries] == [
        ("network.create", ["network"], "20120801T00:01:00Z"),
        ("network.create", ["network"], "20120801T00:00:00Z"),
        ("the journal begins", [], "20120801T00:00:00Z"),
    ]


def test_what_goes_on_behind_a_call_has_the_call_for_its_cause() -> None:
    async def body(bench: Bench) -> set[str]:
        vm = await bench.vm()
        bench.simulation.keep_journals(HOST, 100)
        await bench.call("VM.start", vm, False, False)
        await asyncio.sleep(600)
        late = [entry["cause"] for entry in bench.journal() if "VM_guest_metrics" in entry["touched"]]
        assert late
        return set(late)

    assert controlled(body) == {"VM.start"}


def test_a_journal_is_bounded_and_says_what_it_has_no_more() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.keep_journals(HOST, 3)
        began = bench.generation()
        for number in range(5):
            await bench.network(str(number))
        assert len(bench.journal()) == 3
        with pytest.raises(NotFound, match=rf"generation {began} is not in the journal, which has {began + 3} to {began + 5}"):
            await bench.simulation.rewind(HOST, began)
        with pytest.raises(Conflict, match="at most 100000 entries"):
            bench.simulation.keep_journals(HOST, 100_001)

    controlled(body)


def test_a_journal_that_is_no_longer_kept_costs_nothing() -> None:
    async def body(bench: Bench) -> None:
        before = len(bench.xapi.world.listeners)
        bench.simulation.keep_journals("*", 10)
        assert len(bench.xapi.world.listeners) == before + 1
        bench.simulation.keep_journals("*", 0)
        assert len(bench.xapi.world.listeners) == before
        with pytest.raises(Conflict, match="no journal of xs00001 is kept"):
            bench.journal()

    controlled(body)


def test_the_world_is_again_what_it_was_whatever_happened_since() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.keep_journals(HOST, 1000)
        vm, kept = await bench.vm(), await bench.network("kept")
        then, generation = bench.xapi.world.value, bench.generation()
        await bench.call("VM.start", vm, False, False)
        await bench.call("network.destroy", kept)
        await bench.network("new")
        await asyncio.sleep(900)
        await bench.simulation.rewind(HOST, generation)
        assert list(diff(then, bench.xapi.world.value)) == []
        assert await bench.call("VM.get_power_state", vm) == "Halted"
        assert await bench.call("network.get_by_name_label", "kept") == [kept]

    controlled(body)


def test_a_client_that_follows_the_events_ends_with_the_same_database() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.keep_journals(HOST, 1000)
        vm, kept = await bench.vm(), await bench.network("kept")
        generation = bench.generation()
        await bench.call("network.destroy", kept)
        await bench.call("VM.start", vm, False, False)
        batch = await bench.call("event.from", ["*"], "", 1.0)
        cache = {event["ref"]: event["snapshot"] for event in batch["events"]}
        await bench.simulation.rewind(HOST, generation)
        later = await bench.call("event.from", ["*"], batch["token"], 1.0)
        for event in later["events"]:
            if event["operation"] == "del":
                del cache[event["ref"]]
            else:
                cache[event["ref"]] = event["snapshot"]
        fresh = await bench.call("event.from", ["*"], "", 1.0)
        assert cache == {event["ref"]: event["snapshot"] for event in fresh["events"]}
        assert later["token"] > batch["token"]

    controlled(body)


def test_the_journal_goes_on_and_one_may_go_forward_again() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.keep_journals(HOST, 100)
        began = bench.generation()
        network = await bench.network("a")
        there = bench.generation()
        await bench.simulation.rewind(HOST, began)
        assert bench.journal()[0]["cause"] == f"rewind to generation {began}"
        with pytest.raises(Failure, match="HANDLE_INVALID"):
            await bench.call("network.get_uuid", network)
        await bench.simulation.rewind(HOST, there)
        assert await bench.call("network.get_name_label", network) == "a"

    controlled(body)


def test_sessions_stay_as_they_are() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.keep_journals(HOST, 100)
        began, first = bench.generation(), bench.session
        second = await bench.call("session.login_with_password", "root", "xenroot")
        await bench.call("session.logout")
        await bench.simulation.rewind(HOST, began)
        bench.session = second
        assert await bench.call("network.get_all")
        bench.session = first
        with pytest.raises(Failure, match="SESSION_INVALID"):
            await bench.call("network.get_all")

    controlled(body)


def test_calls_under_way_end_and_leave_nothing_marked() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.keep_journals(HOST, 100)
        vm = await bench.vm()
        generation = bench.generation()
        waiting = asyncio.create_task(bench.call("VM.start", vm, False, False))
        task = await bench.call("Async.VM.clone", vm, "copy")
        await asyncio.sleep(0.1)
        await bench.simulation.rewind(HOST, generation)
        with pytest.raises(Failure, match="TASK_CANCELLED"):
            await waiting
        with pytest.raises(Failure, match="HANDLE_INVALID"):
            await bench.call("task.get_status", task)
        await asyncio.sleep(3600)
        record = await bench.call("VM.get_record", vm)
        assert (record["power_state"], record["current_operations"]) == ("Halted", {})
        await bench.call("VM.start", vm, False, False)

    controlled(body)


def test_what_was_under_way_then_has_ended_and_holds_nothing() -> None:
    async def body(bench: Bench) -> None:
        vm = await bench.vm()
        task = await bench.call("Async.VM.start", vm, False, False)
        await asyncio.sleep(0.1)
        assert await bench.call("VM.get_current_operations", vm)
        bench.simulation.take_snapshot("midway")
        await asyncio.sleep(60)
        await bench.simulation.restore_snapshot("midway")
        assert await bench.call("VM.get_current_operations", vm) == {}
        with pytest.raises(Failure, match="HANDLE_INVALID"):
            await bench.call("task.get_status", task)

    controlled(body)


def test_a_guest_that_was_booting_goes_on_to_boot() -> None:
    async def body(bench: Bench) -> None:
        vm = await bench.vm()
        await bench.call("VM.start", vm, False, False)
        bench.simulation.take_snapshot("booting")
        await bench.call("VM.hard_shutdown", vm)
        await bench.simulation.restore_snapshot("booting")
        assert await bench.call("VM.get_power_state", vm) == "Running"
        await asyncio.sleep(900)
        metrics = await bench.call("VM.get_guest_metrics", vm)
        assert await bench.call("VM_guest_metrics.get_live", metrics)

    controlled(body)


def test_disks_have_their_bytes_again() -> None:
    async def body(bench: Bench) -> None:
        vdi = await bench.disk()
        disk = bench.xapi.world.find_ref(vdi)
        bench.xapi.disks.write(disk, 0, b"before")
        bench.simulation.take_snapshot("before")
        bench.xapi.disks.write(disk, 0, b"after!")
        await bench.call("VDI.destroy", vdi)
        await bench.simulation.restore_snapshot("before")
        assert bench.xapi.disks.read(disk, 0, 6) == b"before"
        assert await bench.call("VDI.get_virtual_size", vdi) == 2 * MIB

    controlled(body)


def test_a_fleet_is_loaded_from_a_file_with_its_disks(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        vdi = await bench.disk()
        disk = bench.xapi.world.find_ref(vdi)
        bench.xapi.disks.write(disk, 0, b"before")
        assert bench.simulation.save("fleet.inova") == {"file": str(tmp_path / "fleet.inova")}
        bench.xapi.disks.write(disk, 0, b"after!")
        assert bench.simulation.load("fleet.inova", "loaded") == {"name": "loaded", "date": "20120801T00:00:00Z", "worlds": 2}
        await bench.simulation.restore_snapshot("loaded")
        assert bench.xapi.disks.read(disk, 0, 6) == b"before"
        bench.xapi.disks.write(disk, 0, b"later!")
        assert bench.xapi.disks.read(disk, 0, 6) == b"later!"

    controlled(body, tmp_path, profile="instant")


def test_a_file_of_another_fleet_is_refused_with_the_cure(tmp_path: Path) -> None:
    async def save(bench: Bench) -> None:
        bench.simulation.save("other.inova")

    async def body(bench: Bench) -> None:
        with pytest.raises(Conflict, match=r"has 2 hosts of latest with seed 7, which are not these; .*sim serve --state"):
            bench.simulation.load("other.inova", "x")
        (tmp_path / "none.inova").write_bytes(b"something")
        with pytest.raises(Conflict, match="not a fleet of the format"):
            bench.simulation.load("none.inova", "x")
        assert bench.simulation.snapshots() == {"snapshots": []}

    controlled(save, tmp_path)
    controlled(body, tmp_path, Order(3, 7))


def test_a_snapshot_of_fewer_hosts_fits_no_more() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.take_snapshot("two")
        bench.simulation.fork_host(HOST)
        with pytest.raises(Conflict, match=r"hosts came, or joined and left pools, since 'two' was taken \(xs00003\)"):
            await bench.simulation.restore_snapshot("two")

    controlled(body)


def test_snapshots_are_compared() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.take_snapshot("one")
        network = await bench.network("a")
        await bench.call("network.set_name_description", network, "new")
        bench.simulation.take_snapshot("two")
        await bench.call("network.set_name_description", network, "newer")
        assert bench.simulation.diff_snapshots("one", "two") == {"worlds": {HOST: {"network": {"added": 1}}}}
        found = bench.simulation.diff_world(HOST, "two")
        assert found["counts"] == {"network": {"changed": 1}}
        assert found["changes"] == [
            {"class": "network", "ref": network, "name_label": "a", "kind": "changed", "fields": {"name_description": ["new", "newer"]}}
        ]
        assert bench.simulation.diff_world(HOST, "two", "two")["total"] == 0

    controlled(body, profile="instant")


def test_a_fork_goes_its_own_way_with_the_same_refs_and_session() -> None:
    async def body(bench: Bench) -> None:
        network = await bench.network("a")
        made = bench.simulation.fork_host(HOST)
        fork = InProcess(bench.fleet.xapi_of(made["name"]))
        assert await fork.call("network.get_name_label", [bench.session, network]) == "a"
        await fork.call("network.destroy", [bench.session, network])
        assert await bench.call("network.get_name_label", network) == "a"
        hosts = await fork.call("host.get_all_records", [bench.session])
        [record] = hosts.values()
        assert made["url"] == f"http://{record['address']}"
        assert bench.simulation.hosts()["total"] == 3
        bench.simulation.take_snapshot("both")
        await bench.call("network.destroy", network)
        await bench.simulation.restore_snapshot("both")
        assert await bench.call("network.get_name_label", network) == "a"
        with pytest.raises(Failure, match="HANDLE_INVALID"):
            await fork.call("network.get_name_label", [bench.session, network])

    controlled(body, profile="instant")


def test_a_member_of_a_pool_is_not_forked_and_shares_its_masters_world() -> None:
    async def body(bench: Bench) -> None:
        with pytest.raises(Conflict, match="xs00002 is in a pool of several hosts; only a stand-alone host is forked"):
            bench.simulation.fork_host("xs00002")
        bench.simulation.keep_journals("*", 10)
        began = bench.generation()
        network = await bench.network("a")
        assert bench.simulation.world("xs00002")["generation"] == bench.generation()
        await bench.simulation.rewind("xs00002", began)
        with pytest.raises(Failure, match="HANDLE_INVALID"):
            await bench.call("network.get_uuid", network)

    controlled(body, order=Order(2, 7, pool_size=2), profile="instant")


def test_a_pool_goes_back_to_the_master_that_it_had() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.keep_journals("*", 100)
        began, network = bench.generation(), await bench.network("a")
        member = next(host for host in await bench.call("host.get_all") if bench.xapi.world.find_ref(host) != bench.xapi.host)
        await bench.call("pool.designate_new_master", member)
        await asyncio.sleep(600)
        masters = [name for name, xapi in bench.fleet.hosts.items() if xapi.is_master]
        await bench.simulation.rewind(HOST, began)
        await asyncio.sleep(600)
        assert (masters, [name for name, xapi in bench.fleet.hosts.items() if xapi.is_master]) == (["xs00002"], [HOST])
        with pytest.raises(Failure, match="HANDLE_INVALID"):
            await bench.call("network.get_uuid", network)

    controlled(body, order=Order(2, 7, pool_size=2), profile="instant")


def test_a_fault_in_force_is_in_force_in_what_comes_back() -> None:
    async def body(bench: Bench) -> None:
        bench.simulation.take_snapshot("before")
        bench.simulation.add_fault({"effect": {"kind": "full-sr"}, "host": HOST})
        await bench.simulation.restore_snapshot("before")
        with pytest.raises(Failure):
            await bench.disk()
        bench.simulation.clear_faults()
        assert await bench.disk()

    controlled(body, profile="instant")


def test_time_cannot_be_paced_where_the_loop_has_its_own() -> None:
    async def body(bench: Bench) -> None:
        assert not bench.simulation.time.told()["is_paced"]
        with pytest.raises(Conflict, match="cannot be paced"):
            bench.simulation.time.set_pace(paused=True)
        with pytest.raises(Conflict, match="cannot be paced"):
            await bench.simulation.time.jump(1.0)

    controlled(body)
