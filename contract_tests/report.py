"""The report of a run as one JSON file: how many passed, failed, were skipped, the rules that were held, and a row per test.

Knows pytest's reports. May not know passwords: the output of tests is scrubbed before it gets here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest

FACT: Final = "contract_fact"
SERVER: Final = "contract_server"
RULES: Final = "contract_rules"
OUTCOMES: Final = ("passed", "failed", "skipped")


class JsonReport:
    """A pytest plugin that collects one row per test and writes the file at the end of the session."""

    def __init__(self, path: Path, url: str) -> None:
        self._path = path
        self._url = url
        self._rows: dict[str, dict[str, Any]] = {}
        self._server = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the first phase that failed or skipped, otherwise the call."""
        properties: dict[str, Any] = dict(report.user_properties)
        self._server = str(properties.get(SERVER, self._server))
        row = self._rows.setdefault(
            report.nodeid, {"test": short(report.nodeid), "outcome": "passed", "fact": "", "message": "", "rules": []}
        )
        row.update(fact=str(properties.get(FACT, row["fact"])), rules=properties.get(RULES, row["rules"]))
        if report.outcome != "passed" and row["outcome"] != "failed":
            row.update(outcome=report.outcome, message=message_of(report))

    def pytest_sessionfinish(self) -> None:
        """Write the file, all or nothing."""
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        beside.write_text(self.text(), encoding="utf-8")
        beside.replace(self._path)

    def text(self) -> str:
        """The content of the file."""
        return json.dumps(self.result(), indent=2) + "\n"

    def result(self) -> dict[str, Any]:
        """The report as a value."""
        rows = sorted(self._rows.values(), key=lambda row: row["test"])
        counts = {outcome: sum(row["outcome"] == outcome for row in rows) for outcome in OUTCOMES}
        return {**counts, "url": self._url, "server": self._server, "rules": rules_of(rows), "tests": rows}


def rules_of(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The rules that passed, that failed, and that do not apply to this server because all their tests were skipped."""
    outcomes: dict[str, set[str]] = {}
    for row in rows:
        for rule in row["rules"]:
            outcomes.setdefault(rule, set()).add(row["outcome"])
    found: dict[str, list[str]] = {"held": [], "failed": [], "not applicable": []}
    for rule, seen in sorted(outcomes.items()):
        found["failed" if "failed" in seen else "held" if "passed" in seen else "not applicable"].append(rule)
    return found


def short(nodeid: str) -> str:
    """The name of a test without the path of its file: "test_vm_power.py::test_x"."""
    path, _, name = nodeid.partition("::")
    return f"{path.rpartition('/')[2]}::{name}"


def message_of(report: pytest.TestReport) -> str:
    """Why a test failed or was skipped, in a line or a few."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    return report.longreprtext if crash is None else str(crash.message)
