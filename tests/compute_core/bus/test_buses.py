"""What every bus does, over the in-process one and over a real RabbitMQ."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from compute_core.bus import delivery
from compute_core.bus.amqp import AmqpBus
from compute_core.bus.in_process import InProcessBus
from compute_core.bus.port import Bus
from compute_core.model.errors import ComputeError, Conflict, HostUnreachable, NotFound

Body = Callable[[Bus, Bus, str], Awaitable[None]]
Buses = Callable[[Body], None]


@asynccontextmanager
async def in_process(_: pytest.FixtureRequest) -> AsyncIterator[tuple[Bus, Bus]]:
    bus = InProcessBus()
    yield bus, bus
    await bus.close()


def over_amqp(url: str) -> Callable[[pytest.FixtureRequest], Any]:
    @asynccontextmanager
    async def amqp(_: pytest.FixtureRequest) -> AsyncIterator[tuple[Bus, Bus]]:
        one, other = await AmqpBus.connect(url), await AmqpBus.connect(url)
        try:
            yield one, other
        finally:
            await one.close()
            await other.close()

    return amqp


@pytest.fixture(params=["in_process", pytest.param("amqp", marks=pytest.mark.rabbitmq)])
def buses(request: pytest.FixtureRequest) -> Buses:
    """Runs a coroutine with two ends of a bus, a sender's and a receiver's, and a topic of its own."""
    make = in_process if request.param == "in_process" else over_amqp(request.getfixturevalue("amqp_url"))

    def run(body: Body) -> None:
        async def main() -> None:
            async with make(request) as (sender, receiver), asyncio.timeout(60):
                await body(sender, receiver, f"compute.{uuid4()}")

        asyncio.run(main())

    return run


class Sink:
    """Endpoints that note what they are given, and tell when they have been given enough."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self._changed = asyncio.Condition()

    async def take(self, item: Any) -> int:
        async with self._changed:
            self.taken.append(item)
            self._changed.notify_all()
        return len(self.taken)

    async def until(self, count: int) -> list[Any]:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.taken) >= count)
        return self.taken


