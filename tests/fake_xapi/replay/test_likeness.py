"""What becomes of a recording in the shape of a real pool's: what is taken over, what is told, what is filled in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.types import Type, parse_type
from fake_xapi.engine.records import visible_fields
from fake_xapi.replay.inventory import Inventory, inventory
from fake_xapi.replay.likeness import NoLikeness, Report, hosts, likeness
from fake_xapi.replay.recording import Call, read_calls
from fake_xapi.replay.release import recognised
from fake_xapi.replay.standing import stand_in
from fake_xapi.replay.values import state_value
from fake_xapi.state.world import World
from tests.fake_xapi.replay.real_shape import RECORDS, UUIDS, recording, ref
from tests.fake_xapi.replay.rig import official, run, simulated_again


@pytest.fixture
def like(tmp_path: Path) -> tuple[World, Report]:
    return likeness(inventory(read_calls(recording(tmp_path / "r"))), "seed")


def call(method: str, result: Any, *params: Any) -> Call:
    return Call("20130801T10:00:00Z", method, list(params), "s", result=result)


def test_the_release_is_recognised_and_objects_keep_their_uuids_and_relations(like: tuple[World, Report]) -> None:
    world, report = like
    assert (world.personality.name, report.release) == ("clearwater", "clearwater")
    vm, vbd, vdi = (world.by_uuid(cls, UUIDS[cls.lower()]) for cls in ("VM", "VBD", "VDI"))
    assert (world[vm]["VBDs"], world[vbd]["VDI"], world[vdi]["VBDs"]) == ((vbd,), vdi, (vbd,))
    assert (world[vdi]["virtual_size"], world[vm]["HVM_shadow_multiplier"]) == (10 << 30, 1.0)
    assert [world[host]["name_label"] for host in hosts(world)] == ["beta", "alpha"]
    assert world[world[hosts(world)[1]]["metrics"]]["last_updated"] == "20130801T10:00:00Z"
    assert report.objects == {cls: len(records) for cls, records in sorted(RECORDS.items()) if cls != "foreign_class"}


def test_what_cannot_be_taken_over_is_told_by_name(like: tuple[World, Report]) -> None:
    _, report = like
    assert report.unknown == {"foreign_class": 1, "host.supplemental_packs": 2}
    assert report.dangling == {"VM.affinity": 1}
    assert report.misfit == {"VM.start_delay": 1}
    assert report.filled == ("role", "SM", "user")
    assert list(report.lines()) == [
        "15 objects of 10 classes, of the release clearwater",
        "not known: foreign_class (1 times)",
        "not known: host.supplemental_packs (2 times)",
        "leads nowhere: VM.affinity (1 times)",
        "of another type: VM.start_delay (1 times)",
        "as on a fresh host: role, SM, user",
    ]


def test_what_was_under_way_has_ended_and_what_it_held_is_free(tmp_path: Path) -> None:
    vm = {**RECORDS["VM"][ref("vm")], "current_operations": {ref("task"): "start"}, "allowed_operations": []}
    task = {"uuid": "", "name_label": "Async.VM.start", "status": "pending", "created": "20130801T10:00:00Z"}
    more = (
        {"method": "VM.get_record", "params": [ref("vm")], "result": vm},
        {"method": "task.get_record", "params": [ref("task")], "result": task},
    )
    world, report = likeness(inventory(read_calls(recording(tmp_path / "r", more))), "seed")
    found = world[world.by_uuid("VM", UUIDS["vm"])]
    assert (found["current_operations"], "start" in found["allowed_operations"], world.count("task")) == ({}, True, 0)
    assert "under way when it was recorded, and ended: 1 tasks" in list(report.lines())


def test_the_dead_host_is_off_and_the_others_are_at_addresses_of_the_simulation(like: tuple[World, Report]) -> None:
    saved = stand_in(like[0])
    beta, alpha = hosts(like[0])
    assert (saved.order.hosts, saved.order.pool_size, saved.off) == (2, 2, ["xs00002"])
    assert saved.members == {"xs00001": ("xs00001", beta), "xs00002": ("xs00001", alpha)}
    assert [like[0][host]["address"] for host in (beta, alpha)] == ["127.0.1.1", "127.0.1.2"]
    assert sorted(row["IP"] for _, row in like[0].rows("PIF")) == ["127.0.1.1", "127.0.1.2"]
    assert (saved.order.hardware.cpus, saved.order.hardware.memory_bytes, saved.order.hardware.nics) == (24, 64 << 30, 1)


def test_addresses_are_kept_where_that_is_wanted(like: tuple[World, Report]) -> None:
    stand_in(like[0], keeps_addresses=True)
    assert sorted(row["address"] for _, row in like[0].rows("host")) == ["10.1.0.11", "10.1.0.12"]


def test_a_host_may_take_the_address_that_another_one_had(like: tuple[World, Report]) -> None:
    world = like[0]
    with world.edit() as edit:
        for host, address in zip(hosts(world), ("127.0.1.2", "127.0.1.1"), strict=True):
            edit.set(host, address=address)
    stand_in(world)
    assert [world[host]["address"] for host in hosts(world)] == ["127.0.1.1", "127.0.1.2"]


def test_the_pool_is_served_and_lives(like: tuple[World, Report]) -> None:
    def live(session: Any) -> list[Any]:
        xapi = session.xenapi
        vm = xapi.VM.get_by_uuid(UUIDS["vm"])
        xapi.VM.start(vm, False, False)
        snapshot = xapi.VM.snapshot(vm, "mine")
        disk = xapi.VBD.get_VDI(xapi.VM.get_VBDs(snapshot)[0])
        vhd = xapi.VDI.get_sm_config(disk)["vhd-parent"]
        return [xapi.VM.get_power_state(vm), xapi.host.get_name_label(xapi.VM.get_resident_on(vm)), vhd != UUIDS["base"]]

    async def body() -> list[Any]:
        async with simulated_again(stand_in(like[0])) as url:
            return await official(url, live)

    assert run(body()) == ["Running", "beta", True]


def test_later_answers_and_events_win() -> None:
    found = inventory([
        call("VM.get_all_records", {"a": {"uuid": "1"}, "b": {"uuid": "2"}}),
        call("VM.get_record", {"uuid": "3"}, "c"),
        call("VM.get_all_records_where", {"a": {"uuid": "1", "n": "x"}}, 'field "uuid" = "1"'),
        call("Async.VM.get_record", {"uuid": "4"}, "d"),
        call("event.from", {"token": "1", "events": [
            {"class": "vm", "operation": "del", "ref": "b"},
            {"class": "vm_metrics", "operation": "add", "ref": "m", "snapshot": {"uuid": "5"}},
        ]}),
        call("event.next", [{"class": "vm", "operation": "mod", "ref": "c", "snapshot": {"uuid": "3", "n": "y"}}]),
        replace(call("VM.get_all_records", {}), error=("RBAC_PERMISSION_DENIED",)),
        replace(call("VM.get_all_records", {}), lost="gone"),
    ])  # fmt: skip
    assert found.classes == {"VM": {"a": {"uuid": "1", "n": "x"}, "c": {"uuid": "3", "n": "y"}}, "VM_metrics": {"m": {"uuid": "5"}}}
    assert (found.asked, found.count()) == ({"VM"}, 3)


def test_all_records_of_a_class_replace_those_before() -> None:
    calls = [call("VM.get_all_records", {"a": {"uuid": "1"}}), call("VM.get_all_records", {"b": {"uuid": "2"}})]
    assert inventory(calls).of("VM") == {"b": {"uuid": "2"}}


@pytest.mark.parametrize("lacking", ["host", "pool"])
def test_a_recording_without_hosts_or_pool_is_refused_with_the_cure(lacking: str) -> None:
    found = Inventory({cls: records for cls, records in RECORDS.items() if cls != lacking})
    with pytest.raises(NoLikeness, match="record with --crawl, as an account that may see them"):
        likeness(found, "seed")


KNOWN = [release for release in datamodel().releases if release.code in
         ("boston", "tampa", "clearwater", "creedence", "dundee", "ely", "naples", "stockholm", "nile")]  # fmt: skip


@pytest.mark.parametrize("code", [release.code for release in KNOWN])
def test_a_release_is_recognised_by_what_it_shows(code: str) -> None:
    kind = personality(code)
    major, minor = kind.release.api
    records: dict[str, dict[str, Any]] = {
        cls: {"r": dict.fromkeys((field.name for field in visible_fields(kind, cls)), "")} for cls in ("pool", "host", "VM", "VDI", "SR")
    }
    records["host"]["r"] |= {
        "API_version_major": str(major), "API_version_minor": str(minor),
        "software_version": {"product_version": f"{kind.release.version}.0"},
    }  # fmt: skip
    assert recognised(Inventory(records)).name == code


def test_an_unknown_version_of_the_api_is_the_release_that_is_most_alike() -> None:
    newer = {
        "pool": RECORDS["pool"],
        "host": {ref("beta"): {**RECORDS["host"][ref("beta")], "API_version_minor": "99"}},
        "VM": RECORDS["VM"],
    }
    assert recognised(Inventory(newer)).name in {release.code for release in datamodel().releases}


class Refs:
    def find(self, cls: str, ref: str) -> int:
        return {("VM", "r"): 7}.get((cls, ref), 0)

    def rewritten(self, text: str) -> str:
        return text.replace("OpaqueRef:r", "OpaqueRef:own")


def kind(text: str) -> Type:
    return parse_type(text)


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("string", "a OpaqueRef:r", "a OpaqueRef:own"),
        ("int", "12", 12),
        ("int", 12, 12),
        ("float", "1.5", 1.5),
        ("float", 2, 2.0),
        ("bool", True, True),
        ("datetime", "2013-08-01T10:00:00Z", "20130801T10:00:00Z"),
        ("VM ref", "r", 7),
        ("VM ref", "other", 0),
        ("VM ref set", ["r", "other"], (7,)),
        ("string set", ["", "a"], ("", "a")),
        ("(string -> string) map", {"a": "b"}, {"a": "b"}),
        ("(int -> float) map", {"0": "0.5"}, {0: 0.5}),
        ("(VM ref -> string) map", {"r": "x"}, {7: "x"}),
        ("int option", None, None),
        ("int option", "3", 3),
    ],
)
def test_values_of_both_wires_are_read_by_their_types(type_: str, value: Any, expected: Any) -> None:
    assert state_value(kind(type_), value, Refs()) == expected


@pytest.mark.parametrize(
    ("type_", "value"),
    [("string", 1), ("int", True), ("int", "x"), ("float", "x"), ("bool", "true"), ("datetime", "soon"), ("VM ref", 1), ("string set", "a"),
     ("(string -> string) map", []), ("VM record", {})],
)  # fmt: skip
def test_a_value_of_another_type_is_told(type_: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"is no|could not convert|invalid literal"):
        state_value(kind(type_), value, Refs())
