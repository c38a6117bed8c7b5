"""Clients that others wrote live a VM's whole life and leave the world as it was."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fake_xapi.state.ids import class_of
from fake_xapi.state.value import diff
from fake_xapi.state.world import World
from fake_xapi.testing import FleetMaker, SimulatedXapi

LIVES = Path(__file__).parent / "lives"
TRACES = frozenset({"session", "task", "message"})
"""Classes of what every visitor leaves: it is no part of the world that clients work on."""


def _left(before: World, after: World) -> dict[str, list[str]]:
    """What is other than before: the fields, by class and name."""
    found: dict[str, list[str]] = {}
    for change in diff(before.value, after.value):
        if class_of(change.identity) not in TRACES:
            old, new = change.old, change.new
            names = [f for f in old.layout.names if old[f] != new[f]] if old and new else ["gone" if old else "new"]
            found.setdefault(f"{class_of(change.identity)} {before.ref(change.identity)}", []).extend(names)
    return found


def _live(command: list[str], xapi: SimulatedXapi, environment: dict[str, str]) -> dict[str, list[str]]:
    """Let a client live its life; what it leaves behind."""
    before = xapi.world
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return _left(before, xapi.world)


@pytest.mark.parametrize("client", ["official", "xengarden"])
@pytest.mark.parametrize("release", ["latest", "clearwater"])
def test_clients_in_python_leave_the_world_as_it_was(
    client: str, release: str, xapi_fleet: FleetMaker, environment: dict[str, str]
) -> None:
    (xapi,) = xapi_fleet(personality=release)
    command = [sys.executable, str(LIVES / f"{client}.py"), xapi.url, xapi.user, xapi.password]
    assert _live(command, xapi, environment) == {}


@pytest.mark.parametrize("release", ["latest", "clearwater"])
def test_openstacks_library_leaves_the_world_as_it_was(release: str, xapi_fleet: FleetMaker, environment: dict[str, str]) -> None:
    if not _may_listen_at_80():
        pytest.skip("os-xenapi speaks to the port 80 alone, which only root may open here")
    (xapi,) = xapi_fleet(personality=release, port=80)
    command = [sys.executable, str(LIVES / "openstack.py"), xapi.url, xapi.user, xapi.password]
    assert _live(command, xapi, environment) == {}


@pytest.mark.parametrize(("release", "template"), [("latest", "Debian Bookworm 12"), ("clearwater", "Debian Squeeze 6.0 (64-bit)")])
def test_ansibles_modules_leave_the_world_as_it_was(
    release: str, template: str, xapi_fleet: FleetMaker, environment: dict[str, str]
) -> None:
    (xapi,) = xapi_fleet(personality=release)
    given = {"url": xapi.url, "user": xapi.user, "password": xapi.password, "template": template}
    program = Path(sys.executable).parent / "ansible-playbook"
    words = " ".join(f"{name}='{value}'" for name, value in given.items())
    command = [
        str(program),
        str(LIVES / "ansible.yml"),
        "-i",
        "localhost,",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
        "-e",
        words,
    ]
    assert _live(command, xapi, environment) == {}


@pytest.mark.node
@pytest.mark.parametrize("transport", ["json-rpc", "xml-rpc", "auto"])
def test_xen_orchestras_client_leaves_the_world_as_it_was(
    transport: str, node_clients: Path, xapi: SimulatedXapi, environment: dict[str, str]
) -> None:
    command = ["node", str(node_clients / "life.mjs"), xapi.url, xapi.user, xapi.password, transport]
    assert _live(command, xapi, environment) == {}


def _may_listen_at_80() -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.1.1", 80))
        except PermissionError:
            return False
    return True
