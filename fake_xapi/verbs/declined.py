"""The messages that the simulator declines for good, with XAPI's own error, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Declined:
    """The code of the refusal (NOT_IMPLEMENTED, LICENCE_RESTRICTION, ...) and the reason, as the coverage page prints it."""

    code: str
    reason: str


DECLINED: Mapping[str, Declined] = {}
"""By wire name. A message that is in no registry of verbs, follows from no field and is not listed here is a gap."""
