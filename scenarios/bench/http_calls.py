"""The simulator's CPU time for calls over keep-alive HTTP, XML-RPC, sent by another process."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import XenAPI

from scenarios.bench.load import send_many
from scenarios.bench.process import SimProcess
from scenarios.bench.row import Row

CONNECTIONS = 64
MANY = 20_000
VMS = 1_000
PASSES = 8


def measure() -> Iterator[Row]:
    """One small getter, a record unchanged and changed, and all records of a thousand VMs."""
    with SimProcess("--hosts", "1") as sim:
        session = XenAPI.Session(sim.urls[0])
        session.login_with_password("root", "xenroot", "1.0", "inova bench")
        vms = make_vms(session, VMS)
        ref = session._session  # noqa: SLF001  # the client offers no other way to its own session's ref
        yield Row(
            f"VM.get_power_state over keep-alive HTTP, {CONNECTIONS} connections",
            _cpu_us(sim, [call_body("VM.get_power_state", ref, vms[0])], MANY),
            "µs CPU",
            60,
            "vcsim 326, moto 5,700 and more",
        )
        yield Row(
            "VM.get_record, unchanged since the last read",
            _cpu_us(sim, [call_body("VM.get_record", ref, vms[0])], MANY),
            "µs CPU",
            50,
            "vcsim 4,200 for 18 kB",
        )
        yield Row("VM.get_record, changed since the last read", _changed_us(sim, ref, vms), "µs CPU", 150, "vcsim 4,200 for 18 kB")
        all_ms = _cpu_us(sim, [call_body("VM.get_all_records", ref)], 2 * CONNECTIONS) / 1000
        yield Row(f"VM.get_all_records of {VMS} VMs", all_ms, "ms CPU", 30, "vcsim 116 to 223 for two fields of each")
        session.logout()


def make_vms(session: Any, count: int) -> list[str]:
    """Create that many VMs, each cloned from the first template."""
    template = next(ref for ref, vm in session.xenapi.VM.get_all_records().items() if vm["is_a_template"])
    return [session.xenapi.VM.clone(template, f"bench {number}") for number in range(count)]


def call_body(method: str, *params: str) -> str:
    """A call as XML-RPC."""
    return xmlrpc.client.dumps(params, method)


def _cpu_us(sim: SimProcess, bodies: Sequence[str], count: int) -> float:
    """CPU time of one call, in microseconds, after a tenth as many for warming up."""
    _send(sim, bodies, count // 10)
    return _spent_s(sim, lambda: _send(sim, bodies, count)) / count * 1e6


def _changed_us(sim: SimProcess, ref: str, vms: Sequence[str]) -> float:
    """Change every VM, then measure reading them all; the best of several passes."""
    best_s = float("inf")
    for number in range(PASSES):
        _send(sim, [call_body("VM.set_name_description", ref, vm, f"pass {number}") for vm in vms], len(vms))
        best_s = min(best_s, _spent_s(sim, lambda: _send(sim, [call_body("VM.get_record", ref, vm) for vm in vms], len(vms))))
    return best_s / len(vms) * 1e6


def _spent_s(sim: SimProcess, work: Callable[[], None]) -> float:
    before_s = sim.usage().cpu_s
    work()
    return sim.usage().cpu_s - before_s


def _send(sim: SimProcess, bodies: Sequence[str], count: int) -> None:
    url = urlsplit(sim.urls[0])
    send_many(url.hostname or "", url.port or 80, bodies, connections=CONNECTIONS, count=count)
