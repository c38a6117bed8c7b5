"""The lifecycles of SR, host and pool, row by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fake_xapi.lifecycle.storage_types import DRIVERS, driver_features, supported_types
from tests.fake_xapi.lifecycle.hosts import TASK, Scene, scene

Change = Callable[[Scene], Scene]


def _sr(**fields: object) -> Change:
    return lambda s: s.set("sr", **fields)


def _unplugged(s: Scene) -> Scene:
    return s.set("pbd", currently_attached=False)


def _without_pbd(s: Scene) -> Scene:
    with s.world.edit() as edit:
        edit.destroy(s.ids["pbd"])
    return s


SR_REFUSALS: list[tuple[list[Change], tuple[str, ...], list[str]]] = [
    ([lambda s: s.set("pool", other_config={"rolling_upgrade_in_progress": "true"})], ("vdi_mirror", "vdi_enable_cbt"),
     ["NOT_SUPPORTED_DURING_UPGRADE"]),
    ([_sr(type="iso")], ("vdi_resize", "vdi_snapshot", "vdi_introduce", "update"), ["SR_OPERATION_NOT_SUPPORTED", "sr"]),
    ([_sr(type="udev")], ("vdi_create", "vdi_destroy"), ["SR_OPERATION_NOT_SUPPORTED", "sr"]),
    ([_sr(type="iso", is_tools_sr=True)], ("vdi_create", "vdi_destroy"), ["SR_OPERATION_NOT_SUPPORTED", "sr"]),
    ([_sr(type="iso", other_config={"xenserver_tools_sr": "true"})], ("vdi_create",), ["SR_OPERATION_NOT_SUPPORTED", "sr"]),
    ([], ("destroy", "forget"), ["SR_HAS_PBD", "sr"]),
    ([_without_pbd], ("destroy",), ["SR_HAS_NO_PBDS", "sr"]),
    ([_unplugged], ("destroy",), ["SR_NOT_EMPTY"]),
    ([lambda s: s.busy("sr", "scan")], ("vdi_create", "vdi_clone", "scan", "plug"),
     ["OTHER_OPERATION_IN_PROGRESS", "SR", "sr", "scan", TASK]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "operations", "refusal"), SR_REFUSALS)
def test_each_guard_of_an_sr_refuses_in_its_own_words(changes: list[Change], operations: tuple[str, ...], refusal: list[str]) -> None:
    made = scene().after(changes)
    assert made.check_each("sr", operations) == dict.fromkeys(operations, refusal)


def test_an_sr_of_2012_says_no_task() -> None:
    assert scene("tampa").busy("sr", "scan").check("sr", "vdi_create") == ["OTHER_OPERATION_IN_PROGRESS", "SR", "sr", "scan"]


def test_two_hosts_may_plug_an_sr_at_once() -> None:
    assert scene().busy("sr", "plug").check("sr", "plug") is None


def test_an_empty_sr_without_connections_can_be_destroyed() -> None:
    made = _unplugged(scene())
    with made.world.edit() as edit:
        edit.destroy(made.ids["vdi"])
    assert made.allowed("sr").endswith("forget, destroy")


def test_every_type_can_attach_and_boston_mirrors_neither_ext_nor_nfs() -> None:
    assert all({"VDI_ATTACH", "VDI_DETACH"} <= driver_features(name, "modern") for name in DRIVERS)
    assert [name for name in DRIVERS if "VDI_MIRROR" in driver_features(name, "boston")] == [
        "file",
        "smb",
        "lvm",
        "lvmoiscsi",
        "lvmohba",
    ]
    assert "smb" not in supported_types("tampa")


def test_no_type_resizes_disks_online() -> None:
    assert not any("VDI_RESIZE_ONLINE" in features for features in DRIVERS.values())


BUSY_HOST = ["OTHER_OPERATION_IN_PROGRESS", "host", "host"]


@pytest.mark.parametrize(
    ("running", "excluded"),
    [
        ("vm_start", {"evacuate", "reboot", "shutdown"}),
        ("vm_migrate", {"evacuate", "reboot", "shutdown"}),
        ("provision", {"provision", "evacuate", "reboot", "shutdown"}),
        ("evacuate", {"provision", "vm_start", "vm_resume", "vm_migrate"}),
        ("reboot", {"provision", "vm_start", "vm_resume", "vm_migrate", "reboot", "shutdown", "apply_updates"}),
        ("apply_updates", {"reboot", "shutdown", "apply_updates"}),
    ],
)
def test_vms_come_or_the_host_goes(running: str, excluded: set[str]) -> None:
    made = scene().set("host", enabled=False).busy("host", running)
    every = ("provision", "evacuate", "reboot", "shutdown", "vm_start", "vm_resume", "vm_migrate", "apply_updates")
    refusals = {op: made.check("host", op) for op in every}
    assert {op for op, refusal in refusals.items() if refusal == [*BUSY_HOST, running, TASK]} == excluded


@pytest.mark.parametrize(
    ("fields", "operation", "refusal"),
    [
        ({}, "reboot", ["HOST_NOT_DISABLED"]),
        ({}, "shutdown", ["HOST_NOT_DISABLED"]),
        ({}, "power_on", ["HOST_IS_LIVE", "host"]),
        ({"metrics": 0}, "power_on", ["HOST_POWER_ON_MODE_DISABLED"]),
        ({"metrics": 0, "power_on_mode": "wake-on-lan"}, "power_on", None),
        ({"enabled": False}, "reboot", None),
    ],
)
def test_a_host_goes_down_only_when_it_is_disabled(fields: dict[str, object], operation: str, refusal: list[str] | None) -> None:
    assert scene().set("host", **fields).check("host", operation) == refusal


def test_what_a_host_shows() -> None:
    assert scene().allowed("host") == "vm_migrate, provision, vm_resume, evacuate, vm_start"
    disabled = scene("tampa").set("host", enabled=False)
    assert disabled.allowed("host") == "vm_migrate, provision, vm_resume, evacuate, reboot, shutdown, vm_start"


def test_pools_have_operations_since_the_releases_after_2012() -> None:
    assert scene("clearwater").allowed("pool") == ""
    assert scene().allowed("pool") == "cluster_create, designate_new_master, ha_enable"
    assert scene().set("pool", ha_enabled=True).allowed("pool") == "ha_disable"
    assert scene().set("pool", ha_enabled=True).check("pool", "ha_enable") == ["HA_IS_ENABLED"]
    assert scene().check("pool", "ha_disable") == ["HA_NOT_ENABLED"]
