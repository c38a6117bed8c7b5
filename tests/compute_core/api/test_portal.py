"""Synchronous code reaches the loop: from another thread, and from a greenlet on the loop's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from compute_core.api.portal import GreenletPortal, Portal, ThreadPortal, TooSlow, in_greenlet, iterate
from compute_core.model.errors import NotFound
from fake_xapi.engine.virtual_time import run_virtual


async def answer(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def fail() -> None:
    await asyncio.sleep(0)
    raise NotFound("nothing here")


def test_a_thread_gets_the_coroutines_result_and_its_error() -> None:
    async def main() -> None:
        portal = ThreadPortal(asyncio.get_running_loop(), timeout_s=10)

        def work() -> tuple[int, str, int]:
            with pytest.raises(NotFound) as caught:
                portal.run(fail())
            return portal.run(answer(7)), caught.value.message, threading.get_ident()

        value, message, thread = await asyncio.to_thread(work)
        assert (value, message) == (7, "nothing here")
        assert thread != threading.get_ident()

    asyncio.run(main())


def test_a_coroutine_that_takes_too_long_is_cancelled() -> None:
    ends: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def main() -> None:
        portal = ThreadPortal(asyncio.get_running_loop(), timeout_s=0.01)

        def work() -> str:
            with pytest.raises(TooSlow) as caught:
                portal.run(forever())
            return caught.value.message

        assert await asyncio.to_thread(work) == "No answer within 0.01 s."
        await asyncio.sleep(0)

    asyncio.run(main())
    assert ends == ["cancelled"]


def test_a_loop_that_has_ended_refuses_instead_of_hanging() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(TooSlow, match="being stopped"):
        ThreadPortal(loop, timeout_s=1).run(answer(1))


def test_a_greenlet_waits_on_virtual_time_while_others_go_on() -> None:
    async def slow(value: int) -> int:
        await asyncio.sleep(3600)
        return value

    def work(portal: Portal, value: int) -> int:
        return portal.run(slow(value)) + portal.run(slow(value))

    async def main() -> tuple[list[int], float]:
        portal = GreenletPortal()
        values = await asyncio.gather(*(in_greenlet(work, portal, value) for value in (1, 2, 3)))
        return values, asyncio.get_running_loop().time()

    assert run_virtual(main()) == ([2, 4, 6], 7200.0)


def test_a_greenlet_gets_errors_as_its_own() -> None:
    def work() -> str:
        with pytest.raises(NotFound) as caught:
            GreenletPortal().run(fail())
        return caught.value.message

    assert asyncio.run(in_greenlet(work)) == "nothing here"


def test_what_the_synchronous_code_raises_reaches_whoever_awaits_it() -> None:
    def work() -> None:
        GreenletPortal().run(answer(1))
        raise NotFound("raised in the greenlet")

    with pytest.raises(NotFound, match="raised in the greenlet"):
        asyncio.run(in_greenlet(work))


def test_a_cancelled_request_unwinds_the_synchronous_code() -> None:
    unwound: list[str] = []

    def work() -> None:
        try:
            GreenletPortal().run(answer_never())
        finally:
            unwound.append("work")

    async def answer_never() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(in_greenlet(work))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert unwound == ["work"]


def test_a_greenlet_portal_outside_its_place_says_so() -> None:
    with pytest.raises(RuntimeError, match="inside in_greenlet"):
        GreenletPortal().run(answer(1))


def test_a_reader_that_stops_early_ends_the_stream() -> None:
    ended: list[bool] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            for number in range(100):
                yield bytes([number])
        finally:
            ended.append(True)

    def work() -> list[bytes]:
        stream = iterate(GreenletPortal(), chunks())
        first = [next(stream), next(stream)]
        stream.close()  # type: ignore[attr-defined]  # a generator, as WSGI servers close it
        return first

    assert asyncio.run(in_greenlet(work)) == [b"\0", b"\1"]
    assert ended == [True]
