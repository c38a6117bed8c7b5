"""The harness itself: what it would find if it were there, and that its dead are dead."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from compute_core.compute.servers import Servers
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.faults.case import Course, Fault, Found, Normal, disturbed, faults_of, normal, verdict
from tests.compute_core.faults.cases import CASES
from tests.compute_core.faults.digest import Digest, pools, world_rows
from tests.compute_core.faults.scene import scene

BEFORE, AFTER, GONE = Digest(("VM a",), ("a: active",)), Digest(("VM a", "VM b"), ("a: active", "b: active")), Digest((), ())
NORMAL = Normal((AFTER, BEFORE), (GONE,), ("VM.create",))
KILLED = Fault("killed", 1)


@pytest.mark.parametrize("end", [BEFORE, AFTER])
def test_the_result_and_the_state_before_are_both_right(end: Digest) -> None:
    assert verdict(NORMAL, KILLED, Found(end, (), ())) == []


def test_what_is_left_and_what_is_missing_is_named() -> None:
    assert verdict(NORMAL, KILLED, Found(Digest(("VM c",), ()), (), ())) == ["- VM a", "+ VM c"]


def test_a_user_may_see_a_build_that_has_failed_but_no_result_that_is_not_there() -> None:
    failed = (*BEFORE.view, "b: error, None, power 0, flavor tiny")

    assert verdict(NORMAL, KILLED, Found(Digest(BEFORE.world, failed), (), ())) == []
    assert verdict(NORMAL, KILLED, Found(Digest(BEFORE.world, AFTER.view), (), ())) == ["+ b: active"]


def test_servers_that_were_deleted_meanwhile_are_gone() -> None:
    deleted = Fault("deleted", 1)

    assert verdict(NORMAL, deleted, Found(GONE, (), ())) == []
    assert verdict(NORMAL, deleted, Found(BEFORE, (), ())) == ["+ VM a"]


def test_hosts_and_cells_that_do_not_agree_are_wrong_however_they_stand() -> None:
    assert verdict(NORMAL, KILLED, Found(AFTER, ("the cells differ",), ())) == ["the cells differ"]


def test_every_request_has_its_fault_and_every_transfer_two() -> None:
    requests = ("VDI.create", "PUT /import_raw_vdi")

    assert list(faults_of(requests, "killed", every_error=False)) == [
        Fault("killed", 1),
        Fault("killed", 2, is_halfway=True),
        Fault("killed", 2),
    ]


def test_every_error_that_a_request_declares_is_one_fault_with_its_parameters() -> None:
    told = [fault.details for fault in faults_of(("VM.pause",), "refused", every_error=True)]

    assert [details[0] for details in told] == [
        "VM_BAD_POWER_STATE",
        "OTHER_OPERATION_IN_PROGRESS",
        "OPERATION_NOT_ALLOWED",
        "VM_IS_TEMPLATE",
        "INTERNAL_ERROR",
        "HOST_OFFLINE",
    ]
    assert told[0] == ("VM_BAD_POWER_STATE", "vm", "expected", "actual")


def test_an_agent_that_does_not_look_for_leftovers_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def do_nothing(_: Servers) -> None: ...

    expected = normal(CASES["spawn"], tmp_path)
    monkeypatch.setattr(Servers, "tidy", do_nothing)
    fault = Fault("killed", expected.requests.index("VDI.clone") + 1)

    wrong = verdict(expected, fault, disturbed(CASES["spawn"], fault, tmp_path / "one"))

    assert [line.partition(" on ")[0].partition(" 4c")[0] for line in wrong] == ["+ VDI image"]


def test_a_killed_agent_takes_nothing_back(tmp_path: Path) -> None:
    async def body() -> list[str]:
        async with scene(tmp_path) as there:
            course = Course(there, Fault("killed", 3))
            there.tape.after = course.after
            await there.order()
            await course.follow()
            await asyncio.sleep(1)
            (xapi,) = pools(there)
            return [row.partition(" ")[0] for row in world_rows(xapi.world) if " image " in row or "import" in row]

    assert run_virtual(body()) == ["VDI", "task"]


def test_a_fault_that_never_strikes_is_told(tmp_path: Path) -> None:
    assert disturbed(CASES["pause"], Fault("lost", 99), tmp_path).discord == ("the fault never struck",)
