"""The fleet of 2012 in one process: whether it fits, how long it takes to build, and whether it answers as fast as a small one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import XenAPI

from scenarios.bench.http_calls import call_body
from scenarios.bench.load import send_many
from scenarios.bench.process import SimProcess
from scenarios.bench.row import Row

HOSTS, VMS, SNAPSHOTS = 20_000, 300_000, 2_000_000
ASKED_HOSTS = 32
CALLS = 1_200
CONNECTIONS = 8
PASSES = 3
_NAME = f"{HOSTS:,} hosts, {VMS:,} VMs, {SNAPSHOTS:,} snapshots"
_UNKNOWN = "none holds so many"
_SHARED = "fresh: what is the same on all hosts (devices, metrics) is kept once until it changes; names and addresses are each VM's own"


def measure() -> Iterator[Row]:
    """Build it, measure its size, and compare the cost of a call with that on one host with as many VMs of its own."""
    with SimProcess("--hosts", str(HOSTS), "--vms", str(VMS), "--snapshots", str(SNAPSHOTS)) as large:
        built = large.usage()
        yield Row(f"{_NAME}: built", built.cpu_s, "s CPU", 600, _UNKNOWN)
        yield Row(f"{_NAME}: memory", built.resident_bytes / 2**30, "GiB resident", 12, _UNKNOWN, _SHARED)
        with SimProcess("--hosts", "1", "--vms", str(VMS // HOSTS), "--snapshots", str(SNAPSHOTS // HOSTS)) as small:
            among_many = _us_per_call(large, large.urls[:: HOSTS // ASKED_HOSTS])
            alone = _us_per_call(small, small.urls * ASKED_HOSTS)
    yield Row("a call there, against one on a fleet of one such host", among_many / alone, "times the CPU", 1.3, _UNKNOWN)


def _us_per_call(sim: SimProcess, urls: Sequence[str]) -> float:
    """CPU time of a getter or an unchanged record, sent to one host after the other; the best of several passes."""
    bodies = {url: _bodies(url) for url in urls}
    for url in urls:
        _send(url, bodies[url], len(bodies[url]))
    return min(_pass_us(sim, urls, bodies) for _ in range(PASSES))


def _pass_us(sim: SimProcess, urls: Sequence[str], bodies: dict[str, list[str]]) -> float:
    before_s = sim.usage().cpu_s
    for url in urls:
        _send(url, bodies[url], CALLS)
    return (sim.usage().cpu_s - before_s) / (len(urls) * CALLS) * 1e6


def _bodies(url: str) -> list[str]:
    """A getter and a record of each VM of a host."""
    session = XenAPI.Session(url)
    session.login_with_password("root", "xenroot", "1.0", "inova bench")
    ref = session._session  # noqa: SLF001  # the client offers no other way to its own session's ref
    vms = [vm for vm, row in session.xenapi.VM.get_all_records().items() if not row["is_a_template"] and not row["is_control_domain"]]
    return [call_body(method, ref, vm) for vm in vms for method in ("VM.get_power_state", "VM.get_record")]


def _send(url: str, bodies: list[str], count: int) -> None:
    where = urlsplit(url)
    send_many(where.hostname or "", where.port or 80, bodies, connections=CONNECTIONS, count=count)
