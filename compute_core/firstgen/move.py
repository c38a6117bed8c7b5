"""One move: what its steps are given, how they follow each other, and how it ends, confirmed or abandoned.

The steps are in `steps`. Here is only that each is done once, and that what came of it stands in the journal.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute_core.firstgen.bench import Bench
from compute_core.firstgen.copies import Copy, Interface
from compute_core.firstgen.fleet import Generations, Source
from compute_core.firstgen.guests import Guest, Unmovable
from compute_core.firstgen.journal import ABANDON, CONFIRM, Journal, State
from compute_core.firstgen.kit import Kit
from compute_core.firstgen.pools import Connected, Placing, Pools
from compute_core.firstgen.shell import Shell, ShellFailure
from compute_core.firstgen.sites import DiskSite, Plugged, Streamed
from compute_core.firstgen.source import Original
from compute_core.model.errors import ComputeError
from compute_core.model.json import from_json
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure

PROBLEMS = (ShellFailure, XenApiFailure, Unanswered, TransferFailed, ComputeError, Unmovable)
"""What may go wrong outside of us; anything else is a fault of ours and ends the process."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How gently and how patiently VMs are moved. ``bwlimit_kib`` a second for each copy, 0 for no limit.

    ``falls_back``: a move that stops is abandoned at once, so that the original runs again.
    """

    bwlimit_kib: int = 0
    shutdown_s: float = 300.0
    per_source: int = 2
    per_destination: int = 2
    falls_back: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """What all moves of one run share."""

    generations: Generations
    shell: Shell
    pools: Pools
    placing: Placing
    kit: Kit
    pace: Pace = Pace()


@dataclass(frozen=True, slots=True)
class Move:
    """One VM on its way."""

    means: Means
    source: Source
    name: str
    journal: Journal

    @property
    def id(self) -> str:
        """Follows from what is moved, so that whatever a lost process has left is found again."""
        return move_id(self.source.ssh.name, self.name)

    @property
    def state(self) -> State:
        """What the move has come to."""
        return self.journal.story.state

    @property
    def guest(self) -> Guest:
        """The VM as it was when the move began."""
        return from_json(self.journal.story.fact("guest"), Guest)

    @property
    def original(self) -> Original:
        """The VM on its Xen host."""
        return Original(self.means.shell, self.source, self.guest, self.id, self.means.pace.shutdown_s)

    async def connected(self) -> Connected:
        """The XenServer host that was picked."""
        return await self.means.pools.connect(self.journal.story.fact("destination"))

    async def copy(self) -> Copy:
        """The VM on its XenServer host."""
        to, uuids = await self.connected(), self.journal.story.fact
        known = {cls: uuids(cls) for cls in ("VDI", "VM") if uuids(cls)}
        return Copy(to.session, to.place, self.guest, self.id, known, self.means.generations.vm_mode)

    async def interfaces(self) -> tuple[Interface, ...]:
        """The copy's, on networks of its host."""
        networks = (await self.connected()).place.networks
        bridge = self.means.generations.bridge
        return tuple(Interface(vif.mac, networks[bridge(vif.bridge)]) for vif in self.guest.config.vifs)

    async def site(self) -> DiskSite:
        """Where the disk is filled."""
        to, vdi, size_bytes = await self.connected(), self.journal.story.fact("vdi"), self.journal.story.fact("size_bytes")
        if to.destination.domain:
            return Plugged(to.session, self.means.shell, to.destination, vdi)
        folder = f"{to.destination.work}/{self.id}"
        return Streamed(to.session, self.means.shell, to.destination, vdi, folder, size_bytes)

    async def bench(self) -> Bench:
        """The machine in which it is filled."""
        to, fact = await self.connected(), self.journal.story.fact
        return Bench(self.means.shell, to.destination, self.id, fact("disk", ""), fact("size_bytes"))


Do = Callable[[Move], Awaitable[Mapping[str, Any]]]
Undo = Callable[[Move], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the checklist: ``do`` may be done again after a crash in its midst, ``undo`` whether it was done, half done, or undone.

    What ``do`` returns is kept in the journal for the steps after it.
    """

    name: str
    title: str
    do: Do
    undo: Undo


class Stopped(Exception):
    """A move that did not come to its end; the message says at which step, and why."""


async def advance(move: Move, steps: Sequence[Step]) -> None:
    """Do the steps that have not been done. Stopped."""
    if move.state not in {"moving", "failed"}:
        raise Stopped(f"{move.name} is {move.state}.")
    for step in steps:
        if not move.journal.story.is_done(step.name):
            await _told(move, step.name, step.do)


async def confirm(move: Move, remove: Do) -> None:
    """The copy is good: remove the original. Stopped."""
    if move.state not in {"arrived", "confirming"}:
        raise Stopped(f"{move.name} is {move.state}, so its original stays. Cure: `resume` or `abandon` it.")
    await _told(move, CONFIRM, remove)


async def abandon(move: Move, steps: Sequence[Step]) -> None:
    """Take every step back, the last one first: the original runs as it did, and nothing of the copy is left. Stopped."""
    if move.state in {"confirming", "confirmed", "abandoned"}:
        raise Stopped(f"{move.name} is {move.state}: there is no way back from there.")
    await _told(move, ABANDON, lambda each: _take_back(each, steps))


async def _take_back(move: Move, steps: Sequence[Step]) -> Mapping[str, Any]:
    for step in reversed(steps):
        if move.journal.story.has_begun(step.name):
            await step.undo(move)
            move.journal.write(step.name, "undone")
    return {}


async def _told(move: Move, name: str, do: Do) -> None:
    """Do something between its two lines of the journal."""
    move.journal.write(name, "begun")
    try:
        facts = await do(move)
    except PROBLEMS as problem:
        move.journal.write(name, "failed", problem=str(problem))
        raise Stopped(f"{move.name} stopped at {name}: {problem}") from problem
    move.journal.write(name, "done", **facts)


def move_id(source: str, name: str) -> str:
    """The id of the move of a VM from a host."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"inova:firstgen:{source}/{name}"))
