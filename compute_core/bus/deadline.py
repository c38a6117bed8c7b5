"""How long the caller above still waits: calls made while answering a call must be done earlier than that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from compute_core.model.errors import HostUnreachable

HOP_MARGIN_S = 0.5
"""What each hop keeps for itself, so that the nearest caller hears of a timeout first."""

_ends_at: ContextVar[float | None] = ContextVar("bus_call_ends_at", default=None)


def time_left(timeout_s: float) -> float:
    """The least of ``timeout_s`` and what the caller above leaves us. Raises HostUnreachable when nothing is left."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return timeout_s
    left = min(timeout_s, ends_at - asyncio.get_running_loop().time() - HOP_MARGIN_S)
    if left <= 0:
        raise HostUnreachable("The caller's time is over.")
    return left


@contextmanager
def answering(timeout_s: float | None) -> Iterator[None]:
    """Work inside for a caller who waits ``timeout_s`` from now; None: for nobody who waits."""
    token = _ends_at.set(None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s)
    try:
        yield
    finally:
        _ends_at.reset(token)
