"""Rules of events one by one: what a change of one object does to others, order, and what old releases did besides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import refusal

KEPT_OF_OLD = 500
"""How many events the releases of 2012 keep for event.next."""


@pytest.fixture
def told(session: Any) -> Callable[[], set[tuple[str, str, str]]]:
    """What has happened since the fixture was made: (class, ref, operation)."""
    token = session.xenapi.event_from(["VM"], "", 0.0)["token"]

    def ask() -> set[tuple[str, str, str]]:
        events = session.xenapi.event_from(["*"], token, 0.0)["events"]
        return {(event["class"], event["ref"], event["operation"]) for event in events}

    return ask


@pytest.fixture
def vm(made: Made) -> str:
    """A halted VM that was there before anything is told."""
    return made.vm()


MIRRORS = pytest.mark.rule("event mirrors: VIF, VDI, PBD, snapshot")


@MIRRORS
def test_a_new_vif_modifies_its_ends(made: Made, vm: str, network: str, told: Any) -> None:
    """VIF: its VM and its network."""
    vif = made.vif(vm)
    assert {("vif", vif, "add"), ("vm", vm, "mod"), ("network", network, "mod")} <= told()


@MIRRORS
def test_a_new_disk_modifies_its_repository(made: Made, sr: str, told: Any) -> None:
    """VDI: its SR."""
    disk = made.vdi()
    assert {("vdi", disk, "add"), ("sr", sr, "mod")} <= told()


@MIRRORS
def test_a_new_plug_modifies_its_ends(xapi: Any, made: Made, host: str, told: Any) -> None:
    """PBD: its SR and its host."""
    uuid = "0c0ffee0-dead-4bad-8bad-" + hashlib.sha256(made.name().encode()).hexdigest()[:12]
    sr = xapi.SR.introduce(uuid, made.name(), "", "ext", "user", False, {})
    made.later(xapi.SR.forget, sr)
    plug = xapi.PBD.create({"host": host, "SR": sr, "device_config": {"device": "/dev/none"}, "other_config": {}})
    made.later(xapi.PBD.destroy, plug)
    assert {("pbd", plug, "add"), ("host", host, "mod")} <= told()


@MIRRORS
def test_a_new_snapshot_modifies_its_vm(xapi: Any, made: Made, vm: str, told: Any) -> None:
    """Snapshot: the VM that it is of."""
    snapshot = made.keep_vm(xapi.VM.snapshot(vm, made.name()))
    assert {("vm", snapshot, "add"), ("vm", vm, "mod")} <= told()


@pytest.mark.rule("event mirrors: VBD")
def test_a_device_that_goes_modifies_its_ends(xapi: Any, session: Any, made: Made, vm: str, disk: str) -> None:
    """VBD destroyed: its VM and its VDI."""
    vbd = made.vbd(vm, disk)
    token = session.xenapi.event_from(["VM"], "", 0.0)["token"]
    xapi.VBD.destroy(vbd)
    events = session.xenapi.event_from(["VM", "VBD", "VDI"], token, 0.0)["events"]
    assert {("vbd", vbd, "del"), ("vm", vm, "mod"), ("vdi", disk, "mod")} <= {(e["class"], e["ref"], e["operation"]) for e in events}


@pytest.mark.rule("event.from order")
def test_events_are_sorted_by_what_happened(xapi: Any, session: Any, made: Made, vm: str) -> None:
    """Messages first, then adds, mods and dels, whenever they happened."""
    gone = made.vm()
    token = session.xenapi.event_from(["VM"], "", 0.0)["token"]
    xapi.VM.destroy(gone)
    xapi.VM.set_name_description(vm, "changed")
    new = made.vm()
    message = xapi.message.create("CONTRACT", "5", "VM", xapi.VM.get_uuid(vm), "")
    events = session.xenapi.event_from(["VM", "message"], token, 0.0)["events"]
    ours = [(event["ref"], event["operation"]) for event in events if event["ref"] in (gone, vm, new, message)]
    firsts = list(dict.fromkeys(ours))
    places = [firsts.index(each) for each in ((message, "add"), (new, "add"), (vm, "mod"), (gone, "del"))]
    assert places == sorted(places)


@pytest.mark.rule("event.from timeout 0")
def test_no_time_is_no_wait(session: Any) -> None:
    """With a timeout of 0 the answer is what is there now."""
    token = session.xenapi.event_from(["crashdump"], "", 0.0)["token"]
    answer = session.xenapi.event_from(["crashdump"], token, 0.0)
    assert (answer["events"], bool(answer["token"])) == ([], True)


@pytest.mark.rule("event.inject HANDLE_INVALID")
@pytest.mark.requires("event.inject")
def test_nothing_is_injected_for_what_is_no_such_object(xapi: Any, host: str) -> None:
    """HANDLE_INVALID [class, reference]."""
    assert refusal(xapi.event.inject, "VM", host) == ["HANDLE_INVALID", "VM", host]


@pytest.mark.rule("event.next EVENTS_LOST")
def test_who_falls_behind_is_told_once(xapi: Any, other: Any, vm: str, server: Server) -> None:
    """EVENTS_LOST [] when more events came than are kept; then next goes on. Newer releases keep them by their bytes."""
    if server.era == "modern":
        pytest.skip(f"{server.summary} has no queue-by-number")
    other.xenapi.event.register(["vm"])
    for number in range(KEPT_OF_OLD + 20):
        xapi.VM.set_name_description(vm, str(number))
    assert refusal(other.xenapi.event.next) == ["EVENTS_LOST"]
    xapi.VM.set_name_description(vm, "at last")
    assert other.xenapi.event.next()[-1]["snapshot"]["name_description"] == "at last"


@pytest.mark.rule("event.from ends a registration (2012)")
def test_asking_from_a_token_ends_a_registration_in_old_releases(xapi: Any, other: Any, vm: str, server: Server) -> None:
    """After event.from a session has to register anew, in the releases of 2012."""
    other.xenapi.event.register(["vm"])
    other.xenapi.event_from(["pool"], "", 0.0)
    if server.era == "modern":
        xapi.VM.set_name_description(vm, "changed")
        assert vm in {event["ref"] for event in other.xenapi.event.next()}
    else:
        assert refusal(other.xenapi.event.next)[0] == "SESSION_NOT_REGISTERED"
