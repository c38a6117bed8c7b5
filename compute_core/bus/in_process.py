"""The bus inside one process: topics as queues of tasks on the running loop. Two of them share nothing.

Messages pass through JSON as on a real bus, so that sender and receiver never share a mutable value.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any

from compute_core.bus.deadline import time_left
from compute_core.bus.delivery import answer, deliver
from compute_core.bus.port import Endpoint
from compute_core.bus.wire import Message, answer_of, decode, encode
from compute_core.model.errors import HostUnreachable

Answer = asyncio.Future[bytes]


class InProcessBus:
    """A whole bus. ``dead_letters`` are the casts that their endpoints could not do: (topic, message)."""

    def __init__(self) -> None:
        self.dead_letters: list[tuple[str, Message]] = []
        self._topics: dict[str, _Topic] = {}

    async def cast(self, topic: str, method: str, arguments: Mapping[str, Any]) -> None:
        """See the port."""
        self._topic(topic).put(encode(Message(method, arguments)), None)

    async def call(self, topic: str, method: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        """See the port."""
        left_s = time_left(timeout_s)
        reply: Answer = asyncio.get_running_loop().create_future()
        self._topic(topic).put(encode(Message(method, arguments, left_s)), reply)
        try:
            async with asyncio.timeout(left_s):
                return answer_of(await reply)
        except TimeoutError:
            raise HostUnreachable(f"{topic} did not answer {method} in {left_s:g} s.") from None

    async def serve(self, topic: str, endpoints: Mapping[str, Endpoint]) -> _Serving:
        """See the port. One server per topic."""
        return self._topic(topic).serve(endpoints)

    async def close(self) -> None:
        """See the port."""
        for topic in self._topics.values():
            await topic.stop()

    def _topic(self, name: str) -> _Topic:
        found = self._topics.get(name)
        if found is None:
            found = self._topics[name] = _Topic(name, self.dead_letters)
        return found


class _Topic:
    """One topic: who serves it, what is under way (by order of arrival), what waits for somebody to serve it."""

    def __init__(self, name: str, dead_letters: list[tuple[str, Message]]) -> None:
        self._name = name
        self._dead_letters = dead_letters
        self._endpoints: Mapping[str, Endpoint] | None = None
        self._waiting: deque[tuple[bytes, Answer | None]] = deque()
        self._under_way: dict[asyncio.Task[None], bytes | None] = {}

    def put(self, body: bytes, reply: Answer | None) -> None:
        if self._endpoints is None:
            self._waiting.append((body, reply))
        else:
            self._begin(self._endpoints, body, reply)

    def serve(self, endpoints: Mapping[str, Endpoint]) -> _Serving:
        if self._endpoints is not None:
            raise HostUnreachable(f"{self._name} is served already.")
        self._endpoints = endpoints
        while self._waiting:
            self._begin(endpoints, *self._waiting.popleft())
        return _Serving(self)

    async def stop(self) -> None:
        self._endpoints = None
        tasks = dict(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        unfinished = [(body, None) for task, body in tasks.items() if body is not None and task.cancelled()]
        self._waiting.extendleft(reversed(unfinished))

    def _begin(self, endpoints: Mapping[str, Endpoint], body: bytes, reply: Answer | None) -> None:
        message = decode(body)
        if reply is None:
            self._spawn(self._deliver(endpoints, message), body)
        elif not reply.done():
            self._spawn(_answer(endpoints, message, reply), None)

    def _spawn(self, work: Coroutine[Any, Any, None], body: bytes | None) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way[task] = body
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)

    async def _deliver(self, endpoints: Mapping[str, Endpoint], message: Message) -> None:
        if not await deliver(endpoints, message):
            self._dead_letters.append((self._name, message))


class _Serving:
    """One topic being served."""

    def __init__(self, topic: _Topic) -> None:
        self._topic = topic

    async def close(self) -> None:
        """See the port."""
        await self._topic.stop()


async def _answer(endpoints: Mapping[str, Endpoint], message: Message, reply: Answer) -> None:
    body = await answer(endpoints, message)
    if not reply.done():
        reply.set_result(body)
