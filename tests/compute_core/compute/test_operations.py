"""Operations on one server take turns, and an interruption ends them."""

from __future__ import annotations

import asyncio

import pytest

from compute_core.compute.operations import Operations


async def _work(log: list[str], name: str, hold: asyncio.Event | None = None) -> None:
    log.append(f"{name} begins")
    try:
        if hold is not None:
            await hold.wait()
    except asyncio.CancelledError:
        log.append(f"{name} takes back")
        raise
    log.append(f"{name} ends")


def test_operations_on_one_server_take_turns() -> None:
    async def run() -> list[str]:
        operations, log, hold = Operations(), list[str](), asyncio.Event()
        first = asyncio.create_task(operations.run("a", lambda: _work(log, "1", hold)))
        second = asyncio.create_task(operations.run("a", lambda: _work(log, "2")))
        await asyncio.sleep(0)
        await operations.run("b", lambda: _work(log, "3"))
        assert operations.is_busy("a")
        hold.set()
        await asyncio.gather(first, second)
        assert not operations.is_busy("a")
        return log

    assert asyncio.run(run()) == ["1 begins", "3 begins", "3 ends", "1 ends", "2 begins", "2 ends"]


def test_an_interruption_cancels_what_runs_and_what_waits_and_their_callers_hear_nothing() -> None:
    async def run() -> list[str]:
        operations, log = Operations(), list[str]()
        running = asyncio.create_task(operations.run("a", lambda: _work(log, "build", asyncio.Event())))
        waiting = asyncio.create_task(operations.run("a", lambda: _work(log, "reboot")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await operations.run("a", lambda: _work(log, "delete"), interrupts=True)
        await asyncio.gather(running, waiting)
        return log

    assert asyncio.run(run()) == ["build begins", "build takes back", "delete begins", "delete ends"]


def test_what_interrupts_is_not_interrupted_itself() -> None:
    async def run() -> list[str]:
        operations, log = Operations(), list[str]()
        work = (operations.run("a", lambda name=name: _work(log, name), interrupts=True) for name in ("first", "second"))  # type: ignore[misc]
        await asyncio.gather(*work)
        return log

    assert asyncio.run(run()) == ["first begins", "first ends", "second begins", "second ends"]


def test_an_operation_that_fails_tells_its_caller() -> None:
    async def fail() -> None:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        asyncio.run(Operations().run("a", fail))


def test_a_cancelled_caller_takes_its_operation_with_it() -> None:
    async def run() -> list[str]:
        operations, log = Operations(), list[str]()
        caller = asyncio.create_task(operations.run("a", lambda: _work(log, "build", asyncio.Event())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert not operations.is_busy("a")
        return log

    assert asyncio.run(run()) == ["build begins", "build takes back"]
