"""The event loop whose time is paced: faster, slower, standing, leaping, and always exact."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from fake_xapi.engine.clock import Clock
from fake_xapi.engine.paced_time import MOST_SPEED, PacedLoop

T = TypeVar("T")
DAY_S = 86_400.0


def over_loop(body: Callable[[PacedLoop], Awaitable[T]], speed: float = 1.0) -> T:
    async def main() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PacedLoop)
        return await body(loop)

    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed)) as runner:
        return runner.run(main())


async def settled() -> None:
    """Let go by what has nothing to wait for."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_jump_passes_every_timer_at_exactly_its_time() -> None:
    async def body(loop: PacedLoop) -> tuple[list[float], float]:
        loop.pause()
        began_s, seen = loop.time(), list[float]()
        for number in range(1, 200):
            loop.call_at(began_s + number * 0.1, lambda: seen.append(loop.time()))
        await loop.jump(1000.0)
        assert seen == [began_s + number * 0.1 for number in range(1, 200)]
        return seen, loop.time() - began_s

    seen, passed_s = over_loop(body)
    assert (len(seen), passed_s) == (199, 1000.0)


def test_what_follows_from_a_timer_happens_at_its_time() -> None:
    async def body(loop: PacedLoop) -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []
        loop.pause()
        began_s = loop.time()

        async def guest(name: str, first_s: float, then_s: float) -> None:
            await asyncio.sleep(first_s)
            seen.append((name, loop.time() - began_s))
            await settled()
            await asyncio.sleep(then_s)
            seen.append((name, loop.time() - began_s))

        guests = [asyncio.create_task(guest("a", 10.0, 5.0)), asyncio.create_task(guest("b", 12.0, 1.0))]
        await settled()
        await loop.jump(DAY_S)
        await asyncio.gather(*guests)
        return seen

    assert over_loop(body) == [("a", 10.0), ("b", 12.0), ("b", 13.0), ("a", 15.0)]


@pytest.mark.parametrize("speed", [100.0, MOST_SPEED])
def test_at_any_speed_a_sleep_takes_exactly_its_time(speed: float) -> None:
    async def body(loop: PacedLoop) -> list[float]:
        times = []
        for _ in range(20):
            began_s = loop.time()
            timer = loop.create_future()
            loop.call_at(began_s + 0.25, timer.set_result, None)
            await timer
            times.append(loop.time() - began_s - (began_s + 0.25 - began_s))
        return times

    assert over_loop(body, speed) == [0.0] * 20


def test_timers_of_one_moment_fire_as_they_were_set() -> None:
    async def body(loop: PacedLoop) -> list[int]:
        seen: list[int] = []
        loop.pause()
        for number in range(50):
            loop.call_at(loop.time() + 1.0, seen.append, number)
        await loop.jump(1.0)
        return seen

    assert over_loop(body) == list(range(50))


def test_while_it_is_paused_nothing_that_takes_time_goes_on() -> None:
    async def body(loop: PacedLoop) -> None:
        loop.pause()
        began_s = loop.time()
        sleeper = asyncio.create_task(asyncio.sleep(0.001))
        really = loop.create_future()
        loop.call_later_really(0.05, really.set_result, None)
        await really
        assert (sleeper.done(), loop.time(), loop.is_paused, loop.speed) == (False, began_s, True, 0.0)
        loop.resume()
        await sleeper
        assert (loop.time(), loop.is_paused, loop.speed) == (began_s + 0.001, False, 1.0)

    over_loop(body)


def test_a_paused_loop_still_answers_at_its_sockets_and_from_threads() -> None:
    async def body(loop: PacedLoop) -> tuple[bytes, str]:
        loop.pause()
        here, there = socket.socketpair()
        here.setblocking(False)
        with here, there:
            threading.Thread(target=there.send, args=(b"x",)).start()
            received = await loop.sock_recv(here, 1)
        asked = loop.create_future()
        threading.Thread(target=lambda: loop.call_soon_threadsafe(asked.set_result, "asked")).start()
        return received, await asked

    assert over_loop(body) == (b"x", "asked")


