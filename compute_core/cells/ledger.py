"""The instances of a compute cell. Every change is one transaction with its note in the outbox, and changes of one instance take turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

from sqlalchemy import Connection

from compute_core.cells.outcomes import Outcome
from compute_core.model.clock import Clock
from compute_core.model.instances import Instance
from compute_core.store import instances, outbox
from compute_core.store.port import Store

Also = Callable[[Connection, Instance], None]
"""What else belongs to a change: done in its transaction, with the instance as it was before."""


class Ledger:
    """``has_news`` is set whenever the parent has something to hear."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.has_news = asyncio.Event()
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}

    async def change(self, uuid: str, outcome: Outcome, also: Also | None = None) -> Instance | None:
        """Apply an outcome; the instance as it is then, None where there is nothing to change."""
        async with self.turn(uuid):
            return await self.change_in_turn(uuid, outcome, also)

    async def change_in_turn(self, uuid: str, outcome: Outcome, also: Also | None = None) -> Instance | None:
        """As ``change``, for whoever holds the instance's turn."""
        changed = await self.store.run(change, uuid, outcome, also, self.clock.iso())
        if changed is not None:
            self.has_news.set()
        return changed

    @asynccontextmanager
    async def turn(self, uuid: str) -> AsyncIterator[None]:
        """Hold an instance: others wait, and go on in the order in which they came."""
        lock, holders = self._turns.get(uuid, (asyncio.Lock(), 0))
        self._turns[uuid] = lock, holders + 1
        try:
            async with lock:
                yield
        finally:
            holders = self._turns[uuid][1] - 1
            if holders:
                self._turns[uuid] = lock, holders
            else:
                del self._turns[uuid]


def change(connection: Connection, uuid: str, outcome: Outcome, also: Also | None, now: str) -> Instance | None:
    """The transaction behind ``Ledger.change``."""
    before = instances.find_to_change(connection, uuid)
    after = None if before is None else outcome(before)
    if before is None or after is None:
        return None
    after = next_of(before, after, now)
    instances.put(connection, after)
    outbox.note(connection, (after,))
    if also is not None:
        also(connection, before)
    return after


def add(connection: Connection, new: Iterable[Instance]) -> tuple[Instance, ...]:
    """Instances that come from above; those that are there already are left alone. Those added."""
    added = instances.add(connection, (replace(instance, update_seq=instance.update_seq + 1) for instance in new))
    outbox.note(connection, added)
    return added


def next_of(before: Instance, after: Instance, now: str) -> Instance:
    """A changed instance with its next sequence number."""
    return replace(after, update_seq=before.update_seq + 1, updated_at=now)
