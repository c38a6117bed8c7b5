"""A power operation with its task, and whether it leaves anything behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.serving import new_event_loop
from scenarios.bench.host import Host, cpu_us, on_host
from scenarios.bench.row import Row

PAIRS = 500
MANY = 3000


def measure() -> Iterator[Row]:
    """Start and hard-shutdown a VM with a disk and a NIC, synchronously and by task; then count what is left after tasks have expired."""
    yield Row("a power operation with its task", _on_real_time(_waited_us), "µs CPU", 500, "vcsim 870 to 2,460")
    yield Row("a power operation as Async, to the end of its task", _on_real_time(_async_us), "µs CPU", 500, "vcsim 870 to 2,460")
    left = run_virtual(on_host(_objects_left))
    yield Row(f"objects left of {2 * MANY} operations after their tasks expired", left, "objects", 0, "vcsim one for each operation")


def _on_real_time(work: Callable[[Host], Awaitable[float]]) -> float:
    """Run on the kind of loop that serves clients."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(on_host(work))


async def _vm(host: Host) -> str:
    return await host.make_vm("bench", *host.places())


async def _waited_us(host: Host) -> float:
    vm = await _vm(host)

    async def pair() -> None:
        await host.call("VM.start", vm, False, False)
        await host.call("VM.hard_shutdown", vm)

    return await cpu_us(pair, PAIRS) / 2


async def _async_us(host: Host) -> float:
    vm = await _vm(host)

    async def pair() -> None:
        await host.by_task("Async.VM.start", vm, False, False)
        await host.by_task("Async.VM.hard_shutdown", vm)

    return await cpu_us(pair, PAIRS) / 2


async def _objects_left(host: Host) -> float:
    vm = await _vm(host)
    await _cycle(host, vm, 10)
    before = host.objects()
    await _cycle(host, vm, MANY)
    return host.objects() - before


async def _cycle(host: Host, vm: str, pairs: int) -> None:
    for _ in range(pairs):
        await host.by_task("Async.VM.start", vm, False, False)
        await host.by_task("Async.VM.hard_shutdown", vm)
    await asyncio.sleep(2 * 3600)
