"""Metrics in the text format of Prometheus: calls, outcomes and latencies, hosts, objects, hits of faults, and the lag of the loop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from fake_xapi.control.hosts import STATES
from fake_xapi.control.traffic import BUCKETS_S, Count
from fake_xapi.faults.effects import kind_of

if TYPE_CHECKING:
    from fake_xapi.control.simulation import Simulation

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LAG_EVERY_S = 1.0
OBJECTS = ("VM", "VDI", "SR", "network", "task", "session")
"""Classes whose objects are counted over all worlds."""

Sample = tuple[str, Mapping[str, str], float]


class Lag:
    """How late the loop runs, measured by a timer on the real clock. It starts when somebody first asks."""

    def __init__(self) -> None:
        self.last_s = 0.0
        self.worst_s = 0.0
        self._timer: asyncio.Handle | None = None

    def begin(self) -> None:
        """Start measuring."""
        if self._timer is None:
            self._set()

    def close(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        loop = asyncio.get_running_loop()
        later = getattr(loop, "call_later_really", loop.call_later)
        self._timer = later(LAG_EVERY_S, self._fired, time.monotonic() + LAG_EVERY_S)

    def _fired(self, due_s: float) -> None:
        self.last_s = max(0.0, time.monotonic() - due_s)
        self.worst_s = max(self.worst_s, self.last_s)
        self._set()


async def metrics(simulation: Simulation) -> str:
    """All metrics."""
    simulation.lag.begin()
    cells = await simulation.looks.cells()
    states = Counter(STATES[cell.state] for cell in cells.values())
    parts = (
        _family("xapi_calls_total", "counter", "Calls that have ended, by message and outcome.", _calls(simulation.traffic.counts)),
        _family("xapi_call_seconds", "histogram", "Real seconds from a call to its answer.", _latencies(simulation.traffic.counts)),
        _family("xapi_calls_under_way", "gauge", "Calls that wait for something.", [("", {}, simulation.traffic.under_way)]),
        _family("xapi_hosts", "gauge", "Hosts by state.", [("", {"state": state}, states[state]) for state in STATES]),
        _family("xapi_vms_running", "gauge", "VMs that run.", [("", {}, sum(cell.running for cell in cells.values()))]),
        _family("xapi_tasks_pending", "gauge", "Tasks under way.", [("", {}, sum(cell.tasks for cell in cells.values()))]),
        _family("xapi_objects", "gauge", "Objects of some classes in all worlds.", _objects(simulation)),
        _family("xapi_fault_hits_total", "counter", "How often each rule in force has struck.", _hits(simulation)),
        _family("xapi_loop_lag_seconds", "gauge", "How late the loop was last.", [("", {}, simulation.lag.last_s)]),
        _family("xapi_loop_lag_worst_seconds", "gauge", "How late it was at worst.", [("", {}, simulation.lag.worst_s)]),
        _family("xapi_time_seconds", "counter", "Seconds of simulated time.", [("", {}, asyncio.get_running_loop().time())]),
    )
    return "".join(line for part in parts for line in part)


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    for suffix, labels, value in samples:
        written = ",".join(f'{label}="{_escaped(held)}"' for label, held in labels.items())
        yield f"{name}{suffix}{{{written}}} {value:.10g}\n" if written else f"{name}{suffix} {value:.10g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _calls(counts: Mapping[str, Count]) -> Iterator[Sample]:
    for message, count in sorted(counts.items()):
        for outcome, number in sorted(count.outcomes.items()):
            yield "", {"message": message, "outcome": outcome}, number


def _latencies(counts: Mapping[str, Count]) -> Iterator[Sample]:
    for message, count in sorted(counts.items()):
        total = 0
        for bound, members in zip((*(f"{bound:g}" for bound in BUCKETS_S), "+Inf"), count.latencies, strict=True):
            total += members
            yield "_bucket", {"message": message, "le": bound}, total
        yield "_sum", {"message": message}, count.sum_s
        yield "_count", {"message": message}, total


def _objects(simulation: Simulation) -> Iterator[Sample]:
    worlds = [xapi.world for xapi in simulation.fleet.hosts.values() if xapi.is_master]
    return (("", {"class": cls}, sum(world.count(cls) for world in worlds)) for cls in OBJECTS)


def _hits(simulation: Simulation) -> Iterator[Sample]:
    for known in simulation.fleet.faults.in_force():
        yield "", {"rule": str(known.handle), "effect": kind_of(known.rule.effect)}, known.hits
