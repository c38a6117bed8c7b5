"""The lifecycle of a VDI: where it is plugged, what its SR's driver supports, and what its kind forbids."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Era, personality
from fake_xapi.lifecycle.rules import (
    POOL,
    AnyRow,
    Case,
    Guard,
    Lifecycle,
    Rows,
    about_me,
    about_me_and_operation,
    always,
    busy,
    busy_because,
    operations_of,
)
from fake_xapi.lifecycle.storage_types import driver_features
from fake_xapi.lifecycle.vbd import is_plugged


class VdiFacts(NamedTuple):
    """All that decides what may be done to a VDI."""

    release: str
    era: Era
    current: tuple[str, ...]
    features: frozenset[str]
    sr_type: str
    is_on_tools_sr: bool
    has_plugged_pbd: bool
    is_plugged: bool
    is_plugged_for_writing: bool
    is_plugged_in_vm: bool
    has_busy_vbd: bool
    type: str
    is_cbt_enabled: bool
    is_snapshot: bool
    is_sharable: bool
    resets_on_boot: bool
    ha: str
    is_upgrading: bool


def _facts(rows: Rows, vdi: AnyRow) -> VdiFacts:
    release = rows.personality
    sr, pool = rows.get(vdi["SR"]), rows.get(POOL)
    sr_type: str = sr["type"] if sr else ""
    vbds = [row for vbd in vdi["VBDs"] if (row := rows.get(vbd)) is not None]
    plugged = [vbd for vbd in vbds if is_plugged(vbd)]
    return VdiFacts(
        release.name,
        release.era,
        operations_of(vdi),
        driver_features(sr_type, release.era),
        sr_type,
        sr is not None and is_tools_sr(sr),
        sr is not None and any_plugged_pbd(rows, sr),
        bool(plugged),
        any(vbd["mode"] == "RW" for vbd in plugged),
        any(not _is_of_snapshot(rows, vbd) for vbd in plugged),
        any(vbd["current_operations"] for vbd in vbds),
        vdi["type"],
        vdi["cbt_enabled"],
        vdi["is_a_snapshot"],
        vdi["sharable"],
        vdi["on_boot"] == "reset",
        _ha(pool) if pool is not None and vdi["type"] in _HA_TYPES else "",
        pool is not None and "rolling_upgrade_in_progress" in pool["other_config"],
    )


def is_tools_sr(sr: AnyRow) -> bool:
    """Whether an SR contains the product's own ISOs."""
    return bool(sr["is_tools_sr"]) or sr["other_config"].get("xenserver_tools_sr") == "true"


def any_plugged_pbd(rows: Rows, sr: AnyRow) -> bool:
    """Whether some host is connected to an SR."""
    return any((pbd := rows.get(identity)) is not None and pbd["currently_attached"] for identity in sr["PBDs"])


def _is_of_snapshot(rows: Rows, vbd: AnyRow) -> bool:
    vm = rows.get(vbd["VM"])
    return vm is not None and vm["is_a_snapshot"]


def _ha(pool: AnyRow) -> str:
    operations = operations_of(pool)
    return next((op for op in operations if op in ("ha_enable", "ha_disable")), "enabled" if pool["ha_enabled"] else "")


# ---- the decisions ---------------------------------------------------------------------------------------------------------------

_HA_TYPES = frozenset({"ha_statefile", "redo_log"})
_LIVE_SAFE = frozenset(
    {
        *("snapshot", "resize_online", "blocked", "clone", "revert_to", "mirror", "enable_cbt", "disable_cbt", "data_destroy"),
    }
)
_LIVE_SAFE_IN_2012 = frozenset({"snapshot", "resize_online", "blocked", "clone"})
_NEEDS = {
    "resize": "VDI_RESIZE",
    "resize_online": "VDI_RESIZE_ONLINE",
    "update": "VDI_UPDATE",
    "generate_config": "VDI_GENERATE_CONFIG",
    "snapshot": "VDI_SNAPSHOT",
    "mirror": "VDI_MIRROR",
    "enable_cbt": "VDI_CONFIG_CBT",
    "disable_cbt": "VDI_CONFIG_CBT",
    "data_destroy": "VDI_CONFIG_CBT",
    "list_changed_blocks": "VDI_CONFIG_CBT",
    "set_on_boot": "VDI_RESET_ON_BOOT",
    "revert_to": "VDI_REVERT",
}
_ENDS_NEED = {"destroy": "VDI_DELETE", "revert_from": "VDI_REVERT"}
_NEEDS_IN_2012 = {**{op: _NEEDS[op] for op in ("resize", "resize_online", "update", "generate_config")}, "clone": "VDI_CLONE"}
_NOT_ON_METADATA = frozenset(
    {
        *("clone", "copy", "enable_cbt", "disable_cbt", "mirror", "resize", "resize_online", "snapshot", "revert_to", "revert_from"),
        "set_on_boot",
    }
)
_SAFE_IN_UPGRADE = frozenset({"clone", "copy", "destroy", "forget", "resize", "snapshot", "update", "generate_config", "resize_online"})
_ENDS = frozenset({"destroy", "revert_from"})
_CBT_SWITCHES = frozenset({"enable_cbt", "disable_cbt"})
_CBT_TYPES = frozenset({"system", "user"})


