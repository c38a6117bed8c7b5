"""Cases against a server: what is compared, how names are looked up, what is skipped, and how long it took beside what was recorded."""

from __future__ import annotations

import json
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest

from contract_tests.cases import BadCases, Case, Differs, Replayer, cases_of, read_cases
from contract_tests.shapes import MOST, differences, error_differences, told
from contract_tests.target import Target
from fake_xapi.testing import SimulatedXapi

RECORD = {"record": {"uuid": "text", "VBDs": {"list": "ref"}}}


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("text", ""),
        ("number", "12"),
        ("number", 1.5),
        ("bool", False),
        ("date", "20130801T10:00:00Z"),
        ("date", xmlrpc.client.DateTime("20130801T10:00:00Z")),
        ("ref", "OpaqueRef:NULL"),
        ("any", None),
        (None, [1]),
        ({"list": None}, ["x", 1]),
        ({"list": "ref"}, []),
        ({"map": "text"}, {"a": "b"}),
        (RECORD, {"uuid": "x", "VBDs": []}),
    ],
)
def test_what_has_the_shape_does_not_differ(shape: Any, value: Any) -> None:
    assert list(differences(shape, value)) == []


@pytest.mark.parametrize(
    ("shape", "value", "said"),
    [
        ("text", 1, ["the answer: expected text, found 1"]),
        ("number", "x", ["the answer: expected number, found 'x'"]),
        ("number", True, ["the answer: expected number, found True"]),
        ("bool", "true", ["the answer: expected bool, found 'true'"]),
        ("date", "soon", ["the answer: expected date, found 'soon'"]),
        ("ref", "x", ["the answer: expected ref, found 'x'"]),
        ({"list": "ref"}, {}, ["the answer: expected a list, found {}"]),
        ({"list": "ref"}, ["OpaqueRef:1", "x"], ["the answer[1]: expected ref, found 'x'"]),
        ({"map": "text"}, {"a": 1}, ["each of the answer: expected text, found 1"]),
        ({"map": "text"}, [], ["the answer: expected a map, found []"]),
        (RECORD, "x", ["the answer: expected a record, found 'x'"]),
        (RECORD, {"uuid": "x", "more": 1}, ["the answer lacks VBDs", "the answer has besides more"]),
        (RECORD, {"uuid": 1, "VBDs": []}, ["the answer.uuid: expected text, found 1"]),
    ],
)
def test_what_has_another_shape_is_told(shape: Any, value: Any, said: list[str]) -> None:
    assert list(differences(shape, value)) == said


def test_not_more_is_told_than_anybody_reads_and_nothing_twice() -> None:
    assert told(iter(["a", "b", "a"])) == ["a", "b"]
    assert told(str(number) for number in range(MOST + 3)) == [*map(str, range(MOST)), "and 3 more"]


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (["HANDLE_INVALID", "VM", "OpaqueRef:1"], []),
        (["SESSION_INVALID", "OpaqueRef:1"], ["expected HANDLE_INVALID, was refused with ['SESSION_INVALID', 'OpaqueRef:1']"]),
        (["HANDLE_INVALID", "VM"], ["expected HANDLE_INVALID with 2 parameters, found 1: ['VM']"]),
        (["HANDLE_INVALID", "VM", "x"], ["parameter 2 of HANDLE_INVALID: expected ref, found 'x'"]),
    ],
)
def test_refusals_are_compared_by_code_and_parameters(details: list[str], said: list[str]) -> None:
    assert error_differences(("HANDLE_INVALID", ["text", "ref"]), details) == said


def replayer(xapi: SimulatedXapi, *, may_change: bool = False) -> Replayer:
    return Replayer(Target(xapi.url, xapi.user, xapi.password), may_change)


def case(method: str, *params: Any, **more: Any) -> Case:
    return Case(f"0001 {method}", method, list(params), **{"expects": {"result": "any"}, **more})


def test_names_are_what_the_answer_has_where_they_first_appeared(xapi: SimulatedXapi) -> None:
    running = replayer(xapi)
    running.hold(case("pool.get_all", binds={"$pool.1": [["at", 0]]}))
    running.hold(case("pool.get_record", "$pool.1", binds={"$host.1": [["in", "master"]]}))
    running.hold(case("host.get_uuid", "$host.1", expects={"result": "text"}, binds={"$uuid.1": []}))
    running.hold(case("host.get_by_uuid", "$uuid.1", expects={"result": "ref"}, binds={"$host.2": []}))
    assert running.names["$host.1"] == running.names["$host.2"]
    running.close()


