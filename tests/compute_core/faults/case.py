"""One operation of the core, and what it is put through: every fault at every one of its requests.

The requests are recorded from a run that nothing disturbs. Then each run disturbs one: afterwards, once the agents are back and have
had their heartbeats, the hosts hold the finished result or the state before and nothing else, and the core agrees with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from compute_core.model.errors import ComputeError
from compute_core.xenapi.errors import ReplyLost, TransferFailed, XenApiFailure
from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.faults.awaits import HELD_S, watch_tasks
from tests.compute_core.faults.digest import Digest, Rows, digest, discord
from tests.compute_core.faults.life import Life
from tests.compute_core.faults.scene import NeverQuiet, Scene, scene

Deed = Callable[[Scene], Awaitable[None]]

MIDDLE = "+"
"""Written after the number of a transfer: in its middle."""


async def _nothing(_: Scene) -> None: ...


@dataclass(frozen=True, slots=True)
class Case:
    """``prepare`` is done and quiet before ``begin`` has the operation begun; what comes of it is waited for.

    ``also`` are further ends that are right, where an operation cannot go back: each is prepared in a world of its own.
    ``by_rsync``, ``shares_sr``: see the scene; ``is_slow``: it is only put through faults where there are hours.
    ``at_most`` is how many requests the operation may make (0: as many as it likes), ``earlier`` how many Nova's driver made ("": unknown).
    """

    name: str
    begin: Deed
    prepare: Deed = _nothing
    hosts: int = 1
    pool_size: int = 1
    also: tuple[Deed, ...] = ()
    at_most: int = 0
    earlier: str = ""
    by_rsync: bool = False
    shares_sr: bool = False
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at which request, or await, counted from 1. ``details`` is what it is refused with; transfers have a middle."""

    kind: str
    step: int
    details: tuple[str, ...] = ()
    is_halfway: bool = False

    def __str__(self) -> str:
        return " ".join([self.kind, f"{self.step}{MIDDLE if self.is_halfway else ''}", *self.details])


@dataclass
class Course:
    """A fault on its way to happen."""

    scene: Scene
    fault: Fault
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    life: Life | None = None

    def at(self, life: Life, number: int) -> bool:
        """Whether it is now: once only, for the operation may ask again."""
        if number != self.fault.step or self.reached.is_set():
            return False
        self.life = life
        self.reached.set()
        return True

    async def follow(self) -> None:
        """Do what is to be done while the request is held."""
        await self.reached.wait()
        assert self.life is not None
        await MEANWHILE[self.fault.kind](self.scene, self.life)

    def before(self, life: Life, name: str, number: int) -> None:
        """Refuse, or lose on the way there."""
        if self.fault.kind in BEFORE and self.at(life, number):
            raise BEFORE[self.fault.kind](name, self.fault.details)

    def at_await(self, life: Life, number: int) -> bool:
        """Stay there, to be interrupted."""
        return self.fault.kind in AT_AWAITS and self.at(life, number)

    async def during(self, life: Life, name: str, number: int) -> None:
        """Half of the bytes are there."""
        if self.fault.is_halfway:
            await self.after(life, name, number)

    async def after(self, life: Life, name: str, number: int) -> None:
        """The host has done it; its answer does not come, or comes late."""
        if self.fault.kind in {*BEFORE, *AT_AWAITS} or not self.at(life, number):
            return
        if self.fault.kind == "lost":
            raise _lost(name, ())
        await asyncio.sleep(HELD_S)


def is_transfer(request: str) -> bool:
    """Whether bytes of a disk go one way or the other."""
    return request.startswith(("PUT ", "GET "))


def is_change(request: str) -> bool:
    """Whether it does more than look."""
    return not (request in LOOKS or request.startswith("GET ") or ".get_" in request)


LOOKS = frozenset({"session.login_with_password", "event.from", "host.compute_free_memory"})


def _lost(name: str, _: tuple[str, ...]) -> Exception:
    return TransferFailed(f"{name}: lost") if is_transfer(name) else ReplyLost(name, "lost by the test")


