"""The tables of a VM's lifecycle: the power states in which each operation may begin, the overlaps, and the order of display."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from fake_xapi.datamodel.personality import Era, personality

ALL = ("Halted", "Paused", "Suspended", "Running")
HALTED = ("Halted",)
RUNNING = ("Running",)
LIVE = ("Paused", "Running")
NOT_HALTED = ("Paused", "Suspended", "Running")

MODERN_STATES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("snapshot", "revert", "power_state_reset", "query_services", "assert_operation_valid"), ALL),
    **dict.fromkeys(("update_allowed_operations", "metadata_export", "reverting"), ALL),
    **dict.fromkeys(("clone", "copy", "provision", "start", "start_on", "changing_static_range", "changing_memory_limits"), HALTED),
    **dict.fromkeys(("changing_shadow_memory", "changing_VCPUs", "changing_NVRAM", "make_into_template", "create_vtpm"), HALTED),
    **dict.fromkeys(("create_template", "export", "destroy"), ("Halted", "Suspended")),
    **dict.fromkeys(("checkpoint", "hard_shutdown", "get_boot_record", "shutdown"), NOT_HALTED),
    **dict.fromkeys(("snapshot_with_quiesce", "pause", "clean_shutdown", "clean_reboot", "suspend", "pool_migrate"), RUNNING),
    **dict.fromkeys(("send_sysrq", "send_trigger", "call_plugin", "changing_memory_live", "awaiting_memory_live"), RUNNING),
    **dict.fromkeys(("changing_shadow_memory_live", "changing_VCPUs_live", "data_source_op", "sysprep"), RUNNING),
    "unpause": ("Paused",),
    "hard_reboot": LIVE,
    **dict.fromkeys(("csvm", "resume", "resume_on"), ("Suspended",)),
    "migrate_send": ("Halted", "Suspended", "Running"),
    "changing_dynamic_range": ("Halted", "Running"),
    "import": (),
}
STATES_OF_2012: Mapping[str, tuple[str, ...]] = {**MODERN_STATES, "migrate_send": RUNNING, "shutdown": RUNNING}

STATES: Mapping[Era, Mapping[str, tuple[str, ...]]] = {
    "boston": STATES_OF_2012,
    "tampa": STATES_OF_2012,
    "clearwater": STATES_OF_2012,
    "modern": MODERN_STATES,
}
CLONE_SUSPENDED = ("Halted", "Suspended")
CONTROL_DOMAIN_RESIZE = ("Halted", "Running")
CLONES = frozenset({"clone", "copy"})
RESIZES = frozenset({"changing_VCPUs", "changing_static_range", "changing_memory_limits"})

# ---- what may begin while something else runs --------------------------------------------------------------------------------------

Overlap = Callable[[tuple[str, ...]], bool]


def _only(*operations: str) -> Overlap:
    return lambda current: all(op in operations for op in current)


def _but(*operations: str) -> Overlap:
    return lambda current: not any(op in operations for op in current)


def _exactly(operation: str) -> Overlap:
    return lambda current: current == (operation,)


_COPIES = ("clone", "copy", "export")
_SNAPSHOTS = ("snapshot", "checkpoint")
_COMMON: tuple[tuple[frozenset[str], Overlap], ...] = (
    (frozenset(_COPIES), _only(*_COPIES)),
    (frozenset(_SNAPSHOTS), _only(*_SNAPSHOTS)),
    (frozenset({"get_boot_record"}), _but()),
    (frozenset({"snapshot"}), _exactly("snapshot_with_quiesce")),
)
_MODERN_OVERLAPS = (
    *_COMMON,
    (frozenset({"metadata_export", "clean_shutdown", "clean_reboot"}), _exactly("migrate_send")),
    (frozenset({"hard_shutdown"}), _but("hard_shutdown")),
    (frozenset({"hard_reboot"}), _but("hard_shutdown", "hard_reboot")),
)
_DURING_MIGRATION = frozenset({"metadata_export", "hard_shutdown", "clean_shutdown", "hard_reboot", "clean_reboot", "start", "start_on"})
_TAMPA_OVERLAPS = (
    *_COMMON,
    (frozenset({"hard_shutdown"}), _exactly("reverting")),
    (_DURING_MIGRATION, _exactly("migrate_send")),
)
_CLEARWATER_OVERLAPS = (
    *_TAMPA_OVERLAPS,
    (frozenset({"hard_shutdown"}), _exactly("clean_shutdown")),
    (frozenset({"hard_reboot"}), _exactly("clean_reboot")),
)
_OVERLAPS: Mapping[Era, tuple[tuple[frozenset[str], Overlap], ...]] = {
    "boston": _TAMPA_OVERLAPS,
    "tampa": _TAMPA_OVERLAPS,
    "clearwater": _CLEARWATER_OVERLAPS,
    "modern": _MODERN_OVERLAPS,
}


def may_overlap(era: Era, operation: str, current: tuple[str, ...]) -> bool:
    """Whether an operation may begin while the current ones run."""
    return not current or any(operation in operations and overlap(current) for operations, overlap in _OVERLAPS[era])


# ---- what is shown, in the order in which it is stored -------------------------------------------------------------------------------

NEVER_SHOWN = frozenset(
    {
        "create_template",
        "power_state_reset",
        "csvm",
        "get_boot_record",
        "send_sysrq",
        "send_trigger",
        "query_services",
        "shutdown",
        "call_plugin",
        "changing_memory_live",
        "awaiting_memory_live",
        "changing_memory_limits",
        "changing_shadow_memory_live",
        "changing_VCPUs",
        "assert_operation_valid",
        "data_source_op",
        "update_allowed_operations",
        "import",
        "reverting",
    }
)
_SHOWN_IN_TAMPA = (
    *("changing_dynamic_range", "changing_shadow_memory", "changing_static_range", "make_into_template", "migrate_send"),
    *("pool_migrate", "changing_VCPUs_live", "suspend", "provision", "destroy", "export", "resume_on", "resume"),
    *("hard_reboot", "hard_shutdown", "clean_reboot", "clean_shutdown", "unpause", "pause", "start_on", "start"),
    *("snapshot_with_quiesce", "checkpoint", "revert", "clone", "copy", "snapshot"),
)
_CAME_WITH: Mapping[str, str] = {
    "create_vtpm": "VTPM.create",
    "sysprep": "VM.sysprep",
    "changing_NVRAM": "VM.set_NVRAM",
    "migrate_send": "VM.migrate_send",
}
"""Operations that a release shows only if it has the corresponding message."""


@cache
def shown(release: str) -> tuple[str, ...]:
    """The operations that a release's `allowed_operations` may contain, in order: in modern ones the enum in reverse."""
    chosen = personality(release)
    order = tuple(reversed(chosen.enums["vm_operations"])) if chosen.era == "modern" else _SHOWN_IN_TAMPA
    known = (op for op in order if op not in NEVER_SHOWN)
    return tuple(op for op in known if op not in _CAME_WITH or _came(release, _CAME_WITH[op]))


def _came(release: str, wire_name: str) -> bool:
    message = personality(release).messages.get(wire_name)
    return message is not None and message.kind == "custom"
