"""The journal of one move: a file with one line of JSON for each thing that happened, safe on the disk before the next one begins.

What a move has come to is derived from its lines, never kept beside them. May not know what the steps do.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from compute_core.model.clock import Clock

Event = Literal["begun", "noted", "done", "failed", "undone"]
State = Literal["moving", "failed", "arrived", "confirming", "confirmed", "abandoning", "abandoned"]
CONFIRM, ABANDON = "confirm", "abandon"
"""The two ends of a move stand in its journal like steps."""
ARRIVAL = "start"
"""The step after which the copy runs."""


class Held(Exception):
    """Somebody else works on the move."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, when (UTC), and what was learnt by it."""

    step: str
    event: Event
    at: str
    facts: Mapping[str, Any] = field(default_factory=dict)


ENDS: Mapping[tuple[str, Event], State] = {
    (CONFIRM, "begun"): "confirming",
    (CONFIRM, "failed"): "confirming",
    (CONFIRM, "done"): "confirmed",
    (ABANDON, "begun"): "abandoning",
    (ABANDON, "failed"): "abandoning",
    (ABANDON, "done"): "abandoned",
}


@dataclass(frozen=True, slots=True)
class Story:
    """The lines of a move, and what follows from them."""

    lines: Sequence[Line]

    def is_done(self, step: str) -> bool:
        """Whether a step has come to its end and was not taken back since."""
        return self._last(step) == "done"

    def has_begun(self, step: str) -> bool:
        """Whether a step may have left something that is to be taken back."""
        return self._last(step) not in {None, "undone"}

    def fact(self, name: str, default: Any = None) -> Any:
        """The newest value of what was learnt under a name."""
        return next((line.facts[name] for line in reversed(self.lines) if name in line.facts), default)

    @property
    def state(self) -> State:
        """What the move has come to."""
        for line in reversed(self.lines):
            if (line.step, line.event) in ENDS:
                return ENDS[line.step, line.event]
        if self.is_done(ARRIVAL):
            return "arrived"
        return "failed" if self.lines and self.lines[-1].event == "failed" else "moving"

    def learnt(self, name: str) -> datetime | None:
        """When something was learnt first, None while it is unknown."""
        return next((datetime.fromisoformat(line.at) for line in self.lines if name in line.facts), None)

    def _last(self, step: str) -> Event | None:
        return next((line.event for line in reversed(self.lines) if line.step == step and line.event != "noted"), None)


def read(path: Path) -> Story:
    """The story so far. A last line that a crash has torn did not happen."""
    *whole, _ = path.read_text(encoding="utf-8").split("\n")
    return Story(tuple(Line(**json.loads(line)) for line in whole))


Told = Callable[[Line], None]
"""Hears of each line once it is safe."""


class Journal:
    """A journal that is being written; nobody else may write it meanwhile."""

    def __init__(self, file: IO[str], story: Story, clock: Clock, told: Told) -> None:
        self._file = file
        self._clock = clock
        self._told = told
        self.story = story

    def write(self, step: str, event: Event, **facts: Any) -> None:
        """Add a line; it is on the disk when this returns."""
        line = Line(step, event, self._clock.now().isoformat(), facts)
        members = {"step": line.step, "event": line.event, "at": line.at, "facts": facts}
        self._file.write(json.dumps(members) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.story = Story((*self.story.lines, line))
        self._told(line)


@contextmanager
def opened(path: Path, clock: Clock, told: Told = lambda _: None) -> Iterator[Journal]:
    """Hold and continue the journal at ``path``, a new one when there is none. Raises Held, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(f"Another process works on this move ({path}).") from None
        _cut_torn_line(path)
        _sync_folder(path.parent)
        yield Journal(file, read(path), clock, told)


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def _sync_folder(folder: Path) -> None:
    """A new file's name is safe only with its folder."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
