"""`inova test`: what counts as passed, failed and skipped, and that nothing may be skipped in CI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from scenarios import prerequisites, testrun
from tests.code.sources import ROOT

ONE_OF_EACH = """
import pytest

def test_good(): pass
def test_bad(): assert 1 == 2
def test_absent(): pytest.skip("no such thing here")
@pytest.mark.xfail(reason="a known gap")
def test_gap(): assert 1 == 2
@pytest.fixture
def broken(): raise OSError("no")
def test_without_its_fixture(broken): pass
@pytest.mark.postgresql
def test_that_needs_a_server(): pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A test file outside the project with one test of each outcome."""
    (tmp_path / "test_outcomes.py").write_text(ONE_OF_EACH, encoding="utf-8")
    return tmp_path


def outcomes(suite: Path, **environment: str) -> testrun.Counts:
    """Passed, failed and skipped of the suite under the project's own conftest."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    command += [f"--junitxml={suite}/junit.xml", str(suite)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "CI": "", **environment}, check=False, capture_output=True)
    return testrun.junit_counts(suite / "junit.xml")


@pytest.mark.postgresql
def test_outcomes_are_counted_as_pytest_reports_them(suite: Path) -> None:
    assert outcomes(suite) == (2, 2, 1)


@pytest.mark.postgresql
def test_in_ci_a_skipped_test_is_a_failed_one_and_a_known_gap_is_not(suite: Path) -> None:
    assert outcomes(suite, CI="true") == (2, 3, 0)


def test_a_test_without_its_program_is_skipped_and_fails_in_ci(suite: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing_installed.py").write_text(
        "from scenarios import prerequisites\nprerequisites.find = lambda name: None\n", encoding="utf-8"
    )
    plugins = ["-p", "nothing_installed", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugins, "-c", str(ROOT / "pyproject.toml"), "-q"]
    lines = []
    for ci in ("", "true"):
        selected = [*command, "-k", "needs_a_server", str(tmp_path)]
        done = subprocess.run(
            selected, cwd=ROOT, env={**os.environ, "CI": ci, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
        )
        lines.append(
            (done.returncode, "postgres missing; on Debian and Ubuntu: apt-get install postgresql" in done.stdout.replace("initdb, ", ""))
        )
    assert lines == [(0, True), (1, True)]


def test_a_run_that_died_counts_as_a_failure(tmp_path: Path) -> None:
    assert testrun.junit_counts(tmp_path / "never-written.xml") == (0, 1, 0)


def test_a_tool_that_complains_is_one_failed_test(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("import os\n", encoding="utf-8")
    good, bad = (testrun.tool("ruff", "check", "--quiet", str(path)) for path in (ROOT / "scenarios" / "__init__.py", tmp_path))
    assert (good(tmp_path), bad(tmp_path)) == ((1, 0, 0), (0, 1, 0))


@pytest.mark.parametrize(
    ("counts", "arguments", "code"), [((3, 0, 1), [], 0), ((3, 0, 1), ["--ci"], 1), ((3, 0, 0), ["--ci"], 0), ((3, 1, 0), [], 1)]
)
def test_the_last_line_and_the_exit_code_tell_the_result(
    counts: testrun.Counts, arguments: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        testrun, "checks", lambda options: [testrun.Check("one", lambda folder: counts), testrun.Check("two", lambda folder: (1, 0, 0))]
    )
    monkeypatch.delenv("CI", raising=False)
    report = tmp_path / "report.json"
    result = CliRunner().invoke(testrun.test, [*arguments, "--json", str(report)])
    passed, failed, skipped = counts
    assert (result.exit_code, result.stdout) == (code, f"{passed + 1} passed, {failed} failed, {skipped} skipped\n")
    assert [row["name"] for row in json.loads(report.read_text(encoding="utf-8"))] == ["one", "two"]


def test_every_check_of_the_project_is_run() -> None:
    names = [check.name for check in testrun.checks(testrun.Options(is_long=False, is_ci=True, workers=1))]
    releases = [f"contract: {release}" for release in ("latest", "clearwater", "tampa", "boston")]
    assert names == ["format", "lint", "layers", "types", "tests", *releases, "contract: pool of two", "contract: run nowhere"]


def test_a_contract_test_that_no_pool_could_run_is_a_skipped_one(capsys: pytest.CaptureFixture[str]) -> None:
    seen = {"test_a": {"passed"}, "test_b": {"skipped"}, "test_c": {"skipped", "passed"}, "test_d": {"skipped", "failed"}}
    assert testrun.run_nowhere(seen) == ["test_b"]
    assert capsys.readouterr().out == "no pool could run test_b\n"


def test_the_gate_runs_all_of_it_in_ci_mode() -> None:
    gate = ROOT / ".ci" / "run"
    assert os.access(gate, os.X_OK)
    assert '/../inova" test --ci' in gate.read_text(encoding="utf-8")


def test_where_nothing_can_be_installed_the_missing_programs_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prerequisites, "find", lambda name: None if name == "qemu-img" else Path("/bin") / name)
    monkeypatch.setattr(prerequisites, "can_install", lambda: False)
    testrun.prepare(Console(width=200))
    text = capsys.readouterr().out
    assert text == "not installed, so what uses it is skipped: qemu-img; on Debian and Ubuntu: apt-get install qemu-utils\n"
