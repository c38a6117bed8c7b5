"""Waiting for what a server does in its own time: by short polls with a deadline, never by a fixed sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

POLL_S = 0.02
DEADLINE_S = 120.0

Fact = TypeVar("Fact")


def until(fact: Callable[[], Fact], what: str, timeout_s: float = DEADLINE_S) -> Fact:
    """Poll until the answer is true and return it; AssertionError names what never came."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = fact()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s in vain for {what}; last answer: {answer!r}")
        time.sleep(POLL_S)


def finished(xapi: Any, task: str, timeout_s: float = DEADLINE_S) -> dict[str, Any]:
    """The record of a task once it has ended."""

    def ended() -> dict[str, Any] | None:
        record: dict[str, Any] = xapi.task.get_record(task)
        return None if record["status"] in {"pending", "cancelling"} else record

    record = until(ended, f"the end of task {task}", timeout_s)
    assert record is not None
    return record
