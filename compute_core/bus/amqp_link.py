"""One connection to a broker, from dialling to its end: a channel that publishes, a channel that consumes.

A link that breaks is not mended: whoever holds it dials a new one.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from yarl import URL

from compute_core.model.errors import HostUnreachable

DEAD_LETTERS = "inova.dead"
"""The queue of casts that their endpoints could not do, for an operator to look at."""

CALLS = ".calls"
"""A topic's calls have a queue of their own: they expire, and long casts before them must not hold them up."""

PREFETCH = 256
DIAL_TIMEOUT_S = 20.0

_QUEUE_ARGUMENTS: dict[str, Any] = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD_LETTERS}

BROKEN = (aio_pika.exceptions.AMQPError, aio_pika.exceptions.ChannelInvalidStateError, OSError)
"""What a connection raises that is no more."""


class Link:
    """``is_broken`` is set when the connection or one of its channels has ended, for whatever reason."""

    def __init__(self, connection: AbstractConnection, publishing: AbstractChannel, consuming: AbstractChannel) -> None:
        self.is_broken = asyncio.Event()
        self._connection = connection
        self._publishing = publishing
        self._consuming = consuming
        self._declared: set[str] = set()
        for part in (connection, publishing, consuming):
            part.close_callbacks.add(self._end)

    @classmethod
    async def dial(cls, url: str) -> Link:
        """Connect and open the channels. HostUnreachable, without the password, when the broker is not there."""
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                connection = await aio_pika.connect(url)
                try:
                    return await cls._open(connection)
                except BaseException:
                    await connection.close()
                    raise
        except (*BROKEN, TimeoutError) as problem:
            raise HostUnreachable(f"No broker at {without_password(url)}: {problem}") from problem

    @classmethod
    async def _open(cls, connection: AbstractConnection) -> Link:
        publishing, consuming = await connection.channel(), await connection.channel()
        await consuming.set_qos(prefetch_count=PREFETCH)
        await publishing.declare_queue(DEAD_LETTERS, durable=True)
        return cls(connection, publishing, consuming)

    async def publish(self, queue: str, message: aio_pika.Message) -> None:
        """Hand a message over; returns when the broker has it. The queue is made first, or there would be nothing to wait in."""
        if queue not in self._declared:
            await self._publishing.declare_queue(queue, durable=True, arguments=_arguments(queue))
            self._declared.add(queue)
        await self._publishing.default_exchange.publish(message, queue)

    async def answer(self, queue: str, message: aio_pika.Message) -> None:
        """Hand an answer to whoever may still wait for it."""
        await self._publishing.default_exchange.publish(message, queue, mandatory=False)

    async def topic_queue(self, name: str) -> AbstractQueue:
        """A topic's queue, to consume from."""
        return await self._consuming.declare_queue(name, durable=True, arguments=_arguments(name))

    async def reply_queue(self, name: str) -> AbstractQueue:
        """A queue for answers, which ends with the link."""
        return await self._consuming.declare_queue(name, exclusive=True, auto_delete=True)

    async def close(self) -> None:
        """Hang up."""
        await self._connection.close()

    def _end(self, *_: object) -> None:
        self.is_broken.set()


def without_password(url: str) -> str:
    """A broker's URL as it may be shown."""
    return str(URL(url).with_password(None))


def _arguments(queue: str) -> dict[str, Any] | None:
    return None if queue.endswith(CALLS) else _QUEUE_ARGUMENTS
