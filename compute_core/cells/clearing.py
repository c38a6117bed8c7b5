"""How servers make way for the upkeep of their host: what is tried with each, in which order, and what is said of those that stay. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compute_core.model.instances import PAUSED, RUNNING, Instance, VmState
from compute_core.model.upkeep import Clearing, Stuck, Upkeep

WAYS: Mapping[Clearing, Mapping[VmState, tuple[str, ...]]] = {
    "move": {"active": ("live_migrate", "resize"), "stopped": ("resize",), "shelved": ("shelve_offload",)},
    "stop": {"active": ("stop",)},
}
"""What is tried with a server by its state, the next when the one before has failed. A "resize" to its own size is a cold migration."""

HALTS = "resize"
"""What a running server is spared where it may not be halted."""

HAS_DOMAIN = frozenset({RUNNING, PAUSED})


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be done next: ``begin`` an action with each of these, ``confirm`` their migrations, leave it at what is ``stuck``.

    ``is_busy``: something is under way, and more may come of it.
    """

    begin: tuple[tuple[str, str], ...] = ()
    confirm: tuple[str, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    is_busy: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done."""
        return not (self.begin or self.confirm or self.is_busy)


def look(job: Upkeep, here: Iterable[Instance], gone: Iterable[Instance], at_once: int) -> Look:
    """What comes next. ``here`` are the host's servers, ``gone`` those that have left it; ``at_once`` may be under way."""
    blocking = [server for server in here if not _is_out_of_the_way(job, server)]
    resting = [server for server in blocking if server.task_state is None]
    left = [server for server in gone if not server.is_deleted]
    waiting = [(server, _next_way(job, server)) for server in resting]
    ready = [(server.uuid, way) for server, way in waiting if way is not None]
    under_way = len(blocking) - len(resting)
    return Look(
        begin=tuple(ready[: max(at_once - under_way, 0)]),
        confirm=tuple(server.uuid for server in left if server.vm_state == "resized" and server.task_state is None),
        stuck=tuple(Stuck(server.uuid, server.name, _reason(job, server)) for server, way in waiting if way is None),
        is_busy=under_way > 0 or any(server.task_state is not None for server in left),
    )


def _is_out_of_the_way(job: Upkeep, server: Instance) -> bool:
    """One that has no domain may stay where servers are only stopped."""
    return job.clearing == "stop" and server.task_state is None and server.power_state not in HAS_DOMAIN


def _next_way(job: Upkeep, server: Instance) -> str | None:
    ways = WAYS[job.clearing].get(server.vm_state, ())
    spared = {HALTS} if server.vm_state == "active" and not job.may_halt else set()
    return next((way for way in ways if way not in job.tried.get(server.uuid, ()) and way not in spared), None)


def _reason(job: Upkeep, server: Instance) -> str:
    if server.uuid in job.refusals:
        return job.refusals[server.uuid]
    if server.uuid in job.tried and server.fault is not None:
        return server.fault.message
    return f"It is {server.vm_state}: such a server is neither moved nor stopped by itself."