def test_a_step_goes_to_the_next_timer_and_no_further() -> None:
    async def body(loop: PacedLoop) -> tuple[list[float], list[str]]:
        loop.pause()
        seen: list[str] = []
        for delay_s, name in ((0.1, "first"), (7.0, "second"), (7.0, "with it")):
            loop.call_at(loop.time() + delay_s, seen.append, name)
        first_s, after_first = await loop.step(), list(seen)
        second_s = await loop.step()
        assert after_first == ["first"]
        assert loop.next_timer_s is None
        return [first_s, second_s, await loop.step()], seen

    steps, seen = over_loop(body)
    assert steps == pytest.approx([0.1, 6.9, 0.0])
    assert seen == ["first", "second", "with it"]


def test_a_change_of_speed_does_not_move_the_time() -> None:
    async def body(loop: PacedLoop) -> list[float]:
        times = [loop.time()]
        for speed in (10.0, 1000.0, 0.5):
            loop.set_speed(speed)
            times.append(loop.time())
        return times

    times = over_loop(body)
    assert times == [times[0]] * 4


def test_a_speed_that_is_set_is_the_one_to_resume() -> None:
    async def body(loop: PacedLoop) -> list[float]:
        loop.set_speed(60.0)
        loop.pause()
        paused = (loop.speed, loop.speed_when_running)
        loop.resume()
        return [*paused, loop.speed]

    assert over_loop(body) == [0.0, 60.0, 60.0]


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf"), 2 * MOST_SPEED])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    async def body(loop: PacedLoop) -> None:
        with pytest.raises(ValueError, match=r"a speed is above 0 and at most 1e\+06"):
            loop.set_speed(speed)

    over_loop(body)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_time_goes_forward_only(seconds: float) -> None:
    async def body(loop: PacedLoop) -> None:
        with pytest.raises(ValueError, match="a jump takes 0 seconds or more"):
            await loop.jump(seconds)

    over_loop(body)


def test_a_jump_that_is_given_up_goes_no_further() -> None:
    async def body(loop: PacedLoop) -> bool:
        loop.pause()

        async def forever() -> None:
            while True:  # noqa: ASYNC110  # a simulation in which something always happens
                await asyncio.sleep(0.001)

        busy, jumping = asyncio.create_task(forever()), asyncio.create_task(loop.jump(1e6))
        await asyncio.sleep(1.0)
        jumping.cancel()
        await settled()
        stopped_s = loop.time()
        await settled()
        busy.cancel()
        return loop.time() == stopped_s < 1e6

    assert over_loop(body)


def test_timers_fire_when_the_time_is_so_late_that_its_parts_are_coarse() -> None:
    async def body(loop: PacedLoop) -> float:
        loop.pause()
        await loop.jump(1e12)
        fired = loop.create_future()
        loop.call_later(1.0, lambda: fired.set_result(loop.time()))
        await loop.jump(2.0)
        return float(await fired)

    assert over_loop(body) == 1e12 + 1.0


def test_a_loop_that_is_never_idle_still_sees_its_time_pass() -> None:
    async def body(loop: PacedLoop) -> bool:
        deadline_s = loop.time() + 0.2
        while loop.time() < deadline_s:  # noqa: ASYNC110  # a loop that is never idle is what is tested
            await asyncio.sleep(0)
        return True

    assert over_loop(body)


def test_a_timer_on_the_real_clock_may_be_cancelled() -> None:
    async def body(loop: PacedLoop) -> list[str]:
        seen: list[str] = []
        loop.call_later_really(0.0, seen.append, "cancelled").cancel()
        done = loop.create_future()
        loop.call_later_really(0.01, done.set_result, None)
        await done
        return seen

    assert over_loop(body) == []


def test_dates_follow_the_loop() -> None:
    async def body(loop: PacedLoop) -> list[str]:
        loop.pause()
        clock = Clock(origin_s=loop.time())
        before = clock.now()
        await loop.jump(DAY_S)
        return [before, clock.now()]

    assert over_loop(body) == ["20120801T00:00:00Z", "20120802T00:00:00Z"]
