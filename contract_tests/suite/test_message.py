"""Messages: what a server notes of what happened to a VM."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import pytest

from contract_tests.made import HARDWARE, Made
from contract_tests.refusals import NEVER, refusal


@pytest.fixture
def noted(xapi: Any) -> Any:
    """The names and bodies of the messages about a VM, oldest first."""

    def read(vm: str) -> list[tuple[str, str]]:
        records = xapi.message.get("VM", xapi.VM.get_uuid(vm), xmlrpc.client.DateTime(NEVER)).values()
        return [(record["name"], record["body"]) for record in sorted(records, key=lambda record: record["timestamp"].value)]

    return read


@pytest.mark.rule("VM messages")
def test_power_is_noted(xapi: Any, made: Made, noted: Any, host: str) -> None:
    """VM_STARTED and VM_SHUTDOWN, with names and uuids in their text."""
    vm = made.vm(HARDWARE)
    vm_words = f"VM '{xapi.VM.get_name_label(vm)}' (uuid: {xapi.VM.get_uuid(vm)})"
    host_words = f"{xapi.host.get_name_label(host)} (uuid: {xapi.host.get_uuid(host)})"
    assert noted(vm) == []
    xapi.VM.start(vm, False, False)
    xapi.VM.hard_shutdown(vm)
    assert sorted(noted(vm)) == [("VM_SHUTDOWN", f"{vm_words} shutdown"), ("VM_STARTED", f"{vm_words} started on host: {host_words}")]


@pytest.mark.rule("VM messages")
@pytest.mark.parametrize(("operation", "name"), [("pause", "VM_PAUSED"), ("suspend", "VM_SUSPENDED"), ("hard_reboot", "VM_REBOOTED")])
def test_every_operation_has_its_name(xapi: Any, guest: str, noted: Any, operation: str, name: str) -> None:
    """Each power operation notes what it did."""
    getattr(xapi.VM, operation)(guest)
    assert [noted_name for noted_name, _ in noted(guest)].count(name) == 1


def test_a_refused_operation_is_not_noted(xapi: Any, made: Made, noted: Any) -> None:
    """Nothing happened."""
    vm = made.vm()
    assert refusal(xapi.VM.pause, vm)[0] == "VM_BAD_POWER_STATE"
    assert noted(vm) == []


@pytest.mark.rule("event.from messages")
def test_a_message_is_an_event(session: Any, xapi: Any, made: Made) -> None:
    """A new message is an add of class message."""
    vm = made.vm(HARDWARE)
    token = session.xenapi.event_from(["message"], "", 0.0)["token"]
    xapi.VM.start(vm, False, False)
    events = session.xenapi.event_from(["message"], token, 30.0)["events"]
    ours = [event for event in events if event["snapshot"]["obj_uuid"] == xapi.VM.get_uuid(vm)]
    assert [(event["operation"], event["class"], event["snapshot"]["name"]) for event in ours] == [("add", "message", "VM_STARTED")]


def test_a_message_is_made_and_destroyed(xapi: Any, made: Made) -> None:
    """Clients may note things of their own."""
    uuid = xapi.VM.get_uuid(made.vm())
    message = xapi.message.create("NOTED", "3", "VM", uuid, "by the contract suite")
    made.later(xapi.message.destroy, message)
    record = xapi.message.get_record(message)
    assert {name: record[name] for name in ("name", "priority", "cls", "obj_uuid", "body")} == {
        "name": "NOTED",
        "priority": "3",
        "cls": "VM",
        "obj_uuid": uuid,
        "body": "by the contract suite",
    }
    xapi.message.destroy(message)
    assert message not in xapi.message.get_all()


def test_a_message_is_about_something_that_is_there(xapi: Any, made: Made) -> None:
    """UUID_INVALID for one about an object that is not, and for asking for those about it."""
    nothing = xapi.task.get_uuid(made.task())
    assert refusal(xapi.message.create, "NOTED", "3", "VM", nothing, "") == ["UUID_INVALID", "VM", nothing]
    assert refusal(xapi.message.get, "VM", nothing, xmlrpc.client.DateTime(NEVER))[0] == "UUID_INVALID"


@pytest.fixture
def notes(xapi: Any, made: Made) -> tuple[str, list[str]]:
    """The uuid of a VM and three messages about it."""
    uuid = xapi.VM.get_uuid(made.vm())
    messages = [xapi.message.create(name, "3", "VM", uuid, made.label) for name in ("FIRST", "SECOND", "THIRD")]
    for message in messages:
        made.later(xapi.message.destroy, message)
    return uuid, messages


def test_messages_are_found_by_object_and_by_date(xapi: Any, notes: tuple[str, list[str]]) -> None:
    """message.get and get_since tell those after a date, get_all and get_all_records all."""
    uuid, messages = notes
    assert set(xapi.message.get("VM", uuid, xmlrpc.client.DateTime(NEVER))) == set(messages)
    assert set(xapi.message.get_since(xmlrpc.client.DateTime(NEVER))) >= set(messages)
    assert set(xapi.message.get_all()) >= set(messages)
    assert {xapi.message.get_all_records()[message]["name"] for message in messages} == {"FIRST", "SECOND", "THIRD"}
    assert xapi.message.get("VM", uuid, xmlrpc.client.DateTime("20990101T00:00:00Z")) == {}


def test_a_message_is_found_by_its_uuid(xapi: Any, notes: tuple[str, list[str]]) -> None:
    """get_by_uuid, and UUID_INVALID for none."""
    _, (first, *_rest) = notes
    known = xapi.message.get_record(first)["uuid"]
    assert xapi.message.get_by_uuid(known) == first
    xapi.message.destroy(first)
    assert refusal(xapi.message.get_by_uuid, known) == ["UUID_INVALID", "message", known]


@pytest.mark.requires("message.destroy_many")
def test_many_messages_go_at_once(xapi: Any, notes: tuple[str, list[str]]) -> None:
    """destroy_many forgets those that are named and no others."""
    uuid, messages = notes
    xapi.message.destroy_many(messages[:2])
    assert list(xapi.message.get("VM", uuid, xmlrpc.client.DateTime(NEVER))) == messages[2:]
