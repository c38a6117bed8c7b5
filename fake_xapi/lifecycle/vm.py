"""The lifecycle of a VM: power states, overlaps, templates, snapshots, control domains and the features of its guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle import vm_table
from fake_xapi.lifecycle.guests import ALL_FEATURES, features, reason_not_to_suspend
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
    operations_of,
)


class VmFacts(NamedTuple):
    """All that decides what may be done to a VM."""

    release: str
    era: Era
    power_state: str
    current: tuple[str, ...]
    blocked: tuple[str, ...]
    is_template: bool
    is_default_template: bool
    is_snapshot: bool
    is_control_domain: bool
    is_dom0: bool
    features: frozenset[str]
    can_quiesce: bool
    is_unsuspendable: bool
    is_nomigrate: bool
    is_nested_virt: bool
    resets_a_disk: bool
    caches_a_disk: bool
    has_pci: bool
    has_vgpu: bool
    has_vusb: bool
    has_vtpm: bool
    is_grouped: bool
    is_system_domain: bool
    clones_suspended: bool
    is_upgrading: bool


LIVE_STATES = frozenset({"Running", "Paused"})
_NO_CONFIG: dict[str, str] = {}


def _facts(rows: Rows, vm: AnyRow) -> VmFacts:
    power_state: str = vm["power_state"]
    is_live = power_state in LIVE_STATES
    metrics = rows.get(vm["metrics"]) if is_live else None
    pool = rows.get(POOL)
    pool_config: dict[str, str] = pool["other_config"] if pool else _NO_CONFIG
    other_config: dict[str, str] = vm["other_config"]
    on_boot = _on_boot(rows, vm)
    release = rows.personality
    return VmFacts(
        release.name,
        release.era,
        power_state,
        operations_of(vm),
        tuple(vm["blocked_operations"]),
        vm["is_a_template"],
        vm["is_default_template"] or other_config.get("default_template") == "true",
        vm["is_a_snapshot"],
        vm["is_control_domain"],
        vm["is_control_domain"] and vm["domid"] == 0,
        features(rows, vm) if is_live else ALL_FEATURES,
        is_live and _can_quiesce(rows, vm),
        is_live and bool(reason_not_to_suspend(rows, vm)),
        metrics is not None and metrics["nomigrate"],
        metrics is not None and metrics["nested_virt"],
        "reset" in on_boot,
        "caching" in on_boot,
        bool(vm["attached_PCIs"]),
        any(_keeps_awake(rows, vgpu) for vgpu in vm["VGPUs"]),
        bool(vm["VUSBs"]),
        bool(vm["VTPMs"]),
        bool(vm["appliance"] or vm["protection_policy"] or vm["snapshot_schedule"]),
        "is_system_domain" in other_config,
        pool_config.get("allow_clone_suspended_vm") == "true",
        "rolling_upgrade_in_progress" in pool_config,
    )


def _on_boot(rows: Rows, vm: AnyRow) -> tuple[str, ...]:
    """The behaviour of its disks at boot: "reset" discards changes, "caching" keeps a copy on the host; usually nothing."""
    found: tuple[str, ...] = ()
    for vbd in vm["VBDs"]:
        row = rows.get(vbd)
        vdi = rows.get(row["VDI"]) if row else None
        if vdi is not None and vdi["on_boot"] == "reset":
            found = (*found, "reset")
        if vdi is not None and vdi["allow_caching"]:
            found = (*found, "caching")
    return found


def _keeps_awake(rows: Rows, vgpu: int) -> bool:
    """Whether a VM with this card cannot be suspended: only those with NVIDIA's virtual cards can be."""
    row = rows.get(vgpu)
    kind = rows.get(row["type"]) if row is not None else None
    return kind is None or kind["implementation"] not in _SLEEPING_CARDS


_SLEEPING_CARDS = frozenset({"nvidia", "nvidia_sriov"})


def _can_quiesce(rows: Rows, vm: AnyRow) -> bool:
    metrics = rows.get(vm["guest_metrics"])
    return metrics is not None and bool({"feature-quiesce", "feature-snapshot"} & metrics["other"].keys())


# ---- the decisions ---------------------------------------------------------------------------------------------------------------

