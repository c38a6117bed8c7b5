"""Dates that follow the event loop's time, so that virtual time gives virtual dates."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Clock:
    """``epoch`` is the date at which the running loop's time was ``origin_s`` seconds."""

    epoch: datetime
    origin_s: float = 0.0

    @classmethod
    def starting(cls, epoch: datetime) -> Clock:
        """A clock that shows ``epoch`` now, by the running loop."""
        return cls(epoch.astimezone(UTC), asyncio.get_running_loop().time())

    def now(self) -> datetime:
        """The date by the running loop, UTC, to the microsecond."""
        return self.epoch + timedelta(seconds=asyncio.get_running_loop().time() - self.origin_s)

    def iso(self) -> str:
        """``now`` as the API writes dates, to the second: ``2012-08-01T00:00:00Z``."""
        return iso(self.now())

    def exact(self) -> str:
        """``now`` to the microsecond and without a zone, as some resources write it: ``2012-08-01T00:00:00.000000``."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%S.%f")


def iso(date: datetime) -> str:
    """A date as the API writes it."""
    return date.strftime("%Y-%m-%dT%H:%M:%SZ")
