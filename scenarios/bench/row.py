"""One line of a benchmark's outcome."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, its upper limit, and the figure of a comparable project; ``note`` explains a figure that misses."""

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