SUSPENDS = frozenset({"suspend", "checkpoint", "pool_migrate", "migrate_send"})
_NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(SUSPENDS, ("feature-suspend",)),
    "clean_shutdown": ("feature-shutdown", "feature-poweroff"),
    "clean_reboot": ("feature-shutdown", "feature-reboot"),
    "changing_VCPUs_live": ("feature-vcpu-hotplug",),
}
"""The features of which the guest must have at least one."""
_NEEDS_IN_CLEARWATER = {op: _NEEDS[op] for op in ("clean_shutdown", "clean_reboot", "changing_VCPUs_live")}
_TEMPLATE_OPERATIONS = frozenset(
    {
        *("changing_dynamic_range", "changing_static_range", "changing_memory_limits", "changing_shadow_memory", "changing_VCPUs"),
        *("changing_NVRAM", "clone", "copy", "export", "metadata_export", "provision"),
    }
)
_OWN_TEMPLATE_OPERATIONS = frozenset({"destroy", "migrate_send"})
_SNAPSHOT_OPERATIONS = frozenset({"revert", "clone", "copy", "export", "destroy", "hard_shutdown", "metadata_export"})
_CONTROL_DOMAIN_OPERATIONS = frozenset(
    {
        *("data_source_op", "changing_memory_live", "awaiting_memory_live", "metadata_export", "changing_dynamic_range"),
        *("changing_memory_limits", "changing_static_range", "start", "start_on", "changing_VCPUs", "destroy"),
    }
)
_CONTROL_DOMAIN_OPERATIONS_OF_2012 = frozenset(
    {"data_source_op", "changing_memory_live", "awaiting_memory_live", "metadata_export", "changing_dynamic_range"}
)
_SAFE_IN_UPGRADE = frozenset(
    (
        *("assert_operation_valid", "changing_memory_live", "changing_shadow_memory_live", "changing_VCPUs_live", "clean_reboot"),
        *("clean_shutdown", "clone", "copy", "csvm", "destroy", "export", "get_boot_record", "hard_reboot", "hard_shutdown", "import"),
        *("make_into_template", "pause", "pool_migrate", "power_state_reset", "provision", "resume", "resume_on", "send_sysrq"),
        *("send_trigger", "start", "start_on", "suspend", "unpause", "update_allowed_operations"),
    )
)


def states_of(vm: VmFacts, operation: str) -> tuple[str, ...]:
    """The power states in which the operation may begin on such a VM."""
    if operation in vm_table.CLONES and (vm.is_snapshot or vm.clones_suspended):
        return vm_table.CLONE_SUSPENDED
    if operation in vm_table.RESIZES and vm.is_control_domain:
        return vm_table.CONTROL_DOMAIN_RESIZE
    return vm_table.STATES[vm.era].get(operation, ())


def _is_in_wrong_state(vm: VmFacts, operation: str) -> bool:
    return vm.power_state not in states_of(vm, operation)


def _is_busy(vm: VmFacts, operation: str) -> bool:
    return not vm_table.may_overlap(vm.era, operation, vm.current)


def _is_no_template_operation(vm: VmFacts, operation: str) -> bool:
    if not vm.is_template or vm.is_snapshot or operation in _TEMPLATE_OPERATIONS:
        return False
    return vm.is_default_template or operation not in _OWN_TEMPLATE_OPERATIONS


def _is_no_control_domain_operation(vm: VmFacts, operation: str) -> bool:
    return vm.is_control_domain and operation not in _CONTROL_DOMAIN_OPERATIONS


def _is_no_control_domain_operation_of_2012(vm: VmFacts, operation: str) -> bool:
    allowed_anyway = operation in _CONTROL_DOMAIN_OPERATIONS_OF_2012 or (operation == "start" and vm.era != "boston")
    return vm.is_control_domain and not allowed_anyway


def _lacks(needs: dict[str, tuple[str, ...]]) -> Callable[[VmFacts, str], bool]:
    def lacks(vm: VmFacts, operation: str) -> bool:
        wanted = needs.get(operation)
        return wanted is not None and vm.power_state in LIVE_STATES and vm.features.isdisjoint(wanted)

    return lacks


def _lacks_for_2012(vm: VmFacts, operation: str) -> bool:
    needs = _NEEDS_IN_CLEARWATER if vm.era == "clearwater" else _NEEDS
    return vm.power_state == "Running" and operation in needs and vm.features is not ALL_FEATURES


def _resets_or_caches(vm: VmFacts, operation: str) -> bool:
    if operation == "pool_migrate":
        return vm.caches_a_disk
    return vm.resets_a_disk and operation in ("checkpoint", "snapshot", "suspend")


def _takes_a_card_along(vm: VmFacts, operation: str) -> bool:
    is_at_rest = operation == "migrate_send" and vm.power_state == "Halted"
    return vm.has_vgpu and operation in SUSPENDS and not is_at_rest


# ---- the errors ------------------------------------------------------------------------------------------------------------------


def _blocked(case: Case) -> Failure:
    return Failure("OPERATION_BLOCKED", case.me, case.row["blocked_operations"][case.operation])


def _bad_power_state(case: Case) -> Failure:
    wanted = ", ".join(state.lower() for state in states_of(_facts(case.view, case.row), case.operation))
    return Failure("VM_BAD_POWER_STATE", case.me, wanted, case.row["power_state"].lower())