def _refusal(name: str, details: tuple[str, ...]) -> Exception:
    return TransferFailed(f"{name}: {details}") if is_transfer(name) else XenApiFailure(details)


AT_AWAITS = {"ended"}
"""Kinds that strike whenever the operation waits for anything, not just at its requests."""

BEFORE: Mapping[str, Callable[[str, tuple[str, ...]], Exception]] = {"refused": _refusal, "unsent": _lost}


async def _wait(_scene: Scene, _life: Life) -> None: ...


async def _killed(scene: Scene, life: Life) -> None:
    await scene.agents[life.host].kill()


async def _killed_unheard(scene: Scene, life: Life) -> None:
    await scene.agents[life.host].kill(with_its_messages=True)


async def _killed_twice(scene: Scene, life: Life) -> None:
    agent, again = scene.agents[life.host], asyncio.Event()

    def when_it_changes_something(later: Life, name: str, _: int) -> Awaitable[None] | None:
        if later.host != life.host or again.is_set() or not is_change(name):
            return None
        again.set()
        return asyncio.sleep(HELD_S)

    await agent.kill()
    scene.tape.always = when_it_changes_something
    await again.wait()
    await agent.kill()


async def _ended(scene: Scene, life: Life) -> None:
    await scene.agents[life.host].end()


async def _deleted(scene: Scene, _: Life) -> None:
    await scene.delete_all()


MEANWHILE: Mapping[str, Callable[[Scene, Life], Awaitable[None]]] = {
    "killed": _killed,
    "killed-unheard": _killed_unheard,
    "killed-twice": _killed_twice,
    "ended": _ended,
    "deleted": _deleted,
    "lost": _wait,
    "refused": _wait,
    "unsent": _wait,
}
"""By kind of fault.

killed: the agent dies when the host has done the request; what it was told comes again, as from a broker
killed-unheard: the same, and what it was told is gone with it
killed-twice: so does its next life, once it has changed something on the host
ended: the agent is asked to end, and takes back what it can: the operation is cancelled at an await, whatever it waits for
deleted: every server is deleted meanwhile: the operation is interrupted at its await
lost: the host has done the request, and its answer is lost; a transfer may also break off in its middle
unsent: the request is lost on its way there
refused: the host refuses
"""


@dataclass(frozen=True, slots=True)
class Found:
    """How a run ended. ``requests`` are those of the operation; ``awaits`` has the last one before each of its awaits."""

    digest: Digest
    discord: Rows
    requests: tuple[str, ...]
    awaits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Normal:
    """Runs that nothing disturbed: how the operation may end, how it may when the servers are deleted meanwhile, requests, awaits."""

    ends: tuple[Digest, ...]
    gone: tuple[Digest, ...]
    requests: tuple[str, ...]
    awaits: tuple[str, ...] = ()

    def steps(self, kind: str) -> tuple[str, ...]:
        """Where a kind of fault may strike, by the request that is made there or was made last."""
        return self.awaits if kind in AT_AWAITS else self.requests


def normal(case: Case, folder: Path) -> Normal:
    """Record what undisturbed runs come to. AssertionError when even these end in discord."""
    before = _agreeing(case, folder / "before", case.prepare)
    after = _agreeing(case, folder / "after", case.prepare, case.begin)
    also = [_agreeing(case, folder / f"also-{number}", deed) for number, deed in enumerate(case.also)]
    gone = [
        _agreeing(case, folder / "gone-before", case.prepare, Scene.delete_all),
        _agreeing(case, folder / "gone-after", case.prepare, case.begin, Scene.delete_all),
        *(_agreeing(case, folder / f"gone-also-{number}", deed, Scene.delete_all) for number, deed in enumerate(case.also)),
    ]
    ends = tuple(found.digest for found in (after, before, *also))
    return Normal(ends, tuple(found.digest for found in gone), after.requests, after.awaits)


def requests_of(case: Case, folder: Path) -> tuple[str, ...]:
    """What an undisturbed run asks of the hosts, in its order."""
    return _agreeing(case, folder, case.prepare, case.begin).requests


def _agreeing(case: Case, folder: Path, *deeds: Deed) -> Found:
    found = _run(case, folder, deeds)
    assert found.discord == (), f"{case.name}: {found.discord}"
    return found


