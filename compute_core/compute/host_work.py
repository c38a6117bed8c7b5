"""What questions to a host, and orders that change no server, are given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.compute.cell import Cell
from compute_core.compute.metering import Meter
from compute_core.compute.work import Host


@dataclass(frozen=True, slots=True)
class HostWork:
    """``is_busy``: whether an operation is under way on a server, by its uuid, or an image, by its id, is being fetched or cloned."""

    host: Host
    cell: Cell
    meter: Meter
    is_busy: Callable[[str], bool]
    arguments: Mapping[str, Any] = field(default_factory=dict)


HostQuery = Callable[[HostWork], Awaitable[Any]]
