"""XAPI's own names for faults: FIST points, which its developers switch on by files in a host's /tmp. Here each is a rule.

Points that only lift a check or change a period are not faults, and are refused with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.names import suggestion
from fake_xapi.faults.effects import BadRule, ClockSkew, Delay, Hang, Refuse

MAX_CLOCK_SKEW_S = 300.0
"""How far the clocks of a pool may differ (XAPI's own limit)."""

OF_ITS_OWN = "host.evacuate"
"""The message that XAPI uses when it restarts VMs of its own accord; clients cannot start any with it."""

FIST_POINTS: Mapping[str, Mapping[str, Any]] = {
    "insert_clock_skew": {"effect": ClockSkew(2 * MAX_CLOCK_SKEW_S)},
    "fail_healthcheck": {"effect": Refuse("INTERNAL_ERROR", ("Failed healthcheck",)), "message": "host.ha_xapi_healthcheck"},
    "reconfigure_host": {"effect": Refuse("INTERNAL_ERROR", ("reconfigure_host",)), "message": "pool.enable_ha"},
    "ha_cannot_access_statefile": {"effect": Refuse("HA_HOST_CANNOT_ACCESS_STATEFILE"), "message": "pool.enable_ha"},
    "ha_daemon_startup_failed": {"effect": Refuse("HA_HEARTBEAT_DAEMON_STARTUP_FAILED"), "message": "pool.enable_ha"},
    "disable_ha_disable_failover": {
        "effect": Refuse("INTERNAL_ERROR", ("disable_ha_disable_failover",)),
        "message": "host.ha_disable_failover_decisions",
    },
    "simulate_restart_failure": {
        "effect": Refuse("INTERNAL_ERROR", ("simulate_restart_failure",)),
        "message": OF_ITS_OWN,
        "at": "VM.start",
        "probability": 2 / 3,
    },
    "simulate_planner_failure": {
        "effect": Refuse("INTERNAL_ERROR", ("simulate_planner_failure",)),
        "message": "pool.ha_compute_vm_failover_plan",
    },
    "simulate_blocking_planner": {"effect": Hang(), "message": "pool.ha_*"},
    "simulate_vbd_unplug_failure": {
        "effect": Refuse("DEVICE_DETACH_REJECTED", ("VBD", "OpaqueRef:NULL", "simulate_vbd_unplug_failure")),
        "message": "VBD.unplug",
        "count": 1,
    },
    "pause_storage_migrate": {"effect": Hang(), "message": "VM.migrate_send", "at": "VM.migrate.metadata"},
    "pause_storage_migrate2": {"effect": Hang(), "message": "VM.migrate_send", "at": "VM.migrate.copy"},
    "pause_after_cert_exchange": {"effect": Hang(), "message": "pool.join*"},
    "delay_xenopsd_event_threads": {"effect": Delay(5.0), "at": "guest.*"},
    "hang_psr_backup": {"effect": Hang(), "message": "pool.rotate_secret"},
    "hang_psr_notify_new": {"effect": Hang(), "message": "pool.rotate_secret"},
    "hang_psr_notify_send": {"effect": Hang(), "message": "pool.rotate_secret"},
    "hang_psr_cleanup": {"effect": Hang(), "message": "pool.rotate_secret"},
    "blktap_activate_inject_failure": {
        "effect": Refuse("SR_BACKEND_FAILURE", ("", "blktap_activate_inject_failure", "")),
        "at": "VBD.plug",
    },
}
"""The points that are faults, with the contents of their rules."""

_LIFTS = "it lifts a check that is not made here"
_PERIOD = "it changes a period: write a profile of durations instead"
_PATH = "it chooses a way inside XAPI that no client sees"
NO_FAULTS: Mapping[str, str] = {
    "allow_vlan_on_vlan": _LIFTS,
    "allow_forget_of_vlan_pif": _LIFTS,
    "allow_test_patches": _LIFTS,
    "allowed_unsigned_patches": _LIFTS,
    "disable_memory_checks": _LIFTS,
    "choose_approximate_planner": _PATH,
    "deterministic_host_selection": "hosts are chosen by the seed already",
    "disable_ha_via_statefile": _PATH,
    "disable_sync_lifecycle_path": _PATH,
    "disable_event_lifecycle_path": _PATH,
    "force_remote_vdi_copy": _PATH,
    "storage_motion_keep_vdi": "it keeps what a migration would delete: snapshot the world before",
    "simulate_internal_shutdown": "guests end by themselves when other_config says so",
    "disable_reboot_delay": _PERIOD,
    "reduce_blob_sync_interval": _PERIOD,
    "reduce_rrd_backup_interval": _PERIOD,
    "reduce_rra_times": _PERIOD,
    "reduce_grace_period": _PERIOD,
    "reduce_upgrade_grace_period": _PERIOD,
    "set_expiry_date": "licences are made by host.apply_edition",
}
"""Known points that are not faults, and why."""


def fist_rule(name: str) -> Mapping[str, Any]:
    """The contents of the rule for a point, by its name with or without ``fist_`` in front. BadRule for one that is not a fault."""
    bare = name[len("fist_") :] if name.lower().startswith("fist_") else name
    if bare in NO_FAULTS:
        raise BadRule(f"the FIST point {bare} is no fault: {NO_FAULTS[bare]}")
    if bare not in FIST_POINTS:
        raise BadRule(f"no FIST point is called {bare!r}; {suggestion(bare, tuple(FIST_POINTS))}")
    return FIST_POINTS[bare]
