"""The upkeep of a cell's hosts: maintenance, reboots and power, step by step, each written down before the next one begins.

Who is killed goes on where it was: agents are asked again for what they may have done, which is fine with each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from compute_core.cells import pool_steps
from compute_core.cells.host_hands import Hands
from compute_core.cells.upkeep_requests import ASKED, begun
from compute_core.cells.upkeep_steps import STEPS
from compute_core.model.clock import Clock
from compute_core.model.errors import ComputeError, Conflict, HostUnreachable
from compute_core.model.json import to_json
from compute_core.model.upkeep import Upkeep
from compute_core.store import upkeep as jobs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostUpkeep:
    """``poked`` is set when something may go on."""

    hands: Hands
    clock: Clock
    poked: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _missed: set[str] = field(default_factory=set)

    async def list(self) -> Any:
        """What is being done with which host."""
        return [to_json(job) for job in await self.hands.store.run(jobs.listed)]

    async def tend(self, host: str, request: str, arguments: Mapping[str, Any]) -> Any:
        """One of ASKED or OFFHAND, or a "look"; the host's upkeep as it is then, None for none. NotFound: another cell's host; Conflict."""
        node = self.hands.node(host)
        async with self._turn(host):
            before = await self.hands.store.run(jobs.find, host)
            if request == "look":
                return None if before is None else to_json(before)
            if request in OFFHAND:
                _check_untended(before)
                await OFFHAND[request](self.hands, host, **arguments)
                return None
            job = ASKED[request](begun(node, before, self.clock.iso()), before, node, **arguments)
            if job.stage == "switching on":
                self.hands.neighbour(host)
            await self.hands.store.run(jobs.put, job)
            await self.hands.use(host, is_enabled=False, reason=job.reason or "maintenance")
            after = await self._at_once(job) if request in POOL_CHANGES else job
        self.poked.set()
        return None if after is None else to_json(after)

    async def _at_once(self, job: Upkeep) -> Upkeep | None:
        """The first step of what may be refused, so that whoever asks hears of that: then it never was. What is not heard of goes on."""
        try:
            after = await STEPS[job.stage](self.hands, job)
        except HostUnreachable as absence:
            log.warning("%s is %s: %s", job.host, job.stage, absence.message)
            return job
        except ComputeError:
            await self._drop(job)
            raise
        await self._write(job.host, after)
        return after

    async def _drop(self, job: Upkeep) -> None:
        """What was refused never was: the host is in use again, where it was."""
        await pool_steps.restored(self.hands, job)
        await self.hands.store.run(jobs.remove, job.host)

    async def _write(self, host: str, job: Upkeep | None) -> None:
        if job is None:
            await self.hands.store.run(jobs.remove, host)
        else:
            await self.hands.store.run(jobs.put, job)

    async def work(self) -> None:
        """Have everything go on, each host for itself; returns when something may have changed, or ``upkeep_look_s`` later."""
        under_way = [job for job in await self.hands.store.run(jobs.listed) if not job.is_waiting]
        was_poked = self.poked.is_set()
        self.poked.clear()
        for job in under_way:
            if job.host not in self._tasks:
                self._begin(job.host)
            elif was_poked:
                self._missed.add(job.host)
        try:
            async with asyncio.timeout(self.hands.settings.upkeep_look_s if under_way else None):
                await self.poked.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Leave everything where it is."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _begin(self, host: str) -> None:
        self._tasks[host] = task = asyncio.create_task(self._go_on(host), name=f"upkeep of {host}")
        task.add_done_callback(partial(self._ended, host))

    def _ended(self, host: str, task: asyncio.Task[None]) -> None:
        """Go on with it once more where something may have changed meanwhile."""
        del self._tasks[host]
        if task.cancelled():
            return
        if (problem := task.exception()) is not None:
            log.error("the upkeep of %s broke and goes on", host, exc_info=problem)
        elif host in self._missed:
            self._begin(host)
        self._missed.discard(host)

    async def _go_on(self, host: str) -> None:
        """Step by step, until something is waited for."""
        async with self._turn(host):
            while (job := await self.hands.store.run(jobs.find, host)) is not None and not job.is_waiting:
                after = await self._step(job)
                await self._write(host, after)
                if after is not None and after.stage == job.stage:
                    return

    async def _step(self, job: Upkeep) -> Upkeep | None:
        """What a host refuses is written down for the operator to see, and asked again."""
        try:
            return await STEPS[job.stage](self.hands, job)
        except HostUnreachable as absence:
            log.info("%s is %s: %s", job.host, job.stage, absence.message)
            return job
        except ComputeError as refusal:
            log.warning("%s is %s, and does not go on: %s", job.host, job.stage, refusal.message)
            if job.stage not in {"joining", "ejecting"}:
                return replace(job, fault=refusal.message)
            await pool_steps.restored(self.hands, job)
            return None

    def _turn(self, host: str) -> asyncio.Lock:
        return self._turns.setdefault(host, asyncio.Lock())


async def _disable(hands: Hands, host: str, reason: str | None = None, *, on_host: bool = False) -> None:
    await hands.use(host, is_enabled=False, reason=reason)
    if on_host:
        await hands.ask(host, "disable")


async def _enable(hands: Hands, host: str, *, on_host: bool = False) -> None:
    if on_host:
        await hands.ask(host, "enable")
    await hands.use(host, is_enabled=True, reason=None)


async def _name_pool(hands: Hands, host: str, name: str) -> None:
    await hands.ask(host, "name_pool", name=name)


OFFHAND: Mapping[str, Callable[..., Awaitable[None]]] = {"disable": _disable, "enable": _enable, "name_pool": _name_pool}
"""What is done at once. ``on_host``: XenServer is told too, and then starts nothing there, or starts again."""


def _check_untended(job: Upkeep | None) -> None:
    if job is not None:
        raise Conflict(f"Host {job.host} is {job.stage}. Cure: end its maintenance first.")


POOL_CHANGES = frozenset({"join", "eject"})
"""What XenServer may refuse, and is not asked for again then."""
