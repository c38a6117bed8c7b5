"""The command ``core``: what it refuses before anything has begun, and what an operator asks of a running one."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from compute_core.cli import core
from scenarios.testrun import free_port
from tests.compute_core.api.tour import ROOT, serving

INVENTORY = json.dumps([{"name": "xs1", "uuid": "u", "url": "http://127.0.1.1:1", "user": "root"}])


def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(core, ["up", "--port", "0", *arguments])
    return done.exit_code, done.output.strip()


def test_what_cannot_be_is_refused_before_anything_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.json").write_text('[{"name": "x"}]')
    (tmp_path / "good.json").write_text(INVENTORY)
    (tmp_path / "empty").touch()
    (tmp_path / "mine.yaml").write_text("clouds: {}\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    for arguments, message in (
        ((), "Error: Which hosts? Cure: give either --inventory FILE or --url URL."),
        (("--inventory", "bad.json"), "Error: bad.json:1: the host has no url. Cure: add it to the entry."),
        (("--url", "xen1"), "Error: 'xen1' is no URL of a host. Cure: write http://ADDRESS or https://ADDRESS."),
        (("--inventory", "good.json", "--password-file", "empty"), "Error: empty:1: is empty. Cure: write the password on the first line."),
        (
            ("--inventory", "good.json", "--clouds-yaml", "mine.yaml"),
            "Error: mine.yaml:1: is not a file of ours, so it is not overwritten. Cure: name another by --clouds-yaml.",
        ),
    ):
        assert refuse(tmp_path, monkeypatch, *arguments) == (2, message)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--port", "99999", "99999 is not in the range 0<=x<=65535."),
        ("--broker", "u:secret@broker", "is no such URL. Cure: write amqp://USER:PASSWORD@ADDRESS[:PORT]/NAME."),
        ("--broker", "amqp://u:secret@broker:x", "is no such URL. Cure: write amqp://USER:PASSWORD@ADDRESS[:PORT]/NAME."),
        ("--database", "mysql://u:secret@base/x", "is no such URL. Cure: write postgresql://USER:PASSWORD@ADDRESS[:PORT]/NAME."),
        ("--api-database", "postgresql://[secret/x", "is no such URL. Cure: write postgresql://USER:PASSWORD@ADDRESS[:PORT]/NAME."),
    ],
)
def test_a_place_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str, message: str) -> None:
    code, output = refuse(tmp_path, monkeypatch, "--url", "http://127.0.1.1:1", option, value)
    assert (code, f"Invalid value for '{option}': {message}" in output, "secret" in output) == (2, True, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--broker", "amqp://u:secret@127.0.0.1:{port}/", "No broker at amqp://u@127.0.0.1:{port}/"),
        ("--database", "postgresql://u:secret@127.0.0.1:{port}/x", "No database at postgresql+asyncpg://u:***@127.0.0.1:{port}/x"),
    ],
)
def test_a_server_that_is_not_there_is_told_in_one_line_with_its_cure(tmp_path: Path, option: str, value: str, message: str) -> None:
    port = free_port()
    command = [sys.executable, "-m", "scenarios.cli", "core", "up", "--url", "http://127.0.1.1:1", "--port", "0"]
    done = subprocess.run(
        [*command, option, value.format(port=port)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith(f"Error: {message.format(port=port)}")
    assert done.stderr.endswith("Cure: start it, or name another by --database, --api-database or --broker.\n")


def test_a_state_folder_has_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = refuse(tmp_path, monkeypatch, "--url", "http://127.0.1.1:1", "--state", str(tmp_path))
    message = f"Error: {tmp_path}: another `core up` runs with this folder. Cure: end it, or name another by --state."
    assert (done, [path.name for path in tmp_path.iterdir()]) == ((2, message), ["lock"])


def test_a_state_folder_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = refuse(tmp_path, monkeypatch, "--url", "http://127.0.1.1:1", "--state", "/proc/none/state")
    assert done == (2, "Error: /proc/none/state: cannot be written (No such file or directory). Cure: name another folder by --state.")


@pytest.mark.parametrize("text", ["{", '[{"user": 1}]'])
def test_spoilt_accounts_are_refused_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "accounts.json").write_text(text)
    code, output = refuse(tmp_path, monkeypatch, "--url", "http://127.0.1.1:1", "--state", str(tmp_path))
    assert code == 2
    assert output.startswith(f"Error: {tmp_path}/accounts.json: is not what was written there (")
    assert output.endswith("Cure: remove it; new passwords are made then.")


@pytest.mark.parametrize(("option", "variable"), [("--broker", "BROKER"), ("--database", "DATABASE"), ("--api-database", "API_DATABASE")])
def test_a_place_may_come_in_a_variable_that_no_list_of_processes_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, variable: str
) -> None:
    monkeypatch.setenv(f"INOVA_{variable}", "nowhere")
    code, output = refuse(tmp_path, monkeypatch, "--url", "http://127.0.1.1:1")
    assert (code, f"Invalid value for '{option}'" in output) == (2, True)


def test_a_core_that_is_ended_before_its_hosts_answer_never_says_ready(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scenarios.cli", "core", "up", "--url", f"http://127.0.0.1:{free_port()}", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert "cannot be reached" in running.stderr.readline()
        running.terminate()
        assert running.stdout.read() == ""
    assert running.returncode == 0


def test_a_core_that_has_never_run_is_told_with_its_cure(tmp_path: Path) -> None:
    done = CliRunner().invoke(core, ["hosts", "--state", str(tmp_path)])
    assert done.exit_code == 2
    assert done.output == f"Error: No core has run with {tmp_path}. Cure: name its folder by --state, or start one with `core up`.\n"


def test_a_core_that_is_not_there_any_more_is_told_with_its_cure(tmp_path: Path) -> None:
    access = {"url": f"http://127.0.0.1:{free_port()}", "user": "admin", "project": "admin", "password": "x"}
    (tmp_path / "access.json").write_text(json.dumps(access))
    done = CliRunner().invoke(core, ["servers", "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert "does not answer" in done.output
    assert f"Cure: start it with `core up --state {tmp_path}`." in done.output


def ask(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "scenarios.cli", "core", *arguments]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True).stdout


def test_an_operator_asks_a_running_core(tmp_path: Path) -> None:
    simulate = f"sim serve --hosts 2 --port {free_port()} --profile instant --inventory hosts.json"
    with serving(simulate.split(), tmp_path):
        names = [host["name"] for host in json.loads((tmp_path / "hosts.json").read_text())]
        with serving(["core", "up", "--inventory", "hosts.json", "--port", "0"], tmp_path) as ready:
            assert ready.startswith("ready http://127.0.0.1:")
            services: list[dict[str, Any]] = json.loads(ask(tmp_path, "services", "--json"))
            assert [(row["host"], row["state"]) for row in services] == [(name, "up") for name in names]
            assert ask(tmp_path, "servers", "--json") == "[]\n"
            head, *rows = ask(tmp_path, "hosts").splitlines()
            assert head.split()[:3] == ["host", "name", "address"]
            assert [row.split()[0] for row in rows] == names
        # A second start finds what the first one has kept.
        accounts = (tmp_path / "inova-state" / "accounts.json").read_bytes()
        with serving(["core", "up", "--inventory", "hosts.json", "--port", "0"], tmp_path):
            assert (tmp_path / "inova-state" / "accounts.json").read_bytes() == accounts
            assert len(json.loads(ask(tmp_path, "hosts", "--json"))) == 2
    assert [path.name for path in tmp_path.rglob("*.part")] == []


def test_a_port_that_is_taken_is_told_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    (tmp_path / "good.json").write_text(INVENTORY)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "scenarios.cli", "core", "up", "--inventory", "good.json", "--port", str(port)]
        done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"The REST API cannot listen on 127.0.0.1:{port} (Address already in use). Cure: name another by --host, --port." in done.stderr
