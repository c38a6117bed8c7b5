"""Events: event.from with its tokens, and the older register and next."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import HARDWARE, Made
from contract_tests.refusals import refusal
from contract_tests.target import Target
from contract_tests.waiting import until


def ask(session: Any, classes: Iterable[str], token: str, timeout_s: float = 0.0) -> dict[str, Any]:
    """event.from by the name that Python can spell."""
    answer: dict[str, Any] = session.xenapi.event_from(list(classes), token, timeout_s)
    return answer


def seen(session: Any, classes: Iterable[str], token: str, ref: str) -> list[str]:
    """The operations that have happened to one object since a token."""
    return [event["operation"] for event in ask(session, classes, token)["events"] if event["ref"] == ref]


@pytest.fixture
def now(session: Any) -> str:
    """A token of this moment."""
    token: str = ask(session, ["VM"], "")["token"]
    return token


@pytest.mark.rule("event.from token")
def test_an_empty_token_tells_everything(session: Any, xapi: Any, server: Server) -> None:
    """Without a token every object is an add, with its record; until 6.2 it is a mod as well."""
    answer = ask(session, ["SR", "pool"], "")
    events = answer["events"]
    operations = server.as_of(boston=("add", "mod"), modern=("add",))
    assert {(event["operation"], event["class"]) for event in events} == {(word, name) for word in operations for name in ("sr", "pool")}
    assert {event["ref"] for event in events if event["class"] == "sr"} == set(xapi.SR.get_all())
    assert set(answer) == {"events", "valid_ref_counts", "token"}


@pytest.mark.rule("event record")
def test_an_event_has_its_record(session: Any, xapi: Any, sr: str) -> None:
    """The snapshot is what get_record answers; id and timestamp are text."""
    event = next(event for event in ask(session, ["SR"], "")["events"] if event["ref"] == sr)
    assert event["snapshot"] == xapi.SR.get_record(sr)
    assert re.fullmatch(r"\d+", event["id"])
    assert re.fullmatch(r"\d+\.\d*", event["timestamp"])


@pytest.mark.rule("event.from token")
def test_a_token_is_two_generations(now: str, server: Server) -> None:
    """The token has its documented form."""
    form = server.as_of(boston=r"\d+,[\d.e+]+", tampa=r"\d{20},\d{20}")
    assert re.fullmatch(form, now)


@pytest.mark.rule("event.from valid_ref_counts")
def test_every_class_is_counted(session: Any, xapi: Any) -> None:
    """valid_ref_counts counts the rows of all classes, in lower case, whatever was asked for."""
    counts = ask(session, ["pool"], "")["valid_ref_counts"]
    assert (counts["pool"], counts["host"], counts["sr"]) == (1, len(xapi.host.get_all()), len(xapi.SR.get_all()))


@pytest.mark.rule("event.from waits")
def test_nothing_new_is_an_empty_list_and_a_token(session: Any, xapi: Any) -> None:
    """After the timeout the list is empty and the token is good."""
    token = ask(session, ["crashdump"], "")["token"]
    answer = ask(session, ["crashdump"], token, 0.2)
    assert answer["events"] == []
    assert ask(session, ["crashdump"], answer["token"])["events"] == []


@pytest.mark.rule("event.from created")
def test_a_new_object_is_an_add(session: Any, made: Made, now: str, server: Server) -> None:
    """What was created since the token is added; until 6.2 it is modified as well."""
    assert seen(session, ["VM"], now, made.vm()) == server.as_of(boston=["add", "mod"], modern=["add"])


@pytest.mark.rule("event.from changed")
def test_a_change_is_a_mod(session: Any, xapi: Any, made: Made) -> None:
    """A changed object is one event, however often it changed, with its latest record."""
    vm = made.vm()
    token = ask(session, ["VM"], "")["token"]
    xapi.VM.set_name_description(vm, "first")
    xapi.VM.set_name_description(vm, "second")
    events = [event for event in ask(session, ["VM"], token)["events"] if event["ref"] == vm]
    assert [(event["operation"], event["class"], event["snapshot"]["name_description"]) for event in events] == [("mod", "vm", "second")]


@pytest.mark.rule("event.from destroyed")
def test_a_destroyed_object_is_a_del(session: Any, xapi: Any, made: Made) -> None:
    """A del has no record."""
    vm = made.vm()
    token = ask(session, ["VM"], "")["token"]
    xapi.VM.destroy(vm)
    events = [event for event in ask(session, ["VM"], token)["events"] if event["ref"] == vm]
    assert [event["operation"] for event in events] == ["del"]
    assert "snapshot" not in events[0]


@pytest.mark.rule("event.from came and went")
def test_what_came_and_went_is_no_event(session: Any, xapi: Any, made: Made, now: str) -> None:
    """An object created and destroyed since the token was never there."""
    vm = made.vm()
    xapi.VM.destroy(vm)
    assert seen(session, ["VM"], now, vm) == []


@pytest.mark.rule("event.from changed")
def test_an_unchanged_object_is_no_event(session: Any, xapi: Any, made: Made, halted: str) -> None:
    """Only what changed since the token is told."""
    token = ask(session, ["VM"], "")["token"]
    made.vm()
    assert seen(session, ["VM"], token, halted) == []


@pytest.mark.rule("event.from classes")
def test_other_classes_are_not_told(session: Any, made: Made, now: str) -> None:
    """A subscription is for its classes, in any case."""
    vm, network = made.vm(), made.private_network()
    assert {event["class"] for event in ask(session, ["network"], now)["events"]} == {"network"}
    assert "add" in seen(session, ["vm"], now, vm)
    assert {vm, network} <= {event["ref"] for event in ask(session, ["*"], now)["events"]}


@pytest.mark.rule("event.register of one object")
def test_one_object_can_be_followed(session: Any, xapi: Any, made: Made, server: Server) -> None:
    """class/reference subscribes to one object (since 6.1)."""
    mine, other = made.vm(), made.vm()
    token = ask(session, ["VM"], "")["token"]
    for vm in (mine, other):
        xapi.VM.set_name_description(vm, "changed")
    told = [event["ref"] for event in ask(session, [f"VM/{mine}"], token)["events"]]
    assert server.as_of(boston=True, tampa=told == [mine])


@pytest.mark.rule("event mirrors: VBD")
def test_a_new_device_modifies_its_ends(session: Any, made: Made, disk: str) -> None:
    """The mirror of a relation is a change of the object that has it."""
    vm = made.vm()
    token = ask(session, ["VM"], "")["token"]
    vbd = made.vbd(vm, disk)
    told = {(event["class"], event["ref"], event["operation"]) for event in ask(session, ["VM", "VBD", "VDI"], token)["events"]}
    assert {("vbd", vbd, "add"), ("vm", vm, "mod"), ("vdi", disk, "mod")} <= told


@pytest.mark.rule("event.from other classes, same token")
def test_a_token_is_good_for_other_classes(session: Any, made: Made, now: str) -> None:
    """Tokens are global."""
    network = made.private_network()
    assert "add" in seen(session, ["network"], now, network)


@pytest.mark.rule("event.from EVENT_FROM_TOKEN_PARSE_FAILURE")
def test_a_bad_token_is_refused(session: Any, server: Server) -> None:
    """EVENT_FROM_TOKEN_PARSE_FAILURE [token]; 6.0 starts over."""
    if server.era == "boston":
        assert ask(session, ["pool"], "no token")["events"]
        return
    assert refusal(session.xenapi.event_from, ["pool"], "no token", 0.0) == ["EVENT_FROM_TOKEN_PARSE_FAILURE", "no token"]


@pytest.mark.rule("event.register EVENT_SUBSCRIPTION_PARSE_FAILURE")
def test_a_bad_subscription_is_refused(session: Any, server: Server) -> None:
    """EVENT_SUBSCRIPTION_PARSE_FAILURE [text] (since 6.1)."""
    if server.era != "boston":
        assert refusal(session.xenapi.event_from, ["vm/a/b"], "", 0.0) == ["EVENT_SUBSCRIPTION_PARSE_FAILURE", "vm/a/b"]


@pytest.mark.rule("event.from waits")
def test_a_waiter_is_woken_by_the_change(target: Target, xapi: Any, made: Made) -> None:
    """A blocked event.from answers when something happens, not when its time is over."""
    vm = made.vm()
    with target.session() as blocked:
        token = ask(blocked, ["VM"], "")["token"]
        told: set[str] = set()

        def wait() -> None:
            nonlocal token
            while vm not in told:
                answer = ask(blocked, ["VM"], token, 100.0)
                token = answer["token"]
                told.update(event["ref"] for event in answer["events"])

        thread = threading.Thread(target=wait)
        thread.start()
        xapi.VM.set_name_description(vm, "woken")
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.rule("event of tasks")
def test_a_task_is_followed_to_its_end(session: Any, xapi: Any, made: Made) -> None:
    """Clients wait for tasks with event.from instead of asking again and again."""
    token = ask(session, ["task"], "")["token"]
    task = made.keep_task(xapi.Async.VM.get_possible_hosts(made.vm()))
    statuses: list[str] = []
    while "success" not in statuses:
        answer = ask(session, ["task"], token, 30.0)
        token = answer["token"]
        new = [event["snapshot"]["status"] for event in answer["events"] if event["ref"] == task]
        assert new or answer["events"], "the task's end was never told"
        statuses += new
    assert statuses[-1] == "success"


@pytest.mark.rule("event.inject")
@pytest.mark.requires("event.inject")
def test_an_injected_event_is_a_barrier(session: Any, xapi: Any, host: str) -> None:
    """event.inject answers a token, and the object is told as changed."""
    pool = xapi.pool.get_all()[0]
    token = ask(session, ["pool"], "")["token"]
    injected = xapi.event.inject("pool", pool)
    assert re.fullmatch(r"\d{20},\d{20}", injected)
    assert seen(session, ["pool"], token, pool) == ["mod"]
    assert refusal(xapi.event.inject, "pool", host)[0] == "HANDLE_INVALID"


@pytest.mark.rule("event.next SESSION_NOT_REGISTERED")
def test_next_needs_a_registration(other: Any) -> None:
    """SESSION_NOT_REGISTERED names the session by the md5 of its reference."""
    track = hashlib.md5(other.handle.encode()).hexdigest()  # noqa: S324  # the wire's own form
    assert refusal(other.xenapi.event.next) == ["SESSION_NOT_REGISTERED", f"trackid={track}"]


@pytest.mark.rule("event.register", "event.next")
def test_next_tells_each_change(other: Any, xapi: Any, made: Made) -> None:
    """After register, next answers what happened, oldest first, ids rising."""
    other.xenapi.event.register(["vm"])
    vm = made.vm()
    xapi.VM.set_name_description(vm, "changed")
    xapi.VM.destroy(vm)
    events = collected(other, vm, "del")
    assert [events[0]["operation"], events[-1]["operation"]] == ["add", "del"]
    assert {event["operation"] for event in events[1:-1]} == {"mod"}
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(ids)
    assert {event["class"] for event in events} == {"vm"}
    other.xenapi.event.unregister(["vm"])


def collected(session: Any, ref: str, last: str) -> list[dict[str, Any]]:
    """The events of one object up to an operation."""
    events: list[dict[str, Any]] = []

    def complete() -> bool:
        events.extend(event for event in session.xenapi.event.next() if event["ref"] == ref)
        return any(event["operation"] == last for event in events)

    until(complete, f"a {last} of {ref}")
    return events


@pytest.mark.rule("task marks")
def test_an_operation_is_seen_marked(other: Any, xapi: Any, made: Made) -> None:
    """While an operation runs the object bears {task: operation}; the mark's coming and going are changes."""
    vm = made.vm()
    other.xenapi.event.register(["vm"])
    made.keep_vm(xapi.VM.clone(vm, made.name()))
    xapi.VM.destroy(vm)
    marks = [event["snapshot"]["current_operations"] for event in collected(other, vm, "del") if "snapshot" in event]
    assert "clone" in {operation for mark in marks for operation in mark.values()}
    assert all(re.fullmatch(r"(Opaque|Dummy)Ref:.*", task) for mark in marks for task in mark)