def _misplaced(case: Case) -> Failure:
    code = {"provision": "PROVISION_ONLY_ALLOWED_ON_TEMPLATE", "revert": "REVERT_ONLY_ALLOWED_ON_SNAPSHOT"}[case.operation]
    return Failure(code)


def _unsuspendable(case: Case) -> Failure:
    return Failure("VM_NON_SUSPENDABLE", case.me, reason_not_to_suspend(case.view, case.row))


def _grouped(case: Case) -> Failure:
    field, code = next((field, code) for field, code in _GROUPS if case.row[field])
    return Failure(code, case.me, Handle(case.row[field]))


_GROUPS = (
    ("appliance", "VM_IS_PART_OF_AN_APPLIANCE"),
    ("protection_policy", "VM_ASSIGNED_TO_PROTECTION_POLICY"),
    ("snapshot_schedule", "VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE"),
)

# ---- the guards, in the order of their errors ------------------------------------------------------------------------------------

_ON_DOM0 = always("OPERATION_NOT_ALLOWED", "This operation is not allowed on dom0")
_ON_CONTROL_DOMAIN = always("OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain")
_ON_DOMAIN_0 = always("OPERATION_NOT_ALLOWED", "Operations on domain 0 are not allowed")
_FIRST: tuple[Guard[VmFacts], ...] = (
    Guard(lambda vm, op: op in vm.blocked, _blocked),
    Guard(_is_in_wrong_state, _bad_power_state),
    Guard(_is_busy, busy),
    Guard(_is_no_template_operation, about_me_and_operation("VM_IS_TEMPLATE")),
    Guard(lambda vm, op: vm.is_snapshot and op not in _SNAPSHOT_OPERATIONS, about_me_and_operation("VM_IS_SNAPSHOT")),
    Guard(lambda vm, op: (op == "provision" and not vm.is_template) or (op == "revert" and not vm.is_snapshot), _misplaced),
)
_SUSPENDS_IN_PLACE: tuple[Guard[VmFacts], ...] = (
    Guard(_resets_or_caches, always("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")),
    Guard(lambda vm, op: vm.has_pci and op in SUSPENDS, about_me("VM_HAS_PCI_ATTACHED")),
)
_LAST: tuple[Guard[VmFacts], ...] = (
    Guard(lambda vm, op: vm.is_grouped and op == "make_into_template", _grouped),
    Guard(lambda vm, op: op == "query_services" and not vm.is_system_domain, about_me("NOT_SYSTEM_DOMAIN")),
    Guard(lambda vm, op: vm.is_upgrading and op not in _SAFE_IN_UPGRADE, always("NOT_SUPPORTED_DURING_UPGRADE")),
)
_NO_QUIESCE = about_me("VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED")
_MODERN_GUARDS: tuple[Guard[VmFacts], ...] = (
    *_FIRST,
    Guard(lambda vm, op: (vm.is_nomigrate or vm.is_nested_virt) and op in SUSPENDS, about_me("VM_IS_IMMOBILE"), is_lenient=True),
    Guard(lambda vm, op: vm.is_nested_virt and op == "changing_dynamic_range", about_me("VM_IS_USING_NESTED_VIRT")),
    Guard(lambda vm, op: vm.is_dom0 and op in ("changing_VCPUs", "destroy"), _ON_DOM0),
    Guard(_is_no_control_domain_operation, _ON_CONTROL_DOMAIN),
    Guard(lambda vm, op: vm.is_unsuspendable and op in SUSPENDS, _unsuspendable),
    Guard(_lacks(_NEEDS), about_me("VM_LACKS_FEATURE")),
    Guard(lambda _vm, op: op == "snapshot_with_quiesce", _NO_QUIESCE),
    *_SUSPENDS_IN_PLACE,
    Guard(_takes_a_card_along, about_me("VM_HAS_VGPU")),
    Guard(lambda vm, op: vm.has_vusb and (op in SUSPENDS or op == "snapshot"), about_me("VM_HAS_VUSBS")),
    *_LAST,
    Guard(lambda vm, op: vm.has_vtpm and op == "create_vtpm", always("VTPM_MAX_AMOUNT_REACHED", "1")),
)
_GUARDS_OF_2012: tuple[Guard[VmFacts], ...] = (
    *_FIRST,
    Guard(_is_no_control_domain_operation_of_2012, _ON_DOMAIN_0),
    Guard(_lacks_for_2012, about_me("VM_MISSING_PV_DRIVERS")),
    Guard(lambda vm, op: op == "snapshot_with_quiesce" and not vm.can_quiesce, _NO_QUIESCE),
    *_SUSPENDS_IN_PLACE,
    *_LAST,
)

VM = Lifecycle(
    _facts,
    lambda vm: _MODERN_GUARDS if vm.era == "modern" else _GUARDS_OF_2012,
    lambda vm: vm_table.shown(vm.release),
)
"""What may be done to a VM."""
