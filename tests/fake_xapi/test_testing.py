"""The fixtures that strangers use, used as a stranger would."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import XenAPI

from fake_xapi.faults.rules import Dead, Hang, Refuse, Rule
from fake_xapi.testing import FleetMaker, SimulatedXapi

STRANGER = """
import XenAPI

def test_x(xapi):
    session = XenAPI.Session(xapi.url)
    session.login_with_password(xapi.user, xapi.password, "1.0", "stranger")
    assert session.xenapi.host.get_all_records()
    session.logout()
"""


Login = Callable[[SimulatedXapi], XenAPI.Session]


@pytest.fixture
def login() -> Iterator[Login]:
    """Opens sessions, and closes their connections at the end."""
    sessions: list[XenAPI.Session] = []

    def make(xapi: SimulatedXapi) -> XenAPI.Session:
        session = XenAPI.Session(xapi.url)
        sessions.append(session)
        session.login_with_password(xapi.user, xapi.password, "1.0", "test")
        return session

    yield make
    for session in sessions:
        session("close")()


def test_a_strangers_test_needs_one_line(tmp_path: Path) -> None:
    file = tmp_path / "test_stranger.py"
    file.write_text(STRANGER)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", str(file)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_test_has_a_fresh_host(xapi: SimulatedXapi, login: Login) -> None:
    session = login(xapi)
    session.xenapi.network.create({"name_label": "mine", "other_config": {}})
    assert len(xapi.world.named("network", "mine")) == 1


def test_hosts_of_a_fleet_share_nothing_but_their_software(xapi_fleet: FleetMaker, login: Login) -> None:
    first, second = (login(each) for each in xapi_fleet(hosts=2, personality="clearwater"))
    (mine,), (theirs,) = first.xenapi.host.get_all_records().values(), second.xenapi.host.get_all_records().values()
    assert (mine["uuid"] != theirs["uuid"], mine["hostname"] != theirs["hostname"]) == (True, True)
    assert mine["software_version"]["product_version"] == theirs["software_version"]["product_version"] == "6.2.0"
    assert not set(first.xenapi.VM.get_all()) & set(second.xenapi.VM.get_all())


def test_the_same_seed_gives_the_same_host(xapi_fleet: FleetMaker) -> None:
    (one,), (same,), (other,) = xapi_fleet(seed=1), xapi_fleet(seed=1), xapi_fleet(seed=2)
    uuids = [each.in_loop(lambda xapi: xapi.world.uuid(xapi.host)) for each in (one, same, other)]
    assert (uuids[0] == uuids[1], uuids[0] == uuids[2]) == (True, False)


def test_a_fault_can_be_added_and_taken_away(xapi: SimulatedXapi, login: Login) -> None:
    session = login(xapi)
    handle = xapi.faults.add(Rule(Refuse("SR_FULL", ("1", "0")), message="SR.get_*"))
    with pytest.raises(XenAPI.Failure) as caught:
        session.xenapi.SR.get_all()
    assert caught.value.details == ["SR_FULL", "1", "0"]
    assert xapi.faults.hits(handle) == 1
    xapi.faults.remove(handle)
    assert session.xenapi.SR.get_all()


def test_who_waits_for_a_host_that_dies_is_cut_off(xapi: SimulatedXapi, login: Login) -> None:
    session = login(xapi)
    handle = xapi.faults.add(Rule(Hang(), message="SR.get_all"))
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(session.xenapi.SR.get_all)
        while not xapi.faults.hits(handle):
            assert not waiting.done()
        xapi.faults.add(Rule(Dead()))
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            waiting.result(10)


def test_what_cannot_be_served_is_said_in_the_test_itself(xapi_fleet: FleetMaker) -> None:
    with pytest.raises(ValueError, match="no XenServer release is called 'bostom'; did you mean one of: boston"):
        xapi_fleet(personality="bostom")


def test_a_host_is_served_at_its_own_address_and_says_so(xapi_fleet: FleetMaker, login: Login) -> None:
    hosts = xapi_fleet(hosts=2)
    addresses = [next(iter(login(host).xenapi.host.get_all_records().values()))["address"] for host in hosts]
    assert [host.url.rpartition(":")[0] for host in hosts] == [f"http://{address}" for address in addresses]


def test_the_world_that_is_shown_stays_as_it_was(xapi: SimulatedXapi, login: Login) -> None:
    before = xapi.world
    login(xapi).xenapi.network.create({"name_label": "mine", "other_config": {}})
    assert (before.named("network", "mine"), len(xapi.world.named("network", "mine"))) == ((), 1)


def test_nothing_is_left_running(xapi_fleet: FleetMaker) -> None:
    before = threading.active_count()
    xapi_fleet()
    assert threading.active_count() == before + 1
