"""The lifecycle of a VDI, row by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fake_xapi.lifecycle.hosts import TASK, Scene, scene

Change = Callable[[Scene], Scene]
LIVE_SAFE = ("snapshot", "clone", "mirror", "enable_cbt", "disable_cbt")


def _plugged(s: Scene) -> Scene:
    return s.set("vm", power_state="Running").set("vbd", currently_attached=True)


def _vdi(**fields: object) -> Change:
    return lambda s: s.set("vdi", **fields)


def _sr(**fields: object) -> Change:
    return lambda s: s.set("sr", **fields)


def _busy(*operations: str) -> Change:
    return lambda s: s.busy("vdi", *operations)


def _ha(**pool: object) -> Change:
    return lambda s: s.set("vdi", type="ha_statefile").set("pool", **pool)


REFUSALS: list[tuple[str, list[Change], tuple[str, ...], list[str]]] = [
    ("latest", [lambda s: s.set("pool", other_config={"rolling_upgrade_in_progress": "true"})], ("mirror", "enable_cbt"),
     ["NOT_SUPPORTED_DURING_UPGRADE"]),
    ("latest", [_busy("clone")], ("snapshot", "destroy", "copy"), ["OTHER_OPERATION_IN_PROGRESS", "VDI", "vdi", "clone", TASK]),
    ("tampa", [_busy("clone")], ("snapshot", "destroy", "copy"), ["OTHER_OPERATION_IN_PROGRESS", "VDI", "vdi"]),
    ("latest", [_busy("mirror")], ("copy",), ["OTHER_OPERATION_IN_PROGRESS", "VDI", "vdi", "mirror", TASK]),
    ("latest", [lambda s: s.set("pbd", currently_attached=False)], ("resize",), ["SR_HAS_NO_PBDS", "sr"]),
    ("tampa", [lambda s: s.set("pbd", currently_attached=False)], ("resize",), ["SR_HAS_NO_PBDS", "sr"]),
    ("latest", [lambda s: s.busy("vbd", "attach")], ("snapshot", "destroy"),
     ["OTHER_OPERATION_IN_PROGRESS", "VDI", "vdi", "attach", TASK]),
    ("tampa", [lambda s: s.busy("vbd", "attach")], ("snapshot",), ["OTHER_OPERATION_IN_PROGRESS", "VDI", "vdi"]),
    ("latest", [], ("resize_online",), ["SR_OPERATION_NOT_SUPPORTED", "sr"]),
    ("latest", [_sr(type="iso")], ("snapshot", "resize", "update"), ["SR_OPERATION_NOT_SUPPORTED", "sr"]),
    ("tampa", [_sr(type="iso")], ("clone", "resize"), ["SR_OPERATION_NOT_SUPPORTED", "sr"]),
    ("latest", [_vdi(type="cbt_metadata")], ("clone", "copy", "resize", "snapshot"), ["VDI_INCOMPATIBLE_TYPE", "vdi", "cbt_metadata"]),
    ("latest", [_vdi(cbt_enabled=True)], ("mirror", "set_on_boot"), ["VDI_CBT_ENABLED", "vdi"]),
    ("latest", [_sr(type="udev")], ("destroy",), ["VDI_IS_A_PHYSICAL_DEVICE", "vdi"]),
    ("tampa", [_sr(type="udev")], ("destroy",), ["VDI_IS_A_PHYSICAL_DEVICE", "vdi"]),
    ("latest", [_sr(type="iso", is_tools_sr=True)], ("destroy",), ["SR_OPERATION_NOT_SUPPORTED", "sr"]),
    ("latest", [_vdi(type="rrd")], ("destroy", "forget"), ["VDI_HAS_RRDS", "vdi"]),
    ("latest", [_ha(ha_enabled=True)], ("destroy", "forget", "resize"), ["HA_IS_ENABLED"]),
    ("latest", [_ha(current_operations={TASK: "ha_enable"})], ("destroy",), ["HA_ENABLE_IN_PROGRESS"]),
    ("latest", [_ha(current_operations={TASK: "ha_disable"})], ("destroy",), ["HA_DISABLE_IN_PROGRESS"]),
    ("latest", [], ("data_destroy",), ["OPERATION_NOT_ALLOWED", "VDI is not a snapshot: vdi"]),
    ("latest", [_vdi(is_a_snapshot=True)], ("data_destroy",), ["VDI_NO_CBT_METADATA", "vdi"]),
    ("latest", [_vdi(sharable=True)], ("snapshot",), ["VDI_IS_SHARABLE", "vdi"]),
    ("latest", [_vdi(on_boot="reset")], ("snapshot", "copy"), ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]),
    ("tampa", [_vdi(on_boot="reset")], ("snapshot",), ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]),
    ("latest", [_busy("copy")], ("snapshot",), ["OPERATION_NOT_ALLOWED", "Snapshot operation not allowed during copy."]),
    ("latest", [_vdi(is_a_snapshot=True)], ("enable_cbt",), ["OPERATION_NOT_ALLOWED", "VDI is a snapshot: vdi"]),
    ("latest", [_vdi(type="suspend")], ("enable_cbt", "disable_cbt"), ["VDI_INCOMPATIBLE_TYPE", "vdi", "suspend"]),
    ("latest", [_vdi(on_boot="reset")], ("enable_cbt",), ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]),
]  # fmt: skip


@pytest.mark.parametrize(("release", "changes", "operations", "refusal"), REFUSALS)
def test_each_guard_refuses_in_its_own_words(release: str, changes: list[Change], operations: tuple[str, ...], refusal: list[str]) -> None:
    made = scene(release).after(changes)
    assert made.check_each("vdi", operations) == dict.fromkeys(operations, refusal)


@pytest.mark.parametrize("release", ["latest", "tampa"])
@pytest.mark.parametrize("operation", ["destroy", "resize", "copy", "forget", "update", "list_changed_blocks"])
def test_a_plugged_disk_is_in_use(release: str, operation: str) -> None:
    assert _plugged(scene(release)).check("vdi", operation) == ["VDI_IN_USE", "vdi", operation]


@pytest.mark.parametrize("operation", LIVE_SAFE)
def test_a_plugged_disk_can_be_split_and_watched(operation: str) -> None:
    assert _plugged(scene()).check("vdi", operation) is None


def test_a_disk_that_is_only_read_can_be_copied_while_plugged() -> None:
    assert _plugged(scene()).set("vbd", mode="RO").check("vdi", "copy") is None


def test_changed_blocks_are_listed_while_only_snapshots_hold_the_disk() -> None:
    assert _plugged(scene()).set("vm", is_a_snapshot=True).check("vdi", "list_changed_blocks") is None


@pytest.mark.parametrize("operation", ["clone", "copy", "resize_online", "mirror"])
def test_a_disk_that_is_copied_can_be_read_by_others(operation: str) -> None:
    refused = _busy("copy")(scene()).check("vdi", operation)
    assert refused == (["SR_OPERATION_NOT_SUPPORTED", "sr"] if operation == "resize_online" else None)


@pytest.mark.parametrize("operation", ["destroy", "resize", "forget", "update", "list_changed_blocks"])
def test_a_disk_that_is_copied_is_in_use_for_the_control_domain_reads_it(operation: str) -> None:
    assert _busy("copy")(scene()).check("vdi", operation) == ["VDI_IN_USE", "vdi", operation]


def test_a_disk_that_is_mirrored_can_be_destroyed() -> None:
    assert _busy("mirror")(scene()).check("vdi", "destroy") is None


def test_destroying_the_data_of_a_snapshot_does_not_mind_a_busy_vbd() -> None:
    made = scene().set("vdi", is_a_snapshot=True, cbt_enabled=True).busy("vbd", "attach")
    assert made.check("vdi", "data_destroy") is None


@pytest.mark.parametrize(
    ("release", "sr_type", "changes", "listed"),
    [
        ("tampa", "ext", [], "generate_config, update, forget, destroy, snapshot, resize, copy, clone"),
        ("latest", "ext", [_plugged], "disable_cbt, enable_cbt, mirror, snapshot, clone"),
        ("tampa", "ext", [_plugged], "snapshot, clone"),
        ("latest", "iso", [], "forget, destroy, copy, clone"),
        (
            "creedence",
            "lvm",
            [],
            "update, forget, destroy, mirror, snapshot, resize, copy, clone",
        ),
    ],
)
def test_the_enum_is_shown_backwards(release: str, sr_type: str, changes: list[Change], listed: str) -> None:
    made = scene(release).set("sr", type=sr_type).after(changes)
    assert made.allowed("vdi") == listed
