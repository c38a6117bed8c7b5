"""Many moves at once: each with its journal, with limits per host on both sides; one that stops does not stop the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute_core.firstgen.fleet import Source
from compute_core.firstgen.guests import Guest, Unmovable, inspect, names
from compute_core.firstgen.journal import Held, Journal, Line, State, opened, read
from compute_core.firstgen.move import PROBLEMS, Means, Move, Stopped, abandon, advance, confirm
from compute_core.firstgen.pools import disk_bytes
from compute_core.firstgen.steps import STEPS, remove_original
from compute_core.model.clock import Clock
from compute_core.model.json import from_json


@dataclass(frozen=True, slots=True)
class Order:
    """A VM that is to be moved. ``wanted`` is the host that the operator names, "" for the choice among all."""

    source: str
    name: str
    wanted: str = ""

    def __str__(self) -> str:
        return f"{self.source}/{self.name}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order; ``problem`` is "" when all went well."""

    order: Order
    state: State
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a plan says of a VM: where it would go and how much it is, or why it cannot."""

    order: Order
    guest: Guest | None = None
    destination: str = ""
    size_bytes: int = 0
    problem: str = ""


Told = Callable[[Order, Line], None]
Work = Callable[[Move], Awaitable[None]]


class Mover:
    """Works on the moves whose journals are in ``folder``, one file for each VM in a folder for each Xen host."""

    def __init__(self, means: Means, folder: Path, clock: Clock, told: Told = lambda _, __: None) -> None:
        self._means = means
        self._folder = folder
        self._clock = clock
        self._told = told
        pace, generations = means.pace, means.generations
        self._sources = {name: asyncio.Semaphore(pace.per_source) for name in generations.sources}
        self._destinations = {name: asyncio.Semaphore(pace.per_destination) for name in generations.destinations}

    def _source(self, name: str) -> Source:
        """The Xen host of that name. Unmovable when there is none."""
        if name not in self._sources:
            raise Unmovable(f"There is no Xen host {name!r}. Cure: add it to the file of the generations, or name another.")
        return self._means.generations.sources[name]

    async def plan(self, orders: Iterable[Order]) -> list[Prospect]:
        """Where each VM would go. Nothing is changed."""
        return [await self._prospect(order) for order in orders]

    async def all_of(self, source: str) -> list[Order]:
        """An order for every VM of a host. Unmovable when there is no such host; CommandFailed, HostLost."""
        found = await names(self._means.shell, self._source(source))
        return [Order(source, name) for name in found]

    async def move(self, orders: Sequence[Order]) -> list[Outcome]:
        """Begin the moves and bring them to where the copies run. One that was abandoned begins anew."""
        for order in orders:
            _put_aside(self._path(order))
        return await self._each(orders, self._advance, is_new=True)

    async def resume(self, orders: Sequence[Order]) -> list[Outcome]:
        """Go on with moves that stopped or were cut off."""
        return await self._each(orders, self._advance)

    async def confirm(self, orders: Sequence[Order]) -> list[Outcome]:
        """Remove the originals."""
        return await self._each(orders, lambda move: confirm(move, remove_original))

    async def abandon(self, orders: Sequence[Order]) -> list[Outcome]:
        """Take the moves back."""
        return await self._each(orders, lambda move: abandon(move, STEPS))

    async def _each(self, orders: Sequence[Order], work: Work, *, is_new: bool = False) -> list[Outcome]:
        for order in orders:
            self._source(order.source)
            await self._promise(order)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._worked(order, work, is_new=is_new)) for order in orders]
        return [task.result() for task in tasks]

    async def _worked(self, order: Order, work: Work, *, is_new: bool) -> Outcome:
        path = self._path(order)
        if not is_new and not path.exists():
            return Outcome(order, "failed", f"{order} has never been moved. Cure: `move` it.")
        try:
            async with self._sources[order.source]:
                with opened(path, self._clock, lambda line: self._told(order, line)) as journal:
                    return await self._in(order, journal, work)
        except Held as problem:
            return Outcome(order, read(path).state, str(problem))

    async def _in(self, order: Order, journal: Journal, work: Work) -> Outcome:
        if not journal.story.lines:
            journal.write("pick", "noted", source=order.source, vm=order.name, wanted=order.wanted)
        move = Move(self._means, self._source(order.source), order.name, journal)
        problem = ""
        try:
            await work(move)
        except Stopped as stopped:
            problem = str(stopped)
        return Outcome(order, move.state, problem)

    async def _advance(self, move: Move) -> None:
        try:
            await advance(move, STEPS[:1])
            async with self._slot(move.journal.story.fact("destination")):
                await advance(move, STEPS[1:])
        except Stopped:
            if self._means.pace.falls_back and move.state == "failed":
                await abandon(move, STEPS)
            raise

    def _slot(self, destination: str) -> asyncio.Semaphore:
        """One of those that a destination has. A destination that has gone from the file is told by the step that asks for it."""
        return self._destinations.setdefault(destination, asyncio.Semaphore(1))

    async def _promise(self, order: Order) -> None:
        """Moves that have been picked and not arrived take room that their hosts still show as free."""
        story = read(self._path(order)) if self._path(order).exists() else None
        if story is not None and story.state in {"moving", "failed"} and story.fact("guest") and not story.fact("vdi"):
            try:
                await self._means.placing.promise(from_json(story.fact("guest"), Guest), story.fact("destination"))
            except PROBLEMS:
                return  # The move itself will say so.

    async def _prospect(self, order: Order) -> Prospect:
        try:
            guest = await inspect(self._means.shell, self._source(order.source), order.name)
            size_bytes = disk_bytes(guest, self._means.generations)
            return Prospect(order, guest, await self._means.placing.place(guest, order.wanted), size_bytes)
        except PROBLEMS as problem:
            return Prospect(order, problem=str(problem))

    def _path(self, order: Order) -> Path:
        return journal_path(self._folder, order)


def journal_path(folder: Path, order: Order) -> Path:
    """Where the journal of a VM's move is. Unmovable for what can be no name."""
    if "/" in order.name or order.name.startswith("."):
        raise Unmovable(f"{order.name!r} cannot be the name of a VM.")
    return folder / order.source / f"{order.name}.jsonl"


def journals(folder: Path) -> list[tuple[Order, Path]]:
    """Every move that has a journal."""
    return [(Order(path.parent.name, path.name.removesuffix(".jsonl")), path) for path in sorted(folder.glob("*/*.jsonl"))]


def _put_aside(path: Path) -> None:
    """An abandoned move's journal is kept under another name."""
    if path.exists() and read(path).state == "abandoned":
        number = 1 + len(list(path.parent.glob(f"{path.name}.*")))
        path.rename(path.with_name(f"{path.name}.{number}"))
