"""The lifecycle of an SR: its driver's features, its connections, and one operation at a time."""

from __future__ import annotations

from typing import NamedTuple

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Era, personality
from fake_xapi.lifecycle.rules import POOL, AnyRow, Case, Guard, Lifecycle, Rows, about_me, always, busy, operations_of
from fake_xapi.lifecycle.storage_types import driver_features
from fake_xapi.lifecycle.vdi import any_plugged_pbd, is_tools_sr


class SrFacts(NamedTuple):
    """All that decides what may be done to an SR."""

    release: str
    era: Era
    current: tuple[str, ...]
    features: frozenset[str]
    is_tools_sr: bool
    has_plugged_pbd: bool
    has_pbd: bool
    has_managed_vdi: bool
    is_upgrading: bool


def _facts(rows: Rows, sr: AnyRow) -> SrFacts:
    release, pool = rows.personality, rows.get(POOL)
    return SrFacts(
        release.name,
        release.era,
        operations_of(sr),
        driver_features(sr["type"], release.era),
        is_tools_sr(sr),
        any_plugged_pbd(rows, sr),
        bool(sr["PBDs"]),
        _has_managed_vdi(rows, sr),
        pool is not None and "rolling_upgrade_in_progress" in pool["other_config"],
    )


def _has_managed_vdi(rows: Rows, sr: AnyRow) -> bool:
    """Whether there is one; stops at the first, as an SR has many."""
    vdis = (rows.get(identity) for identity in sr["VDIs"])
    return any(vdi["managed"] and vdi["type"] != "rrd" for vdi in vdis if vdi is not None)


_NEEDS = {
    "vdi_create": "VDI_CREATE",
    "vdi_destroy": "VDI_DELETE",
    "vdi_resize": "VDI_RESIZE",
    "vdi_introduce": "VDI_INTRODUCE",
    "vdi_mirror": "VDI_MIRROR",
    "vdi_enable_cbt": "VDI_CONFIG_CBT",
    "vdi_disable_cbt": "VDI_CONFIG_CBT",
    "vdi_data_destroy": "VDI_CONFIG_CBT",
    "vdi_list_changed_blocks": "VDI_CONFIG_CBT",
    "vdi_set_on_boot": "VDI_RESET_ON_BOOT",
    "update": "SR_UPDATE",
    "vdi_snapshot": "VDI_SNAPSHOT",
    "vdi_revert": "VDI_REVERT",
}
_NEW_SINCE_2012 = frozenset(
    {"vdi_mirror", "vdi_enable_cbt", "vdi_disable_cbt", "vdi_data_destroy", "vdi_list_changed_blocks", "vdi_set_on_boot", "vdi_revert"}
)
_ENDS = ("destroy", "forget")


def _is_unsupported(sr: SrFacts, op: str) -> bool:
    if sr.is_tools_sr and op in ("vdi_create", "vdi_destroy"):
        return True
    return op in _NEEDS and _NEEDS[op] not in sr.features


def _is_busy(sr: SrFacts, op: str) -> bool:
    return bool(sr.current) and not (op == "plug" and set(sr.current) == {"plug"})


def _not_supported(case: Case) -> Failure:
    return Failure("SR_OPERATION_NOT_SUPPORTED", case.me)


_GUARDS: tuple[Guard[SrFacts], ...] = (
    Guard(lambda sr, op: sr.is_upgrading and op in _NEW_SINCE_2012, always("NOT_SUPPORTED_DURING_UPGRADE")),
    Guard(_is_unsupported, _not_supported),
    Guard(lambda sr, op: op in _ENDS and sr.has_plugged_pbd, about_me("SR_HAS_PBD")),
    Guard(lambda sr, op: op == "destroy" and not sr.has_pbd, about_me("SR_HAS_NO_PBDS")),
    Guard(lambda sr, op: op == "destroy" and sr.has_managed_vdi, always("SR_NOT_EMPTY")),
    Guard(_is_busy, busy),
)
_SHOWN = (
    *("vdi_enable_cbt", "vdi_list_changed_blocks", "unplug", "plug", "pbd_create", "vdi_disable_cbt", "update", "pbd_destroy"),
    *("vdi_resize", "vdi_clone", "vdi_data_destroy", "scan", "vdi_snapshot", "vdi_mirror", "vdi_create", "vdi_destroy"),
    *("vdi_set_on_boot", "vdi_introduce", "vdi_revert", "forget", "destroy"),
)


def _shown(sr: SrFacts) -> tuple[str, ...]:
    known = personality(sr.release).enums["storage_operations"]
    return tuple(op for op in _SHOWN if op in known)


SR = Lifecycle(_facts, lambda _sr: _GUARDS, _shown)
"""What may be done to an SR."""
