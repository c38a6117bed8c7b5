"""Rules of VMs one by one: which message is which operation, why an operation is refused, where a VM may start, what copies have."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import HARDWARE, Made
from contract_tests.refusals import NEVER, NULL, refusal

MIB_256 = str(256 << 20)

# Message: the operation that it is, and its parameters after the VM. "{host}" is the host.
OPERATIONS: dict[str, tuple[str, tuple[object, ...]]] = {
    **{name: (name, (False, False)) for name in ("start", "resume")},
    **{name: (name, ("{host}", False, False)) for name in ("start_on", "resume_on")},
    **{name: (name, ()) for name in ("pause", "unpause", "suspend", "clean_shutdown", "clean_reboot", "hard_shutdown", "hard_reboot")},
    **{name: (name, ()) for name in ("shutdown", "provision", "destroy", "csvm", "get_boot_record", "query_services")},
    **{name: (name, ("x",)) for name in ("clone", "snapshot", "checkpoint", "send_sysrq", "send_trigger")},
    "copy": ("copy", ("x", NULL)),
    "pool_migrate": ("pool_migrate", ("{host}", {})),
    "call_plugin": ("call_plugin", ("guest-agent-operation", "x", {})),
    "set_is_a_template": ("make_into_template", (True,)),
    "set_VCPUs_max": ("changing_VCPUs", ("2",)),
    "set_VCPUs_at_startup": ("changing_VCPUs", ("1",)),
    "set_VCPUs_number_live": ("changing_VCPUs_live", ("1",)),
    "add_to_VCPUs_params_live": ("changing_VCPUs_live", ("weight", "1")),
    "set_memory_dynamic_range": ("changing_dynamic_range", (MIB_256, MIB_256)),
    "set_memory_dynamic_max": ("changing_dynamic_range", (MIB_256,)),
    "set_memory_static_range": ("changing_static_range", (MIB_256, MIB_256)),
    "set_memory_static_max": ("changing_static_range", (MIB_256,)),
    "set_memory_limits": ("changing_memory_limits", (MIB_256,) * 4),
    "set_memory": ("changing_memory_limits", (MIB_256,)),
    "set_memory_target_live": ("changing_memory_live", (MIB_256,)),
    "wait_memory_target_live": ("awaiting_memory_live", ()),
    "set_HVM_shadow_multiplier": ("changing_shadow_memory", (1.5,)),
    "set_shadow_multiplier_live": ("changing_shadow_memory_live", (1.5,)),
    "set_NVRAM": ("changing_NVRAM", ({},)),
    "get_data_sources": ("data_source_op", ()),
    "query_data_source": ("data_source_op", ("cpu0",)),
}


@pytest.mark.rule("VM marks", "VM check 1")
@pytest.mark.parametrize("message", OPERATIONS)
def test_a_message_is_an_operation(xapi: Any, server: Server, made: Made, host: str, message: str) -> None:
    """OPERATION_BLOCKED [vm, reason]: whoever blocks the operation stops the message, in whatever state the VM is."""
    if not server.has(f"VM.{message}"):
        pytest.skip(f"{server.summary} has no VM.{message}")
    operation, params = OPERATIONS[message]
    vm = made.vm(HARDWARE)
    xapi.VM.add_to_blocked_operations(vm, operation, "not today")
    given = [host if param == "{host}" else param for param in params]
    assert refusal(getattr(xapi.VM, message), vm, *given) == ["OPERATION_BLOCKED", vm, "not today"]


# ---- why an operation is refused -------------------------------------------------------------------------------------------------


@pytest.fixture
def anchored(xapi: Any, made: Made) -> str:
    """A running VM whose platform says that it may not move, and that it runs VMs itself."""
    vm = made.vm(HARDWARE, platform={**HARDWARE["platform"], "nomigrate": "true", "nested-virt": "true"})
    xapi.VM.start(vm, False, False)
    return vm


@pytest.mark.rule("VM check 7")
@pytest.mark.requires("VM_metrics.get_nomigrate")
@pytest.mark.parametrize("operation", ["suspend", "checkpoint", "pool_migrate"])
def test_a_vm_may_be_made_to_stay(xapi: Any, anchored: str, operation: str) -> None:
    """VM_IS_IMMOBILE [vm], before anything is said about drivers."""
    assert refusal(xapi.VM.assert_operation_valid, anchored, operation) == ["VM_IS_IMMOBILE", anchored]


@pytest.mark.rule("VM check 8")
@pytest.mark.requires("VM_metrics.get_nested_virt")
def test_a_vm_that_runs_vms_keeps_its_memory(xapi: Any, anchored: str) -> None:
    """VM_IS_USING_NESTED_VIRT [vm] of changing_dynamic_range."""
    assert refusal(xapi.VM.assert_operation_valid, anchored, "changing_dynamic_range") == ["VM_IS_USING_NESTED_VIRT", anchored]


@pytest.mark.rule("VM check 9")
def test_the_control_domain_keeps_its_processors(xapi: Any, dom0: str, server: Server) -> None:
    """OPERATION_NOT_ALLOWED [text]."""
    text = server.as_of(boston="Operations on domain 0 are not allowed", modern="This operation is not allowed on dom0")
    assert refusal(xapi.VM.assert_operation_valid, dom0, "changing_VCPUs") == ["OPERATION_NOT_ALLOWED", text]


@pytest.mark.rule("VM check 14")
@pytest.mark.requires("VDI.set_on_boot")
@pytest.mark.parametrize("state", ["halted", "running"])
def test_a_forgetful_disk_keeps_its_vm_from_being_snapshotted(xapi: Any, made: Made, disk: str, state: str) -> None:
    """VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION []: of a snapshot, and of what saves memory."""
    vm = made.vm()
    made.vbd(vm, disk)
    xapi.VDI.set_on_boot(disk, "reset")
    operations = ["snapshot"]
    if state == "running":
        xapi.VM.start(vm, False, False)
        operations += ["checkpoint", "suspend"]
    refused = {name: refusal(xapi.VM.assert_operation_valid, vm, name) for name in operations}
    assert list(refused.values()) == [["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]] * len(operations)


@pytest.mark.rule("VM check 18 appliance")
@pytest.mark.requires("VM_appliance.create")
def test_a_part_of_an_appliance_is_no_template(xapi: Any, made: Made) -> None:
    """VM_IS_PART_OF_AN_APPLIANCE [vm, appliance]."""
    vm, appliance = made.vm(), xapi.VM_appliance.create({"name_label": made.name(), "name_description": ""})
    made.later(xapi.VM_appliance.destroy, appliance)
    xapi.VM.set_appliance(vm, appliance)
    assert refusal(xapi.VM.set_is_a_template, vm, True) == ["VM_IS_PART_OF_AN_APPLIANCE", vm, appliance]


@pytest.mark.rule("VM check 18 snapshot schedule")
@pytest.mark.requires("VMSS.create")
def test_a_scheduled_vm_is_no_template(xapi: Any, made: Made) -> None:
    """VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE [vm, schedule]."""
    record = {"name_label": made.name(), "type": "snapshot", "frequency": "daily", "schedule": {"hour": "3", "min": "0"}, "enabled": False}
    vm, schedule = made.vm(), xapi.VMSS.create(record)
    made.later(xapi.VMSS.destroy, schedule)
    xapi.VM.set_snapshot_schedule(vm, schedule)
    made.later(xapi.VM.set_snapshot_schedule, vm, NULL)
    assert refusal(xapi.VM.set_is_a_template, vm, True) == ["VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE", vm, schedule]


@pytest.mark.rule("VM check 18 protection policy")
def test_a_protected_vm_is_no_template(xapi: Any, made: Made, server: Server) -> None:
    """VM_ASSIGNED_TO_PROTECTION_POLICY [vm, policy], in the releases that had them."""
    if server.era not in ("boston", "tampa"):
        pytest.skip(f"{server.summary} has no VMPP.create")
    record = {"name_label": made.name(), "backup_type": "snapshot", "backup_frequency": "daily", "is_policy_enabled": False}
    vm, policy = made.vm(), xapi.VMPP.create(record)
    made.later(xapi.VMPP.destroy, policy)
    xapi.VM.set_protection_policy(vm, policy)
    made.later(xapi.VM.set_protection_policy, vm, NULL)
    assert refusal(xapi.VM.set_is_a_template, vm, True) == ["VM_ASSIGNED_TO_PROTECTION_POLICY", vm, policy]


@pytest.mark.rule("VM check 19")
@pytest.mark.requires("VM.query_services")
def test_only_system_domains_have_services(xapi: Any, halted: str) -> None:
    """NOT_SYSTEM_DOMAIN [vm]."""
    assert refusal(xapi.VM.query_services, halted) == ["NOT_SYSTEM_DOMAIN", halted]


@pytest.mark.rule("VM check 20")
@pytest.mark.alone
@pytest.mark.requires("pool_update.introduce")
def test_a_vm_is_not_reverted_during_an_upgrade(xapi: Any, made: Made, snapshot: str) -> None:
    """NOT_SUPPORTED_DURING_UPGRADE [] of what hosts of the older release might not know."""
    pool, key = xapi.pool.get_all()[0], "rolling_upgrade_in_progress"
    if key in xapi.pool.get_other_config(pool):
        pytest.skip("this pool is being upgraded")
    xapi.pool.add_to_other_config(pool, key, "true")
    made.later(xapi.pool.remove_from_other_config, pool, key)
    assert refusal(xapi.VM.assert_operation_valid, snapshot, "revert") == ["NOT_SUPPORTED_DURING_UPGRADE"]


@pytest.mark.rule("VM allowed paused without drivers")
def test_a_paused_guest_without_drivers(xapi: Any, made: Made, server: Server) -> None:
    """allowed_operations: no checkpoint where drivers are needed for it."""
    vm = made.vm(HARDWARE)
    xapi.VM.start(vm, True, False)
    with_checkpoint = "hard_reboot hard_shutdown unpause checkpoint snapshot"
    expected = server.as_of(boston=with_checkpoint, modern="metadata_export hard_reboot hard_shutdown unpause snapshot")
    assert xapi.VM.get_allowed_operations(vm) == expected.split()


@pytest.mark.rule("VM.power_state_reset")
def test_what_runs_is_not_declared_halted(xapi: Any, running: str, dom0: str) -> None:
    """CANNOT_RESET_CONTROL_DOMAIN [vm]; DOMAIN_EXISTS [vm, domid] while its host has the domain."""
    assert refusal(xapi.VM.power_state_reset, dom0) == ["CANNOT_RESET_CONTROL_DOMAIN", dom0]
    assert refusal(xapi.VM.power_state_reset, running) == ["DOMAIN_EXISTS", running, xapi.VM.get_domid(running)]
    assert xapi.VM.get_power_state(running) == "Running"


# ---- where a VM may start ---------------------------------------------------------------------------------------------------------


@pytest.mark.rule("VM.start_on check 3")
@pytest.mark.requires("VM.set_hardware_platform_version")
def test_a_vm_may_ask_for_hardware_that_is_not_there(xapi: Any, made: Made, host: str) -> None:
    """VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION [host, versions, vm, version]."""
    vm = made.vm()
    xapi.VM.set_hardware_platform_version(vm, "99")
    code, *params = refusal(xapi.VM.start_on, vm, host, False, False)
    assert (code, params[0], params[2:]) == ("VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION", host, [vm, "99"])
    assert refusal(xapi.VM.assert_can_boot_here, vm, host) == [code, *params]


@pytest.mark.rule("VM.start_on check 8 HOST_NOT_ENOUGH_PCPUS")
def test_a_vm_has_no_more_processors_than_its_host(xapi: Any, made: Made, host: str) -> None:
    """HOST_NOT_ENOUGH_PCPUS [vcpus, pcpus]."""
    processors = len(xapi.host.get_host_CPUs(host))
    many = str(processors + 1)
    vm = made.vm(VCPUs_max=many, VCPUs_at_startup=many)
    assert refusal(xapi.VM.start_on, vm, host, False, False) == ["HOST_NOT_ENOUGH_PCPUS", many, str(processors)]


@pytest.mark.rule("VM.set_ha_restart_priority")
def test_a_priority_that_is_none(xapi: Any, halted: str) -> None:
    """INVALID_VALUE ["ha_restart_priority", value]."""
    assert refusal(xapi.VM.set_ha_restart_priority, halted, "frob") == ["INVALID_VALUE", "ha_restart_priority", "frob"]


@pytest.mark.rule("VM.add_to_VCPUs_params_live")
def test_processors_that_run_are_not_tuned(xapi: Any, running: str, server: Server) -> None:
    """NOT_IMPLEMENTED [name]; the releases before 6.2 said so in other words, or did it."""
    if server.era != "modern":
        pytest.skip(f"{server.summary} has no refusal-of-tuning")
    assert refusal(xapi.VM.add_to_VCPUs_params_live, running, "weight", "1")[0] == "NOT_IMPLEMENTED"


# ---- what copies have -------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("VM.create suspended")
@pytest.mark.requires("VM.call_plugin")
def test_nothing_is_suspended_without_an_image(made: Made, server: Server) -> None:
    """VM_BAD_POWER_STATE [vm, "halted", "suspended"]."""
    if server.era != "modern":
        pytest.skip(f"{server.summary} has no suspended-VMs-by-create")
    code, _, *states = refusal(lambda: made.vm(power_state="Suspended"))
    assert [code, *states] == ["VM_BAD_POWER_STATE", "halted", "suspended"]


@pytest.mark.rule("VM.snapshot ignore_vdis")
def test_a_snapshot_may_leave_disks_out(xapi: Any, made: Made, server: Server) -> None:
    """The third parameter of VM.snapshot names disks that are left out."""
    if server.era != "modern":
        pytest.skip(f"{server.summary} has no ignore_vdis")
    vm, first, second = made.vm(), made.vdi(), made.vdi()
    made.vbd(vm, first)
    made.vbd(vm, second)
    snapshot = made.keep_vm(xapi.VM.snapshot(vm, made.name(), [first]))
    disks = {xapi.VBD.get_VDI(vbd) for vbd in xapi.VM.get_VBDs(snapshot)} - {NULL}
    assert [xapi.VDI.get_snapshot_of(disk) for disk in disks] == [second]


RESET: dict[str, object] = {
    "appliance": NULL,
    "suspend_VDI": NULL,
    "resident_on": NULL,
    "domid": "-1",
    "blocked_operations": {},
    "ha_always_run": False,
    "current_operations": {},
}
"""Fields that no copy takes from its source."""
KEPT = (
    *("affinity", "tags", "platform", "recommendations", "xenstore_data", "bios_strings", "name_description", "user_version", "VCPUs_max"),
    *("VCPUs_at_startup", "VCPUs_params", "memory_static_max", "memory_static_min", "memory_dynamic_max", "memory_dynamic_min"),
    *("actions_after_shutdown", "actions_after_reboot", "actions_after_crash", "HVM_boot_policy", "HVM_boot_params", "PV_bootloader"),
    *("PV_kernel", "PV_ramdisk", "PV_args", "NVRAM"),
)
"""Fields that every copy has from its source."""


@pytest.mark.rule("VM copies of fields")
@pytest.mark.parametrize("operation", ["clone", "copy", "snapshot"])
def test_a_copy_has_what_a_vm_is_and_not_what_it_does(xapi: Any, made: Made, operation: str) -> None:
    """Each field is copied, or is as in a VM that is new."""
    vm = made.vm(tags=["a", "b"], xenstore_data={"vm-data/k": "v"}, VCPUs_params={"weight": "512"}, recommendations="<restrictions/>")
    xapi.VM.add_to_blocked_operations(vm, "start", "x")
    more = (made.name(), NULL) if operation == "copy" else (made.name(),)
    copy = made.keep_vm(getattr(xapi.VM, operation)(vm, *more))
    source, record = xapi.VM.get_record(vm), xapi.VM.get_record(copy)
    fields = [field for field in KEPT if field in source]
    assert {field: record[field] for field in fields} == {field: source[field] for field in fields}
    assert {field: record[field] for field in RESET if field in record} == {
        field: value for field, value in RESET.items() if field in record
    }
    assert xapi.VM_metrics.get_start_time(record["metrics"]).value == NEVER


@pytest.mark.rule("VM.revert to a checkpoint")
def test_reverting_to_a_checkpoint_brings_the_memory_back(xapi: Any, guest: str, made: Made) -> None:
    """The VM is Suspended with an image, and wakes up."""
    checkpoint = made.keep_vm(xapi.VM.checkpoint(guest, made.name()))
    xapi.VM.revert(checkpoint)
    record = xapi.VM.get_record(guest)
    assert (record["power_state"], record["suspend_VDI"] != NULL, record["parent"]) == ("Suspended", True, checkpoint)
    xapi.VM.resume(guest, False, False)
    assert xapi.VM.get_power_state(guest) == "Running"


@pytest.mark.rule("VM.revert of what is gone")
def test_a_vm_that_is_gone_comes_back(xapi: Any, made: Made) -> None:
    """Reverting to the snapshot of a VM that was destroyed makes it anew, with the uuid that it had."""
    vm = made.vm()
    uuid = xapi.VM.get_uuid(vm)
    snapshot = made.keep_vm(xapi.VM.snapshot(vm, made.name()))
    xapi.VM.destroy(vm)
    xapi.VM.revert(snapshot)
    back = made.keep_vm(xapi.VM.get_by_uuid(uuid))
    assert (xapi.VM.get_power_state(back), xapi.VM.get_is_a_snapshot(back)) == ("Halted", False)


@pytest.mark.rule("VM states of clone, suspended")
def test_a_clone_of_a_checkpoint_is_halted(xapi: Any, guest: str, made: Made) -> None:
    """A suspended snapshot may be cloned, unlike a suspended VM; the clone has no memory."""
    checkpoint = made.keep_vm(xapi.VM.checkpoint(guest, made.name()))
    clone = made.keep_vm(xapi.VM.clone(checkpoint, made.name()))
    assert (xapi.VM.get_power_state(clone), xapi.VM.get_suspend_VDI(clone)) == ("Halted", NULL)
