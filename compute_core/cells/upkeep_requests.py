"""What may be asked of a host's upkeep, and what becomes of it then: pure functions that refuse what does not fit its stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from compute_core.model.errors import Conflict
from compute_core.model.hosts import ComputeNode
from compute_core.model.upkeep import YIELDING, Clearing, Upkeep


def begun(node: ComputeNode, before: Upkeep | None, now: str) -> Upkeep:
    """A new upkeep, which remembers from an earlier one how the host was before, and which servers were stopped."""
    new = Upkeep(node.report.host, "leaving", now, was_enabled=node.is_enabled, was_reason=node.disabled_reason)
    if before is None:
        return new
    return replace(new, was_enabled=before.was_enabled, was_reason=before.was_reason, stopped=before.stopped)


def _enter(new: Upkeep, before: Upkeep | None, _: ComputeNode, *, reason: str = "", may_halt: bool = True) -> Upkeep:
    """Its servers go to other hosts, and none comes."""
    _check_yields(before)
    return replace(new, reason=reason, may_halt=may_halt)


def _end(new: Upkeep, before: Upkeep | None, _: ComputeNode) -> Upkeep:
    """It is in use again, also when it was not before."""
    if before is None:
        raise Conflict(f"Host {new.host} is not in maintenance.")
    _check_yields(before)
    return replace(new, stage="starting", returns=True, was_enabled=True, was_reason=None, reason=before.reason)


def _down(then: Literal["reboot", "shutdown"]) -> Callable[..., Upkeep]:
    def ask(new: Upkeep, before: Upkeep | None, _: ComputeNode, *, clearing: Clearing = "move", may_halt: bool = True) -> Upkeep:
        """One that is in maintenance stays there afterwards."""
        _check_yields(before)
        reason = (before and before.reason) or then
        return replace(new, then=then, clearing=clearing, may_halt=may_halt, reason=reason, returns=before is None or before.returns)

    return ask


def _power_on(new: Upkeep, before: Upkeep | None, node: ComputeNode) -> Upkeep:
    if before is not None and before.stage not in {"off", "switching on"}:
        raise Conflict(f"Host {new.host} is {before.stage}, and not off.")
    if before is None and node.is_up:
        raise Conflict(f"Host {new.host} is up.")
    return replace(before or replace(new, returns=True), stage="switching on", fault="")


def _change_pool(stage: Literal["joining", "ejecting"]) -> Callable[..., Upkeep]:
    def ask(new: Upkeep, before: Upkeep | None, _: ComputeNode, *, pool: str) -> Upkeep:
        """Again is fine while it is under way."""
        if before is None:
            return replace(new, stage=stage, pool=pool, reason=f"{stage}: its pool changes")
        if (before.stage, before.pool) != (stage, pool):
            raise Conflict(f"Host {before.host} is {before.stage}. Cure: end its maintenance first.")
        return before

    return ask


def _check_yields(before: Upkeep | None) -> None:
    if before is not None and before.stage not in YIELDING:
        raise Conflict(f"Host {before.host} is {before.stage}. Cure: wait until it is done, or switch it on.")


ASKED: Mapping[str, Callable[..., Upkeep]] = {
    "enter": _enter,
    "end": _end,
    "reboot": _down("reboot"),
    "shutdown": _down("shutdown"),
    "power_on": _power_on,
    "join": _change_pool("joining"),
    "eject": _change_pool("ejecting"),
}
"""``asked(new, before, node, **arguments)``: the upkeep from now on. Conflict."""