def disturbed(case: Case, fault: Fault, folder: Path) -> Found:
    """One run with a fault."""
    return _run(case, folder, (case.prepare, case.begin), fault)


def verdict(expected: Normal, fault: Fault, found: Found) -> list[str]:
    """What is wrong with how a run ended; nothing, when all is well."""
    allowed = expected.gone if fault.kind == "deleted" else expected.ends
    wrong = list(found.discord)
    worlds = [each for each in allowed if each.world == found.digest.world]
    if not worlds:
        nearest = min(allowed, key=lambda each: len(_difference(each.world, found.digest.world)))
        wrong += _difference(nearest.world, found.digest.world)
    elif not any(_is_seen(each.view, found.digest.view) for each in worlds):
        wrong += _difference(worlds[0].view, found.digest.view)
    return wrong


def _is_seen(wanted: Rows, view: Rows) -> bool:
    """A server whose build failed is there for its user to see, in error."""
    return wanted == view or wanted == tuple(row for row in view if ": error, None, power 0," not in row)


def _difference(wanted: Rows, found: Rows) -> list[str]:
    missing, more = list(wanted), []
    for row in found:
        if row in missing:
            missing.remove(row)
        else:
            more.append(row)
    return [f"- {row}" for row in missing] + [f"+ {row}" for row in more]


def _run(case: Case, folder: Path, deeds: tuple[Deed, ...], fault: Fault | None = None) -> Found:
    """The deeds one after the other, each until all is quiet; the fault strikes in the last one."""

    async def main() -> Found:
        watch_tasks(asyncio.get_running_loop())
        async with scene(folder, case.hosts, case.pool_size, by_rsync=case.by_rsync, shares_sr=case.shares_sr) as there:
            for deed in deeds[:-1]:
                await deed(there)
                await there.quiet()
            there.tape.rewind()
            if fault is None:
                await deeds[-1](there)
                return await _found(there)
            return await _struck(there, deeds[-1], fault)

    return run_virtual(main())


async def _struck(there: Scene, deed: Deed, fault: Fault) -> Found:
    course = Course(there, fault)
    there.tape.before, there.tape.during, there.tape.after = course.before, course.during, course.after
    there.tape.at_await = course.at_await
    following = asyncio.create_task(course.follow())
    with suppress(ComputeError):  # what the user is told is as good an end as any
        await deed(there)
    try:
        found = await _found(there)
    finally:
        following.cancel()
    return found if course.reached.is_set() else replace(found, discord=(*found.discord, "the fault never struck"))


async def _found(there: Scene) -> Found:
    """How it has ended, when it has."""
    try:
        await there.quiet()
        noise: Rows = ()
    except NeverQuiet as busy:
        noise = (f"never quiet: {busy}",)
    requests, awaits = tuple(there.tape.requests), tuple(there.tape.awaits)
    return Found(await digest(there), (*noise, *await discord(there)), requests, awaits)


def faults_of(steps: tuple[str, ...], kind: str, *, every_error: bool) -> Iterator[Fault]:
    """One per request or await, one more per transfer, or one per error that a request declares."""
    for step, name in enumerate(steps, start=1):
        if kind == "refused":
            yield from (Fault(kind, step, details) for details in refusals(name, every_error=every_error))
            continue
        if kind not in {*BEFORE, *AT_AWAITS} and is_transfer(name):
            yield Fault(kind, step, is_halfway=True)
        yield Fault(kind, step)


ANY_CALL = ("INTERNAL_ERROR", "HOST_OFFLINE")
"""What every call may be refused with beside what it declares. Not HANDLE_INVALID, which would be a lie about an object that is there."""


def refusals(name: str, *, every_error: bool) -> list[tuple[str, ...]]:
    """What a request may be refused with: all of it, or one. Parameters are their own names in the catalogue."""
    model = datamodel()
    declared = model.declared_errors.get(name, ())
    codes = dict.fromkeys([*declared, *ANY_CALL]) if every_error else [*declared, *ANY_CALL][:1]
    return [(code, *model.errors[code]) for code in codes]
