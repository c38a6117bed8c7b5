"""Events: what is told, to whom, when; and what it costs those who do not care."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from tests.fake_xapi.engine.kit import Kit, over_xapi

EVERYTHING = ""


def _told(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(event["class"], event["operation"]) for event in answer["events"]]


async def _token(kit: Kit) -> str:
    token: str = (await kit.call("event.from", ["pool"], EVERYTHING, 0.0))["token"]
    return token


def test_the_empty_token_tells_of_all_that_is_there() -> None:
    async def body(kit: Kit) -> None:
        kit.make("VM")
        answer = await kit.call("event.from", ["vm", "host"], EVERYTHING, 0.0)
        assert _told(answer) == [("vm", "add"), ("host", "add")]
        assert answer["valid_ref_counts"]["vm"] == 1
        assert answer["token"] == f"{kit.world.generation:020d},{kit.world.generation:020d}"

    over_xapi(body)


def test_changes_since_a_token_are_one_event_for_an_object() -> None:
    async def body(kit: Kit) -> None:
        kept, gone = kit.make("VM", name_label="kept"), kit.make("VM")
        token = await _token(kit)
        made = kit.make("VM")
        for name in ("a", "b"):
            await kit.call("VM.set_name_label", kept, name)
            await kit.call("VM.set_name_label", made, name)
        with kit.world.edit() as edit:
            edit.destroy(kit.world.find_ref(gone))
            edit.destroy(edit.create("VM"))
        answer = await kit.call("event.from", ["vm"], token, 0.0)
        assert [(event["operation"], event["ref"]) for event in answer["events"]] == [("add", made), ("mod", kept), ("del", gone)]
        assert answer["events"][1]["snapshot"]["name_label"] == "b"
        assert "snapshot" not in answer["events"][2]

    over_xapi(body)


def test_the_other_end_of_a_relation_is_told_as_well() -> None:
    async def body(kit: Kit) -> None:
        vm, vdi = kit.made("VM"), kit.made("VDI")
        token = await _token(kit)
        kit.make("VBD", VM=vm, VDI=vdi)
        assert _told(await kit.call("event.from", ["*"], token, 0.0)) == [("vbd", "add"), ("vm", "mod"), ("vdi", "mod")]

    over_xapi(body)


def test_a_waiter_wakes_with_the_change_itself() -> None:
    async def body(kit: Kit) -> None:
        vm = kit.make("VM")
        loop = asyncio.get_running_loop()
        waiter = asyncio.create_task(kit.call("event.from", [f"vm/{vm}"], await _token(kit), 1000.0))
        await asyncio.sleep(10)
        await kit.call("VM.set_name_label", vm, "web")
        began = loop.time()
        assert _told(await waiter) == [("vm", "mod")]
        assert loop.time() == began

    over_xapi(body)


def test_a_waiter_for_one_object_sleeps_through_the_changes_of_others() -> None:
    async def body(kit: Kit) -> None:
        vm, other = kit.make("VM"), kit.make("VM")
        waiter = asyncio.create_task(kit.call("event.from", [f"VM/{vm}"], await _token(kit), 30.0))
        await asyncio.sleep(1)
        await kit.call("VM.set_name_label", other, "web")
        answer = await waiter
        assert (answer["events"], asyncio.get_running_loop().time()) == ([], 30.0)

    over_xapi(body)


def test_after_its_time_a_waiter_is_told_nothing_and_a_newer_token() -> None:
    async def body(kit: Kit) -> None:
        token = await _token(kit)
        kit.make("SR")
        answer = await kit.call("event.from", ["vm"], token, 5.0)
        assert (answer["events"], answer["token"] > token) == ([], True)

    over_xapi(body)


def test_a_waiter_whose_session_ends_is_refused() -> None:
    async def body(kit: Kit) -> None:
        doomed = await kit.raw("session.login_with_password", "root", "xenroot")
        waiter = asyncio.create_task(kit.raw_refused("event.from", doomed, ["vm"], await _token(kit), 1000.0))
        await asyncio.sleep(1)
        await kit.raw("session.logout", doomed)
        assert await waiter == ["SESSION_INVALID", doomed]

    over_xapi(body)


def test_messages_come_first_and_newest_first() -> None:
    async def body(kit: Kit) -> None:
        token = await _token(kit)
        kit.make("VM")
        about = kit.world.uuid(kit.xapi.host)
        first = await kit.call("message.create", "A", 5, "Host", about, "body")
        second = await kit.call("message.create", "B", 5, "Host", about, "body")
        answer = await kit.call("event.from", ["vm", "message"], token, 0.0)
        assert [event["ref"] for event in answer["events"][:2]] == [second, first]
        assert answer["events"][2]["class"] == "vm"

    over_xapi(body)


@pytest.mark.parametrize("classes", [["nonsense"], ["vm", "nonsense/x"]])
def test_an_unknown_class_is_refused_by_name(classes: list[str]) -> None:
    async def body(kit: Kit) -> None:
        assert await kit.refused("event.from", classes, EVERYTHING, 0.0) == ["EVENT_SUBSCRIPTION_PARSE_FAILURE", classes[-1]]
        assert await kit.refused("event.register", classes) == ["EVENT_SUBSCRIPTION_PARSE_FAILURE", classes[-1]]

    over_xapi(body)


@pytest.mark.parametrize(("release", "is_lost"), [("boston", True), ("tampa", False)])
def test_boston_keeps_events_for_a_quarter_of_an_hour(release: str, *, is_lost: bool) -> None:
    async def body(kit: Kit) -> None:
        await kit.call("event.register", ["vm"])
        kit.make("VM", name_label="a")
        await asyncio.sleep(901)
        if is_lost:
            assert await kit.refused("event.next") == ["EVENTS_LOST"]
            kit.make("VM", name_label="b")
        names = [event["snapshot"]["name_label"] for event in await kit.call("event.next") if event["operation"] == "add"]
        assert names == ["b" if is_lost else "a"]

    over_xapi(body, release)


def test_a_bad_token_is_refused_and_in_boston_begins_anew() -> None:
    async def body(kit: Kit) -> None:
        for token in ("nonsense", "1", "1,", "1,x", ",1", "1,2,3", "1,2.", "-1,1", "\u0661,1"):
            assert await kit.refused("event.from", ["vm"], token, 0.0) == ["EVENT_FROM_TOKEN_PARSE_FAILURE", token]

    async def boston(kit: Kit) -> None:
        answer = await kit.call("event.from", ["host"], "nonsense", 0.0)
        assert (_told(answer), answer["token"]) == ([("host", "add"), ("host", "mod")], f"{kit.world.generation},0.")

    over_xapi(body)
    over_xapi(boston, "boston")


def test_inject_gives_a_token_that_is_behind_nothing() -> None:
    async def body(kit: Kit) -> None:
        vm = kit.make("VM")
        token = await _token(kit)
        injected = await kit.call("event.inject", "vm", vm)
        answer = await kit.call("event.from", ["vm"], token, 0.0)
        assert (_told(answer), answer["token"]) == ([("vm", "mod")], injected)
        assert await kit.refused("event.inject", "sr", vm) == ["HANDLE_INVALID", "sr", vm]

    over_xapi(body)


def test_event_next_tells_each_change_as_the_object_was_then() -> None:
    async def body(kit: Kit) -> None:
        vm = kit.make("VM")
        await kit.call("event.register", ["vm"])
        waiter = asyncio.create_task(kit.call("event.next"))
        await asyncio.sleep(1)
        await kit.call("VM.set_name_label", vm, "a")
        await kit.call("VM.set_name_label", vm, "b")
        events = await waiter
        told = [(event["operation"], event["ref"], event["snapshot"]["name_label"]) for event in events]
        assert told == [("mod", vm, "a"), ("mod", vm, "b")]
        assert events[1]["id"] == str(await kit.call("event.get_current_id"))

    over_xapi(body)


def test_event_next_needs_a_registration() -> None:
    async def body(kit: Kit) -> None:
        trackid = hashlib.md5(kit.session.encode(), usedforsecurity=False).hexdigest()
        assert await kit.refused("event.next") == ["SESSION_NOT_REGISTERED", f"trackid={trackid}"]
        await kit.call("event.register", ["vm"])
        await kit.call("event.unregister", ["vm"])
        assert await kit.refused("event.next") == ["SESSION_NOT_REGISTERED", f"trackid={trackid}"]

    over_xapi(body)


def test_a_reader_who_falls_behind_the_queue_of_2012_is_told_once() -> None:
    async def body(kit: Kit) -> None:
        vm = kit.make("VM")
        await kit.call("event.register", ["vm"])
        for number in range(600):
            await kit.call("VM.set_name_label", vm, str(number))
        assert await kit.refused("event.next") == ["EVENTS_LOST"]
        await kit.call("VM.set_name_label", vm, "again")
        assert len(await kit.call("event.next")) == 1

    over_xapi(body, "clearwater")


@pytest.mark.parametrize(("release", "refused"), [("boston", True), ("tampa", True), ("clearwater", True), ("latest", False)])
def test_event_from_ends_what_the_session_registered_for_in_2012(release: str, refused: bool) -> None:
    async def body(kit: Kit) -> None:
        await kit.call("event.register", ["vm"])
        waiter = asyncio.create_task(kit.refused("event.next") if refused else kit.call("event.next"))
        await asyncio.sleep(1)
        await kit.call("event.from", ["pool"], "", 0.0)
        kit.make("VM")
        answer = await waiter
        if refused:
            assert answer == ["SESSION_INVALID", kit.session]
            assert (await kit.refused("event.next"))[0] == "SESSION_NOT_REGISTERED"
        else:
            assert [event["operation"] for event in answer] == ["add"]

    over_xapi(body, release)


def test_those_who_wait_for_a_change_hear_of_it_in_the_order_in_which_they_came() -> None:
    async def body(kit: Kit) -> None:
        token, order = await _token(kit), []

        async def wait(number: int) -> None:
            await kit.call("event.from", ["vm"], token, 30.0)
            order.append(number)

        waiting = [asyncio.create_task(wait(number)) for number in range(40)]
        await asyncio.sleep(1.0)
        kit.make("VM")
        await asyncio.gather(*waiting)
        assert order == list(range(40))

    over_xapi(body)
