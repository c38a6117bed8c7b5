"""One line of a benchmark's outcome."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, the most that it may be, and what a peer needs for the same; ``note`` says what bounds a figure that misses."""

    name: str
    value: float
    unit: str
    target: float
    peer: str
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure is good enough."""
        return self.value <= self.target
