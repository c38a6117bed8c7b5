"""What a broker is given to keep of messages that hold secrets: nothing that it can read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from compute_core.bus.amqp import AmqpBus
from compute_core.bus.amqp_link import DEAD_LETTERS
from compute_core.bus.seal import SEALED, BadSeal, Seal, holds_secret, new_key
from compute_core.bus.wire import Message, encode
from compute_core.model.errors import HostUnreachable
from compute_core.settings import BadSettings, Settings
from compute_core.wiring import CloudApplication
from tests.compute_core.bus.test_buses import Sink

SECRET = {"item": 1, "admin_password": "Zy7-secret"}


@pytest.mark.parametrize(
    ("arguments", "holds"),
    [
        ({"admin_password": "s"}, True),
        ({"action": "rescue", "arguments": {"admin_password": "s"}}, True),
        ({"method": "act", "arguments": {"action": "rescue", "arguments": {"admin_password": "s"}}}, True),
        ({"admin_password": ""}, False),
        ({"arguments": {"admin_password": None}}, False),
        ({"arguments": ["admin_password"]}, False),
        ({"name": "admin_password"}, False),
        ({}, False),
    ],
)
def test_a_secret_is_known_by_its_name_wherever_a_message_is_carried(arguments: dict[str, Any], holds: bool) -> None:
    assert holds_secret(arguments) is holds


def test_a_seal_opens_what_it_has_closed_and_nothing_else() -> None:
    seal, other = Seal(new_key()), Seal(new_key())
    closed = seal.closed(b"body")
    assert (seal.opened(closed), b"body" in closed) == (b"body", False)
    for body in (other.closed(b"body"), closed[:-1], b"body", b""):
        with pytest.raises(BadSeal):
            seal.opened(body)
    with pytest.raises(ValueError, match="Fernet key"):
        Seal("none")


def test_a_message_shows_nothing_of_its_arguments() -> None:
    assert "Zy7" not in repr(Message("take", SECRET))


@asynccontextmanager
async def _kept(url: str, queue: str) -> AsyncIterator[aio_pika.abc.AbstractIncomingMessage]:
    """What the broker has in a queue; it has it still when nobody acknowledges it."""
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    found = await (await channel.declare_queue(queue, passive=True)).get(timeout=20)
    assert found is not None
    yield found
    await connection.close()


@pytest.mark.rabbitmq
def test_the_broker_cannot_read_a_password_that_waits_and_the_receiver_can(amqp_url: str) -> None:
    async def main() -> None:
        key, topic, sink = new_key(), f"compute.{uuid4()}", Sink()
        sender, receiver = [await AmqpBus.connect(amqp_url, seal=Seal(key)) for _ in range(2)]
        await sender.cast(topic, "take", {"item": 0})
        async with _kept(amqp_url, topic) as kept:
            assert kept.body == encode(Message("take", {"item": 0}))
        other = f"compute.{uuid4()}"
        await sender.cast(other, "take", {"item": "Zy7-secret", "arguments": {"admin_password": "Zy7-secret"}})
        async with _kept(amqp_url, other) as kept:
            assert (kept.content_type, b"Zy7" in kept.body) == (SEALED, False)

        async def take(item: Any, arguments: Any) -> Any:
            return await sink.take(item + arguments["admin_password"])

        await receiver.serve(other, {"take": take})
        assert await sink.until(1) == ["Zy7-secretZy7-secret"]
        told = await sender.call(other, "take", {"item": "a", "arguments": {"admin_password": "b"}}, 20)
        assert (told, await sink.until(2)) == (2, ["Zy7-secretZy7-secret", "ab"])
        await sender.close()
        await receiver.close()

    asyncio.run(main())


@pytest.mark.rabbitmq
@pytest.mark.parametrize("seal", [None, Seal(new_key())])
def test_who_has_another_key_does_not_do_what_he_cannot_read(amqp_url: str, seal: Seal | None) -> None:
    async def main() -> None:
        topic, sink = f"compute.{uuid4()}", Sink()
        sender, receiver = await AmqpBus.connect(amqp_url, seal=Seal(new_key())), await AmqpBus.connect(amqp_url, seal=seal)
        await receiver.serve(topic, {"take": sink.take})
        await sender.cast(topic, "take", SECRET)
        with pytest.raises(HostUnreachable):
            await sender.call(topic, "take", SECRET, 1.0)
        async with _kept(amqp_url, DEAD_LETTERS) as kept:
            await kept.ack()
            assert (kept.content_type, sink.taken) == (SEALED, [])
        await sender.close()
        await receiver.close()

    asyncio.run(main())


def _started(folder: Path) -> None:
    async def main() -> None:
        async with CloudApplication(Settings(state=folder, broker="amqp://127.0.0.1:9/"), epoch=datetime(2012, 8, 1, tzinfo=UTC)):
            raise AssertionError("there is no broker")

    asyncio.run(main())


def test_an_installation_keeps_its_key_to_itself_and_does_not_replace_one_that_is_spoilt(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(HostUnreachable):
            _started(tmp_path)
    file = tmp_path / "bus.key"
    assert (file.stat().st_mode & 0o777, Seal(file.read_text()).opened(Seal(file.read_text()).closed(b"a"))) == (0o600, b"a")
    file.write_text("spoilt")
    with pytest.raises(BadSettings, match=r"bus\.key: is no key\. Cure: "):
        _started(tmp_path)
