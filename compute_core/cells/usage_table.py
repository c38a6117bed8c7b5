"""What the servers of a cell's hosts really use: the newest measurement of each host, in memory. Agents measure again anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class UsageTable:
    """By host, in the JSON form in which agents send it."""

    __slots__ = ("_by_host",)

    def __init__(self) -> None:
        self._by_host: dict[str, Mapping[str, Any]] = {}

    async def heard(self, host: str, usage: Mapping[str, Any]) -> None:
        """An agent has measured."""
        self._by_host[host] = usage

    async def list(self, hosts: Sequence[str] | None = None) -> Any:
        """Of every host that has measured, by name, or of these."""
        names = sorted(self._by_host) if hosts is None else hosts
        return [self._by_host[name] for name in names if name in self._by_host]
