"""Cases made of recordings: names, shapes, which calls may change something; and other servers that are held to them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fake_xapi.datamodel.types import parse_type
from fake_xapi.replay.cases import as_json, as_python, cases, document
from fake_xapi.replay.recording import Call, read_calls
from fake_xapi.replay.shapes import error_shape, looks, merged, shape_of
from fake_xapi.testing import FleetMaker, SimulatedXapi
from tests.code.sources import ROOT
from tests.fake_xapi.replay.test_cli import crawled, done

UUID = "12345678-1234-4234-8234-123456789abc"
VM, OTHER, SESSION = "OpaqueRef:vm", "OpaqueRef:other", "OpaqueRef:session-1"


def call(method: str, *params: Any, result: Any = "", error: tuple[str, ...] = ()) -> Call:
    return Call("20130801T10:00:00Z", method, list(params), SESSION, took_s=0.5, result=result, error=error)


def test_handles_that_calls_take_from_answers_become_names_bound_where_they_appeared() -> None:
    made = cases([
        call("VM.get_all_records", result={OTHER: {"uuid": "u0"}, VM: {"uuid": UUID, "power_state": "Halted", "VBDs": ["OpaqueRef:vbd"]}}),
        call("VBD.get_record", "OpaqueRef:vbd", result={"uuid": "x"}),
        call("VM.get_by_uuid", UUID, result=VM),
        call("VM.start", VM, False, True),
    ])  # fmt: skip
    assert [case["params"] for case in made] == [[], ["$VBD.1"], ["$uuid.1"], ["$VM.1", False, True]]
    assert made[0]["binds"] == {
        "$VM.1": [["key", 1, {"uuid": UUID, "power_state": "Halted"}]],
        "$uuid.1": [["at", 1], ["in", "uuid"]],
        "$VBD.1": [["at", 1], ["in", "VBDs"], ["at", 0]],
    }
    assert [(case["name"], case["changes"], case["has_session"], case["took_s"]) for case in made] == [
        ("0001 VM.get_all_records", False, True, 0.5), ("0002 VBD.get_record", False, True, 0.5), ("0003 VM.get_by_uuid", False, True, 0.5),
        ("0004 VM.start", True, True, 0.5),
    ]  # fmt: skip


def test_a_name_is_bound_again_where_its_record_is_seen() -> None:
    made = cases([
        call("VBD.get_VM", "OpaqueRef:vbd", result=VM),
        call("VM.get_all_records", result={VM: {"uuid": "u"}}),
        call("VM.get_name_label", VM, result="x"),
    ])  # fmt: skip
    assert [case["binds"] for case in made] == [{"$VM.1": []}, {"$VM.1": [["key", 0, {"uuid": "u"}]]}, {}]


def test_a_handle_that_was_refused_as_none_is_asked_for_as_it_is_and_so_is_a_dollar() -> None:
    made = cases([
        call("VM.get_record", "OpaqueRef:none", error=("HANDLE_INVALID", "VM", "OpaqueRef:none")),
        call("VM.get_by_name_label", "$5", result=[]),
        call("VM.get_record", OTHER, error=("SESSION_INVALID", SESSION)),
    ])  # fmt: skip
    assert [case["params"] for case in made] == [["OpaqueRef:none"], ["$$5"], ["$VM.1"]]
    assert [case["expects"] for case in made] == [
        {"error": "HANDLE_INVALID", "params": ["text", "ref"]}, {"result": {"list": None}}, {"error": "SESSION_INVALID", "params": ["ref"]},
    ]  # fmt: skip


def test_what_is_the_runners_own_affair_and_what_was_lost_makes_no_case() -> None:
    assert (
        cases([call("session.login_with_password", "root", "********"), replace(call("VM.get_all"), lost="x"), call("session.logout")])
        == []
    )


def test_the_same_read_is_one_case_and_the_same_change_is_two() -> None:
    reads, changes = [call("VM.get_all", result=[VM])] * 3, [call("VM.start", VM, False, False)] * 2
    assert [case["method"] for case in cases([*reads, *changes])] == ["VM.get_all", "VM.get_all", "VM.start", "VM.start"]


def test_cases_with_secrets_taken_out_are_left_out_and_counted() -> None:
    made = document(cases([call("secret.create", {"value": "********"}), call("VM.get_all", result=[])]), "http://h")
    assert (made["source"], made["left_out"], [case["method"] for case in made["cases"]]) == ("http://h", 1, ["VM.get_all"])


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("VM.get_all", False), ("VM.get_power_state", False), ("VM.assert_can_boot_here", False), ("event.from", False),
        ("system.listMethods", False), ("host.query_data_source", False), ("VM.set_name_label", True), ("VM.start", True),
        ("Async.VM.start", True), ("VDI.destroy", True), ("unknown.message", True), ("VM_get_record", False),
    ],
)  # fmt: skip
def test_a_call_reads_or_may_change_something(method: str, changes: bool) -> None:
    assert cases([call(method)])[0]["changes"] is changes


@pytest.mark.parametrize(
    ("kind", "value", "shape"),
    [
        ("string", "12", "text"), ("int", "12", "number"), ("float", "0.5", "number"), ("bool", True, "bool"), ("VM ref", VM, "ref"),
        ("datetime", "20130801T10:00:00Z", "date"), ("VM ref set", [], {"list": None}), ("VM ref set", [VM], {"list": "ref"}),
        ("(VM ref -> VM record) map", {VM: {"domid": "1", "new": "1"}}, {"map": {"record": {"domid": "number", "new": "text"}}}),
        ("VM record set", {"events": []}, {"record": {"events": {"list": None}}}), ("int option", None, "any"),
        ("string", {"a": 1}, {"record": {"a": "number"}}),
    ],
)  # fmt: skip
def test_the_shape_follows_from_the_type_and_where_it_does_not_fit_from_the_value(kind: str, value: Any, shape: Any) -> None:
    assert shape_of(parse_type(kind), value) == shape


def test_what_differs_between_members_is_any() -> None:
    assert merged([]) is None
    assert merged(["text", "text"]) == "text"
    assert merged([{"list": None}, {"list": "ref"}]) == {"list": "ref"}
    assert merged([{"record": {"a": "text", "b": "ref"}}, {"record": {"a": "number", "b": "ref"}}]) == {"record": {"a": "any", "b": "ref"}}
    assert merged([{"record": {"a": "text"}}, {"record": {"b": "text"}}]) == "any"
    assert looks([{"class": "vm", "snapshot": {"a": 1}}, {"class": "sr", "snapshot": {"b": 1}}]) == {
        "list": {"record": {"class": "text", "snapshot": "any"}}
    }
    assert error_shape(("VM", "OpaqueRef:1", "-5")) == ["text", "ref", "number"]


def contract(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "contract_tests.cli", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    return ended.returncode, ended.stdout + ended.stderr


def test_a_server_is_held_to_what_another_one_answered(xapi_fleet: FleetMaker, tmp_path: Path) -> None:
    first, second = xapi_fleet(hosts=2)
    said = done("cases", str(crawled(first, tmp_path / "r")), "-o", str(tmp_path / "c.json"))
    assert "cases, 0 of which may change something; 0 with secrets left out" in said
    report = tmp_path / "report.json"
    options = ("--cases", str(tmp_path / "c.json"), "--url", second.url, "--password", second.password, "--json", str(report))
    code, text = contract(*options)
    assert code == 0, text
    assert "times those recorded, in the median of" in text
    found = json.loads(report.read_text())
    assert (found["failed"], found["skipped"], found["passed"]) == (0, 0, len(found["tests"]))
    assert found["server"].startswith("XenServer")
    assert {"VM.get_all_records answers as it was recorded", "event.from answers as it was recorded"} <= {
        row["fact"] for row in found["tests"]
    }


def test_another_release_differs_and_every_difference_is_told(xapi: SimulatedXapi, xapi_fleet: FleetMaker, tmp_path: Path) -> None:
    [old] = xapi_fleet(personality="clearwater", seed=1)
    done("cases", str(crawled(xapi, tmp_path / "r")), "-o", str(tmp_path / "c.json"))
    code, text = contract("--cases", str(tmp_path / "c.json"), "--url", old.url, "--password", old.password)
    assert code == 1
    assert "was refused with ['MESSAGE_METHOD_UNKNOWN', 'Certificate.get_all_records']" in text
    assert "each of the answer lacks" in text
    assert old.password not in text


def test_the_python_form_is_a_module_for_pytest(xapi: SimulatedXapi, tmp_path: Path) -> None:
    done("cases", str(crawled(xapi, tmp_path / "r")), "-o", str(tmp_path / "test_recorded.py"))
    plugin = [
        "-p",
        "contract_tests.plugin",
        "-p",
        "no:cacheprovider",
        "-c",
        str(ROOT / "contract_tests" / "pytest.ini"),
        "--rootdir",
        str(tmp_path),
    ]
    options = ["--xapi-url", xapi.url, "--xapi-password", xapi.password]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, str(tmp_path / "test_recorded.py"), *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout
    assert "times those recorded" in ended.stdout


def test_changes_are_asked_for_on_their_own(xapi: SimulatedXapi, tmp_path: Path) -> None:
    made = cases([
        call("network.create", {"name_label": "mine", "other_config": {}}, result="OpaqueRef:n"),
        call("network.get_name_label", "OpaqueRef:n", result="mine"),
        call("network.destroy", "OpaqueRef:n"),
    ])  # fmt: skip
    (tmp_path / "c.json").write_text(as_json(document(made, "http://h")))
    options = ("--cases", str(tmp_path / "c.json"), "--url", xapi.url, "--password", xapi.password)
    code, text = contract(*options)
    assert (code, "3 skipped" in text) == (0, True), text
    code, text = contract(*options, "--mutating")
    assert (code, "3 passed" in text) == (0, True), text


def test_what_cannot_be_run_or_written_is_refused_with_the_cure(xapi: SimulatedXapi, tmp_path: Path) -> None:
    from tests.fake_xapi.replay.test_cli import refused

    (tmp_path / "c.json").write_text("nothing")
    options = ("--url", xapi.url, "--password", xapi.password)
    assert "make it with inova sim cases" in contract("--cases", str(tmp_path / "c.json"), *options)[1]
    assert "name a file of them" in contract("--mutating", *options)[1]
    (tmp_path / "c.json").write_text(as_json(document([], "http://h")))
    assert "leave --jobs out" in contract("--cases", str(tmp_path / "c.json"), "--jobs", "2", *options)[1]
    (tmp_path / "r").write_text('{"format": "inova recording 1"}\n')
    assert "ends with .json or .py" in " ".join(refused("cases", str(tmp_path / "r"), "-o", str(tmp_path / "c.txt")).split())


def test_a_recording_without_calls_is_a_module_without_tests(tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"format": "inova recording 1"}\n')
    found: dict[str, Any] = {}
    exec(as_python(document(cases(read_calls(tmp_path / "r")), "http://h")), found)
    assert found["CASES"] == {"format": "inova cases 1", "cases": []}
