"""``inova sim serve`` under control: its options, its logs, and that no secret is ever in them."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import XenAPI
from click.testing import CliRunner

from fake_xapi.cli import sim
from fake_xapi.control.client import Control
from fake_xapi.control.logs import JsonLines, TextLines
from scenarios.testrun import free_port
from tests.code.sources import ROOT

SECRET = "hunter2-and-more"


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """A simulation in a process of its own: the lines that it printed, by their first word, and the process."""
    command = [sys.executable, "-m", "scenarios.cli", "sim", "serve", "--port", "0", "--profile", "instant", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            said: dict[str, str] = {}
            for line in process.stdout:
                word, _, rest = line.partition(":")
                said[word] = rest.strip()
                if word == "ready":
                    break
            yield said, process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log").read_text(encoding="utf-8").splitlines()]


def use(url: str) -> str:
    """A client that logs in, rightly and wrongly, and asks something; the ref of its session."""
    session = XenAPI.Session(url)
    with pytest.raises(XenAPI.Failure, match="SESSION_AUTHENTICATION_FAILED"):
        session.login_with_password("root", f"{SECRET}-wrong")
    session.login_with_password("root", SECRET)
    ref = str(session._session)
    session.xenapi.network.get_all()
    session.xenapi.session.logout()
    session("close")()
    return ref


def first_host(said: dict[str, str]) -> str:
    return said["ready"].split(", ")[1].split(" to ")[0]


def test_a_served_simulation_is_controlled_and_its_calls_are_logged_without_secrets(tmp_path: Path) -> None:
    options = ("--control-port", "0", "--journal", "50", "--log-format", "json", "--log-level", "debug", "--password", SECRET)
    with serving(tmp_path, "--hosts", "2", *options) as (said, process):
        control = Control(said["control"])
        assert control.hosts()["total"] == 2
        assert control.clock()["is_paced"]
        assert control.world("xs00001")["journal"]["most"] == 50
        session = use(first_host(said))
    assert process.returncode == 0
    calls = [line for line in lines(tmp_path) if line["logger"] == "fake_xapi.calls"]
    assert [(line["message"], line["outcome"]) for line in calls] == [
        ("session.login_with_password", "SESSION_AUTHENTICATION_FAILED"),
        ("session.login_with_password", "success"),
        ("network.get_all", "success"),
        ("session.logout", "success"),
    ]
    assert {(line["host"], line["level"], line["event"]) for line in calls} == {("xs00001", "debug", "call")}
    assert all(line["duration_s"] >= 0 for line in calls)
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert SECRET not in text
    assert session not in text


def test_a_simulation_whose_time_stands_still_ends_when_asked(tmp_path: Path) -> None:
    with serving(tmp_path, "--control-port", "0", "--profile", "realistic") as (said, process):
        assert Control(said["control"]).set_pace(paused=True)["is_paused"]
        session = XenAPI.Session(first_host(said))
        session.login_with_password("root", "xenroot")
        [sr] = session.xenapi.SR.get_by_name_label("Local storage")
        disk = {"SR": sr, "virtual_size": "1024", "type": "user", "sharable": False, "read_only": False, "other_config": {}}
        assert session.xenapi.task.get_status(session.xenapi.Async.VDI.create(disk)) == "pending"
        session("close")()
    assert process.returncode == 0


def test_calls_are_logged_as_text_without_a_control_plane(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-level", "debug", "--password", SECRET) as (said, _):
        assert "control" not in said
        use(first_host(said))
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert " DEBUG fake_xapi.calls call host=xs00001 message=network.get_all outcome=success duration_s=" in text
    assert SECRET not in text


def test_nothing_is_logged_of_calls_unless_it_is_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path, "--password", SECRET) as (said, _):
        use(first_host(said))
    assert (tmp_path / "log").read_text(encoding="utf-8") == ""


def test_a_control_port_that_is_taken_is_told_with_the_cure(tmp_path: Path) -> None:
    with serving(tmp_path, "--control-port", "0") as (said, _):
        port = said["control"].rpartition(":")[2]
        result = subprocess.run(
            [sys.executable, "-m", "scenarios.cli", "sim", "serve", "--port", str(free_port()), "--control-port", port],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert result.returncode != 0
    assert f"the control port {port} cannot be served" in result.stderr
    assert "take another --control-port, or 0 for one that is free" in result.stderr


def test_a_journal_without_a_control_plane_is_refused() -> None:
    result = CliRunner().invoke(sim, ["serve", "--journal", "5"])
    assert (result.exit_code, "--journal is for the control plane: add --control-port" in result.output) == (1, True)


def record(**fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("fake_xapi.x", logging.ERROR, "x.py", 1, "it failed: %s", ('"why"\n',), None)
    made.created = 1343779200.25
    vars(made).update(fields)
    return made


def test_a_line_of_json_is_one_line_whatever_is_in_it() -> None:
    text = JsonLines().format(record(host="xs\n1"))
    assert "\n" not in text
    assert json.loads(text) == {
        "time": "2012-08-01T00:00:00.250Z",
        "level": "error",
        "logger": "fake_xapi.x",
        "event": 'it failed: "why"\n',
        "host": "xs\n1",
    }


@pytest.mark.parametrize("lines_of", [JsonLines, TextLines])
def test_a_traceback_is_told(lines_of: type[logging.Formatter]) -> None:
    with pytest.raises(KeyError) as caught:
        dict[str, str]()["gone"]
    text = lines_of().format(record(exc_info=(KeyError, caught.value, caught.tb)))
    assert "KeyError: 'gone'" in text
    assert "Traceback" in text
