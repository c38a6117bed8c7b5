"""``inova sim record`` and what is made of recordings, as processes: what they refuse, and that an interrupt leaves whole files."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import XenAPI

from fake_xapi.datamodel.personality import personality
from fake_xapi.replay.recording import read_calls
from fake_xapi.testing import FleetMaker, SimulatedXapi

SIM = [sys.executable, "-c", "from fake_xapi.cli import sim; sim()"]


def done(*arguments: str) -> str:
    """What a command prints that comes to a good end."""
    ended = subprocess.run([*SIM, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def refused(*arguments: str) -> str:
    """What a command says that does not begin."""
    ended = subprocess.run([*SIM, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode in (1, 2), ended.stdout
    return ended.stderr


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that serves, with its line that begins with ready."""
    with subprocess.Popen([*SIM, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, next(line for line in process.stdout if line.startswith("ready"))
        finally:
            process.send_signal(signal.SIGTERM)


def names(url: str) -> set[str]:
    """What VMs are called there."""
    session = XenAPI.Session(url)
    with closing(session("transport")):
        session.login_with_password("root", "xenroot")
        found = {record["name_label"] for record in session.xenapi.VM.get_all_records().values()}
        session.logout()
    return found


def crawled(xapi: SimulatedXapi, path: Path) -> Path:
    done("record", "--upstream", xapi.url, "--output", str(path), "--crawl", "--password", "xenroot")
    return path


def test_a_crawl_writes_every_class_and_says_how_much_it_was(xapi: SimulatedXapi, tmp_path: Path) -> None:
    said = done("record", "--upstream", xapi.url, "--output", str(tmp_path / "r"), "--crawl", "--password", "xenroot")
    assert said.startswith("read ")
    methods = [call.method for call in read_calls(tmp_path / "r")]
    assert methods[:2] == ["system.listMethods", "session.login_with_password"]
    assert methods[-1] == "session.logout"
    assert {"VM.get_all_records", "SM.get_all_records", "role.get_all_records", "event.from", "host.get_data_sources"} <= set(methods)
    assert "xenroot" not in (tmp_path / "r").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_proxy_leaves_a_whole_recording_that_goes_on_later(number: int, xapi: SimulatedXapi, tmp_path: Path) -> None:
    options = ("record", "--upstream", xapi.url, "--output", str(tmp_path / "r"), "--port", "0")
    with running(*options) as (process, ready):
        assert "Debian" in " ".join(names(ready.split()[1]))
        process.send_signal(number)
        assert process.wait(30) == 0
    before = len(list(read_calls(tmp_path / "r")))
    assert before == 3
    with running(*options, "--resume") as (_, ready):
        names(ready.split()[1])
    assert len(list(read_calls(tmp_path / "r"))) == 2 * before


Arguments = Callable[[str, Path], list[str]]
REFUSALS: list[tuple[Arguments, str]] = [
    (lambda url, path: ["--upstream", "nowhere", "--output", str(path)], "is no URL of a host; write http://HOST[:PORT]"),
    (lambda url, path: ["--upstream", url, "--output", str(path / "x" / "r")], "make it, or name another file"),
    (lambda url, path: ["--upstream", url, "--output", str(path), "--crawl"], "give --password, or XAPI_PASSWORD"),
    (lambda url, path: ["--upstream", url, "--output", str(path), "--crawl", "--password", "x"], "check --user and --password"),
    (lambda url, path: ["--upstream", url, "--output", __file__], "is there already; go on with it by --resume, or name another file"),
    (lambda url, path: ["--upstream", url, "--output", __file__, "--resume"], "is no recording of the format"),
    (lambda url, path: ["--upstream", url, "--output", str(path), "--port", url.rpartition(":")[2]], "take another --port, or 0"),
    (lambda url, path: ["--upstream", f"https{url[4:]}", "--output", str(path), "--crawl", "--password", "x"], "Is the host up"),
    (lambda url, path: ["--upstream", "http://127.0.0.1:1", "--output", str(path), "--crawl", "--password", "x"], "cannot be reached"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), REFUSALS, ids=[said for _, said in REFUSALS])
def test_what_cannot_be_recorded_is_refused_with_the_cure(arguments: Arguments, said: str, xapi: SimulatedXapi, tmp_path: Path) -> None:
    assert said in " ".join(refused("record", *arguments(xapi.url, tmp_path / "r")).split())
    assert list(tmp_path.iterdir()) == []


def test_a_member_of_a_pool_names_its_master(xapi_fleet: FleetMaker, tmp_path: Path) -> None:
    master, member = xapi_fleet(hosts=2)
    session = XenAPI.Session(member.url)
    with closing(session("transport")):
        session.login_with_password("root", "xenroot")
        session.xenapi.pool.join(master.url.removeprefix("http://"), "root", "xenroot")
    said = refused("record", "--upstream", member.url, "--output", str(tmp_path / "r"), "--crawl", "--password", "xenroot")
    assert f"record its master instead, with --upstream {master.url.rpartition(':')[0]}" in " ".join(said.split())


def test_a_recording_becomes_a_state_file_that_is_served(xapi: SimulatedXapi, tmp_path: Path) -> None:
    recording = crawled(xapi, tmp_path / "r")
    said = done("inventory", str(recording), "-o", str(tmp_path / "state"))
    assert said.splitlines()[0].endswith(f"of the release {personality().name}")
    with running("serve", "--state", str(tmp_path / "state"), "--port", "0", "--profile", "instant") as (process, ready):
        assert names(ready.split()[5].rstrip(",")) == names(xapi.url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_recording_is_served_at_once_and_kept_at_the_end(xapi: SimulatedXapi, tmp_path: Path) -> None:
    recording = crawled(xapi, tmp_path / "r")
    options = ("--port", "0", "--profile", "instant", "--password", "another", "--state", str(tmp_path / "state"))
    with running("replay", str(recording), *options) as (process, ready):
        assert ready.startswith(f"ready: 1 hosts of {personality().name}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert (tmp_path / "state").stat().st_size > 0


@pytest.mark.parametrize("command", [("inventory", "-o", "state"), ("replay", "--port", "0")])
def test_what_is_no_recording_of_a_host_is_refused_with_the_cure(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"format": "inova recording 1"}\n')
    (tmp_path / "none").write_text("nothing")
    name, *options = [str(tmp_path / part) if part == "state" else part for part in command]
    assert "record with --crawl" in refused(name, str(tmp_path / "r"), *options)
    assert "make one with inova sim record" in refused(name, str(tmp_path / "none"), *options)
