"""The JSON report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from contract_tests.report import FACT, SERVER, JsonReport


def phase(
    when: Literal["setup", "call", "teardown"], outcome: Literal["passed", "failed", "skipped"], longrepr: Any = None
) -> pytest.TestReport:
    properties: list[tuple[str, object]] = [(FACT, "a fact"), (SERVER, "XenServer 9 (modern)")]
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
        "tests": [{"test": "test_a.py::test_x", "outcome": "passed", "fact": "a fact", "message": ""}],
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
    assert rows(tmp_path) == {"passed": 0, "failed": 0, "skipped": 0, "url": "http://h", "server": "", "tests": []}
