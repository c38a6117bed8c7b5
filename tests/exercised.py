"""A pytest plugin that records which messages each test sent to a simulated XAPI: `pytest -p tests.exercised --exercised FILE`.

Knows the one door by which every call enters, whatever brought it. A call that did not come as far as the message itself does not count.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.members import Member
from fake_xapi.engine.xapi import Xapi

BEFORE_THE_MESSAGE = frozenset(
    {
        *("MESSAGE_METHOD_UNKNOWN", "MESSAGE_PARAMETER_COUNT_MISMATCH", "XMLRPC_UNMARSHAL_FAILURE", "INTERNAL_ERROR"),
        *("SESSION_INVALID", "HOST_IS_SLAVE", "RBAC_PERMISSION_DENIED", "HANDLE_INVALID"),
    }
)
"""Refusals that say nothing of the message: of its form, of who called, of objects that are not there."""
CALLS = "exercised_calls"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption("--exercised", default="", help="write {release: {test: [message, ...]}} of the tests that passed to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to record, where asked for."""
    if config.option.exercised:
        config.pluginmanager.register(Recorder(), "exercised-recorder")
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(Writer(Path(config.option.exercised)), "exercised-writer")


class Recorder:
    """Stands at the door of every XAPI of this process while a test runs."""

    def __init__(self) -> None:
        self._sent: dict[str, set[str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Record what one test sends, its fixtures left out."""
        self._sent = defaultdict(set)
        with pytest.MonkeyPatch.context() as patch:
            for door in (Xapi, Member):
                patch.setattr(door, "dispatch", self._listening(door.dispatch))
            yield
        item.user_properties.append((CALLS, {release: sorted(sent) for release, sent in self._sent.items()}))

    def _listening(self, dispatch: Any) -> Any:
        async def heard_at_the_end(xapi: Xapi, method: str, answer: Coroutine[Any, Any, Any]) -> Any:
            with self._hearing(xapi, method):
                return await answer

        def listening(xapi: Xapi, method: str, params: list[Any]) -> Any:
            with self._hearing(xapi, method) as later:
                answer = dispatch(xapi, method, params)
                if isinstance(answer, Coroutine):
                    later()
                    return heard_at_the_end(xapi, method, answer)
                return answer

        return listening

    @contextmanager
    def _hearing(self, xapi: Xapi, method: str) -> Iterator[Callable[[], None]]:
        """Hear of a call that ends well, or is refused for what it asks; who calls the function given hears later."""
        is_over = True

        def later() -> None:
            nonlocal is_over
            is_over = False

        try:
            yield later
        except Failure as failure:
            if failure.code in xapi.world.personality.errors and failure.code not in BEFORE_THE_MESSAGE:
                self._hear(xapi, method)
            raise
        if is_over:
            self._hear(xapi, method)

    def _hear(self, xapi: Xapi, method: str) -> None:
        known = xapi.world.personality.messages.get(method.removeprefix("Async."))
        if known is not None:
            self._sent[xapi.world.personality.name].add(known.wire_name)


class Writer:
    """Collects what the tests of all processes sent, and writes it at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sent: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test sent that passed."""
        sent: Any = dict(report.user_properties).get(CALLS, {})
        if report.when == "call" and report.passed:
            for release, names in sent.items():
                self._sent[release][report.nodeid.partition("[")[0]].update(names)

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        tables = {release: {test: sorted(names) for test, names in sorted(tests.items())} for release, tests in sorted(self._sent.items())}
        self._path.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
