"""The date of a simulated host: the event loop's time, counted from an epoch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

FORM = "%Y%m%dT%H:%M:%SZ"
EPOCH = datetime(2012, 8, 1, tzinfo=UTC)
"""Where simulated dates begin unless the caller says otherwise."""
END = datetime(9999, 1, 1, tzinfo=UTC)
"""A date has four digits for the year; what is dated into the future has one left."""


@dataclass(frozen=True, slots=True)
class Clock:
    """``epoch`` is the date when the loop's time was ``origin_s``."""

    epoch: datetime = EPOCH
    origin_s: float = 0.0

    def now(self) -> str:
        """The date as XenAPI writes it: ``20120801T00:00:00Z``."""
        return self.at(asyncio.get_running_loop().time())

    def at(self, loop_time_s: float) -> str:
        """The date at a time of the loop."""
        return _written(int(self.epoch.timestamp() + loop_time_s - self.origin_s))

    def left_s(self, loop_time_s: float) -> int:
        """The whole seconds from a time of the loop to the last date that can be written."""
        return int(END.timestamp() - self.epoch.timestamp() - loop_time_s + self.origin_s)


@lru_cache(maxsize=64)
def _written(second: int) -> str:
    """A second since 1970 as a date: thousands of hosts ask for the same one."""
    return datetime.fromtimestamp(second, UTC).strftime(FORM)
