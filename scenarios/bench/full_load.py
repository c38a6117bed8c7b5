"""The effects of load on a simulator: many guests that boot at once, a fork of a large world, an hour of full load."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import XenAPI

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.hardware import GIB, STANDARD
from scenarios.bench.host import Host, on_host
from scenarios.bench.process import SimProcess
from scenarios.bench.row import Row

FORKED_VMS = 10_000
BOOTING, BOOTING_HOSTS = 1_000, 20
READS = 3_000
WORKERS = 20
HOUR_S = 3600.0
EXPIRY_S = 2 * HOUR_S
LOOK_EACH_S = 1.0
_UNKNOWN = "not known of any"


def measure() -> Iterator[Row]:
    """Measure a fork, a getter while guests boot, and what an hour of operations leaves behind after tasks and sessions have expired."""
    yield Row(f"fork of a world with {FORKED_VMS:,} VMs", asyncio.run(_fork_ms()), "ms", 1, "deepcopy of moto's backend: seconds")
    yield Row(f"a getter while {BOOTING:,} guests boot, against an idle fleet", _slowdown(), "times the latency", 2, _UNKNOWN)
    left = run_virtual(on_host(_left_by_an_hour, Settings(durations=durations("realistic"))))
    yield Row(f"objects left by an hour of {WORKERS} clients at full load", left, "objects", 0, "vcsim one for each operation")


async def _fork_ms() -> float:
    roomy = replace(STANDARD, memory_bytes=2 * FORKED_VMS * GIB)
    fleet = Fleet(Order(vms=FORKED_VMS, hardware=roomy))
    (xapi,) = fleet.hosts.values()
    try:
        return min(_timed_fork_s(xapi.world.fork) for _ in range(20)) * 1000
    finally:
        await fleet.close()


def _timed_fork_s(fork: Any) -> float:
    began_s = time.perf_counter()
    fork("another seed")
    return time.perf_counter() - began_s


def _slowdown() -> float:
    """Median latency of a getter over HTTP while guests boot, divided by that before."""
    with SimProcess("--hosts", str(BOOTING_HOSTS), "--vms", str(BOOTING * 8 // 7 + 1), "--profile", "realistic") as sim:
        sessions = [_logged_in(url) for url in sim.urls]
        running = [
            (session, vm) for session in sessions for vm in session.xenapi.VM.get_all_records_where('field "power_state" = "Running"')
        ]
        guests = [(session, vm) for session, vm in running if not session.xenapi.VM.get_is_control_domain(vm)][:BOOTING]
        idle_s = _latency_s(*guests[0])
        for session, vm in guests:
            session.xenapi.Async.VM.hard_reboot(vm)
        return _latency_s(*guests[0]) / idle_s


def _logged_in(url: str) -> Any:
    session = XenAPI.Session(url)
    session.login_with_password("root", "xenroot", "1.0", "inova bench")
    return session


def _latency_s(session: Any, vm: str) -> float:
    return statistics.median(_timed_s(session, vm) for _ in range(READS))


def _timed_s(session: Any, vm: str) -> float:
    began_s = time.perf_counter()
    session.xenapi.VM.get_power_state(vm)
    return time.perf_counter() - began_s


async def _left_by_an_hour(host: Host) -> float:
    """Let clients create, use and delete VMs for an hour, each with sessions of its own; returns what is left, messages excluded."""
    before = host.objects()
    until_s = asyncio.get_running_loop().time() + HOUR_S
    await asyncio.gather(*(_client(host, number, until_s) for number in range(WORKERS)))
    await asyncio.sleep(EXPIRY_S)
    return host.objects() - before


async def _client(host: Host, number: int, until_s: float) -> None:
    while asyncio.get_running_loop().time() < until_s:
        client = Host(host.fleet)
        client.session = await client.call("session.login_with_password", "root", "xenroot")
        await _life(client, f"client {number}")
        await client.call("session.logout")


async def _life(client: Host, name: str) -> None:
    """Take a VM from its clone to its end, through tasks where a client would wait for one."""
    vm = await client.make_vm(name, *client.places())
    for method, *params in (("VM.start", vm, False, False), ("VM.hard_reboot", vm), ("VM.pause", vm), ("VM.unpause", vm)):
        await client.by_task(f"Async.{method}", *params, every_s=LOOK_EACH_S)
    snapshot = await client.call("VM.snapshot", vm, "snapshot")
    await client.by_task("Async.VM.hard_shutdown", vm, every_s=LOOK_EACH_S)
    for doomed in (snapshot, vm):
        for vbd in await client.call("VM.get_VBDs", doomed):
            await client.call("VDI.destroy", await client.call("VBD.get_VDI", vbd))
        await client.call("VM.destroy", doomed)
