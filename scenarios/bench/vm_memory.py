"""The memory of a simulated VM: the VM, its metrics, a disk with VBD and VDI, a NIC."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import psutil

from scenarios.bench.host import Host, on_host
from scenarios.bench.row import Row

VMS = 20_000


def measure() -> Iterator[Row]:
    """Resident memory of many VMs, divided by their number."""
    yield Row(
        "a VM with disk, NIC and metrics, simulated", asyncio.run(on_host(_kib_per_vm)), "KiB resident", 8, "moto 17.1, vcsim 30 to 44"
    )


async def _kib_per_vm(host: Host) -> float:
    template, network, sr = host.places()
    for number in range(200):
        await host.make_vm(f"warm {number}", template, network, sr)
    before = _resident()
    for number in range(VMS):
        await host.make_vm(f"vm {number}", template, network, sr)
    return (_resident() - before) / VMS / 1024


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)
