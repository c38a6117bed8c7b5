"""What only a bus over a broker has to survive: restarts of the broker, messages that come twice, messages that cannot be done."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import aio_pika
import pytest

from compute_core.bus import delivery
from compute_core.bus.amqp import AmqpBus
from compute_core.bus.amqp_link import DEAD_LETTERS
from compute_core.bus.wire import Message, encode
from compute_core.model.errors import HostUnreachable
from tests.compute_core.bus.broker import Broker, broker
from tests.compute_core.bus.test_buses import Sink

pytestmark = pytest.mark.rabbitmq


def test_casts_survive_a_restart_of_the_broker_and_both_ends_find_it_again() -> None:
    async def main(node: Broker, url: str) -> None:
        sender, receiver, sink = await AmqpBus.connect(url), await AmqpBus.connect(url), Sink()
        await sender.cast("compute.later", "take", {"item": "sent before anybody served"})
        await receiver.serve("compute.now", {"take": sink.take})
        await sender.cast("compute.now", "take", {"item": 0})
        await sink.until(1)
        await asyncio.to_thread(node.stop)
        during = asyncio.gather(*(sender.cast("compute.now", "take", {"item": n}) for n in range(1, 21)))
        await asyncio.sleep(0)
        node.start()  # on this thread: a server dies with the thread that began it
        await during
        assert set(await sink.until(21)) == set(range(21))
        await receiver.serve("compute.later", {"take": sink.take})
        assert (await sink.until(22))[21] == "sent before anybody served"
        assert await sender.call("compute.now", "take", {"item": "a call"}, 20) == 23
        await sender.close()
        await receiver.close()

    with broker() as node:
        asyncio.run(main(node, node.url))


def test_a_message_that_comes_twice_under_one_id_is_done_once(amqp_url: str) -> None:
    async def main() -> None:
        bus, sink, topic = await AmqpBus.connect(amqp_url), Sink(), f"compute.{uuid4()}"
        await bus.serve(topic, {"take": sink.take})
        connection = await aio_pika.connect(amqp_url)
        channel = await connection.channel()
        for key, item in (("same", 1), ("same", 1), ("other", 2), ("same", 1)):
            message = aio_pika.Message(encode(Message("take", {"item": item})), message_id=key)
            await channel.default_exchange.publish(message, topic)
        await bus.cast(topic, "take", {"item": 3})
        assert await sink.until(3) == [1, 2, 3]
        await connection.close()
        await bus.close()

    asyncio.run(main())


def test_what_cannot_be_done_is_kept_as_a_dead_letter(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_DELAYS_S", (0.0,))

    async def main() -> None:
        bus, topic = await AmqpBus.connect(amqp_url), f"compute.{uuid4()}"

        async def broken() -> None:
            raise ZeroDivisionError

        await bus.serve(topic, {"broken": broken})
        await bus.cast(topic, "broken", {})
        connection = await aio_pika.connect(amqp_url)
        queue = await (await connection.channel()).declare_queue(DEAD_LETTERS, durable=True)
        arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            await message.ack()
            arrived.set_result(message.body)

        await queue.consume(take)
        assert await asyncio.wait_for(arrived, 20) == encode(Message("broken", {}))
        await connection.close()
        await bus.close()

    asyncio.run(main())


def test_a_broker_that_is_not_there_is_named_without_the_password() -> None:
    with pytest.raises(HostUnreachable) as caught:
        asyncio.run(AmqpBus.connect("amqp://inova:hidden@127.0.0.1:9/"))
    assert caught.value.message.startswith("No broker at amqp://inova@127.0.0.1:9/: ")
    assert "hidden" not in caught.value.message
