"""The lifecycle of a host: either VMs arrive or the host shuts down, never both at once."""

from __future__ import annotations

from typing import NamedTuple

from fake_xapi.datamodel.personality import Era, personality
from fake_xapi.lifecycle.rules import AnyRow, Guard, Lifecycle, Rows, about_me, always, busy, operations_of


class HostFacts(NamedTuple):
    """All that decides what may be done to a host."""

    release: str
    era: Era
    current: frozenset[str]
    is_enabled: bool
    is_live: bool
    can_power_on: bool


def _facts(rows: Rows, host: AnyRow) -> HostFacts:
    metrics, release = rows.get(host["metrics"]), rows.personality
    return HostFacts(
        release.name,
        release.era,
        frozenset(operations_of(host)),
        host["enabled"],
        metrics is not None and metrics["live"],
        bool(host["power_on_mode"]),
    )


_BRINGS_VMS = frozenset({"provision", "vm_resume", "vm_migrate", "vm_start"})
_SENDS_VMS = frozenset({"evacuate", "reboot", "shutdown"})
_GOES_DOWN = frozenset({"reboot", "shutdown", "apply_updates"})


def _is_busy(host: HostFacts, op: str) -> bool:
    current = host.current
    if op in _BRINGS_VMS and (current & _SENDS_VMS or (op == "provision" and op in current)):
        return True
    if op in _SENDS_VMS and current & _BRINGS_VMS:
        return True
    return op in _GOES_DOWN and bool(current & _GOES_DOWN)


_GUARDS: tuple[Guard[HostFacts], ...] = (
    Guard(_is_busy, busy),
    Guard(lambda host, op: op in _GOES_DOWN and host.is_enabled, always("HOST_NOT_DISABLED")),
    Guard(lambda host, op: op == "power_on" and host.is_live, about_me("HOST_IS_LIVE")),
    Guard(lambda host, op: op == "power_on" and not host.can_power_on, always("HOST_POWER_ON_MODE_DISABLED")),
)
_SHOWN = ("vm_migrate", "provision", "vm_resume", "evacuate", "reboot", "shutdown", "vm_start", "power_on", "apply_updates")


def _shown(host: HostFacts) -> tuple[str, ...]:
    known = personality(host.release).enums["host_allowed_operations"]
    return tuple(op for op in _SHOWN if op in known)


HOST = Lifecycle(_facts, lambda _host: _GUARDS, _shown)
"""What may be done to a host."""
