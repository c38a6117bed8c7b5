"""What questions to a host, and orders that change no server, are given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.compute.cell import Cell
from compute_core.compute.metering import Meter
from compute_core.compute.work import Host


class Sightings:
    """Since when an agent has seen things: forgotten when they are gone."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since: dict[Hashable, tuple[float, str]] = {}

    def see(self, there: Collection[Hashable], now_s: float, date: str) -> Mapping[Hashable, tuple[float, str]]:
        """What is there now: when, by the loop's time and as a date, each was seen first."""
        self._since = {each: self._since.get(each, (now_s, date)) for each in there}
        return self._since


@dataclass(frozen=True, slots=True)
class HostWork:
    """``is_busy``: whether an operation is under way on a server, by its uuid, or an image, by its id, is being fetched or cloned."""

    host: Host
    cell: Cell
    meter: Meter
    sightings: Sightings
    is_busy: Callable[[str], bool]
    arguments: Mapping[str, Any] = field(default_factory=dict)


HostQuery = Callable[[HostWork], Awaitable[Any]]
