"""The calls that hosts get and their outcomes: the latest calls, counts by message, and latencies.

Observed at the border between transports and XAPIs, so that a call which a fault struck is recorded as its client saw it. Neither
parameters nor answers are ever kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import iscoroutine
from typing import Any, NamedTuple, TypeVar, cast

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.faults.names import message_name
from fake_xapi.state.world import World
from fake_xapi.transports.ports import Credential, Xapi

T = TypeVar("T")
log = logging.getLogger("fake_xapi.calls")

CAUSE: ContextVar[str] = ContextVar("cause", default="")
"""The message on whose behalf the present code runs; background work of a call inherits it."""
KEPT = 2000
"""How many of the latest calls are kept."""
MOST_ERRORS = 200
"""How many different outcomes of one message are counted separately: a fault may answer anything."""
OTHER = "other"
BUCKETS_S = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
)  # fmt: skip
"""The upper bounds of the classes of latency; one more class is unbounded."""
SUCCESS = "success"
LOST = "connection lost"
CUT_OFF = "cut off"


class Seen(NamedTuple):
    """One call: when it ended, and how long it took on the loop's clock and on the real one."""

    number: int
    ended_s: float
    host: str
    message: str
    outcome: str
    took_s: float
    real_s: float


@dataclass(slots=True)
class Count:
    """The calls of one message: outcomes, latencies by class, and their sum."""

    outcomes: dict[str, int] = field(default_factory=dict)
    latencies: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0

    def add(self, outcome: str, real_s: float) -> None:
        """Count one call."""
        known = outcome if outcome in self.outcomes or len(self.outcomes) < MOST_ERRORS else OTHER
        self.outcomes[known] = self.outcomes.get(known, 0) + 1
        self.latencies[bisect_left(BUCKETS_S, real_s)] += 1
        self.sum_s += real_s

    @property
    def calls(self) -> int:
        """The number of calls."""
        return sum(self.outcomes.values())

    @property
    def errors(self) -> int:
        """The number of calls that did not succeed."""
        return self.calls - self.outcomes.get(SUCCESS, 0)

    def within_s(self, part: float) -> float:
        """The seconds within which that fraction of the calls was answered: the upper bound of a latency class."""
        wanted, seen = part * self.calls, 0
        for bound, members in zip((*BUCKETS_S, BUCKETS_S[-1]), self.latencies, strict=True):
            seen += members
            if members and seen >= wanted:
                return bound
        return 0.0


class Traffic:
    """The calls of all hosts. ``known`` are the messages that are counted by name; all others are counted together."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known
        self.calls: deque[Seen] = deque(maxlen=KEPT)
        self.counts: dict[str, Count] = {}
        self.number = 0
        self.under_way = 0

    def over(self, host: str, xapi: Xapi) -> Xapi:
        """The XAPI of a host, observed."""
        return cast(Xapi, WatchedXapi(host, xapi, self))  # what it does not have itself it has from the XAPI

    def reset(self) -> None:
        """Reset the counters; the latest calls are kept."""
        self.counts.clear()

    def since(self, number: int) -> Iterator[Seen]:
        """The calls after a number that are still kept, oldest first."""
        missed = min(self.number - number, len(self.calls))
        return (self.calls[place] for place in range(len(self.calls) - missed, len(self.calls)))

    def note(self, host: str, method: str, outcome: str, began: tuple[float, float]) -> None:
        """Record a call that has ended; ``began`` is the loop's time and the real one when it came."""
        name = message_name(method)
        message = name if self._known(name) else "unknown"
        now_s, real_s = asyncio.get_running_loop().time(), time.perf_counter() - began[1]
        self.number += 1
        self.calls.append(Seen(self.number, now_s, host, message, outcome, now_s - began[0], real_s))
        count = self.counts.get(message)
        if count is None:
            count = self.counts[message] = Count()
        count.add(outcome, real_s)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("call", extra={"host": host, "xapi_message": message, "outcome": outcome, "duration_s": round(real_s, 6)})


class WatchedXapi:
    """A XAPI whose calls are observed; transports use it like any other."""

    __slots__ = ("_host", "_traffic", "_xapi")

    def __init__(self, host: str, xapi: Xapi, traffic: Traffic) -> None:
        self._host = host
        self._xapi = xapi
        self._traffic = traffic

    @property
    def personality(self) -> Personality:
        """As the XAPI's."""
        return self._xapi.personality

    @property
    def world(self) -> World:
        """As the XAPI's."""
        return self._xapi.world

    @property
    def disks(self) -> DiskStore:
        """As the XAPI's."""
        return self._xapi.disks

    def __getattr__(self, name: str) -> Any:
        """Everything else that transports use and that is not a call."""
        return getattr(self._xapi, name)

    def authorise(self, credential: Credential, action: str) -> int:
        """As the XAPI itself."""
        return self._xapi.authorise(credential, action)

    def dispatch(self, method: str, params: list[Any]) -> Any:
        """As the XAPI itself; recorded when it has ended."""
        began = (asyncio.get_running_loop().time(), time.perf_counter())
        token = CAUSE.set(method)
        try:
            answer = self._xapi.dispatch(method, params)
        except Exception as error:
            self._traffic.note(self._host, method, outcome_of(error), began)
            raise
        finally:
            CAUSE.reset(token)
        if iscoroutine(answer):
            return self._ended(method, began, answer)
        self._traffic.note(self._host, method, SUCCESS, began)
        return answer

    async def transfer(self, action: str, bytes_moved: int, work: Callable[[], Awaitable[T]]) -> T:
        """As the XAPI itself; recorded when it has ended."""
        began = (asyncio.get_running_loop().time(), time.perf_counter())
        return await self._ended(action, began, self._xapi.transfer(action, bytes_moved, work))

    async def _ended(self, method: str, began: tuple[float, float], answer: Awaitable[T]) -> T:
        token, outcome = CAUSE.set(method), CUT_OFF
        self._traffic.under_way += 1
        try:
            value = await answer
            outcome = SUCCESS
        except Exception as error:
            outcome = outcome_of(error)
            raise
        finally:
            CAUSE.reset(token)
            self._traffic.under_way -= 1
            self._traffic.note(self._host, method, outcome, began)
        return value


def outcome_of(error: Exception) -> str:
    """How a failed call is counted: by the error's code, without parameters."""
    if isinstance(error, Failure):
        return error.code
    return LOST if isinstance(error, ConnectionError) else type(error).__name__


def latencies_of(count: Count) -> Mapping[str, float]:
    """The latencies of interest, in seconds."""
    calls = count.calls
    return {
        "mean": count.sum_s / calls if calls else 0.0,
        "p50": count.within_s(0.5),
        "p95": count.within_s(0.95),
        "p99": count.within_s(0.99),
    }
