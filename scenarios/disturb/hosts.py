"""The disturber of simulated hosts: one entry of a table for each kind of fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fake_xapi.faults.rules import Dead, Delay, FullSr, LoseReply, Rule
from fake_xapi.fleet.fleet import Fleet
from scenarios.scenario import FaultKind, FaultPlan

Undo = Callable[[], None]


class HostDisturber:
    """Lets the faults of a scenario strike hosts of a fleet. ``end`` undoes what ``begin`` did."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._undo: dict[int, list[Undo]] = {}

    def begin(self, plan: FaultPlan, hosts: list[str]) -> None:
        """Begin a fault on hosts."""
        self._undo[id(plan)] = [undo for host in hosts for undo in _KINDS[plan.kind](self._fleet, plan, host)]

    def end(self, plan: FaultPlan, hosts: list[str]) -> None:
        """End it."""
        del hosts
        for undo in self._undo.pop(id(plan), ()):
            undo()


def _rules(fleet: Fleet, rules: list[Rule]) -> list[Undo]:
    handles = [fleet.faults.add(rule) for rule in rules]
    return [_remover(fleet, handle) for handle in handles]


def _remover(fleet: Fleet, handle: int) -> Undo:
    return lambda: fleet.faults.remove(handle)


def _dead(fleet: Fleet, plan: FaultPlan, host: str) -> list[Undo]:
    del plan
    return _rules(fleet, [Rule(Dead(), host=host)])


def _slow(fleet: Fleet, plan: FaultPlan, host: str) -> list[Undo]:
    return _rules(fleet, [Rule(Delay(plan.latency_s), host=host)])


def _lost_replies(fleet: Fleet, plan: FaultPlan, host: str) -> list[Undo]:
    return _rules(fleet, [Rule(LoseReply(), host=host, message=message, probability=plan.probability) for message in plan.messages])


def _full_sr(fleet: Fleet, plan: FaultPlan, host: str) -> list[Undo]:
    """Shrink the local storage to its content; its size is restored at the end."""
    del plan
    return _rules(fleet, [Rule(FullSr(), host=host)])


def _nothing_at_the_hosts(fleet: Fleet, plan: FaultPlan, host: str) -> list[Undo]:
    """Do nothing here: the corrupt image is in the image store, and its servers fail on any host."""
    del fleet, plan, host
    return []


_KINDS: Mapping[FaultKind, Callable[[Fleet, FaultPlan, str], list[Undo]]] = {
    "dead-host": _dead,
    "slow-host": _slow,
    "lost-replies": _lost_replies,
    "full-sr": _full_sr,
    "corrupt-image": _nothing_at_the_hosts,
}
