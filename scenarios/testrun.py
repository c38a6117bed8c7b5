"""`inova test`: every check of the project, with all set-up.

A check is a command whose exit code is its verdict; the two that count tests leave their counts in a file. Runs in a checkout of
the repository only, since the tests are not part of what is installed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from scenarios import prerequisites

ROOT = Path(__file__).resolve().parent.parent
CODE = ("fake_xapi", "compute_core", "contract_tests", "scenarios", "tests")
PASSWORD = "xenroot"
FURNISHED = {"gpus": 1, "usb_devices": 1, "dvd_drives": 1}
"""The hardware of hosts that have one of everything."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check came to. ``seconds`` is wall time."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float


Counts = tuple[int, int, int]
"""Passed, failed and skipped."""


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the summary: ``run`` does the work and counts; it may write only under the folder that it is given."""

    name: str
    run: Callable[[Path], Counts]


@dataclass(frozen=True, slots=True)
class Pool:
    """A simulated pool that the contract suite is run against. ``hardware`` is what `inova sim serve --hardware` reads."""

    personality: str
    hosts: int = 1
    hardware: Mapping[str, object] = field(default_factory=dict)


Seen = dict[str, set[str]]
"""How each test of the contract suite ended, on all pools together."""


@dataclass(frozen=True, slots=True)
class Options:
    """How thorough a run is: ``is_long`` takes in what lasts minutes, ``is_ci`` lets nothing be skipped."""

    is_long: bool
    is_ci: bool
    workers: int


@click.command()
@click.option("--all", "is_long", is_flag=True, help="Also the tests that take minutes each.")
@click.option("--ci", "is_ci", is_flag=True, envvar="CI", help="A skipped test is a failed one (also by CI=true in the environment).")
@click.option("--workers", type=click.IntRange(1), default=min(os.cpu_count() or 1, 8), show_default=True, help="Test processes at once.")
@click.option("--json", "report", type=click.Path(dir_okay=False, path_type=Path), help="Write the outcomes to this file too.")
def test(*, is_long: bool, is_ci: bool, workers: int, report: Path | None) -> None:
    """Run every check and test of the project: format, lint, types, layers, tests, and the contract suite.

    As root on Debian it installs what is missing (PostgreSQL, RabbitMQ, qemu-utils, e2fsprogs); otherwise it names what is missing
    and skips what cannot run without it.
    """
    if not (ROOT / "tests" / "conftest.py").exists():
        raise click.ClickException("the tests are not installed with the package; run ./inova test in a clone of the repository")
    console = Console(stderr=True)
    prepare(console)
    options = Options(is_long, is_ci, workers)
    outcomes = [conduct(check, console) for check in checks(options)]
    show(outcomes, console)
    if report is not None:
        report.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n", encoding="utf-8")
    passed, failed, skipped = (sum(getattr(outcome, count) for outcome in outcomes) for count in ("passed", "failed", "skipped"))
    click.echo(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or (is_ci and skipped) else 0)


def prepare(console: Console) -> None:
    """Install the programs that the tests use, or name those that are missing."""
    absent = prerequisites.missing()
    if not absent:
        return
    names = ", ".join(program.name for program in absent)
    if prerequisites.can_install():
        console.print(f"installing with apt-get what the tests use: {names}")
        prerequisites.install(absent)
    else:
        console.print(f"not installed, so what uses it is skipped: {names}; {prerequisites.cure(absent)}")


def checks(options: Options) -> list[Check]:
    """The checks in order, the quick ones first."""
    return [
        Check("format", tool("ruff", "format", "--check", *CODE)),
        Check("lint", tool("ruff", "check", *CODE)),
        Check("layers", tool("lint-imports")),
        Check("types", tool("mypy")),
        Check("tests", lambda folder: run_pytest(options, folder)),
        *contract_checks(),
    ]


def contract_checks() -> list[Check]:
    """The contract suite on four releases and on a furnished pool, then the tests that none of these pools could run."""
    seen: Seen = {}
    pools = [(name, Pool(name)) for name in ("latest", "clearwater", "tampa", "boston")]
    pools.append(("pool of two", Pool("latest", hosts=2, hardware=FURNISHED)))
    runs = [Check(f"contract: {name}", partial(run_contract, pool, seen)) for name, pool in pools]
    return [*runs, Check("contract: run nowhere", lambda _: (0, 0, len(run_nowhere(seen))))]


def conduct(check: Check, console: Console) -> Outcome:
    """Run one check in a folder of its own, below a headline."""
    console.rule(check.name, align="left")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="inova-test-") as folder:
        counts = check.run(Path(folder))
    return Outcome(check.name, *counts, seconds=round(time.monotonic() - start, 1))


def show(outcomes: list[Outcome], console: Console) -> None:
    """Print the summary."""
    table = Table("check", "passed", "failed", "skipped", "seconds")
    for outcome in outcomes:
        style = "red" if outcome.failed else ""
        row = (outcome.passed, outcome.failed, outcome.skipped, outcome.seconds)
        table.add_row(outcome.name, *(str(value) for value in row), style=style)
    console.print(table)


def tool(name: str, *arguments: str) -> Callable[[Path], Counts]:
    """A check that is one tool of the environment we run in: it counts as one test."""

    def run(folder: Path) -> Counts:
        del folder
        done = subprocess.run([Path(sys.executable).parent / name, *arguments], cwd=ROOT, check=False)
        return (1, 0, 0) if done.returncode == 0 else (0, 1, 0)

    return run


def run_pytest(options: Options, folder: Path) -> Counts:
    """All tests of the project; counts from pytest's own report. A run that ends badly without a failed test counts one failure."""
    junit = folder / "junit.xml"
    arguments = [f"--junitxml={junit}", "-q", "-n", str(options.workers), "--dist", "loadfile", "--no-loadscope-reorder"]
    arguments += ["-m", ""] if options.is_long else []
    environment = {**os.environ, "CI": "true" if options.is_ci else ""}
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment, check=False)
    passed, failed, skipped = junit_counts(junit)
    return passed, failed or int(done.returncode != 0), skipped


