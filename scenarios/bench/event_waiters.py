"""The cost of a change while a thousand callers wait for other changes, and how soon the one concerned learns of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from scenarios.bench.host import Host, cpu_us, on_host
from scenarios.bench.row import Row

WAITERS = 1000
CHANGES = 2000
WAKES = 200


def measure() -> Iterator[Row]:
    """CPU of a change, and the wake-up of a waiter, with a thousand idle ones."""
    yield Row(
        f"one change with {WAITERS} idle event.from waiters",
        asyncio.run(on_host(_change_us)),
        "µs CPU",
        100,
        "vcsim 200,000 to 300,000 with 1,000",
    )
    yield Row("a waiter wakes after the change, median", asyncio.run(on_host(_wake_ms)), "ms", 2, "vcsim 15 to 48")


async def _idle_waiters(host: Host) -> tuple[list[asyncio.Task[object]], str, str]:
    """Make a thousand callers wait, each for an object of its own; returns the token and the VM for what follows."""
    template, _, _ = host.places()
    vms = [await host.call("VM.clone", template, f"vm {number}") for number in range(WAITERS + 1)]
    token: str = (await host.call("event.from", ["pool"], "", 0.0))["token"]
    tasks = [asyncio.create_task(host.call("event.from", [f"vm/{vm}"], token, 3600.0)) for vm in vms[1:]]
    await asyncio.sleep(0)
    return tasks, token, vms[0]


async def _change_us(host: Host) -> float:
    tasks, _, vm = await _idle_waiters(host)
    number = 0

    async def change() -> None:
        nonlocal number
        number += 1
        await host.call("VM.set_name_description", vm, str(number))
        await asyncio.sleep(0)

    spent_us = await cpu_us(change, CHANGES)
    await _end(tasks)
    return spent_us


async def _wake_ms(host: Host) -> float:
    tasks, token, vm = await _idle_waiters(host)
    waits = []
    for number in range(WAKES):
        waiter = asyncio.create_task(host.call("event.from", [f"vm/{vm}"], token, 60.0))
        await asyncio.sleep(0.001)
        began_s = time.perf_counter()
        await host.call("VM.set_name_description", vm, f"wake {number}")
        token = (await waiter)["token"]
        waits.append(time.perf_counter() - began_s)
    await _end(tasks)
    return sorted(waits)[WAKES // 2] * 1000


async def _end(tasks: list[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