def _is_busy(vdi: VdiFacts, op: str) -> bool:
    others = [current for current in vdi.current if current != "copy"]
    return bool(others) and not (op == "destroy" and others == ["mirror"])


def _is_in_use(vdi: VdiFacts, op: str) -> bool:
    """Whether somebody has it plugged who minds; while it is copied, that is the control domain, which reads it."""
    is_copied = "copy" in vdi.current
    if not (vdi.is_plugged or is_copied) or op in _LIVE_SAFE:
        return False
    if op == "copy":
        return vdi.is_plugged_for_writing
    return vdi.is_plugged_in_vm or is_copied if op == "list_changed_blocks" else True


def _is_in_use_in_2012(vdi: VdiFacts, op: str) -> bool:
    return vdi.is_plugged and op not in _LIVE_SAFE_IN_2012


def _lacks(needs: dict[str, str]) -> Callable[[VdiFacts, str], bool]:
    return lambda vdi, op: op in needs and needs[op] not in vdi.features


def _ha_forbids(state: str) -> Callable[[VdiFacts, str], bool]:
    return lambda vdi, op: vdi.ha == state and op in ("destroy", "forget", "resize", "revert_from")


# ---- the errors ------------------------------------------------------------------------------------------------------------------


def _about_sr(code: str) -> Callable[[Case], Failure]:
    return lambda case: Failure(code, Handle(case.row["SR"]))


def _vbd_busy(case: Case) -> Failure:
    cause = next(vbd for vbd in case.row["VBDs"] if (row := case.view.get(vbd)) is not None and row["current_operations"])
    return busy_because(case.view, case.identity, cause)


def _wrong_type(case: Case) -> Failure:
    return Failure("VDI_INCOMPATIBLE_TYPE", case.me, case.row["type"])


def _says_ref(text: str) -> Callable[[Case], Failure]:
    return lambda case: Failure("OPERATION_NOT_ALLOWED", f"{text}: {case.view.ref(case.identity)}")


