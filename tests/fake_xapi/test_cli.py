"""``inova sim serve`` as a process: ready when it says so, gone when it is told, and nothing half done."""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import XenAPI

SERVE = [sys.executable, "-c", "from fake_xapi.cli import sim; sim()", "serve", "--profile", "instant"]


@contextmanager
def serving(*options: str) -> Iterator[list[str]]:
    """A simulator until the block ends, told by SIGTERM; gives the lines that it printed up to the one that begins with ready."""
    with subprocess.Popen([*SERVE, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("ready"):
                break
        try:
            yield lines
        finally:
            process.send_signal(signal.SIGTERM)
            assert (process.wait(30), process.stdout.read()) == (0, "")


def refused(*options: str) -> str:
    """What a simulator that does not begin says."""
    done = subprocess.run([*SERVE, *options], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def networks(url: str, password: str = "xenroot", new: str = "") -> list[str]:
    """The names of a host's networks, after one more was made."""
    session = XenAPI.Session(url)
    with closing(session("transport")):
        session.login_with_password("root", password, "1.0", "test")
        if new:
            session.xenapi.network.create({"name_label": new, "other_config": {}})
        found = sorted(record["name_label"] for record in session.xenapi.network.get_all_records().values())
        session.logout()
    return found


def test_the_inventory_is_there_and_every_host_answers_when_it_says_ready(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.json"
    with serving("--hosts", "3", "--port", "0", "--json", "--inventory", str(inventory)) as lines:
        rows = json.loads(inventory.read_text())
        assert (json.loads(lines[0]), len(lines)) == (rows, 2)
        assert [sorted(row) for row in rows] == [["name", "url", "user", "uuid"]] * 3
        assert {row["user"] for row in rows} == {"root"}
        assert len({tuple(networks(row["url"])) for row in rows}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.json"]


def test_hosts_come_as_pools(tmp_path: Path) -> None:
    state = tmp_path / "state"
    options = ("--hosts", "3", "--pool-size", "2", "--port", "0", "--json", "--state", str(state))
    with serving(*options) as lines:
        rows = json.loads(lines[0])
        assert (len(rows), len({row["uuid"] for row in rows})) == (3, 3)
        networks(rows[0]["url"], new="of the pool")
        with pytest.raises(XenAPI.Failure, match=f"HOST_IS_SLAVE.*{rows[0]['url'].split('/')[2].split(':')[0]}"):
            networks(rows[1]["url"])
        assert "of the pool" not in networks(rows[2]["url"])
    with serving(*options) as lines:
        again = json.loads(lines[0])
        assert [row["uuid"] for row in again] == [row["uuid"] for row in rows]
        assert "of the pool" in networks(again[0]["url"])
    assert "has --pool-size 2, not 3; leave the option out, or name another file" in refused("--pool-size", "3", "--state", str(state))


def test_people_get_a_table_that_is_cut_when_nobody_would_read_it(tmp_path: Path) -> None:
    with serving("--hosts", "30", "--port", "0") as lines:
        text = "".join(lines)
        assert ("xs00020" in text, "xs00021" in text, "…" in text) == (True, False, False)
        assert lines[-2] == "... and 10 more; --inventory FILE and --json list them all\n"
        assert lines[-1].startswith("ready: 30 hosts of latest, http://127.0.")


def test_a_fleet_goes_on_where_it_was_with_nothing_said_twice(tmp_path: Path) -> None:
    state, inventory = str(tmp_path / "state"), tmp_path / "hosts.json"
    options = ("--port", "0", "--state", state, "--inventory", str(inventory))
    with serving("--hosts", "2", "--seed", "9", "--personality", "6.2", *options):
        first = json.loads(inventory.read_text())
        networks(first[1]["url"], new="mine")
    with serving(*options):
        second = json.loads(inventory.read_text())
        assert [row["uuid"] for row in second] == [row["uuid"] for row in first]
        assert ("mine" in networks(second[0]["url"]), "mine" in networks(second[1]["url"])) == (False, True)
    assert "state has --seed 9, not 8; leave the option out, or name another file" in refused("--seed", "8", "--state", state)


def test_a_state_that_is_being_served_is_refused_and_one_whose_server_was_killed_is_not(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with subprocess.Popen([*SERVE, "--port", "0", "--state", str(state)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("ready"):
            pass
        told = f"Error: {state}: process {process.pid} serves the hosts of this file; end it first, or name another file\n"
        assert refused("--port", "0", "--state", str(state)) == told
        process.kill()
    with serving("--port", "0", "--state", str(state)):
        pass
    assert list(tmp_path.iterdir()) == [state]


def test_a_fleet_that_the_machine_has_no_room_for_is_refused_at_once() -> None:
    said = refused("--hosts", "1000000", "--vms", "50000000")
    assert said.startswith("Error: 1,000,000 hosts, 50,000,000 VMs need about 297.7 GiB of memory, and ")
    assert said.endswith(" GiB are free; ask for fewer\n")


def test_the_password_is_the_one_that_was_given() -> None:
    with serving("--port", "0", "--password", "secret", "--json") as lines:
        url = json.loads(lines[0])[0]["url"]
        assert networks(url, "secret")
        with pytest.raises(XenAPI.Failure, match="SESSION_AUTHENTICATION_FAILED"):
            networks(url, "xenroot")


def test_a_port_that_is_taken_is_named_with_the_cure(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--port", str(port), "--inventory", str(tmp_path / "i"), "--state", str(tmp_path / "s"))
    assert f"port {port} cannot be served" in said
    assert "take another --port, or 0 for one that is free" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (("--personality", "clearwatr"), "did you mean one of: clearwater"),
        (("--profile", "fast"), "take one of realistic, instant, or name a JSON file"),
        (("--hosts", "999999", "--state", "/none/s"), "the folder /none is not there; make it, or name another file"),
        (("--inventory", "/none/i"), "the folder /none is not there; make it, or name another file"),
        (("--state", __file__), "not a fleet of the format 'inova fleet 5'; name another file, or remove this one"),
    ],
)
def test_what_cannot_begin_says_what_to_do(options: tuple[str, ...], cure: str) -> None:
    said = refused(*options)
    assert cure in said
    assert "Traceback" not in said


def test_a_state_that_cannot_be_asked_for_is_told_in_one_line(tmp_path: Path) -> None:
    state = tmp_path / ("x" * 300)
    assert refused("--state", str(state)) == f"Error: {state}: File name too long; name a file that can be read and written\n"


def test_an_interrupt_from_the_keyboard_ends_it_as_well() -> None:
    with subprocess.Popen([*SERVE, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("ready"):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_busy_object_refuses_at_once_when_that_was_asked_for(tmp_path: Path) -> None:
    profile = tmp_path / "slow.json"
    profile.write_text('{"operations": {"VM.pause": {"seconds": 600}}}')
    with serving("--port", "0", "--json", "--profile", str(profile), "--busy", "refuse") as lines:
        session = XenAPI.Session(json.loads(lines[0])[0]["url"])
        with closing(session("transport")):
            session.login_with_password("root", "xenroot", "1.0", "test")
            vm = session.xenapi.VM.clone(session.xenapi.VM.get_by_name_label("Debian Bookworm 12")[0], "busy")
            session.xenapi.VM.set_is_a_template(vm, False)
            session.xenapi.VM.start(vm, False, False)
            task = session.xenapi.Async.VM.pause(vm)
            while not session.xenapi.VM.get_current_operations(vm):
                pass
            with pytest.raises(XenAPI.Failure) as caught:
                session.xenapi.VM.snapshot(vm, "snapshot")
            session.logout()
    assert caught.value.details == ["OTHER_OPERATION_IN_PROGRESS", "VM", vm, "pause", task]


@contextmanager
def files_of_at_most(limit_bytes: int) -> Iterator[None]:
    """Let what is started inside write no longer files: what a full disk is to a program, which then hears EFBIG for ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_state_that_finds_no_room_is_told_as_that_and_the_old_one_stays(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with serving("--port", "0", "--state", str(state)):
        pass
    saved = state.read_bytes()
    command = [sys.executable, "-m", "scenarios.cli", "sim", "serve", "--port", "0", "--json", "--state", str(state)]
    with (
        files_of_at_most(1000),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running,
    ):
        assert running.stdout is not None
        assert running.stderr is not None
        assert any(line.startswith("ready") for line in running.stdout)
        running.terminate()
        assert running.stderr.read() == "Error: File too large; name a file where there is room\n"
    assert (running.returncode, state.read_bytes(), list(tmp_path.iterdir())) == (2, saved, [state])


def _nics(url: str) -> int:
    session = XenAPI.Session(url)
    with closing(session("transport")):
        session.login_with_password("root", "xenroot", "1.0", "test")
        found = len(session.xenapi.PIF.get_all())
        session.logout()
    return found


def test_hosts_are_of_the_hardware_that_a_file_describes(tmp_path: Path) -> None:
    hardware, other, state, inventory = (tmp_path / name for name in ("hardware.json", "other.json", "state", "hosts.json"))
    hardware.write_text('{"nics": 4}')
    other.write_text('{"nics": 5}')
    options = ("--port", "0", "--state", str(state), "--inventory", str(inventory))
    for more in (("--hardware", str(hardware)), ()):
        with serving(*options, *more):
            assert _nics(json.loads(inventory.read_text())[0]["url"]) == 4
    assert "state has other --hardware than" in refused("--state", str(state), "--hardware", str(other))
    hardware.write_text('{\n"nics": 99}')
    assert f"{hardware}:2: nics is a whole number from 1 to 16, not 99" in refused("--hardware", str(hardware))


def test_a_plugin_that_cannot_be_loaded_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x = 1\n", encoding="utf-8")
    said = refused("--plugins", str(tmp_path))
    assert said == f"Error: {tmp_path}/bad.py: has no function; write one as ``def name(host_uuid, args): return text``\n"
