"""Messages: what XAPI tells people, kept within bounds."""

from __future__ import annotations

from fake_xapi.engine.messages import MOST, SLACK
from tests.fake_xapi.engine.kit import Kit, over_xapi


def test_a_message_can_be_found_by_object_and_by_date_and_destroyed() -> None:
    async def body(kit: Kit) -> None:
        ref = await kit.call("message.create", "HELLO", 3, "VM", "an-uuid", "text")
        assert list((await kit.call("message.get", "VM", "an-uuid", "19700101T00:00:00Z")).value()) == [ref]
        assert list((await kit.call("message.get_since", "20120801T00:00:01Z")).value()) == []
        record = (await kit.call("message.get_record", ref)).value()
        assert (record["name"], record["priority"], record["cls"], record["obj_uuid"], record["body"]) == (
            "HELLO",
            3,
            "VM",
            "an-uuid",
            "text",
        )
        await kit.call("message.destroy", ref)
        assert await kit.call("message.get_all") == []

    over_xapi(body)


def test_of_too_many_messages_the_oldest_go() -> None:
    async def body(kit: Kit) -> None:
        refs = [await kit.call("message.create", "HELLO", 3, "VM", str(number), "") for number in range(MOST + SLACK + 1)]
        assert await kit.call("message.get_all") == refs[-MOST:]

    over_xapi(body)
