"""The `inova` command as a whole, and the shell script that is it in a checkout."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scenarios import cli
from tests.code.sources import ROOT

FILES = ("inova", "pyproject.toml", "requirements.lock", "requirements-test.lock")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scenarios.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_help_is_a_table_of_contents() -> None:
    done = run("--help", COLUMNS="120")
    listed = [line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines() if line.startswith("  ") and line[2] != " "]
    assert (done.returncode, listed, done.stderr) == (0, ["rehearse", "sim", "core", "contract", "bench", "test"], "")


def test_help_costs_little_cpu() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.3


def test_help_imports_no_command() -> None:
    code = (
        "import sys, scenarios.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    modules = (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    )
    assert {"fake_xapi", "compute_core", "contract_tests", "flask", "sqlalchemy", "pytest", "rich"} & set(modules) == set()


@pytest.mark.parametrize("name", cli.CONTENTS)
def test_every_line_of_the_table_is_a_command_with_help(name: str) -> None:
    result = CliRunner().invoke(cli.main, [name, "--help"])
    assert result.exit_code == 0
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command is not None
    assert command.help


def test_an_unknown_command_is_refused_with_2() -> None:
    done = run("rehears")
    assert (done.returncode, "No such command 'rehears'" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("problem", "code", "output"),
    [(click.ClickException("no such file; make one"), 2, "Error: no such file; make one\n"), (KeyboardInterrupt(), 130, "")],
)
def test_what_a_command_refuses_ends_with_2_and_an_interrupt_with_130(problem: BaseException, code: int, output: str) -> None:
    @click.group(cls=cli.TableOfContents, invoke_without_command=True)
    def group() -> None:
        raise problem

    result = CliRunner().invoke(group, [])
    assert (result.exit_code, result.output) == (code, output)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what `./inova` reads, without an environment."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def stand_in_python(checkout: Path, body: str) -> dict[str, str]:
    """The environment variables that name a program of ours as the script's interpreter: it runs ``body``, then Python."""
    python = checkout / "python"
    python.write_text(f'#!/bin/sh\n{body}\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return {**os.environ, "INOVA_PYTHON": str(python)}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_set_up_leaves_nothing_half_made(checkout: Path, how: signal.Signals) -> None:
    body = 'case "$*" in "-m venv"*) mkdir -p "$3/bin"; echo halfway >&2; exec tail -f /dev/null;; esac'
    setting_up = subprocess.Popen(
        [checkout / "inova"],
        env=stand_in_python(checkout, body),
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert setting_up.stderr is not None
    with setting_up:
        assert any(line == "halfway\n" for line in setting_up.stderr)
        assert [path.name for path in (checkout / ".inova").iterdir()] == [f"env-{setting_up.pid}"]
        os.killpg(setting_up.pid, how)
        setting_up.communicate(timeout=60)
    assert setting_up.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[how]
    assert list((checkout / ".inova").iterdir()) == []


def test_an_old_python_is_refused_with_the_cure(checkout: Path) -> None:
    environment = stand_in_python(checkout, 'case "$*" in *version_info*) exit 1;; esac')
    done = subprocess.run([checkout / "inova"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "install Python 3.11 or newer" in done.stderr) == (2, True)
    assert not (checkout / ".inova").exists()


def test_a_missing_python_is_refused_with_the_cure(checkout: Path) -> None:
    environment = {**os.environ, "INOVA_PYTHON": "python-of-nowhere"}
    done = subprocess.run([checkout / "inova"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "there is no python-of-nowhere here" in done.stderr) == (2, True)


STAND_IN = """
echo "$*" >>"$(dirname "$INOVA_PYTHON")/calls"
case "$*" in
    "-m venv"*)
        mkdir -p "$3/bin"
        cp "$0" "$3/bin/python"
        printf '#!/bin/sh\\necho "here with $*"\\n' >"$3/bin/inova"
        chmod +x "$3/bin/inova"
        exit ;;
    "-m "*) exit ;;
esac
"""
"""An interpreter that makes an environment without asking a package index: what a start does can be read from its calls."""


def start(checkout: Path, environment: dict[str, str], *arguments: str) -> tuple[str, list[str]]:
    """Run the script; its output, and the calls of the interpreter that set up needed."""
    calls = checkout / "calls"
    calls.write_text("", encoding="utf-8")
    done = subprocess.run([checkout / "inova", *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout, calls.read_text(encoding="utf-8").splitlines()


def test_the_first_start_installs_what_the_lock_names_and_the_second_starts_at_once(checkout: Path) -> None:
    environment = stand_in_python(checkout, STAND_IN)
    output, calls = start(checkout, environment, "sim", "--help")
    assert output == "here with sim --help\n"
    assert [call for call in calls if "--require-hashes" in call] == [
        f"-m pip install -qq --disable-pip-version-check --require-hashes -r {checkout}/requirements.lock"
    ]
    assert start(checkout, environment, "sim", "--help") == ("here with sim --help\n", [])


def test_a_changed_lock_makes_a_new_environment_and_removes_the_old(checkout: Path) -> None:
    environment = stand_in_python(checkout, STAND_IN)
    start(checkout, environment)
    old = (checkout / ".inova" / "env").readlink()
    with (checkout / "requirements.lock").open("a", encoding="utf-8") as lock:
        lock.write("# changed\n")
    _, calls = start(checkout, environment)
    assert calls
    new = (checkout / ".inova" / "env").readlink()
    assert (new != old, {path.name for path in (checkout / ".inova").iterdir()}) == (True, {"env", str(new)})


def test_test_tools_are_installed_when_they_are_first_needed(checkout: Path) -> None:
    environment = stand_in_python(checkout, STAND_IN)
    start(checkout, environment)
    _, calls = start(checkout, environment, "test")
    assert calls == [f"-m pip install -qq --disable-pip-version-check --require-hashes -r {checkout}/requirements-test.lock"]
    assert start(checkout, environment, "test") == ("here with test\n", [])


def test_what_a_killed_set_up_left_is_removed_by_the_next(checkout: Path) -> None:
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    (checkout / ".inova" / f"env-{dead}" / "bin").mkdir(parents=True)
    start(checkout, stand_in_python(checkout, STAND_IN))
    assert not (checkout / ".inova" / f"env-{dead}").exists()
