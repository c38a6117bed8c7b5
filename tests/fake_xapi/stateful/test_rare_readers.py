"""Clients that keep copies of some classes and read rarely, while others work: with event.from class by class, and with event.next.

Whatever a reader missed, once it has read to the end it knows what the server knows of its classes, and nothing of others.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from tests.fake_xapi.stateful.cache import EventCache
from tests.fake_xapi.stateful.messages import ANY, Draw
from tests.fake_xapi.stateful.side import Side

WATCHED: tuple[tuple[str, ...], ...] = (("VM",), ("VBD", "VDI"), ("VIF", "network"), ("task",), ("SR", "PBD", "host"), ("message", "pool"))
WORKERS, CALLS_EACH = 4, 60
Ask = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class Reader:
    """A client with a session of its own, which keeps some classes."""

    ask: Ask
    classes: Sequence[str]
    cache: EventCache = field(default_factory=EventCache)
    reads: int = 0
    losses: int = 0

    async def differences(self) -> list[str]:
        """What of its classes is other here than the server says."""
        found = []
        for cls in self.classes:
            found += self.cache.differences(cls, await self.ask(f"{cls}.get_all_records"))
        return found

    @property
    def strangers(self) -> set[str]:
        """Classes that it was told of unasked."""
        return set(self.cache.tables) - {cls.lower() for cls in self.classes}


async def follow(reader: Reader) -> None:
    """Read what has happened, with event.from."""
    reader.cache.follow(await reader.ask("event.from", list(reader.classes), reader.cache.token, 0.0))


async def begin(reader: Reader) -> None:
    """Register first, then read everything: what happens between is told twice, and harms nobody."""
    await reader.ask("event.register", list(reader.classes))
    for cls in reader.classes:
        reader.cache.tables[cls.lower()] = dict(await reader.ask(f"{cls}.get_all_records"))


async def drain(reader: Reader) -> None:
    """Read what is queued, with event.next, until a change of its own comes; who has lost events begins anew."""
    pool = (await reader.ask("pool.get_all"))[0]
    reader.reads += 1
    mark = f"{'/'.join(reader.classes)} reads for the {reader.reads}th time"
    await reader.ask("pool.set_name_label", pool, mark)
    while True:
        try:
            events = await reader.ask("event.next")
        except Failure as failure:
            if failure.details != ["EVENTS_LOST"]:
                raise
            reader.losses += 1
            await begin(reader)
            return
        reader.cache.follow({"events": events, "token": ""})
        if any(event["class"] == "pool" and event["snapshot"]["name_label"] == mark for event in events):
            return


def over_readers(body: Callable[[Xapi, Side, Callable[[], Awaitable[Ask]]], Awaitable[None]], release: str = "latest") -> None:
    """Run over a pool of two hosts on virtual time, with a way to log in."""

    async def main() -> None:
        fleet = Fleet(Order(hosts=2, pool_size=2, personality=release), Settings(durations=durations("realistic")))
        xapi = next(iter(fleet.hosts.values()))

        async def log_in() -> Ask:
            session = await _answer(xapi, "session.login_with_password", "root", "xenroot")

            async def ask(method: str, *params: Any) -> Any:
                return await _answer(xapi, method, session, *params)

            return ask

        await body(xapi, Side(xapi.world[xapi.host]["name_label"], xapi, lambda *_: None), log_in)
        await fleet.close()

    run_virtual(main())


async def _answer(xapi: Xapi, method: str, *params: Any) -> Any:
    outcome = xapi.dispatch(method, list(params))
    answer = await outcome if asyncio.iscoroutine(outcome) else outcome
    return answer.value() if hasattr(answer, "value") else answer


async def work(ask: Ask, side: Side, seed: int) -> int:
    """Call anything, one call after another, some without waiting for them; how many were served."""
    rng, names, served = random.Random(seed), sorted(ANY), 0
    for number in range(CALLS_EACH):
        if number % 10 == 0:
            template = side.any(rng, "VM", lambda row: row["is_default_template"])
            await ask("VM.clone", template, f"made by {seed}")
        name = rng.choice(names)
        try:
            await ask(rng.choice(("", "Async.")) + name, *ANY[name](Draw(side, rng)))
            served += 1
        except Failure:
            await asyncio.sleep(rng.random())
    return served


@pytest.mark.parametrize("release", ["tampa", "latest"])
def test_readers_of_some_classes_know_them_whenever_they_read(release: str) -> None:
    async def body(xapi: Xapi, side: Side, log_in: Callable[[], Awaitable[Ask]]) -> None:
        readers = [Reader(await log_in(), classes) for classes in WATCHED]
        working = [asyncio.ensure_future(work(await log_in(), side, seed)) for seed in range(WORKERS)]
        rng = random.Random(9)
        while not all(worker.done() for worker in working):
            await asyncio.sleep(rng.choice((0.5, 20.0, 400.0)))
            reader = rng.choice(readers)
            await follow(reader)
            assert await reader.differences() == []
        assert sum(worker.result() for worker in working) > WORKERS * CALLS_EACH // 3
        for reader in readers:
            await follow(reader)
            assert (await reader.differences(), reader.strangers) == ([], set())

    over_readers(body, release)


@pytest.mark.parametrize("release", ["boston", "tampa", "latest"])
def test_readers_of_the_queue_know_their_classes_or_are_told_what_they_lost(release: str) -> None:
    async def body(xapi: Xapi, side: Side, log_in: Callable[[], Awaitable[Ask]]) -> None:
        readers = [Reader(await log_in(), [*dict.fromkeys((*classes, "pool"))]) for classes in WATCHED]
        for reader in readers:
            await begin(reader)
        working = [asyncio.ensure_future(work(await log_in(), side, seed)) for seed in range(WORKERS)]
        rng = random.Random(9)
        while not all(worker.done() for worker in working):
            await asyncio.sleep(rng.choice((0.5, 20.0, 400.0)))
            reader = rng.choice(readers)
            await drain(reader)
            assert await reader.differences() == []
        for reader in readers:
            await drain(reader)
            assert (await reader.differences(), reader.strangers) == ([], set())
        assert bool(sum(reader.losses for reader in readers)) is (release != "latest")

    over_readers(body, release)