def junit_counts(junit: Path) -> Counts:
    """What a JUnit report of pytest counts, known gaps (strict xfails) left out; one failure when pytest did not live to write it."""
    if not junit.exists():
        return 0, 1, 0
    root = ET.parse(junit).getroot()  # noqa: S314  # pytest wrote it a moment ago
    suites = list(root.iter("testsuite"))
    tests, failures, errors, skipped = (sum(int(s.get(name, "0")) for s in suites) for name in ("tests", "failures", "errors", "skipped"))
    gaps = sum(mark.get("type") == "pytest.xfail" for mark in root.iter("skipped"))
    return tests - failures - errors - skipped, failures + errors, skipped - gaps


def run_contract(pool: Pool, seen: Seen, folder: Path) -> Counts:
    """The contract suite against a simulated pool, over HTTP. A test that does not apply to the pool is noted as not run, no more."""
    report = folder / "contract.json"
    with simulated(pool, folder) as url:
        command = [sys.executable, "-m", "scenarios.cli", "contract", "--url", url, "--user", "root", "--password", PASSWORD]
        done = subprocess.run([*command, "--json", str(report)], cwd=ROOT, check=False)
    if not report.exists():
        return 0, 1, 0
    result = json.loads(report.read_text(encoding="utf-8"))
    for row in result["tests"]:
        seen.setdefault(row["test"], set()).add(row["outcome"])
    return result["passed"], result["failed"] or int(done.returncode != 0), 0


def run_nowhere(seen: Seen) -> list[str]:
    """The tests that were skipped on every pool, each named on a line."""
    names = sorted(name for name, outcomes in seen.items() if outcomes == {"skipped"})
    for name in names:
        click.echo(f"no pool could run {name}")
    return names


def free_port() -> int:
    """A TCP port that nobody listens at on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def simulated(pool: Pool, folder: Path) -> Iterator[str]:
    """A pool of `inova sim serve` at a free port; yields its master's URL. RuntimeError when it ends before it is ready."""
    inventory, hardware = folder / "inventory.json", folder / "hardware.json"
    hardware.write_text(json.dumps(pool.hardware), encoding="utf-8")
    count = str(pool.hosts)
    command = [sys.executable, "-m", "scenarios.cli", "sim", "serve", "--hosts", count, "--pool-size", count, "--port", str(free_port())]
    command += ["--personality", pool.personality, "--hardware", str(hardware), "--profile", "instant"]
    command += ["--password", PASSWORD, "--inventory", str(inventory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            if not any(line.startswith("ready") for line in simulator.stdout or ()):
                raise RuntimeError(f"the simulator ended with code {simulator.wait()} before it was ready")
            yield json.loads(inventory.read_text(encoding="utf-8"))[0]["url"]
        finally:
            simulator.terminate()
