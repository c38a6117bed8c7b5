"""Repositories and their plugs. Real ones are only looked at; what is done is done to one that exists in the database alone."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from contract_tests.made import Made
from contract_tests.refusals import refusal
from contract_tests.waiting import until


@pytest.fixture
def introduced(xapi: Any, made: Made) -> str:
    """A repository that was introduced and is plugged nowhere."""
    name = made.name()
    sr: str = xapi.SR.introduce(str(uuid.uuid5(uuid.NAMESPACE_URL, name)), name, "", "nfs", "user", False, {})
    made.later(xapi.SR.forget, sr)
    return sr


@pytest.mark.rule("SR.introduce")
def test_an_introduced_repository_is_unplugged(xapi: Any, introduced: str) -> None:
    """Its sizes are unknown and it has no plug."""
    record = xapi.SR.get_record(introduced)
    facts = {name: record[name] for name in ("physical_size", "physical_utilisation", "virtual_allocation", "type", "PBDs", "VDIs")}
    assert facts == {
        "physical_size": "-1",
        "physical_utilisation": "-1",
        "virtual_allocation": "0",
        "type": "nfs",
        "PBDs": [],
        "VDIs": [],
    }


@pytest.mark.rule("SR.introduce SR_UUID_EXISTS")
def test_a_repository_is_introduced_once(xapi: Any, made: Made, introduced: str) -> None:
    """SR_UUID_EXISTS [uuid]."""
    taken = xapi.SR.get_uuid(introduced)
    assert refusal(xapi.SR.introduce, taken, made.name(), "", "nfs", "user", False, {}) == ["SR_UUID_EXISTS", taken]


@pytest.mark.rule("SR_HAS_NO_PBDS of a VDI's operation")
def test_a_repository_without_plugs_makes_no_disks(made: Made, introduced: str) -> None:
    """SR_HAS_NO_PBDS [sr]."""
    assert refusal(lambda: made.vdi(SR=introduced)) == ["SR_HAS_NO_PBDS", introduced]


@pytest.mark.rule("SR check 4")
def test_a_repository_without_plugs_is_not_destroyed(xapi: Any, introduced: str) -> None:
    """SR_HAS_NO_PBDS [sr]: only a host that sees it could erase it."""
    assert refusal(xapi.SR.destroy, introduced) == ["SR_HAS_NO_PBDS", introduced]


@pytest.mark.rule("SR.forget")
def test_a_forgotten_repository_is_gone(xapi: Any, introduced: str) -> None:
    """Forget removes it from the database."""
    xapi.SR.forget(introduced)
    assert refusal(xapi.SR.get_record, introduced) == ["HANDLE_INVALID", "SR", introduced]


@pytest.mark.rule("PBD.create PBD_EXISTS")
def test_a_plug_is_made_and_destroyed(xapi: Any, introduced: str, host: str) -> None:
    """One plug per repository and host: PBD_EXISTS [sr, host, pbd]."""
    record = {"SR": introduced, "host": host, "device_config": {"server": "nowhere.invalid", "serverpath": "/a"}, "other_config": {}}
    pbd = xapi.PBD.create(record)
    assert xapi.PBD.get_currently_attached(pbd) is False
    assert (xapi.SR.get_PBDs(introduced), xapi.PBD.get_host(pbd)) == ([pbd], host)
    assert refusal(xapi.PBD.create, record) == ["PBD_EXISTS", introduced, host, pbd]
    xapi.PBD.destroy(pbd)
    assert xapi.SR.get_PBDs(introduced) == []


@pytest.mark.rule("PBD.plug")
def test_plugging_what_is_plugged_is_no_error(xapi: Any, sr: str, host: str) -> None:
    """PBD.plug may be repeated."""
    pbd = next(ref for ref in xapi.SR.get_PBDs(sr) if xapi.PBD.get_host(ref) == host)
    assert xapi.PBD.plug(pbd) == ""
    assert xapi.PBD.get_currently_attached(pbd) is True


@pytest.mark.rule("SR.create SR_UNKNOWN_DRIVER")
def test_a_driver_that_does_not_exist_is_named(xapi: Any, made: Made, host: str) -> None:
    """SR_UNKNOWN_DRIVER [type]."""
    assert refusal(xapi.SR.create, host, {}, "0", made.name(), "", "frobfs", "user", False, {}) == ["SR_UNKNOWN_DRIVER", "frobfs"]


@pytest.mark.rule("SR.scan")
def test_a_scan_keeps_the_disks(xapi: Any, disk: str, sr: str) -> None:
    """SR.scan finds what is there."""
    before = xapi.VDI.get_record(disk)
    xapi.SR.scan(sr)
    assert disk in xapi.SR.get_VDIs(sr)
    same = ("uuid", "location", "virtual_size", "managed", "missing", "name_label", "other_config", "type")
    assert {name: xapi.VDI.get_record(disk)[name] for name in same} == {name: before[name] for name in same}


def test_a_repository_has_room(xapi: Any, sr: str) -> None:
    """Sizes of a plugged repository are known, and when nobody works on it all is allowed."""
    record = xapi.SR.get_record(sr)
    assert 0 <= int(record["physical_utilisation"]) < int(record["physical_size"])
    until(lambda: {"scan", "vdi_create", "vdi_destroy"} <= set(xapi.SR.get_allowed_operations(sr)), "the repository's being idle")


@pytest.mark.rule("PBD.unplug")
def test_unplugging_what_is_unplugged_is_no_error(xapi: Any, made: Made, host: str) -> None:
    """PBD.unplug may be repeated."""
    sr = xapi.SR.introduce(str(uuid.uuid4()), made.name(), "", "ext", "user", False, {})
    made.later(xapi.SR.forget, sr)
    plug = xapi.PBD.create({"host": host, "SR": sr, "device_config": {"device": "/dev/none"}, "other_config": {}})
    made.later(xapi.PBD.destroy, plug)
    assert [xapi.PBD.unplug(plug), xapi.PBD.unplug(plug), xapi.PBD.get_currently_attached(plug)] == ["", "", False]
