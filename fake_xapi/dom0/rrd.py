"""Round-robin databases as hosts keep them, reckoned when somebody reads: four archives of measured quantities by the time.

A row of an archive stands for so many steps of 5 seconds; where nothing was measured it says NaN. May not know how they are written down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fake_xapi.dom0.rrd_notes import Span
from fake_xapi.dom0.rrd_sources import Source

STEP_S = 5
HEARTBEAT_S = 300.0
_MOST_LOOKS = 12


@dataclass(frozen=True, slots=True)
class Archive:
    """So many rows, each of so many steps."""

    rows: int
    steps: int

    @property
    def step_s(self) -> int:
        """Seconds from row to row."""
        return self.steps * STEP_S

    @property
    def looks(self) -> int:
        """How often a quantity is looked at for one row: each of the steps of short rows, some of those of long ones."""
        return min(self.steps, _MOST_LOOKS) if self.rows < _LONG else _MOST_LOOKS // 3

    def last_row(self, now_s: float) -> int:
        """The time of the newest row."""
        return int(now_s // self.step_s) * self.step_s


_LONG = 168
ARCHIVES: tuple[Archive, ...] = (Archive(120, 1), Archive(120, 12), Archive(168, 720), Archive(366, 17_280))
"""10 minutes, 2 hours, a week and a year."""


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


CONSOLIDATIONS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "AVERAGE": _average,
    "MIN": min,
    "MAX": max,
    "LAST": lambda values: values[-1],
}
"""By name, what becomes of the values that a row stands for, oldest first."""
KEPT = ("AVERAGE", "MIN", "MAX")
"""Those for which archives are kept; an archive of single steps is kept once, as they are all the same there."""
UNKNOWN = math.nan
_LEAST_KNOWN = 0.5
"""A row of which less than this is known is unknown."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What is kept of one owner; ``prefix`` as legends name it ("vm:<uuid>"), ``spans`` when it was there."""

    prefix: str
    sources: tuple[Source, ...]
    spans: tuple[Span, ...]

    def is_known(self, at_s: float) -> bool:
        """Whether anything was measured at a time."""
        return any(start < at_s <= end for start, end in self.spans)

    def row(self, archive: Archive, at_s: int, cfs: Sequence[str]) -> list[float]:
        """The row of an archive that ends at a time: for each consolidation in turn all sources."""
        return [value for part in self.rows(archive, at_s, cfs) for value in part]

    def rows(self, archive: Archive, at_s: int, cfs: Sequence[str]) -> list[list[float]]:
        """The same, for each consolidation a row of its own."""
        moments = [at_s - archive.step_s * place / archive.looks for place in range(archive.looks - 1, -1, -1)]
        known = [moment for moment in moments if self.is_known(moment)]
        if len(known) < _LEAST_KNOWN * len(moments):
            return [[UNKNOWN] * len(self.sources)] * len(cfs)
        seen = list(zip(*([source.at(moment) for source in self.sources] for moment in known), strict=True))
        return [[CONSOLIDATIONS[cf](values) for values in seen] for cf in cfs]

    def at(self, now_s: float) -> list[float]:
        """What is measured now."""
        return [source.at(now_s) if self.is_known(now_s) else UNKNOWN for source in self.sources]


def archive_for(start_s: float, now_s: float, interval_s: int, *, is_single: bool = True) -> Archive:
    """The finest archive whose rows are no shorter than an interval and that goes back to a time; the longest when none does."""
    last = now_s // STEP_S * STEP_S
    fitting = (
        archive
        for archive in ARCHIVES
        if archive.steps >= interval_s // STEP_S and start_s > last - archive.rows * archive.step_s and (is_single or archive.steps > 1)
    )
    return next(fitting, ARCHIVES[-1])


def newest_first(archive: Archive, start_s: float, now_s: float) -> Iterator[int]:
    """The times of an archive's rows from a time on."""
    last = archive.last_row(now_s)
    return (time for place in range(archive.rows) if (time := last - place * archive.step_s) >= start_s)


def oldest_first(archive: Archive, now_s: float) -> Iterator[int]:
    """The times of all rows of an archive."""
    last = archive.last_row(now_s)
    return (last - place * archive.step_s for place in range(archive.rows - 1, -1, -1))