def test_casts_of_one_topic_are_started_in_the_order_in_which_they_were_sent(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        sink = Sink()
        await receiver.serve(topic, {"take": sink.take})
        for number in range(50):
            await sender.cast(topic, "take", {"item": number})
        assert await sink.until(50) == list(range(50))

    buses(body)


def test_a_slow_cast_does_not_hold_up_the_next_one(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        sink, may_end = Sink(), asyncio.Event()

        async def slow() -> None:
            await may_end.wait()
            await sink.take("slow")

        await receiver.serve(topic, {"take": sink.take, "slow": slow})
        await sender.cast(topic, "slow", {})
        await sender.cast(topic, "take", {"item": "quick"})
        assert await sink.until(1) == ["quick"]
        may_end.set()
        assert await sink.until(2) == ["quick", "slow"]

    buses(body)


def test_casts_wait_for_their_topic_to_be_served(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        sink = Sink()
        for number in range(3):
            await sender.cast(topic, "take", {"item": number})
        await receiver.serve(topic, {"take": sink.take})
        assert await sink.until(3) == [0, 1, 2]

    buses(body)


def test_a_cast_that_was_not_finished_is_delivered_to_the_next_server(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        sink, begun = Sink(), asyncio.Event()

        async def dies(item: Any) -> None:
            begun.set()
            await asyncio.Event().wait()

        first = await receiver.serve(topic, {"take": dies})
        await sender.cast(topic, "take", {"item": "build me"})
        await begun.wait()
        await first.close()
        await receiver.serve(topic, {"take": sink.take})
        assert await sink.until(1) == ["build me"]

    buses(body)


def test_a_call_is_answered(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        async def double(number: int) -> dict[str, Any]:
            return {"number": number * 2, "text": None}

        await receiver.serve(topic, {"double": double})
        answers = await asyncio.gather(*(sender.call(topic, "double", {"number": n}, 10) for n in range(20)))
        assert answers == [{"number": n * 2, "text": None} for n in range(20)]

    buses(body)


@pytest.mark.parametrize("error", [NotFound("no such"), Conflict("not now"), ComputeError("other")])
def test_an_endpoints_refusal_reaches_the_caller_as_the_same_error(buses: Buses, error: ComputeError) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        async def refuse() -> None:
            raise error

        await receiver.serve(topic, {"refuse": refuse})
        with pytest.raises(type(error)) as caught:
            await sender.call(topic, "refuse", {}, 10)
        assert (type(caught.value), caught.value.message) == (type(error), error.message)

    buses(body)


def test_a_broken_endpoint_is_told_to_the_caller_and_logged_whole(buses: Buses, caplog: pytest.LogCaptureFixture) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        async def broken() -> None:
            raise ZeroDivisionError("a bug")

        await receiver.serve(topic, {"broken": broken})
        with pytest.raises(ComputeError, match="broken broke at the other end"):
            await sender.call(topic, "broken", {}, 10)

    with caplog.at_level(logging.ERROR):
        buses(body)
    assert "ZeroDivisionError: a bug" in caplog.text


def test_a_method_that_nobody_serves_is_refused(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        await receiver.serve(topic, {})
        with pytest.raises(ComputeError, match="Nobody serves nothing here"):
            await sender.call(topic, "nothing", {}, 10)

    buses(body)


def test_a_call_that_nobody_serves_ends_at_its_deadline_and_is_not_done_later(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        sink = Sink()
        with pytest.raises(HostUnreachable, match=r"did not answer take in 0\.2 s"):
            await sender.call(topic, "take", {"item": "too late"}, 0.2)
        await asyncio.sleep(0.5)  # a broker counts from when it got the message, which may be a little later than when it was sent
        await receiver.serve(topic, {"take": sink.take})
        assert await sender.call(topic, "take", {"item": "in time"}, 10) == 1
        assert sink.taken == ["in time"]

    buses(body)


def test_the_deadline_is_the_same_for_the_calls_made_while_answering(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        below: list[float] = []

        async def lower() -> None:
            await asyncio.Event().wait()

        async def upper() -> None:
            loop = asyncio.get_running_loop()
            began = loop.time()
            try:
                await receiver.call(f"{topic}.lower", "lower", {}, 60)
            finally:
                below.append(loop.time() - began)

        await receiver.serve(topic, {"upper": upper})
        await receiver.serve(f"{topic}.lower", {"lower": lower})
        with pytest.raises(HostUnreachable, match=r"\.lower did not answer lower"):
            await sender.call(topic, "upper", {}, 1.0)
        assert 0.3 < below[0] < 0.7

    buses(body)


def test_a_cast_whose_endpoint_finds_its_database_away_is_tried_again(buses: Buses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_DELAYS_S", (0.01, 0.01, 0.01))

    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        sink, absences = Sink(), [HostUnreachable("away"), HostUnreachable("still away")]

        async def take(item: Any) -> None:
            if absences:
                raise absences.pop()
            await sink.take(item)

        await receiver.serve(topic, {"take": take})
        await sender.cast(topic, "take", {"item": "kept"})
        assert await sink.until(1) == ["kept"]

    buses(body)


def test_a_refused_cast_is_not_tried_again(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        sink = Sink()

        async def refuse() -> None:
            await sink.take("asked")
            raise NotFound("gone")

        await receiver.serve(topic, {"refuse": refuse, "take": sink.take})
        await sender.cast(topic, "refuse", {})
        await sender.cast(topic, "take", {"item": "next"})
        assert await sink.until(2) == ["asked", "next"]

    buses(body)


def test_receivers_do_not_share_values_with_senders(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        sink, mine = Sink(), {"list": [1]}
        await receiver.serve(topic, {"take": sink.take})
        await sender.cast(topic, "take", {"item": mine})
        mine["list"].append(2)
        assert await sink.until(1) == [{"list": [1]}]

    buses(body)


def test_what_is_no_json_cannot_be_sent(buses: Buses) -> None:
    async def body(sender: Bus, receiver: Bus, topic: str) -> None:
        with pytest.raises(TypeError):
            await sender.cast(topic, "take", {"item": object()})

    buses(body)
