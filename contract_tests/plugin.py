"""The pytest plugin of the contract suite: options, markers, scrubbed failures, the report.

Loaded by name (`-p contract_tests.plugin`) or by its entry point. Changes nothing for tests that are not of this suite.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from contract_tests.cases import Replayer
from contract_tests.exercised import CALLS, Ear, ExercisedReport
from contract_tests.html_report import HtmlReport
from contract_tests.replaying import REPLAYER, CaseItem, CasesFile, replayer
from contract_tests.report import FACT, RULES, JsonReport
from contract_tests.target import Target
from contract_tests.turns import turn

SUITE = Path(__file__).parent / "suite"
MARKERS = (
    "requires(*capabilities): the test needs a message, field or feature that not every release has; it is skipped elsewhere",
    "rule(*rules): the rules of contract_tests.rules that the test holds the server to",
    "alone: nothing else of the run may happen while the test runs, since it changes the pool or its host",
    "last: the test runs after all others",
)
HIDDEN = "********"
__all__ = ["replayer"]  # a fixture is a plugin's by standing in it
EAR = pytest.StashKey[Ear]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that name the server."""
    group = parser.getgroup("xapi", "the XenAPI server that the contract suite dials")
    group.addoption("--xapi-url", default=os.environ.get("XAPI_URL", ""), help="http://HOST[:PORT] of a pool master; also XAPI_URL")
    group.addoption("--xapi-user", default=os.environ.get("XAPI_USER", "root"), help="account; also XAPI_USER; default root")
    group.addoption("--xapi-password", default=os.environ.get("XAPI_PASSWORD", ""), help="password; also XAPI_PASSWORD")
    group.addoption("--xapi-template", default="", help="name of a template that boots a guest with PV drivers; default: a blank PV guest")
    group.addoption("--xapi-insecure", action="store_true", default=False, help="accept any certificate of an https URL")
    group.addoption("--xapi-json", default="", help="write the report to this file")
    group.addoption("--xapi-html", default="", help="write the report to this file as a page")
    group.addoption("--xapi-cases", default="", help="a file of cases, made of a recording, to hold the server to")
    group.addoption("--xapi-mutating", action="store_true", default=False, help="run the cases that may change something as well")
    group.addoption("--xapi-exercised", default="", help="write which messages each test sent to this file")


def target_of(config: pytest.Config) -> Target:
    """The server that the options name."""
    option = config.option
    url = option.xapi_url.rstrip("/")
    return Target(url, option.xapi_user, option.xapi_password, option.xapi_template, option.xapi_insecure, config.stash[EAR].hear)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and, where asked for, the reports."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[EAR] = Ear()
    config.stash[REPLAYER] = Replayer(target_of(config), config.option.xapi_mutating)
    if hasattr(config, "workerinput"):
        return
    if config.option.xapi_json:
        config.pluginmanager.register(JsonReport(Path(config.option.xapi_json), config.option.xapi_url), "contract-json-report")
    if config.option.xapi_html:
        config.pluginmanager.register(HtmlReport(Path(config.option.xapi_html), config.option.xapi_url), "contract-html-report")
    if config.option.xapi_exercised:
        config.pluginmanager.register(ExercisedReport(Path(config.option.xapi_exercised)), "contract-exercised-report")


def is_ours(item: pytest.Item) -> bool:
    """Whether a test belongs to the contract suite."""
    return isinstance(item, CaseItem) or SUITE in item.path.parents


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CasesFile | None:
    """Collect the file of cases that was named, if any."""
    named: str = parent.config.option.xapi_cases
    return CasesFile.from_parent(parent, path=file_path, nodeid=file_path.name) if named and file_path == Path(named).absolute() else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report how long cases took compared with the recording."""
    for line in config.stash[REPLAYER].summary():
        terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Log out the session that ran cases."""
    session.config.stash[REPLAYER].close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pass the fact that each test states to the report, and move the tests that must come last to the end."""
    for item in filter(is_ours, items):
        item.user_properties.append((FACT, fact_of(item)))
        item.user_properties.append((RULES, [rule for marker in item.iter_markers("rule") for rule in marker.args]))
    items.sort(key=lambda item: is_ours(item) and item.get_closest_marker("last") is not None)


def fact_of(item: pytest.Item) -> str:
    """The fact to which a test holds the server: its docstring, or else its name as a sentence."""
    if isinstance(item, CaseItem):
        return item.fact
    said = getattr(getattr(item, "function", None), "__doc__", None) or item.name.removeprefix("test_").replace("_", " ")
    return " ".join(said.split())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep tests of other processes away from a test that must be alone."""
    if not is_ours(item):
        return (yield)
    with turn(item.config.option.xapi_url, is_shared=item.get_closest_marker("alone") is None):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Tell the report what the test sent, except for its fixtures."""
    ear = item.config.stash[EAR]
    ear.taken()
    yield
    if is_ours(item):
        item.user_properties.append((CALLS, ear.taken()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the password out of what a failed test of ours shows."""
    report = yield
    password = item.config.option.xapi_password
    if is_ours(item) and password and report.failed and password in report.longreprtext:
        report.longrepr = report.longreprtext.replace(password, HIDDEN)
    return report
