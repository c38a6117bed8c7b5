"""Images that a host keeps, as its operator sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["disk", "kernel"]
"""A VDI of the SR, or a file of dom0: a kernel or ramdisk that guests boot has both."""


@dataclass(frozen=True, slots=True)
class CachedImage:
    """``own_bytes`` are free when it goes, ``shared_bytes`` are what disks of servers share with it.

    ``used`` is when it was used last, "" when that is not known. ``in_use``: why it has to stay, "" when it may go.
    """

    image_id: str
    kind: Kind
    own_bytes: int
    shared_bytes: int = 0
    used: str = ""
    in_use: str = ""


@dataclass(frozen=True, slots=True)
class Evicted:
    """An image that was taken off a host, and why."""

    image_id: str
    kind: Kind
    own_bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class EvictionPolicy:
    """When images go by themselves. ``keep_s``: after so long without use; 0 never.

    When more than ``high`` of the SR is in use (a share, 0: whatever is), those used longest ago go until ``low`` of it is.
    """

    keep_s: float = 0.0
    high: float = 0.0
    low: float = 0.0

    @property
    def is_on(self) -> bool:
        """Whether anything ever goes by itself."""
        return self.keep_s > 0 or self.high > 0
