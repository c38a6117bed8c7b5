"""Upkeep: what is being done with a host as a whole. The compute cell keeps it, so that whoever is killed meanwhile goes on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["leaving", "stuck", "closing", "in maintenance", "going down", "off", "switching on", "starting", "joining", "ejecting"]
"""leaving: servers are taken away, or stopped; stuck: some could not be
closing: XenServer is to start nothing there any more, and then to do what it is closed for
going down: until it has booted, or is off; starting: it and its servers come back
joining, ejecting: it changes its pool
"""

WAITING: frozenset[Stage] = frozenset({"stuck", "in maintenance", "off"})
"""Where nothing goes on by itself."""

YIELDING: frozenset[Stage] = frozenset({"leaving", "stuck", "closing", "in maintenance"})
"""Where something else may be asked for."""

Clearing = Literal["move", "stop"]
"""How servers make way: they go to other hosts, or are stopped and stay."""

Afterwards = Literal["", "reboot", "shutdown"]


@dataclass(frozen=True, slots=True)
class Stuck:
    """A server that could not make way, and why."""

    uuid: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is done with one host. ``then`` is done once its servers have made way.

    ``returns``: it is back in use afterwards as it was before (``was_enabled``, ``was_reason``). ``may_halt``: servers that do not go
    while they run are halted on the way. ``tried`` are the actions that were begun on each server, ``refusals`` why the last one could
    not be; ``stopped`` are the servers that are to run again. ``boot_time`` is when the host had booted before it was told to do so
    again, in its own words, None before it was asked; ``pool`` is the one that it joins or leaves, ``is_asked`` whether it has heard of
    that. ``fault``: why it does not go on.
    """

    host: str
    stage: Stage
    since: str
    reason: str = ""
    then: Afterwards = ""
    clearing: Clearing = "move"
    may_halt: bool = True
    returns: bool = False
    was_enabled: bool = True
    was_reason: str | None = None
    boot_time: str | None = None
    pool: str = ""
    is_asked: bool = False
    tried: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    fault: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether nothing goes on by itself."""
        return self.stage in WAITING
