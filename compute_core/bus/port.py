"""What cells and agents ask of a bus. Arguments and answers are plain JSON values.

A cast is durable: it waits for its topic to be served, is handed to the endpoint at least once, and casts of one topic are
started in the order in which they were sent. A call has a deadline; nobody there means ``HostUnreachable`` when it has passed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

Endpoint = Callable[..., Awaitable[Any]]
"""``async def endpoint(**arguments)``; its answer is a JSON value, its ``ComputeError`` reaches the caller as the same class."""


class Serving(Protocol):
    """One topic being served, until closed. Casts not yet finished then are delivered again to whoever serves it next."""

    async def close(self) -> None:
        """Stop; endpoints that are running are cancelled."""


class Bus(Protocol):
    """One end of a message bus."""

    async def cast(self, topic: str, method: str, arguments: Mapping[str, Any]) -> None:
        """Send without waiting for the effect; returns when the bus has it for good. HostUnreachable when it cannot."""

    async def call(self, topic: str, method: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        """Send and wait for the answer. HostUnreachable when there is none in time; the endpoint's ComputeError otherwise."""

    async def serve(self, topic: str, endpoints: Mapping[str, Endpoint]) -> Serving:
        """Hand the topic's messages to the endpoints, each in a task of its own, started in order."""

    async def close(self) -> None:
        """Stop serving and let go of the connection."""
