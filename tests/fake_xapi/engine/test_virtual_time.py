"""The event loop whose clock jumps."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator

import pytest

from fake_xapi.engine.virtual_time import DeadEndError, TimeLimitError, VirtualTimeLoop, run_virtual

DAY_S = 86_400


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_day_passes_in_a_moment_and_the_clock_shows_it_exactly() -> None:
    async def main() -> tuple[float, float]:
        began = now()
        for _ in range(1_000):
            await asyncio.sleep(DAY_S)
        return began, now()

    cpu_began_s = time.process_time()
    assert run_virtual(main()) == (0.0, 1_000.0 * DAY_S)
    assert (time.process_time() - cpu_began_s) / 1_000 < 0.01


def test_the_clock_stands_exactly_at_the_moment_that_was_asked_for() -> None:
    async def main() -> list[float]:
        loop, seen = asyncio.get_running_loop(), list[float]()
        moments = [n * 0.1 for n in range(1, 50)]
        for moment in moments:
            loop.call_at(moment, lambda: seen.append(loop.time()))
        await asyncio.sleep(5)
        return [seen_at - moment for seen_at, moment in zip(seen, moments, strict=True)]

    assert run_virtual(main()) == [0.0] * 49


def test_timers_of_one_moment_fire_in_the_order_in_which_they_were_set() -> None:
    async def main() -> list[int]:
        loop, fired = asyncio.get_running_loop(), list[int]()
        for number in range(100):
            loop.call_at(5.0, fired.append, number)
        await asyncio.sleep(6)
        return fired

    assert run_virtual(main()) == list(range(100))


def test_sleepers_interleave_by_time() -> None:
    async def main() -> list[tuple[float, str]]:
        log = list[tuple[float, str]]()

        async def sleeper(name: str, period_s: float) -> None:
            for _ in range(3):
                await asyncio.sleep(period_s)
                log.append((now(), name))

        await asyncio.gather(sleeper("slow", 2.0), sleeper("quick", 1.0))
        return log

    assert run_virtual(main()) == [(1.0, "quick"), (2.0, "slow"), (2.0, "quick"), (3.0, "quick"), (4.0, "slow"), (6.0, "slow")]


def test_a_cancelled_timer_does_not_move_the_clock() -> None:
    async def main() -> float:
        asyncio.get_running_loop().call_later(DAY_S, print).cancel()
        async with asyncio.timeout(DAY_S):
            await asyncio.sleep(1)
        return now()

    assert run_virtual(main()) == 1.0


def test_sets_of_tasks_iterate_in_the_order_of_creation() -> None:
    async def main() -> list[str]:
        cancelled = list[str]()

        async def wait(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(name)

        async def fail() -> None:
            await asyncio.sleep(1)
            raise LookupError

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(wait(f"{number:02}"))
                group.create_task(fail())
        except* LookupError:
            pass
        return cancelled

    assert run_virtual(main()) == [f"{number:02}" for number in range(20)]


def test_two_loops_do_not_share_a_clock() -> None:
    async def main(duration_s: float) -> float:
        await asyncio.sleep(duration_s)
        return now()

    assert (run_virtual(main(5)), run_virtual(main(7))) == (5.0, 7.0)


def test_a_dead_end_is_an_error_that_names_who_waits_and_where() -> None:
    async def lonely() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.sleep(3)
        task = asyncio.create_task(lonely(), name="the lonely one")
        await task

    with pytest.raises(DeadEndError, match=r"at 3 s .* nothing is scheduled.*the lonely one in Event\.wait"):
        run_virtual(main())


def test_a_run_beyond_its_limit_is_an_error_and_still_cleans_up() -> None:
    cleaned = list[float]()

    async def main() -> None:
        try:
            for _ in range(1_000):
                await asyncio.sleep(7)
        finally:
            await asyncio.sleep(100)
            cleaned.append(now())

    with pytest.raises(TimeLimitError, match=r"not done after 20 s of virtual time; the next event is at 21 s"):
        run_virtual(main(), limit_s=20)
    assert cleaned == [114.0]


def test_what_main_raises_comes_through() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise LookupError("main")

    with pytest.raises(LookupError, match="main"):
        run_virtual(main())


def test_a_failure_that_nobody_asked_for_is_not_lost() -> None:
    async def fail() -> None:
        raise LookupError("in the background")

    async def main() -> str:
        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        del task
        return "done"

    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(main())
    assert [repr(error) for error in caught.value.exceptions] == ["LookupError('in the background')"]


def test_a_failed_callback_is_not_lost() -> None:
    missing = dict[str, str]()

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, lambda: missing["key"])
        await asyncio.sleep(2)

    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(main())
    assert [repr(error) for error in caught.value.exceptions] == ["KeyError('key')"]


def test_a_failure_that_was_awaited_is_no_loss() -> None:
    async def fail() -> None:
        raise LookupError

    async def main() -> str:
        (error,) = await asyncio.gather(fail(), return_exceptions=True)
        return repr(error)

    assert run_virtual(main()) == "LookupError()"


def test_tasks_that_are_left_are_cancelled_and_asynchronous_generators_closed() -> None:
    closed = list[str]()

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append("generator")

    async def background() -> None:
        try:
            await asyncio.sleep(DAY_S)
        finally:
            closed.append("task")

    source = numbers()

    async def main() -> float:
        left = asyncio.create_task(background())
        await anext(source)
        closed.append("end")
        return now() + left.done()

    assert run_virtual(main()) == 0.0
    assert closed == ["end", "task", "generator"]


def test_sockets_on_the_loop_talk_before_the_clock_jumps() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async def main() -> tuple[bytes, float]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server, asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return line, now()

    assert run_virtual(main()) == (b"hello\n", 0.0)


def test_a_thread_at_work_holds_the_clock() -> None:
    def work(gate: threading.Event) -> str:
        gate.wait(10)
        return "worked"

    async def main() -> tuple[str, float]:
        gate = threading.Event()
        asyncio.get_running_loop().call_later(1, gate.set)
        asyncio.get_running_loop().call_soon(lambda: threading.Timer(0.01, gate.set).start())
        result = await asyncio.to_thread(work, gate)
        return result, now()

    assert run_virtual(main()) == ("worked", 0.0)


def test_an_idle_loop_waits_for_a_socket_from_outside() -> None:
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)

        async def main() -> bytes:
            return await asyncio.get_running_loop().sock_recv(here, 100)

        sender = threading.Timer(0.02, there.send, [b"from outside"])
        sender.start()
        assert run_virtual(main()) == b"from outside"
        sender.join()


def test_a_call_from_another_thread_arrives_at_the_moment_that_the_clock_shows() -> None:
    loop = VirtualTimeLoop()
    arrived = list[float]()
    caller = threading.Thread(target=loop.call_soon_threadsafe, args=(lambda: arrived.append(loop.time()),))

    async def main() -> None:
        await asyncio.sleep(5)
        caller.start()
        caller.join()
        await asyncio.sleep(5)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert arrived == [5.0]