@pytest.mark.rule("event.get_current_id")
def test_there_is_a_latest_id(xapi: Any, made: Made) -> None:
    """get_current_id grows with the changes."""
    before = int(xapi.event.get_current_id())
    made.vm()
    assert int(xapi.event.get_current_id()) > before


@pytest.mark.rule("event of a power operation")
def test_a_start_is_told_with_all_that_comes_with_it(session: Any, made: Made, xapi: Any) -> None:
    """A started VM is a mod, its console an add, its host a mod."""
    vm = made.vm(HARDWARE)
    token = ask(session, ["VM", "host", "console"], "")["token"]
    xapi.VM.start(vm, False, False)
    told = {(event["class"], event["operation"], event["ref"]) for event in ask(session, ["VM", "host", "console"], token)["events"]}
    assert ("vm", "mod", vm) in told
    assert ("host", "mod", xapi.VM.get_resident_on(vm)) in told
    assert {("console", "add", console) for console in xapi.VM.get_consoles(vm)} <= told


@pytest.mark.rule("event of a power operation")
def test_a_disk_is_marked_while_its_vm_starts(other: Any, xapi: Any, made: Made, disk: str) -> None:
    """The devices of a VM bear the mark of its start: attach."""
    vm = made.vm(HARDWARE)
    vbd = made.vbd(vm, disk)
    other.xenapi.event.register(["vbd"])
    xapi.VM.start(vm, False, False)
    xapi.VM.hard_shutdown(vm)
    xapi.VBD.destroy(vbd)
    snapshots = [event["snapshot"] for event in collected(other, vbd, "del") if "snapshot" in event]
    assert "attach" in {operation for snapshot in snapshots for operation in snapshot["current_operations"].values()}
    assert {snapshot["currently_attached"] for snapshot in snapshots} == {True, False}


@pytest.mark.rule("event.unregister")
def test_a_subscription_can_be_given_up(other: Any, xapi: Any, made: Made) -> None:
    """After unregister only the other classes are told."""
    other.xenapi.event.register(["vm", "network"])
    other.xenapi.event.unregister(["vm"])
    made.vm()
    network = made.private_network()
    xapi.network.destroy(network)
    assert {event["class"] for event in collected(other, network, "del")} == {"network"}
