"""Messages: what XAPI tells people, kept within bounds."""

from __future__ import annotations

import pytest

from fake_xapi.engine.messages import CLASSES, MOST, SLACK
from tests.fake_xapi.engine.kit import Kit, over_xapi

NEVER = "19700101T00:00:00Z"


def test_a_message_can_be_found_by_object_and_by_date_and_destroyed() -> None:
    async def body(kit: Kit) -> None:
        uuid = kit.world.uuid(kit.made("VM"))
        ref = await kit.call("message.create", "HELLO", 3, "VM", uuid, "text")
        assert list((await kit.call("message.get", "VM", uuid, NEVER)).value()) == [ref]
        assert list((await kit.call("message.get_since", "20120801T00:00:01Z")).value()) == []
        record = (await kit.call("message.get_record", ref)).value()
        told = {name: record[name] for name in ("name", "priority", "cls", "obj_uuid", "body")}
        assert told == {"name": "HELLO", "priority": 3, "cls": "VM", "obj_uuid": uuid, "body": "text"}
        await kit.call("message.destroy", ref)
        assert await kit.call("message.get_all") == []

    over_xapi(body)


@pytest.mark.parametrize(("spelling", "cls"), CLASSES.items())
def test_a_message_is_about_an_object_that_is_there(spelling: str, cls: str) -> None:
    async def body(kit: Kit) -> None:
        uuid = kit.world.uuid(next(kit.world.ids(cls), 0) or kit.made(cls))
        await kit.call("message.create", "HELLO", 3, spelling, uuid, "text")
        other = kit.world.uuid(kit.made("task"))
        assert await kit.refused("message.create", "HELLO", 3, spelling, other, "text") == ["UUID_INVALID", spelling, other]
        assert await kit.refused("message.get", spelling, other, NEVER) == ["UUID_INVALID"]

    over_xapi(body)


def test_what_xapi_itself_tells_about_a_host_is_filed_under_the_class_as_messages_call_it() -> None:
    async def body(kit: Kit) -> None:
        pool = next(kit.world.ids("pool"))
        with kit.world.edit() as edit:
            edit.set(pool, master=kit.xapi.host)
            edit.create("host", hostname="other", external_auth_type="AD", external_auth_service_name="example.com")
        await kit.call("pool.detect_nonhomogeneous_external_auth", kit.world.ref(pool))
        rows = [row for _, row in kit.world.rows("message")]
        told = "host_external_auth_type=AD, host_external_auth_service_name=example.com"
        assert [(row["name"], row["cls"], row["body"]) for row in rows] == [
            ("AUTH_EXTERNAL_POOL_NON_HOMOGENEOUS", "Host", f"{told}, master_external_auth_type=, master_external_auth_service_name=")
        ]

    over_xapi(body)


def test_of_too_many_messages_the_oldest_go() -> None:
    async def body(kit: Kit) -> None:
        uuid = kit.world.uuid(kit.xapi.host)
        refs = [await kit.call("message.create", "HELLO", 3, "Host", uuid, "") for _ in range(MOST + SLACK + 1)]
        assert await kit.call("message.get_all") == refs[-MOST:]

    over_xapi(body)


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({}, []),
        ({"name": "A"}, ["B", "C"]),
        ({"priority": "1"}, ["C"]),
        ({"cls": "Host"}, ["A", "B"]),
        ({"obj_uuid": "VM"}, ["C"]),
        ({"before": "2012-08-01T00:00:10Z"}, ["B", "C"]),
        ({"after": "20120801T00:00:10Z"}, ["A", "B"]),
        ({"name": "A", "priority": "2"}, ["A", "B", "C"]),
    ],
)
def test_messages_go_by_filters(filters: dict[str, str], left: list[str]) -> None:
    async def body(kit: Kit) -> None:
        about = {"VM": kit.world.uuid(kit.made("VM")), "Host": kit.world.uuid(kit.xapi.host)}
        for second, (name, priority, cls) in zip((0, 10, 20), (("A", 1, "VM"), ("B", 1, "VM"), ("C", 2, "Host")), strict=True):
            message = kit.world.find_ref(await kit.call("message.create", name, priority, cls, about[cls], ""))
            with kit.world.edit() as edit:
                edit.set(message, timestamp=f"20120801T00:00:{second:02d}Z")
        await kit.call(
            "message.destroy_all", {key: about.get(value, value) if key == "obj_uuid" else value for key, value in filters.items()}
        )
        assert sorted(row["name"] for _, row in kit.world.rows("message")) == left

    over_xapi(body)


def test_an_unknown_filter_destroys_nothing() -> None:
    async def body(kit: Kit) -> None:
        await kit.call("message.create", "HELLO", 3, "Host", kit.world.uuid(kit.xapi.host), "")
        assert await kit.refused("message.destroy_all", {"colour": "red"}) == ["INVALID_VALUE", "colour", "red"]
        assert kit.world.count("message") == 1

    over_xapi(body)
