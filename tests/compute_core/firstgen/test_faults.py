"""What a move survives: its process killed after every step, calls refused, answers lost, a cancellation anywhere; and the way back."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from compute_core.firstgen.journal import Line, read
from compute_core.firstgen.mover import Order, Outcome, journal_path
from compute_core.firstgen.steps import STEPS
from compute_core.xenapi.errors import ReplyLost, TransferFailed, XenApiFailure
from compute_core.xenapi.session import LOGIN, is_repeatable
from compute_core.xenapi.transport import Transport
from tests.code.sources import ROOT
from tests.compute_core.firstgen.landing import GENTLE, Landing
from tests.compute_core.firstgen.settings_files import write_settings
from tests.compute_core.firstgen.site import WEB, Site
from tests.compute_core.rig import NOTHING

pytestmark = pytest.mark.firstgen
NAMES = [step.name for step in STEPS]
QUICK = frozenset({"create", "copy", "stop", "start"})
"""Steps after which a move is always taken back by a test; after the others by a long one."""


def test_a_move_whose_process_is_killed_after_every_step_arrives_all_the_same(site: Site) -> None:
    """And the last line of its journal is torn each time: what was done is done again."""
    site.xen.add_guest("web")

    async def body(there: Landing) -> Any:
        files, path = write_settings(there), journal_path(there.journals, WEB)
        module = ("-m", "tests.compute_core.firstgen.killed")
        codes = []
        for name in NAMES:
            command = [sys.executable, *module, *map(str, files), str(there.journals), str(WEB), name, "done"]
            process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
            codes.append(await process.wait())
            whole = path.read_bytes()
            assert json.loads(whole.splitlines()[-1])["event"] == "done"
            path.write_bytes(whole[:-20])
        async with there.mover() as mover:
            outcomes = await mover.resume([WEB])
        record = await there.vm("web")
        left = {**there.left(), "VM": [], "VBD": [], "VIF": [], "VDI": []}
        counts = [len(there.left()[cls]) for cls in ("VM", "VBD", "VIF", "VDI")]
        return codes, outcomes, record["power_state"], counts, left, there.left_on_bench(), (await there.files("web"))["var/www/index.html"]

    codes, outcomes, power_state, counts, left, on_bench, page = site.land(body)
    assert codes == [-signal.SIGKILL] * len(NAMES)
    assert (outcomes, power_state, counts, left, on_bench) == ([Outcome(WEB, "arrived")], "Running", [1, 1, 1, 1], NOTHING, [])
    assert (site.xen.volumes(), site.mounted()) == (["web"], [])
    assert page == site.xen.files("web")["var/www/index.html"]


@pytest.mark.parametrize("last", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in NAMES])
def test_a_move_that_is_cancelled_and_abandoned_leaves_nothing_and_the_original_runs(site: Site, last: str) -> None:
    """Cancelled in the midst of the step after ``last``."""
    site.xen.add_guest("web")

    async def body(there: Landing) -> Any:
        over = asyncio.Event()

        def cancels(_: Order, line: Line) -> None:
            if (line.step, line.event) == (last, "done"):
                over.set()

        async with there.mover(told=cancels) as mover:
            moving = asyncio.ensure_future(mover.move([WEB]))
            await over.wait()
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)
        async with there.mover() as mover:
            outcomes = await mover.abandon([WEB])
        return outcomes, there.left(), there.left_on_bench()

    assert site.land(body) == ([Outcome(WEB, "abandoned")], NOTHING, [])
    assert (site.xen.volumes(), site.mounted()) == (["web"], [])
    assert (site.xen.is_running("web"), site.xen.starts_with_host("web")) == (True, True)


@dataclass
class Unreliable:
    """A wire on which the first request of each kind goes wrong: it is refused, or its answer is lost."""

    inner: Transport
    is_refusing: bool
    done: set[str] = field(default_factory=set)

    async def call(self, method: str, params: list[Any]) -> Any:
        is_first = method not in self.done and not (method == LOGIN or method.startswith(("session.", "event.")))
        self.done.add(method)
        if is_first and self.is_refusing:
            raise XenApiFailure(["INTERNAL_ERROR", f"{method} was refused by the test"])
        answer = await self.inner.call(method, params)
        if is_first and not is_repeatable(method):
            raise ReplyLost(method, "lost by the test")
        return answer

    async def put(self, path: str, query: Mapping[str, str], chunks: AsyncIterator[bytes], length: int) -> None:
        is_first = path not in self.done
        self.done.add(path)
        await self.inner.put(path, query, chunks, length)
        if is_first and self.is_refusing:
            raise TransferFailed(f"PUT {path} was lost by the test")

    async def get(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        async for chunk in self.inner.get(path, query):
            yield chunk

    async def close(self) -> None:
        await self.inner.close()


@pytest.mark.parametrize("is_plugged", [False, True], ids=["streamed", "plugged"])
def test_lost_answers_are_looked_up_and_nothing_is_made_twice(site: Site, is_plugged: bool) -> None:
    site.xen.add_guest("web")

    async def body(there: Landing) -> Any:
        done: set[str] = set()
        dial = there.dial
        there.dial = lambda url: Unreliable(dial(url), is_refusing=False, done=done)
        async with there.mover() as mover:
            outcomes = await mover.move([WEB])
        return outcomes, [len(there.left()[cls]) for cls in NOTHING], {"VBD.plug", "VBD.unplug"} <= done, "task.create" in done

    assert site.land(body, is_plugged=is_plugged) == ([Outcome(WEB, "arrived")], [1, 1, 1, 1, 0], is_plugged, not is_plugged)


@pytest.mark.parametrize("is_plugged", [False, pytest.param(True, marks=pytest.mark.long)], ids=["streamed", "plugged"])
def test_a_move_that_is_refused_each_call_once_goes_on_each_time(site: Site, is_plugged: bool) -> None:
    site.xen.add_guest("web")

    async def body(there: Landing) -> Any:
        done: set[str] = set()
        dial = there.dial
        there.dial = lambda url: Unreliable(dial(url), is_refusing=True, done=done)
        async with there.mover() as mover:
            [outcome] = await mover.move([WEB])
            problems: list[Outcome] = []
            while outcome.problem and len(problems) < 40:
                problems.append(outcome)
                [outcome] = await mover.resume([WEB])
        failures = [line for line in read(journal_path(there.journals, WEB)).lines if line.event == "failed"]
        return (
            outcome,
            {each.state for each in problems},
            len(problems) - len(failures),
            len(problems) >= 8,
            [len(there.left()[cls]) for cls in NOTHING],
        )

    assert site.land(body, is_plugged=is_plugged) == (Outcome(WEB, "arrived"), {"failed"}, 0, True, [1, 1, 1, 1, 0])


def test_a_move_that_stops_falls_back_at_once_when_it_is_told_so(site: Site) -> None:
    site.xen.add_guest("web")

    async def body(there: Landing) -> Any:
        def breaks(_: Order, line: Line) -> None:
            """The kit goes bad while the VM is off."""
            if (line.step, line.event) == ("stop", "done"):
                there.generations.kit.unlink()
                there.generations.kit.write_bytes(b"no tar any more")

        pace = replace(GENTLE, falls_back=True)
        async with there.mover(pace, breaks) as mover:
            [outcome] = await mover.move([WEB])
        return outcome.state, "web stopped at unpack: bench: `tar " in outcome.problem, there.left(), there.left_on_bench()

    assert site.land(body) == ("abandoned", True, NOTHING, [])
    assert (site.xen.is_running("web"), site.xen.volumes(), site.mounted()) == (True, ["web"], [])
