"""The command ``core``: what it refuses before anything has begun, and what an operator asks of a running one."""

from __future__ import annotations

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
