"""Why an operation on a VM is refused: power states, overlaps, and the order in which reasons are given."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from tests.fake_xapi.lifecycle.hosts import OTHER_TASK, TASK, Scene, hvm, scene

ALL = "halted, paused, suspended, running"
STATES: dict[str, str] = {
    **dict.fromkeys(("snapshot", "revert", "power_state_reset", "query_services", "assert_operation_valid"), ALL),
    **dict.fromkeys(("update_allowed_operations", "metadata_export", "reverting"), ALL),
    **dict.fromkeys(("clone", "copy", "provision", "start", "start_on", "changing_static_range", "changing_memory_limits"), "halted"),
    **dict.fromkeys(("changing_shadow_memory", "changing_VCPUs", "changing_NVRAM", "make_into_template", "create_vtpm"), "halted"),
    **dict.fromkeys(("create_template", "export", "destroy"), "halted, suspended"),
    **dict.fromkeys(("checkpoint", "hard_shutdown", "get_boot_record", "shutdown"), "paused, suspended, running"),
    **dict.fromkeys(("snapshot_with_quiesce", "pause", "clean_shutdown", "clean_reboot", "suspend", "pool_migrate"), "running"),
    **dict.fromkeys(("send_sysrq", "send_trigger", "call_plugin", "changing_memory_live", "awaiting_memory_live"), "running"),
    **dict.fromkeys(("changing_shadow_memory_live", "changing_VCPUs_live", "data_source_op", "sysprep"), "running"),
    "unpause": "paused",
    "hard_reboot": "paused, running",
    **dict.fromkeys(("csvm", "resume", "resume_on"), "suspended"),
    "migrate_send": "halted, suspended, running",
    "changing_dynamic_range": "halted, running",
    "import": "",
}
POWER_STATES = ("Halted", "Paused", "Suspended", "Running")


def test_the_table_of_states_knows_every_operation() -> None:
    assert set(STATES) == set(datamodel().enums["vm_operations"])


@pytest.mark.parametrize("operation", sorted(STATES))
@pytest.mark.parametrize("power_state", POWER_STATES)
def test_an_operation_begins_in_its_power_states_only(operation: str, power_state: str) -> None:
    refusal = scene().set("vm", power_state=power_state).check("vm", operation)
    is_wrong_state = refusal is not None and refusal[0] == "VM_BAD_POWER_STATE"
    assert is_wrong_state == (power_state.lower() not in STATES[operation].split(", "))
    if is_wrong_state:
        assert refusal == ["VM_BAD_POWER_STATE", "vm", STATES[operation], power_state.lower()]


@pytest.mark.parametrize(
    ("release", "operation", "states"),
    [
        ("tampa", "migrate_send", "running"),
        ("clearwater", "migrate_send", "running"),
        ("clearwater", "shutdown", "running"),
        ("boston", "hard_shutdown", "paused, suspended, running"),
    ],
)
def test_power_states_of_2012(release: str, operation: str, states: str) -> None:
    assert scene(release).check("vm", operation) == ["VM_BAD_POWER_STATE", "vm", states, "halted"]


@pytest.mark.parametrize("operation", ["clone", "copy"])
def test_suspended_vms_are_cloned_where_the_pool_says_so_or_from_snapshots(operation: str) -> None:
    suspended = scene().set("vm", power_state="Suspended")
    assert suspended.check("vm", operation) == ["VM_BAD_POWER_STATE", "vm", "halted", "suspended"]
    assert suspended.set("vm", is_a_snapshot=True, is_a_template=True).check("vm", operation) is None
    allowed = scene().set("vm", power_state="Suspended").set("pool", other_config={"allow_clone_suspended_vm": "true"})
    assert allowed.check("vm", operation) is None


# ---- what may overlap ------------------------------------------------------------------------------------------------------------

OVERLAPS: dict[str, set[tuple[str, str]]] = {
    "latest": {
        *((new, old) for new in ("clone", "copy", "export") for old in ("clone", "copy", "export")),
        *((new, old) for new in ("snapshot", "checkpoint") for old in ("snapshot", "checkpoint")),
        ("snapshot", "snapshot_with_quiesce"),
        *((new, "migrate_send") for new in ("metadata_export", "clean_shutdown", "clean_reboot")),
    },
    "tampa": {
        *((new, old) for new in ("clone", "copy", "export") for old in ("clone", "copy", "export")),
        *((new, old) for new in ("snapshot", "checkpoint") for old in ("snapshot", "checkpoint")),
        ("snapshot", "snapshot_with_quiesce"),
        ("hard_shutdown", "reverting"),
        *((new, "migrate_send") for new in ("metadata_export", "hard_shutdown", "clean_shutdown", "hard_reboot", "clean_reboot")),
        *((new, "migrate_send") for new in ("start", "start_on")),
    },
}
OVERLAPS["clearwater"] = {*OVERLAPS["tampa"], ("hard_shutdown", "clean_shutdown"), ("hard_reboot", "clean_reboot")}
_OPERATIONS = sorted(STATES)
OVERLAPS["latest"] |= {("hard_shutdown", old) for old in _OPERATIONS if old != "hard_shutdown"}
OVERLAPS["latest"] |= {("hard_reboot", old) for old in _OPERATIONS if old not in ("hard_shutdown", "hard_reboot")}
for _release in OVERLAPS:
    OVERLAPS[_release] |= {("get_boot_record", old) for old in _OPERATIONS}


def _state_for(operation: str, release: str) -> str:
    """A power state in which the operation may begin."""
    states = "running" if (release != "latest" and operation in ("migrate_send", "shutdown")) else STATES[operation]
    return states.split(", ")[-1].capitalize()


@pytest.mark.parametrize("release", sorted(OVERLAPS))
@pytest.mark.parametrize("running", _OPERATIONS)
def test_an_operation_waits_unless_the_two_may_overlap(release: str, running: str) -> None:
    made = scene(release).busy("vm", running)
    for operation in _OPERATIONS:
        if operation == "import":
            continue
        refusal = made.set("vm", power_state=_state_for(operation, release)).check("vm", operation)
        is_busy = refusal is not None and refusal[0] == "OTHER_OPERATION_IN_PROGRESS"
        assert is_busy == ((operation, running) not in OVERLAPS[release]), (operation, running, refusal)


@pytest.mark.parametrize(
    ("release", "operations", "refusal"),
    [
        ("latest", ("pause",), ["OTHER_OPERATION_IN_PROGRESS", "VM", "vm", "pause", TASK]),
        ("latest", ("clone", "copy"), ["OTHER_OPERATION_IN_PROGRESS", "VM", "vm", "{clone,copy}", f"{{{TASK},{OTHER_TASK}}}"]),
        ("tampa", ("pause",), ["OTHER_OPERATION_IN_PROGRESS", "VM.pause", "vm"]),
        ("clearwater", ("clone", "copy"), ["OTHER_OPERATION_IN_PROGRESS", "VM.{clone,copy}", "vm"]),
    ],
)
def test_a_busy_vm_says_with_what(release: str, operations: tuple[str, ...], refusal: list[str]) -> None:
    assert scene(release).busy("vm", *operations).check("vm", "start") == refusal


# ---- one row per guard, in the order of their errors -----------------------------------------------------------------------------

Change = Callable[[Scene], Scene]


def _blocked(operation: str) -> Change:
    return lambda s: s.set("vm", blocked_operations={operation: "because"})


def _template(s: Scene) -> Scene:
    return s.set("vm", is_a_template=True)


def _snapshot(s: Scene) -> Scene:
    return s.set("vm", is_a_snapshot=True, is_a_template=True)


def _running(s: Scene) -> Scene:
    return s.set("vm", power_state="Running")


def _dom0(s: Scene) -> Scene:
    return s.set("vm", is_control_domain=True, domid=0)


def _silent(s: Scene) -> Scene:
    return s.set("metrics", current_domain_type="hvm").make("guest", "VM_guest_metrics").set("vm", guest_metrics="@guest")


def _unwilling(s: Scene) -> Scene:
    made = s.make("guest", "VM_guest_metrics", other={"data-cant-suspend-reason": "busy driver"})
    return made.set("vm", guest_metrics="@guest")


def _with(cls: str, **fields: object) -> Change:
    return lambda s: s.make("thing", cls, **fields)


REFUSALS: list[tuple[str, list[Change], str, list[str]]] = [
    ("latest", [_blocked("start")], "start", ["OPERATION_BLOCKED", "vm", "because"]),
    ("latest", [_running, _blocked("start")], "start", ["OPERATION_BLOCKED", "vm", "because"]),
    ("latest", [_template], "start", ["VM_IS_TEMPLATE", "vm", "start"]),
    ("latest", [_template], "snapshot", ["VM_IS_TEMPLATE", "vm", "snapshot"]),
    ("latest", [_snapshot], "start", ["VM_IS_SNAPSHOT", "vm", "start"]),
    ("latest", [_snapshot], "changing_static_range", ["VM_IS_SNAPSHOT", "vm", "changing_static_range"]),
    ("latest", [], "provision", ["PROVISION_ONLY_ALLOWED_ON_TEMPLATE"]),
    ("latest", [], "revert", ["REVERT_ONLY_ALLOWED_ON_SNAPSHOT"]),
    ("latest", [_running, lambda s: s.set("metrics", nomigrate=True)], "suspend", ["VM_IS_IMMOBILE", "vm"]),
    ("latest", [_running, lambda s: s.set("metrics", nested_virt=True)], "pool_migrate", ["VM_IS_IMMOBILE", "vm"]),
    (
        "latest",
        [_running, lambda s: s.set("metrics", nested_virt=True)],
        "changing_dynamic_range",
        ["VM_IS_USING_NESTED_VIRT", "vm"],
    ),
    ("latest", [_dom0], "destroy", ["OPERATION_NOT_ALLOWED", "This operation is not allowed on dom0"]),
    ("latest", [_dom0], "changing_VCPUs", ["OPERATION_NOT_ALLOWED", "This operation is not allowed on dom0"]),
    ("latest", [_running, _dom0], "pause", ["OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain"]),
    ("tampa", [_running, _dom0], "pause", ["OPERATION_NOT_ALLOWED", "Operations on domain 0 are not allowed"]),
    ("boston", [_dom0], "start", ["OPERATION_NOT_ALLOWED", "Operations on domain 0 are not allowed"]),
    ("latest", [_running, _unwilling], "suspend", ["VM_NON_SUSPENDABLE", "vm", "busy driver"]),
    ("latest", [_running, _silent], "suspend", ["VM_LACKS_FEATURE", "vm"]),
    ("latest", [_running, _silent], "clean_shutdown", ["VM_LACKS_FEATURE", "vm"]),
    ("latest", [_running, _silent], "clean_reboot", ["VM_LACKS_FEATURE", "vm"]),
    ("latest", [_running, _silent], "changing_VCPUs_live", ["VM_LACKS_FEATURE", "vm"]),
    ("tampa", [_running, _silent], "suspend", ["VM_MISSING_PV_DRIVERS", "vm"]),
    ("clearwater", [_running, _silent], "clean_shutdown", ["VM_MISSING_PV_DRIVERS", "vm"]),
    ("latest", [_running], "snapshot_with_quiesce", ["VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", "vm"]),
    ("tampa", [_running], "snapshot_with_quiesce", ["VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", "vm"]),
    ("latest", [lambda s: s.set("vdi", on_boot="reset")], "snapshot", ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]),
    ("latest", [_running, lambda s: s.set("vdi", on_boot="reset")], "suspend", ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]),
    (
        "latest",
        [_running, lambda s: s.set("vdi", allow_caching=True)],
        "pool_migrate",
        ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"],
    ),
    ("latest", [_running, lambda s: s.make("pci", "PCI", attached_VMs=(s.ids["vm"],))], "suspend", ["VM_HAS_PCI_ATTACHED", "vm"]),
    ("latest", [_running, _with("VGPU", VM="@vm")], "suspend", ["VM_HAS_VGPU", "vm"]),
    ("latest", [_with("VUSB", VM="@vm")], "snapshot", ["VM_HAS_VUSBS", "vm"]),
    (
        "latest",
        [_with("VM_appliance"), lambda s: s.set("vm", appliance="@thing")],
        "make_into_template",
        ["VM_IS_PART_OF_AN_APPLIANCE", "vm", "thing"],
    ),
    (
        "latest",
        [_with("VMSS"), lambda s: s.set("vm", snapshot_schedule="@thing")],
        "make_into_template",
        ["VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE", "vm", "thing"],
    ),
    (
        "tampa",
        [_with("VMPP"), lambda s: s.set("vm", protection_policy="@thing")],
        "make_into_template",
        ["VM_ASSIGNED_TO_PROTECTION_POLICY", "vm", "thing"],
    ),
    ("latest", [], "query_services", ["NOT_SYSTEM_DOMAIN", "vm"]),
    (
        "latest",
        [lambda s: s.set("pool", other_config={"rolling_upgrade_in_progress": "true"})],
        "snapshot",
        ["NOT_SUPPORTED_DURING_UPGRADE"],
    ),
    ("latest", [_with("VTPM", VM="@vm")], "create_vtpm", ["VTPM_MAX_AMOUNT_REACHED", "1"]),
]


@pytest.mark.parametrize(("release", "changes", "operation", "refusal"), REFUSALS)
def test_each_guard_refuses_in_its_own_words(release: str, changes: list[Change], operation: str, refusal: list[str]) -> None:
    made = scene(release).after(changes)
    assert made.check("vm", operation) == refusal


def test_reasons_are_given_in_the_order_of_the_guards() -> None:
    made = _silent(_running(scene())).set("metrics", nomigrate=True).set("vdi", on_boot="reset")
    made.set("vm", blocked_operations={"suspend": "because"}).busy("vm", "pause")
    made.set("vm", is_a_template=True, power_state="Halted")
    lifted: list[tuple[str, Change]] = [
        ("OPERATION_BLOCKED", lambda s: s.set("vm", blocked_operations={})),
        ("VM_BAD_POWER_STATE", _running),
        ("OTHER_OPERATION_IN_PROGRESS", lambda s: s.set("vm", current_operations={})),
        ("VM_IS_TEMPLATE", lambda s: s.set("vm", is_a_template=False)),
        ("VM_IS_IMMOBILE", lambda s: s.set("metrics", nomigrate=False)),
        ("VM_LACKS_FEATURE", lambda s: s.set("guest", other={"feature-suspend": "1"})),
        ("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", lambda s: s.set("vdi", on_boot="persist")),
    ]
    for code, lift in lifted:
        refusal = made.check("vm", "suspend")
        assert refusal is not None
        assert refusal[0] == code
        lift(made)
    assert made.check("vm", "suspend") is None


def test_a_forced_migration_passes_over_immobility() -> None:
    made = _running(scene()).set("metrics", nomigrate=True)
    assert made.check("vm", "pool_migrate") == ["VM_IS_IMMOBILE", "vm"]
    assert made.check("vm", "pool_migrate", strict=False) is None


def test_control_domains_may_be_resized_while_they_run() -> None:
    assert [_dom0(_running(scene())).check("vm", op) for op in ("changing_static_range", "changing_memory_limits")] == [None, None]


@pytest.mark.parametrize("release", ["latest", "tampa", "clearwater", "boston"])
@pytest.mark.parametrize("power_state", POWER_STATES)
@pytest.mark.parametrize("make", [scene, hvm])
def test_what_is_shown_is_what_is_not_refused(release: str, power_state: str, make: Callable[[str], Scene]) -> None:
    made = make(release).set("vm", power_state=power_state)
    shown = set(made.allowed("vm").split(", "))
    every = {op for kind in (scene(release), _template(scene(release)), _snapshot(scene(release))) for op in _shown_anywhere(kind)}
    assert {op for op in every if made.check("vm", op) is None} == shown


def _shown_anywhere(made: Scene) -> set[str]:
    return {op for state in POWER_STATES for op in made.set("vm", power_state=state).allowed("vm").split(", ")}


def test_nvidia_s_virtual_cards_sleep_and_no_others() -> None:
    made = scene().make("type", "VGPU_type", implementation="nvidia").make("card", "VGPU", VM="@vm", type="@type")
    assert _running(made).check("vm", "suspend") is None
    made.set("type", implementation="gvt_g")
    assert made.check("vm", "suspend") == ["VM_HAS_VGPU", "vm"]


def test_a_vm_at_rest_takes_its_cards_along() -> None:
    made = scene().make("card", "VGPU", VM="@vm")
    assert made.check("vm", "migrate_send") is None
    assert _running(made).check("vm", "migrate_send") == ["VM_HAS_VGPU", "vm"]
