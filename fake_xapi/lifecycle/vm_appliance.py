"""The lifecycle of a VM appliance: one operation at a time, and none that would not affect any of its VMs."""

from __future__ import annotations

from typing import NamedTuple

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle.rules import AnyRow, Case, Guard, Lifecycle, Rows, busy, operations_of


class ApplianceFacts(NamedTuple):
    """All that decides what may be done to an appliance."""

    release: str
    era: Era
    is_busy: bool
    power_states: frozenset[str]


def _facts(rows: Rows, appliance: AnyRow) -> ApplianceFacts:
    members = (rows.get(vm) for vm in appliance["VMs"])
    release = rows.personality
    return ApplianceFacts(release.name, release.era, bool(operations_of(appliance)), frozenset(vm["power_state"] for vm in members if vm))


def _nothing_to_do(case: Case) -> Failure:
    return Failure("OPERATION_NOT_ALLOWED", f"No VM of the appliance can take part in {case.operation}")


_DONE = {"start": frozenset({"Running"}), **dict.fromkeys(("clean_shutdown", "hard_shutdown", "shutdown"), frozenset({"Halted"}))}
"""The power states in which an operation leaves a VM as it is."""
_GUARDS: tuple[Guard[ApplianceFacts], ...] = (
    Guard(lambda facts, _op: facts.is_busy, busy),
    Guard(lambda facts, op: op in _DONE and facts.power_states <= _DONE[op], _nothing_to_do),
)

VM_APPLIANCE = Lifecycle(_facts, lambda _facts: _GUARDS, lambda _facts: ("start", "clean_shutdown", "hard_shutdown", "shutdown"))
"""What may be done to an appliance."""
