"""How the rest asks a store: plain functions over a connection, run as one transaction each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
T = TypeVar("T")


class Store(Protocol):
    """One database."""

    async def run(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``function(connection, ...)`` in one transaction: committed when it returns, dropped when it raises.

        It may be run again after a deadlock, so it does nothing but SQL. HostUnreachable when the database does not answer.
        """

    async def close(self) -> None:
        """Let go of every connection."""
