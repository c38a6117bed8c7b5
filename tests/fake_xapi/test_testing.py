"""The fixtures that strangers use, used as a stranger would."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import XenAPI

from fake_xapi.faults.rules import Refuse, Rule
from fake_xapi.testing import FleetMaker, SimulatedXapi

STRANGER = """
import XenAPI

def test_x(xapi):
    session = XenAPI.Session(xapi.url)
    session.login_with_password(xapi.user, xapi.password, "1.0", "stranger")
    assert session.xenapi.host.get_all_records()
    session.logout()
"""


def _session(xapi: SimulatedXapi) -> XenAPI.Session:
    session = XenAPI.Session(xapi.url)
    session.login_with_password(xapi.user, xapi.password, "1.0", "test")
    return session


def test_a_strangers_test_needs_one_line(tmp_path: Path) -> None:
    file = tmp_path / "test_stranger.py"
    file.write_text(STRANGER)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", str(file)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_test_has_a_fresh_host(xapi: SimulatedXapi) -> None:
    session = _session(xapi)
    session.xenapi.network.create({"name_label": "mine", "other_config": {}})
    assert len(xapi.world.named("network", "mine")) == 1


def test_hosts_of_a_fleet_share_nothing_but_their_software(xapi_fleet: FleetMaker) -> None:
    first, second = (_session(each) for each in xapi_fleet(hosts=2, personality="clearwater"))
    (mine,), (theirs,) = first.xenapi.host.get_all_records().values(), second.xenapi.host.get_all_records().values()
    assert (mine["uuid"] != theirs["uuid"], mine["hostname"] != theirs["hostname"]) == (True, True)
    assert mine["software_version"]["product_version"] == theirs["software_version"]["product_version"] == "6.2.0"
    assert not set(first.xenapi.VM.get_all()) & set(second.xenapi.VM.get_all())


def test_the_same_seed_gives_the_same_host(xapi_fleet: FleetMaker) -> None:
    (one,), (same,), (other,) = xapi_fleet(seed=1), xapi_fleet(seed=1), xapi_fleet(seed=2)
    uuids = [each.in_loop(lambda xapi: xapi.world.uuid(xapi.host)) for each in (one, same, other)]
    assert (uuids[0] == uuids[1], uuids[0] == uuids[2]) == (True, False)


def test_a_fault_can_be_added_and_taken_away(xapi: SimulatedXapi) -> None:
    session = _session(xapi)
    handle = xapi.disturb(lambda faults: faults.add(Rule(Refuse("SR_FULL", ("1", "0")), message="SR.get_*")))
    with pytest.raises(XenAPI.Failure) as caught:
        session.xenapi.SR.get_all()
    assert caught.value.details == ["SR_FULL", "1", "0"]
    xapi.disturb(lambda faults: faults.remove(handle))
    assert session.xenapi.SR.get_all()


def test_nothing_is_left_running(xapi_fleet: FleetMaker) -> None:
    before = threading.active_count()
    xapi_fleet()
    assert threading.active_count() == before + 1