def test_of_records_the_one_that_is_most_like_the_recorded_one_is_taken(xapi: SimulatedXapi) -> None:
    running = replayer(xapi)
    wanted = {"is_control_domain": True, "power_state": "Running", "is_a_template": False}
    running.hold(case("VM.get_all_records", binds={"$VM.1": [["key", 9999, wanted]], "$VM.2": [["key", 3, {}]]}))
    running.hold(case("VM.get_is_control_domain", "$VM.1", expects={"result": "bool"}, binds={"$is": []}))
    assert running.names["$is"] is True
    running.hold(case("VM.get_all", binds={"$VM.3": [["at", 3]]}))
    assert running.names["$VM.2"] in running._client.xenapi.VM.get_all()
    running.close()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (case("VM.get_all", expects={"result": {"map": None}}), ["expected a map"]),
        (
            case("VM.get_record", "OpaqueRef:none", expects={"result": "any"}),
            ["was refused with ['HANDLE_INVALID', 'VM', 'OpaqueRef:none']"],
        ),
        (case("VM.get_all", expects={"error": "SESSION_INVALID", "params": ["ref"]}), ["expected SESSION_INVALID, was done"]),
        (case("VM.get_record", "OpaqueRef:none", expects={"error": "UUID_INVALID", "params": []}), ["expected UUID_INVALID, was refused"]),
    ],
)
def test_another_answer_differs_line_by_line(asked: Case, said: list[str], xapi: SimulatedXapi) -> None:
    running = replayer(xapi)
    with pytest.raises(Differs) as differs:
        running.hold(asked)
    lines = str(differs.value).splitlines()
    assert lines[0].startswith(f"{asked.method} [")
    assert [wanted in line for wanted, line in zip(said, lines[1:], strict=True)] == [True] * len(said)
    running.close()


def test_a_dollar_that_is_none_of_ours_is_sent_as_it_is(xapi: SimulatedXapi) -> None:
    running = replayer(xapi, may_change=True)
    running.hold(case("network.create", {"name_label": "$$5", "MTU": 1500, "other_config": {}}, changes=True, expects={"result": "ref"}))
    assert len(running._client.xenapi.network.get_by_name_label("$5")) == 1
    running.close()


def test_an_async_call_has_ended_before_the_next(xapi: SimulatedXapi) -> None:
    running = replayer(xapi, may_change=True)
    running.hold(case("SR.get_all", binds={"$SR.1": [["at", 0]]}))
    running.hold(case("Async.SR.scan", "$SR.1", changes=True, expects={"result": "ref"}, binds={"$task.1": []}))
    assert running._client.xenapi.task.get_status(running.names["$task.1"]) == "success"
    running.close()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (case("VM.start", "OpaqueRef:1", changes=True), "it may change something: ask for it with --mutating"),
        (case("VM.get_record", "$VM.7"), "nothing on this server is $VM.7"),
    ],
)
def test_what_cannot_be_asked_is_skipped(asked: Case, why: str, xapi: SimulatedXapi) -> None:
    with pytest.raises(pytest.skip.Exception) as skipped:
        replayer(xapi).hold(asked)
    assert str(skipped.value) == why


def test_a_name_whose_place_is_empty_here_is_nobody(xapi: SimulatedXapi) -> None:
    running = replayer(xapi)
    running.hold(case("Bond.get_all_records", binds={"$Bond.1": [["key", 0, {"uuid": "x"}]], "$Bond.2": [["at", 4]]}))
    assert running.names == {}
    running.close()


def test_latencies_are_told_beside_those_recorded(xapi: SimulatedXapi) -> None:
    running = replayer(xapi)
    assert list(running.summary()) == []
    running.hold(case("VM.get_all", took_s=1000.0))
    running.close()
    first, second = running.summary()
    assert first == "latencies: 0.00 times those recorded, in the median of 1 calls"
    assert second.endswith("0.00 times: 0001 VM.get_all")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": "inova cases 1"}', '{"format": "inova cases 1", "cases": [{"x": 1}]}', '{"cases": []}']
)
def test_a_file_that_holds_no_cases_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(BadCases, match="inova sim cases"):
        read_cases(tmp_path / "c.json")


def test_cases_are_read_as_they_were_written(tmp_path: Path) -> None:
    plain = {"name": "0001 VM.get_all", "method": "VM.get_all", "params": [], "expects": {"result": {"list": "ref"}}}
    (tmp_path / "c.json").write_text(json.dumps({"format": "inova cases 1", "cases": [plain]}))
    assert read_cases(tmp_path / "c.json") == cases_of({"format": "inova cases 1", "cases": [plain]}) == [
        Case("0001 VM.get_all", "VM.get_all", [], {"result": {"list": "ref"}})
    ]  # fmt: skip
