"""Which messages each test sent: recorded on their way to the server, written as one file at the end of the run.

Knows requests as they go out and pytest's reports. May not know what was answered, except that the test passed.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pytest

from contract_tests.report import SERVER, short

CALLS: Final = "contract_calls"
_NAMES: Final = re.compile(rb'<methodName>\s*([^<\s]+)\s*</methodName>|"method":\s*"([^"]+)"')


class Ear:
    """Listens to the requests of one process, which belong to the test that is running."""

    def __init__(self) -> None:
        self._heard: set[str] = set()

    def hear(self, body: object) -> None:
        """Record a request; a body that is sent in pieces is not a call."""
        if not isinstance(body, bytes):
            return
        for xml, js in _NAMES.findall(body):
            self._heard.add((xml or js).decode("ascii", "replace").removeprefix("Async."))

    def taken(self) -> list[str]:
        """The messages recorded since the last time."""
        heard, self._heard = self._heard, set()
        return sorted(heard)


class ExercisedReport:
    """A pytest plugin that writes {server: {test: [message, ...]}} of the tests that passed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._server = ""
        self._calls: dict[str, set[str]] = defaultdict(set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test sent, except for its fixtures."""
        properties: dict[str, Any] = dict(report.user_properties)
        self._server = str(properties.get(SERVER, self._server))
        if report.when == "call" and report.passed:
            self._calls[short(report.nodeid).partition("[")[0]].update(properties.get(CALLS, ()))

    def pytest_sessionfinish(self) -> None:
        """Write the file, all or nothing."""
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        calls = {test: sorted(sent) for test, sent in sorted(self._calls.items())}
        beside.write_text(json.dumps({self._server: calls}, indent=1) + "\n", encoding="utf-8")
        beside.replace(self._path)
