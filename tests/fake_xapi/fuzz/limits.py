"""A bound to the work of one request."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Hang(BaseException):
    """One request kept the processor busy for longer than any may."""


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    """Raise Hang when what is inside takes more time of the processor."""

    def give_up(_: int, frame: Any) -> None:
        raise Hang(f"{frame.f_code.co_filename}:{frame.f_lineno}")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
