"""The JSON report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from contract_tests.exercised import CALLS, Ear, ExercisedReport
from contract_tests.html_report import page
from contract_tests.report import FACT, RULES, SERVER, JsonReport, rules_of
from contract_tests.rules import UNSEEN

NO_RULES: dict[str, Any] = {"rules": {"held": [], "failed": [], "not applicable": []}}


def phase(
    when: Literal["setup", "call", "teardown"], outcome: Literal["passed", "failed", "skipped"], longrepr: Any = None
) -> pytest.TestReport:
    properties: list[tuple[str, object]] = [(FACT, "a fact"), (SERVER, "XenServer 9 (modern)"), (RULES, ["VBD check 5"])]
    return pytest.TestReport(
        "suite/test_a.py::test_x", ("suite/test_a.py", 1, "test_x"), {}, outcome, longrepr, when, (), 0.1, 0.0, 0.1, properties
    )


def rows(tmp_path: Path, *phases: pytest.TestReport) -> Any:
    path = tmp_path / "report.json"
    report = JsonReport(path, "http://h")
    for each in phases:
        report.pytest_runtest_logreport(each)
    report.pytest_sessionfinish()
    assert list(tmp_path.iterdir()) == [path]
    return json.loads(path.read_text())


def test_a_test_that_passed_is_a_row(tmp_path: Path) -> None:
    assert rows(tmp_path, phase("setup", "passed"), phase("call", "passed"), phase("teardown", "passed")) == {
        "passed": 1,
        "failed": 0,
        "skipped": 0,
        "url": "http://h",
        "server": "XenServer 9 (modern)",
        "rules": {"held": ["VBD check 5"], "failed": [], "not applicable": []},
        "tests": [{"test": "test_a.py::test_x", "outcome": "passed", "fact": "a fact", "message": "", "rules": ["VBD check 5"]}],
    }


def test_a_test_that_cannot_clean_up_has_failed(tmp_path: Path) -> None:
    result = rows(tmp_path, phase("setup", "passed"), phase("call", "passed"), phase("teardown", "failed", "left behind"))
    assert [(row["outcome"], row["message"]) for row in result["tests"]] == [("failed", "left behind")]
    assert (result["passed"], result["failed"]) == (0, 1)


def test_the_first_failure_is_told(tmp_path: Path) -> None:
    result = rows(tmp_path, phase("setup", "passed"), phase("call", "failed", "first"), phase("teardown", "failed", "second"))
    assert result["tests"][0]["message"] == "first"


def test_a_skipped_test_says_why(tmp_path: Path) -> None:
    result = rows(tmp_path, phase("setup", "skipped", ("a.py", 1, "Skipped: no jsonrpc")), phase("teardown", "passed"))
    assert [(row["outcome"], row["message"]) for row in result["tests"]] == [("skipped", "Skipped: no jsonrpc")]


def test_an_empty_run_is_a_report_too(tmp_path: Path) -> None:
    assert rows(tmp_path) == {"passed": 0, "failed": 0, "skipped": 0, "url": "http://h", "server": "", **NO_RULES, "tests": []}


@pytest.mark.parametrize(
    ("outcomes", "place"),
    [
        (["passed"], "held"),
        (["passed", "skipped"], "held"),
        (["passed", "failed"], "failed"),
        (["skipped", "failed"], "failed"),
        (["skipped", "skipped"], "not applicable"),
    ],
)
def test_a_rule_is_held_when_a_test_passed_and_none_failed(outcomes: list[str], place: str) -> None:
    found = rules_of([{"outcome": outcome, "rules": ["VBD check 5"]} for outcome in outcomes])
    assert found == {**NO_RULES["rules"], place: ["VBD check 5"]}


def test_a_page_shows_every_rule_and_what_failed() -> None:
    row = {"test": "test_a.py::test_x", "outcome": "failed", "fact": "a < b", "message": "<oops>", "rules": ["VBD check 5"]}
    counts = {"passed": 0, "failed": 1, "skipped": 0}
    text = page({**counts, "url": "http://h", "server": "XenServer 9", "rules": rules_of([row]), "tests": [row]})
    assert '<tr><td>VBD check 5</td><td class="failed">failed</td></tr>' in text
    assert '<tr><td>VBD check 2</td><td class="none">not run</td></tr>' in text
    assert "<td>a &lt; b</td><td>&lt;oops&gt;</td>" in text
    assert f"0 held, 1 failed, 0 not applicable, {len(UNSEEN)} that no client can see." in text


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"<methodCall><methodName>Async.VM.start</methodName></methodCall>", ["VM.start"]),
        (b'{"jsonrpc": "2.0", "method": "VM_get_all", "params": []}', ["VM_get_all"]),
        (b"\x00\xff raw bytes of a disk", []),
    ],
)
def test_a_request_is_heard_by_its_name(body: bytes, names: list[str]) -> None:
    ear = Ear()
    ear.hear(body)
    assert (ear.taken(), ear.taken()) == (names, [])


def test_only_what_passed_has_exercised_its_messages(tmp_path: Path) -> None:
    path = tmp_path / "calls.json"
    report = ExercisedReport(path)
    outcomes: list[tuple[Literal["passed", "failed"], str]] = [("passed", "VM.start"), ("passed", "VM.clone"), ("failed", "VM.destroy")]
    for outcome, name in outcomes:
        one = phase("call", outcome)
        one.user_properties.append((CALLS, [name]))
        report.pytest_runtest_logreport(one)
    report.pytest_sessionfinish()
    assert json.loads(path.read_text()) == {"XenServer 9 (modern)": {"test_a.py::test_x": ["VM.clone", "VM.start"]}}
