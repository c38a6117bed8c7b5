"""Whole rehearsals, as commands: what two of them share, what one writes, how one ends that is bad, refused or interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.code.sources import ROOT

pytestmark = pytest.mark.disk_tools

SEED = "4"
FILES = ("journal", "report.json", "report.html")
BAD = """name = "bad"
summary = "Nobody can meet this."
hosts = 2
servers = 2
[[objectives]]
name = "time to ACTIVE, median"
figure = "time_to_active_p50_s"
at_most = 0.5
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One rehearsal that has ended, and the files that it was to write."""

    code: int
    errors: str
    folder: Path

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The events."""
        return [json.loads(line) for line in (self.folder / "journal").read_text(encoding="utf-8").splitlines()]

    @property
    def report(self) -> dict[str, Any]:
        """The report for machines."""
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        return found


def _command(folder: Path, *arguments: str) -> list[str]:
    journal, report, page = (str(folder / name) for name in FILES)
    command = [sys.executable, "-m", "scenarios.cli", "rehearse", *arguments]
    return [*command, "--journal", journal, "--json", report, "--html", page]


def _environment(**changes: str) -> Mapping[str, str]:
    return {**os.environ, "COLUMNS": "300", **changes}


def _rehearse(folder: Path, *arguments: str, **environment: str) -> Run:
    done = subprocess.run(
        _command(folder, *arguments), cwd=ROOT, env=_environment(**environment), capture_output=True, text=True, check=False, timeout=300
    )
    return Run(done.returncode, done.stderr, folder)


def _twin(folder: Path, hash_seed: str) -> Run:
    return _rehearse(folder, "--virtual", "--hosts", "8", "--servers", "40", "--seed", SEED, PYTHONHASHSEED=hash_seed)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Two runs with one seed, in processes that hash texts differently."""
    return _twin(tmp_path_factory.mktemp("one"), "1"), _twin(tmp_path_factory.mktemp("other"), "2")


def test_two_virtual_runs_with_one_seed_write_the_same_journal(twins: tuple[Run, Run]) -> None:
    one, other = twins
    assert (one.folder / "journal").read_bytes() == (other.folder / "journal").read_bytes()
    assert {**one.report, "wall_s": 0} == {**other.report, "wall_s": 0}


def test_a_journal_tells_of_every_phase_fault_host_and_server(twins: tuple[Run, Run]) -> None:
    events = twins[0].journal
    named = {event: [line for line in events if line["event"] == event] for event in {line["event"] for line in events}}
    assert [line["phase"] for line in named["phase begins"]] == ["register", "smoke", "storm", "check", "drain"]
    assert len(named["phase ends"]) == 5
    kinds = {"corrupt-image", "dead-host", "full-sr", "lost-replies", "slow-host"}
    assert {line["kind"] for line in named["fault begins"]} == {line["kind"] for line in named["fault ends"]} == kinds
    assert len(named["host registered"]) == len(named["smoke tested"]) == 8
    assert len({line["id"] for line in named["server"] if line["status"] == "ACTIVE"}) == 8 + 40
    assert [line["t"] for line in events] == sorted(line["t"] for line in events)


def test_a_report_says_what_was_asked_for_and_what_came_of_it(twins: tuple[Run, Run]) -> None:
    run, report = twins[0], twins[0].report
    assert (run.code, report["verdict"], report["seed"]) == (0, "pass", int(SEED))
    assert report["servers"] == {"requested": 41, "active": 40, "failed": 0, "lost": 0, "doomed": 1}
    assert {objective["name"]: objective["met"] for objective in report["objectives"]}.keys() >= {"smoke tests that pass"}
    assert {frozenset(objective) for objective in report["objectives"]} == {frozenset({"name", "target", "value", "met"})}
    assert all(objective["met"] for objective in report["objectives"])
    assert {"success_rate", "time_to_active_p50_s", "time_to_active_p95_s", "time_to_active_p99_s"} <= report["figures"].keys()


def test_a_page_opens_without_a_network(twins: tuple[Run, Run]) -> None:
    page = (twins[0].folder / "report.html").read_text(encoding="utf-8")
    loaded = re.sub(r"<!--.*?-->", "", re.sub(r'xmlns(:\w+)?="[^"]*"', "", page), flags=re.DOTALL)
    assert page.count("<svg") == 3
    assert re.findall(r"https?://|(?:src|href)=|@import|url\(", loaded) == []


def test_a_missed_objective_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(BAD, encoding="utf-8")

    run = _rehearse(tmp_path, str(tmp_path / "bad.toml"), "--virtual")

    (objective,) = run.report["objectives"]
    assert (run.code, run.report["verdict"]) == (1, "fail")
    assert (objective["name"], objective["target"], objective["met"]) == ("time to ACTIVE, median", 0.5, False)
    assert objective["value"] > 0.5


def test_a_bad_scenario_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(BAD.replace("hosts = 2", "hosts = 0"), encoding="utf-8")

    run = _rehearse(tmp_path, str(tmp_path / "bad.toml"), "--virtual")

    assert run.code == 2
    assert run.errors == f"Error: {tmp_path / 'bad.toml'}, line 3: hosts = 0 must be between 1 and 1e+06\n"
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


def test_an_interrupted_rehearsal_leaves_nothing_behind(tmp_path: Path) -> None:
    reports, temporary = tmp_path / "reports", tmp_path / "temporary"
    reports.mkdir()
    temporary.mkdir()
    command = _command(reports, "--hosts", "3", "--servers", "6")
    environment = _environment(TMPDIR=str(temporary))
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        seen = _read_until(running, "phase begins: smoke\n")
        in_use = [path.name for path in reports.iterdir()], len(list(temporary.iterdir()))
        children = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        rest = running.stderr.read()
    assert in_use == ([".journal.partial"], 1), seen
    assert (running.returncode, "Traceback" in rest) == (130, False), rest
    assert [child for child in children if child.is_running()] == []
    assert (list(reports.iterdir()), list(temporary.iterdir())) == ([], [])


def _read_until(running: subprocess.Popen[str], line: str) -> list[str]:
    assert running.stderr is not None
    seen: list[str] = []
    while not seen or seen[-1] != line:
        seen.append(running.stderr.readline())
        assert seen[-1], seen
    return seen
