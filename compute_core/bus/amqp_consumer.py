"""One topic's consumers over RabbitMQ, across as many links as it takes: what comes twice under one id is done once."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast
from uuid import uuid4

from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from compute_core.bus.amqp_link import BROKEN, CALLS, Link
from compute_core.bus.delivery import answer, deliver
from compute_core.bus.port import Endpoint
from compute_core.bus.seal import SEALED, BadSeal, Seal
from compute_core.bus.wire import Message, decode

REMEMBERED_IDS = 20_000

Reply = Callable[[str, str, bytes], Awaitable[None]]
"""``await reply(queue, correlation id, body)``."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Consumer:
    """Serves one topic: casts are acknowledged when done, calls at once, for nobody repeats them."""

    def __init__(
        self, topic: str, endpoints: Mapping[str, Endpoint], reply: Reply, forget: Callable[[Consumer], None], seal: Seal | None = None
    ) -> None:  # fmt: skip
        self._topic = topic
        self._endpoints = endpoints
        self._reply = reply
        self._forget = forget
        self._seal = seal
        self._seen: OrderedDict[str, asyncio.Task[bool]] = OrderedDict()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._taking: set[asyncio.Task[Any]] = set()
        self._tags: list[tuple[AbstractQueue, str]] = []

    async def attach(self, link: Link) -> None:
        """Begin to consume over a new link."""
        casts, calls = await link.topic_queue(self._topic), await link.topic_queue(self._topic + CALLS)
        self._tags = [(casts, await casts.consume(self._take_cast)), (calls, await calls.consume(self._take_call))]

    async def close(self) -> None:
        """See the port."""
        self._forget(self)
        tags, self._tags = self._tags, []
        for queue, tag in tags:
            await _settle(queue.cancel(tag))
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, *self._taking, return_exceptions=True)

    async def _take_call(self, incoming: AbstractIncomingMessage) -> None:
        await _settle(incoming.ack())
        try:
            message = self._read(incoming)
        except BadSeal as problem:
            log.warning("%s: %s; nobody is answered", self._topic, problem)
            return
        body = await self._spawn(answer(self._endpoints, message))
        await self._reply(incoming.reply_to or "", incoming.correlation_id or "", body)

    async def _take_cast(self, incoming: AbstractIncomingMessage) -> None:
        """Do it unless it is done or under way already; acknowledge when it is done."""
        with self._noted():
            key = incoming.message_id or str(uuid4())
            try:
                if key not in self._seen:
                    self._remember(key, self._spawn(deliver(self._endpoints, self._read(incoming))))
            except BadSeal as problem:
                log.warning("%s: %s; it goes to the dead letters", self._topic, problem)
                await _settle(incoming.reject(requeue=False))
                return
            try:
                is_done = await asyncio.shield(self._seen[key])
            except asyncio.CancelledError:
                self._seen.pop(key, None)
                await _settle(incoming.nack(requeue=True))
                raise
            await _settle(incoming.ack() if is_done else incoming.reject(requeue=False))

    def _read(self, incoming: AbstractIncomingMessage) -> Message:
        """What somebody has sent. BadSeal."""
        if incoming.content_type != SEALED:
            return decode(incoming.body)
        if self._seal is None:
            raise BadSeal("a message is sealed, and there is no key")
        return decode(self._seal.opened(incoming.body))

    def _remember(self, key: str, task: asyncio.Task[bool]) -> None:
        self._seen[key] = task
        while len(self._seen) > REMEMBERED_IDS and next(iter(self._seen.values())).done():
            self._seen.popitem(last=False)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """The task that runs inside is waited for by ``close``."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._taking.add(task)
        try:
            yield
        finally:
            self._taking.discard(task)


async def _settle(doing: Awaitable[Any]) -> None:
    """Tell the broker, unless the link is gone: then the broker knows no better and hands the message out again."""
    with suppress(*BROKEN):
        await doing
