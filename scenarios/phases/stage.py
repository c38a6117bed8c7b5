"""What every phase works with: the cell under rehearsal, the client, the journal and the results."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from compute_core.xenapi.session import XenApi
from scenarios.figures import Results
from scenarios.image import CheckedImages
from scenarios.journal import Journal
from scenarios.scenario import FaultPlan, Scenario
from scenarios.traffic.client import CloudClient
from scenarios.traffic.watch import Watcher


class Disturber(Protocol):
    """Makes things go wrong, and right again."""

    def begin(self, plan: FaultPlan, hosts: list[str]) -> None:
        """Let a fault begin on hosts."""

    def end(self, plan: FaultPlan, hosts: list[str]) -> None:
        """Let it be over."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One rehearsal under way. ``hosts`` are the tester's own sessions on each host, ``images`` ids by what they are for."""

    scenario: Scenario
    client: CloudClient
    watcher: Watcher
    journal: Journal
    results: Results
    hosts: Mapping[str, XenApi]
    images: Mapping[str, str]
    checked: CheckedImages
    disturber: Disturber
    chance: random.Random