_NOT_SUPPORTED = _about_sr("SR_OPERATION_NOT_SUPPORTED")
_RESETS = always("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
_NO_PBD: Guard[VdiFacts] = Guard(lambda vdi, op: op == "resize" and not vdi.has_plugged_pbd, _about_sr("SR_HAS_NO_PBDS"))
_VBD_BUSY: Guard[VdiFacts] = Guard(lambda vdi, op: vdi.has_busy_vbd and op != "data_destroy", _vbd_busy)
_IS_PHYSICAL: Guard[VdiFacts] = Guard(lambda vdi, op: op in _ENDS and vdi.sr_type == "udev", about_me("VDI_IS_A_PHYSICAL_DEVICE"))
_IS_TOOLS: Guard[VdiFacts] = Guard(lambda vdi, op: op in _ENDS and vdi.is_on_tools_sr, _NOT_SUPPORTED)
_HA: tuple[Guard[VdiFacts], ...] = (
    Guard(_ha_forbids("enabled"), always("HA_IS_ENABLED")),
    Guard(_ha_forbids("ha_enable"), always("HA_ENABLE_IN_PROGRESS")),
    Guard(_ha_forbids("ha_disable"), always("HA_DISABLE_IN_PROGRESS")),
)
_IS_SHARABLE: Guard[VdiFacts] = Guard(lambda vdi, op: op == "snapshot" and vdi.is_sharable, about_me("VDI_IS_SHARABLE"))
_COPIES_STATEFILE: Guard[VdiFacts] = Guard(
    lambda vdi, op: op == "copy" and vdi.type in _HA_TYPES,
    always("OPERATION_NOT_ALLOWED", "VDI containing HA statefile or redo log cannot be copied (check the VDI's allowed operations)."),
)
_MODERN_GUARDS: tuple[Guard[VdiFacts], ...] = (
    Guard(lambda vdi, op: vdi.is_upgrading and op not in _SAFE_IN_UPGRADE, always("NOT_SUPPORTED_DURING_UPGRADE")),
    Guard(_is_busy, busy),
    _NO_PBD,
    Guard(_is_in_use, about_me_and_operation("VDI_IN_USE")),
    _VBD_BUSY,
    Guard(_lacks(_NEEDS), _NOT_SUPPORTED),
    Guard(lambda vdi, op: vdi.type == "cbt_metadata" and op in _NOT_ON_METADATA, _wrong_type),
    Guard(lambda vdi, op: vdi.is_cbt_enabled and op in ("mirror", "set_on_boot"), about_me("VDI_CBT_ENABLED")),
    _IS_PHYSICAL,
    _IS_TOOLS,
    Guard(_lacks(_ENDS_NEED), _NOT_SUPPORTED),
    Guard(lambda vdi, op: vdi.type == "rrd" and op in ("destroy", "revert_from", "forget"), about_me("VDI_HAS_RRDS")),
    *_HA,
    Guard(lambda vdi, op: op == "data_destroy" and not vdi.is_snapshot, _says_ref("VDI is not a snapshot")),
    Guard(lambda vdi, op: op == "data_destroy" and not vdi.is_cbt_enabled, about_me("VDI_NO_CBT_METADATA")),
    _IS_SHARABLE,
    Guard(lambda vdi, op: op in ("snapshot", "copy") and vdi.resets_on_boot, _RESETS),
    Guard(
        lambda vdi, op: op == "snapshot" and "copy" in vdi.current,
        always("OPERATION_NOT_ALLOWED", "Snapshot operation not allowed during copy."),
    ),
    _COPIES_STATEFILE,
    Guard(lambda vdi, op: op in _CBT_SWITCHES and vdi.is_snapshot, _says_ref("VDI is a snapshot")),
    Guard(lambda vdi, op: op in _CBT_SWITCHES and vdi.type not in _CBT_TYPES, _wrong_type),
    Guard(lambda vdi, op: op in _CBT_SWITCHES and vdi.resets_on_boot, _RESETS),
    Guard(lambda vdi, op: op == "revert_to" and not vdi.is_snapshot, always("REVERT_ONLY_ALLOWED_ON_SNAPSHOT")),
)
_GUARDS_OF_2012: tuple[Guard[VdiFacts], ...] = (
    Guard(lambda vdi, _op: bool(vdi.current), busy),
    Guard(lambda vdi, op: vdi.era != "boston" and op == "resize" and not vdi.has_plugged_pbd, _about_sr("SR_HAS_NO_PBDS")),
    Guard(_is_in_use_in_2012, about_me_and_operation("VDI_IN_USE")),
    _VBD_BUSY,
    _IS_PHYSICAL,
    _IS_TOOLS,
    *_HA,
    Guard(lambda vdi, op: op == "destroy" and "VDI_DELETE" not in vdi.features, _NOT_SUPPORTED),
    Guard(_lacks(_NEEDS_IN_2012), _NOT_SUPPORTED),
    _IS_SHARABLE,
    Guard(lambda vdi, op: op == "snapshot" and vdi.resets_on_boot, _RESETS),
    _COPIES_STATEFILE,
)

# ---- what is shown ---------------------------------------------------------------------------------------------------------------

_SHOWN_IN_2012 = ("generate_config", "update", "forget", "destroy", "snapshot", "resize_online", "resize", "copy", "clone")
_SHOWN = frozenset({*_SHOWN_IN_2012, "mirror", "enable_cbt", "disable_cbt", "data_destroy", "list_changed_blocks"})


@cache
def _shown(release: str) -> tuple[str, ...]:
    """In modern releases the enum in reverse; changed block tracking only where the release has the messages."""
    chosen = personality(release)
    if chosen.era != "modern":
        return _SHOWN_IN_2012
    known = (op for op in reversed(chosen.enums["vdi_operations"]) if op in _SHOWN)
    return tuple(op for op in known if op in _SHOWN_IN_2012 or op == "mirror" or f"VDI.{op}" in chosen.messages)


VDI = Lifecycle(
    _facts,
    lambda vdi: _MODERN_GUARDS if vdi.era == "modern" else _GUARDS_OF_2012,
    lambda vdi: _shown(vdi.release),
)
"""What may be done to a VDI."""
