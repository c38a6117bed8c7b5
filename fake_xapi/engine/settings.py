"""An operator's settings for a simulated XAPI."""

from __future__ import annotations

from dataclasses import dataclass, field

from fake_xapi.dom0.arrays import STANDARD, StorageNetwork
from fake_xapi.dom0.user_plugins import NO_PLUGINS, UserPlugins
from fake_xapi.engine.durations import INSTANT, Durations
from fake_xapi.verbs.access.directory import Directory


@dataclass(frozen=True, slots=True)
class Settings:
    """Knobs of behaviour; the defaults are XAPI's own where it has one.

    ``waits_for_busy``: whether a call waits while an object is busy, as XAPI does, or is refused at once with
    OTHER_OPERATION_IN_PROGRESS; ``busy_deadline_s`` bounds the wait. ``event_gather_s``: how long ``event.from`` gathers before it
    answers (XAPI: 0.05). ``login_delay_s``: the answer to a wrong password comes so late (XAPI: 5).
    ``storage``: the servers, targets and LUNs that all hosts can reach.
    ``directory``: the service for external authentication; without one that cannot be enabled.
    ``plugins``: users' own plugins, besides those of every dom0.
    """

    user: str = "root"
    password: str = field(default="xenroot", repr=False)
    durations: Durations = INSTANT
    waits_for_busy: bool = True
    busy_deadline_s: float = 7200.0
    event_gather_s: float = 0.0
    login_delay_s: float = 0.0
    storage: StorageNetwork = STANDARD
    directory: Directory | None = None
    plugins: UserPlugins = NO_PLUGINS
