"""The bus over RabbitMQ: one durable queue per topic, publisher confirms, persistent messages, acknowledged when done.

A connection that breaks is made again; a cast is sent again, under the same id, until the broker has confirmed it. What arrives
twice under one id is done once (as long as this process lives: after a crash the broker hands it over again, hence at least once).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from compute_core.bus.amqp_consumer import Consumer
from compute_core.bus.amqp_link import BROKEN, CALLS, Link, without_password
from compute_core.bus.deadline import time_left
from compute_core.bus.port import Endpoint
from compute_core.bus.seal import SEALED, Seal, holds_secret
from compute_core.bus.wire import Message, answer_of, encode
from compute_core.model.errors import HostUnreachable

RETRY_EVERY_S = 0.2
CONFIRM_TIMEOUT_S = 10.0
"""A publish that meets the end of its connection may never hear of it: it is sent again after this long."""

log = logging.getLogger(__name__)


class AmqpBus:
    """One end of the bus. Holds one link to the broker at a time and dials a new one whenever it breaks."""

    def __init__(self, url: str, cast_timeout_s: float, seal: Seal | None = None) -> None:
        self._url = url
        self._where = without_password(url)
        self._cast_timeout_s = cast_timeout_s
        self._seal = seal
        self._reply_to = f"inova.reply.{uuid4()}"
        self._replies: dict[str, asyncio.Future[bytes]] = {}
        self._consumers: list[Consumer] = []
        self._link: Link | None = None
        self._has_link = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, url: str, *, cast_timeout_s: float = 120.0, seal: Seal | None = None) -> AmqpBus:
        """Dial the broker. HostUnreachable, without the password, when it is not there. ``seal``: for what the broker is not to read."""
        bus = cls(url, cast_timeout_s, seal)
        await bus._attach(await Link.dial(url))
        bus._keeper = asyncio.get_running_loop().create_task(bus._keep_linked())
        return bus

    async def cast(self, topic: str, method: str, arguments: Mapping[str, Any]) -> None:
        """See the port."""
        message = self._message(Message(method, arguments))
        message.message_id, message.delivery_mode = str(uuid4()), aio_pika.DeliveryMode.PERSISTENT
        try:
            async with asyncio.timeout(self._cast_timeout_s):
                await self._send(topic, message)
        except TimeoutError:
            raise HostUnreachable(f"The broker at {self._where} does not take messages.") from None

    async def call(self, topic: str, method: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        """See the port."""
        left_s, key = time_left(timeout_s), str(uuid4())
        message = self._message(Message(method, arguments, left_s))
        message.message_id = message.correlation_id = key
        message.reply_to, message.expiration = self._reply_to, left_s
        reply = self._replies[key] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(left_s):
                await self._send(topic + CALLS, message)
                return answer_of(await reply)
        except TimeoutError:
            raise HostUnreachable(f"{topic} did not answer {method} in {left_s:g} s.") from None
        finally:
            del self._replies[key]

    async def serve(self, topic: str, endpoints: Mapping[str, Endpoint]) -> Consumer:
        """See the port."""
        consumer = Consumer(topic, endpoints, self._reply, self._consumers.remove, self._seal)
        self._consumers.append(consumer)
        if self._link is not None:
            with suppress(*BROKEN):
                await consumer.attach(self._link)
        return consumer

    async def close(self) -> None:
        """See the port."""
        for consumer in tuple(self._consumers):
            await consumer.close()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._link is not None:
            await self._link.close()

    def _message(self, message: Message) -> aio_pika.Message:
        body = encode(message)
        if self._seal is None or not holds_secret(message.arguments):
            return aio_pika.Message(body)
        return aio_pika.Message(self._seal.closed(body), content_type=SEALED)

    async def _keep_linked(self) -> None:
        while True:
            if self._link is not None:
                await self._link.is_broken.wait()
                log.warning("the link to %s is broken", self._where)
                await self._detach(self._link)
            try:
                await self._attach(await Link.dial(self._url))
            except (HostUnreachable, *BROKEN) as absence:
                log.info("%s", absence)
                await asyncio.sleep(RETRY_EVERY_S)

    async def _attach(self, link: Link) -> None:
        """Make a new link the one in use, with every consumer on it."""
        self._link = link
        replies = await link.reply_queue(self._reply_to)
        await replies.consume(self._take_reply, no_ack=True)
        for consumer in tuple(self._consumers):
            await consumer.attach(link)
        self._has_link.set()

    async def _detach(self, link: Link) -> None:
        self._link = None
        self._has_link.clear()
        with suppress(*BROKEN):
            await link.close()

    async def _send(self, queue: str, message: aio_pika.Message) -> None:
        """Publish until the broker confirms, over as many links as it takes."""
        while True:
            await self._has_link.wait()
            link = self._link
            try:
                async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                    if link is not None:
                        await link.publish(queue, message)
                        return
            except (*BROKEN, TimeoutError) as problem:
                log.info("%s did not confirm: %s", self._where, problem)
            await asyncio.sleep(RETRY_EVERY_S)

    async def _reply(self, to: str, key: str, body: bytes) -> None:
        link = self._link
        try:
            if link is not None:
                await link.answer(to, aio_pika.Message(body, correlation_id=key))
        except BROKEN as problem:
            log.info("a reply is lost: %s", problem)

    async def _take_reply(self, message: AbstractIncomingMessage) -> None:
        reply = self._replies.get(message.correlation_id or "")
        if reply is not None and not reply.done():
            reply.set_result(message.body)
