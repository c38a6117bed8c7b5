"""One rehearsal from the first host to the verdict."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random

from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.serving import few_collections, new_event_loop
from scenarios.disturb.hosts import HostDisturber
from scenarios.figures import Finding, Results
from scenarios.image import CheckedImages
from scenarios.journal import Journal, Watcher
from scenarios.phases.drain import drain, settle_and_check
from scenarios.phases.register import register
from scenarios.phases.smoke import smoke
from scenarios.phases.stage import Stage
from scenarios.phases.storm import storm
from scenarios.scenario import Scenario
from scenarios.testbed import Bed, in_process, over_http
from scenarios.traffic.watch import Watcher as ServerWatcher

Phase = Callable[[Stage], Awaitable[None]]
PHASES: tuple[tuple[str, Phase], ...] = (
    ("register", register),
    ("smoke", smoke),
    ("storm", storm),
    ("check", settle_and_check),
    ("drain", drain),
)
MakeBed = Callable[[Scenario, int, Path], AbstractAsyncContextManager[Bed]]


def rehearse_on_sockets(scenario: Scenario, seed: int, journal: Path | None, watcher: Watcher) -> Results:
    """Rehearse over HTTP on real time."""
    with few_collections(), asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_rehearse(scenario, seed, journal, watcher, over_http))


def rehearse_virtually(scenario: Scenario, seed: int, journal: Path | None, watcher: Watcher) -> Results:
    """Rehearse without sockets on virtual time: with one seed, every run writes the same journal."""
    with few_collections():
        return run_virtual(_rehearse(scenario, seed, journal, watcher, in_process))


async def _rehearse(scenario: Scenario, seed: int, path: Path | None, watcher: Watcher, bed_for: MakeBed) -> Results:
    results = Results(hosts=scenario.hosts)
    with tempfile.TemporaryDirectory(prefix="inova-rehearsal-") as folder, Journal(path, watcher) as journal:
        async with bed_for(scenario, seed, Path(folder)) as bed, _stage(scenario, seed, bed, journal, results, Path(folder)) as stage:
            for name, phase in PHASES:
                if not await _run(stage, name, phase):
                    break
    return results


@asynccontextmanager
async def _stage(scenario: Scenario, seed: int, bed: Bed, journal: Journal, results: Results, folder: Path) -> AsyncIterator[Stage]:
    def seen(server: str, status: str) -> None:
        journal.note("server", id=server, status=status)

    async with ServerWatcher(bed.client, bed.cloud.clock.now, seen) as watcher:
        yield Stage(
            scenario,
            bed.client,
            watcher,
            journal,
            results,
            bed.hosts,
            await bed.images(folder),
            CheckedImages(),
            HostDisturber(bed.fleet),
            Random(f"{seed}/storm"),
        )


async def _run(stage: Stage, name: str, phase: Phase) -> bool:
    """Whether the phase came to its end in time; what did not is a finding, and nothing can follow it."""
    began_s = stage.journal.now_s()
    stage.journal.note("phase begins", phase=name)
    try:
        await phase(stage)
    except TimeoutError as late:
        stage.results.findings.append(Finding("every phase ends in time", name, str(late) or "took too long"))
        stage.journal.note("phase is late", phase=name)
        return False
    stage.results.phases.append((name, began_s, stage.journal.now_s()))
    stage.journal.note("phase ends", phase=name)
    return True
