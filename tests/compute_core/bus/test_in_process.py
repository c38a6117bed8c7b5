"""What only the in-process bus does."""

from __future__ import annotations

import asyncio

import pytest

from compute_core.bus import delivery
from compute_core.bus.in_process import InProcessBus
from compute_core.bus.wire import Message
from compute_core.model.errors import HostUnreachable


def test_two_buses_of_one_process_share_nothing() -> None:
    async def main() -> None:
        one, other = InProcessBus(), InProcessBus()
        taken: list[str] = []

        async def take(item: str) -> None:
            taken.append(item)

        await other.serve("cell.a", {"take": take})
        await one.cast("cell.a", "take", {"item": "for one"})
        await other.cast("cell.a", "take", {"item": "for other"})
        await other.close()
        assert taken == []
        await other.serve("cell.a", {"take": take})
        await asyncio.sleep(0)
        assert taken == ["for other"]
        await asyncio.gather(one.close(), other.close())

    asyncio.run(main())


def test_a_topic_has_one_server() -> None:
    async def main() -> None:
        bus = InProcessBus()
        await bus.serve("cell.a", {})
        with pytest.raises(HostUnreachable, match=r"cell\.a is served already"):
            await bus.serve("cell.a", {})
        await bus.close()

    asyncio.run(main())


def test_a_cast_that_always_breaks_ends_as_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_DELAYS_S", (0.0, 0.0))

    async def main() -> None:
        bus, tries = InProcessBus(), 0

        async def broken() -> None:
            nonlocal tries
            tries += 1
            raise ZeroDivisionError

        await bus.serve("cell.a", {"broken": broken})
        await bus.cast("cell.a", "broken", {})
        for _ in range(10):
            await asyncio.sleep(0)
        assert (bus.dead_letters, tries) == ([("cell.a", Message("broken", {}))], 3)
        await bus.close()

    asyncio.run(main())
