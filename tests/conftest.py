"""What every test may use, and the rule about skipped tests.

A test that needs a program says so by a marker. Where the program is absent the test is skipped, and with CI=true in the
environment it fails: there, nothing may be skipped.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Generator, Iterator, Mapping

import pytest

from scenarios import prerequisites
from tests import services

IS_CI = os.environ.get("CI") == "true"
NEEDS: Mapping[str, tuple[str, ...]] = {
    "postgresql": ("postgres", "initdb"),
    "rabbitmq": ("rabbitmq-server", "epmd"),
    "browser": ("chromium",),
    "node": ("node", "npm"),
    "disk_tools": ("qemu-img", "mke2fs"),
    "ssh": ("sshd", "ssh", "rsync"),
    "open_vswitch": ("ovsdb-server", "ovs-vswitchd"),
    "firstgen": ("sshd", "ssh", "rsync", "sfdisk", "mke2fs", "qemu-img"),
}
BEGIN_FIRST = frozenset({"test_shown_commands.py", "test_chaos.py", "test_distributed.py"})
"""Files with a test that waits for minutes while the other processes work."""

FIXTURE_NEEDS: Mapping[str, str] = {"postgresql_url": "postgresql", "amqp_url": "rabbitmq"}


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of a PostgreSQL server of this test session, for SQLAlchemy's asyncpg dialect."""
    with services.postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def amqp_url() -> Iterator[str]:
    """The URL of a RabbitMQ server of this test session."""
    with services.rabbitmq() as url:
        yield url


@pytest.fixture(scope="module", autouse=True)
def _leaks_belong_to_their_module() -> Iterator[None]:
    """Collect what a module's tests left behind while it is still clear whose it is: a socket or a task left open is an error."""
    yield
    gc.collect()


def pytest_configure() -> None:
    """Let whoever ends the tests by SIGTERM end their servers too, and hear Ctrl-C even where the shell has made us deaf to it.

    A program that a test starts is then not deaf either: a handled signal is at its default again in a child, an ignored one is not.
    """
    if threading.current_thread() is threading.main_thread():
        for how in (signal.SIGINT, signal.SIGTERM):
            signal.signal(how, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whoever asks for a server's fixture as needing the server; let the files that wait most begin first."""
    items.sort(key=lambda item: item.path.name not in BEGIN_FIRST)
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in FIXTURE_NEEDS:
                item.add_marker(FIXTURE_NEEDS[fixture])


def pytest_collection_finish() -> None:
    """Keep what has been imported and collected out of every later collection of garbage, of which tests make thousands."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are not installed, before its fixtures are made."""
    needed = {name for marker, names in NEEDS.items() if item.get_closest_marker(marker) for name in names}
    absent = prerequisites.missing(sorted(needed))
    if absent:
        pytest.skip(f"{', '.join(program.name for program in absent)} missing; {prerequisites.cure(absent)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one."""
    report = yield
    if IS_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped in CI: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI a module that skips itself has failed."""
    report = yield
    if IS_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped in CI: {report.longrepr}"
    return report
