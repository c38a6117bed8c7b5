"""What allowed_operations of a VM lists, and in which order, release by release."""

from __future__ import annotations

import pytest

from tests.fake_xapi.lifecycle.hosts import Scene, hvm, scene

HALTED = (
    "create_vtpm, destroy, metadata_export, export, make_into_template, changing_NVRAM, changing_shadow_memory, "
    "changing_static_range, changing_dynamic_range, migrate_send, start_on, start, copy, clone, snapshot"
)
TEMPLATE = "changing_NVRAM, changing_shadow_memory, changing_static_range, changing_dynamic_range, "


def _kind(kind: str, release: str, power_state: str) -> Scene:
    made = hvm(release) if kind == "hvm" else scene(release)
    made.set("vm", power_state=power_state)
    return made.set("vm", **_FIELDS[kind])


_FIELDS: dict[str, dict[str, object]] = {
    "pv": {},
    "hvm": {},
    "template": {"is_a_template": True},
    "default template": {"is_a_template": True, "is_default_template": True, "other_config": {"default_template": "true"}},
    "snapshot": {"is_a_template": True, "is_a_snapshot": True},
    "dom0": {"is_control_domain": True, "domid": 0},
}


@pytest.mark.parametrize(
    ("kind", "power_state", "listed"),
    [
        ("pv", "Halted", HALTED),
        ("pv", "Paused", "metadata_export, hard_reboot, hard_shutdown, unpause, checkpoint, snapshot"),
        (
            "pv",
            "Suspended",
            "destroy, metadata_export, export, migrate_send, resume_on, resume, hard_shutdown, checkpoint, snapshot",
        ),
        (
            "pv",
            "Running",
            (
                "sysprep, metadata_export, changing_VCPUs_live, changing_dynamic_range, migrate_send, pool_migrate, suspend, hard_reboot, "
                "hard_shutdown, clean_reboot, clean_shutdown, pause, checkpoint, snapshot"
            ),
        ),
        ("hvm", "Running", "sysprep, metadata_export, changing_dynamic_range, hard_reboot, hard_shutdown, pause, snapshot"),
        ("hvm", "Paused", "metadata_export, hard_reboot, hard_shutdown, unpause, snapshot"),
        ("template", "Halted", f"destroy, metadata_export, export, {TEMPLATE}migrate_send, provision, copy, clone"),
        ("default template", "Halted", f"metadata_export, export, {TEMPLATE}provision, copy, clone"),
        ("snapshot", "Halted", "destroy, metadata_export, export, revert, copy, clone"),
        ("snapshot", "Suspended", "destroy, metadata_export, export, hard_shutdown, revert, copy, clone"),
        ("dom0", "Running", "metadata_export, changing_static_range, changing_dynamic_range"),
    ],
)
def test_the_newest_release_lists_the_enum_backwards(kind: str, power_state: str, listed: str) -> None:
    assert _kind(kind, "latest", power_state).allowed("vm") == listed


TAMPA = [
    (
        "pv",
        "Halted",
        (
            "changing_dynamic_range, changing_shadow_memory, changing_static_range, make_into_template, destroy, export, start_on, start, "
            "clone, copy, snapshot"
        ),
    ),
    ("pv", "Paused", "hard_reboot, hard_shutdown, unpause, checkpoint, snapshot"),
    ("pv", "Suspended", "destroy, export, resume_on, resume, hard_shutdown, checkpoint, snapshot"),
    (
        "pv",
        "Running",
        (
            "changing_dynamic_range, migrate_send, pool_migrate, changing_VCPUs_live, suspend, hard_reboot, hard_shutdown, clean_reboot, "
            "clean_shutdown, pause, checkpoint, snapshot"
        ),
    ),
    ("hvm", "Running", "changing_dynamic_range, hard_reboot, hard_shutdown, pause, snapshot"),
    (
        "template",
        "Halted",
        "changing_dynamic_range, changing_shadow_memory, changing_static_range, provision, destroy, export, clone, copy",
    ),
    (
        "default template",
        "Halted",
        "changing_dynamic_range, changing_shadow_memory, changing_static_range, provision, export, clone, copy",
    ),
    ("snapshot", "Halted", "destroy, export, revert, clone, copy"),
    ("snapshot", "Suspended", "destroy, export, hard_shutdown, revert, clone, copy"),
    ("dom0", "Running", "changing_dynamic_range"),
]


@pytest.mark.parametrize(("kind", "power_state", "listed"), TAMPA)
def test_tampa_lists_in_its_own_order(kind: str, power_state: str, listed: str) -> None:
    assert _kind(kind, "tampa", power_state).allowed("vm") == listed


@pytest.mark.parametrize(("kind", "power_state", "listed"), TAMPA)
def test_boston_lists_as_tampa_but_no_migration(kind: str, power_state: str, listed: str) -> None:
    assert _kind(kind, "boston", power_state).allowed("vm") == listed.replace("migrate_send, ", "", 1)


def test_clearwater_lets_a_guest_without_drivers_be_suspended() -> None:
    assert _kind("hvm", "clearwater", "Running").allowed("vm") == (
        "changing_dynamic_range, migrate_send, pool_migrate, suspend, hard_reboot, hard_shutdown, pause, checkpoint, snapshot"
    )


@pytest.mark.parametrize(("release", "absent"), [("creedence", "changing_NVRAM"), ("creedence", "create_vtpm"), ("nile", "sysprep")])
def test_operations_are_absent_before_the_release_that_brought_them(release: str, absent: str) -> None:
    states = ("Halted", "Running")
    assert all(absent not in _kind("pv", release, state).allowed("vm").split(", ") for state in states)


@pytest.mark.parametrize(
    ("announced", "listed"),
    [
        ("feature-suspend", {"suspend", "checkpoint", "pool_migrate", "migrate_send"}),
        ("feature-shutdown", {"clean_shutdown", "clean_reboot"}),
        ("feature-poweroff", {"clean_shutdown"}),
        ("feature-reboot", {"clean_reboot"}),
        ("feature-vcpu-hotplug", {"changing_VCPUs_live"}),
    ],
)
def test_a_guest_without_drivers_can_what_it_announces(announced: str, listed: set[str]) -> None:
    silent = set(hvm().allowed("vm").split(", "))
    assert set(hvm().set("guest", other={announced: "1"}).allowed("vm").split(", ")) - silent == listed


def test_a_version_of_drivers_stands_for_every_feature() -> None:
    with_drivers = hvm().set("guest", PV_drivers_version={"major": "7", "minor": "1"})
    assert with_drivers.allowed("vm") == _kind("pv", "latest", "Running").allowed("vm")
