"""The setters of VM that check their values: memory, VCPUs, templates, blocked operations and the rest."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest import balloon
from fake_xapi.lifecycle.editions import is_restricted, require
from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.pools import ha_admission, ha_plan
from fake_xapi.verbs.setters import drops, puts, writes
from fake_xapi.verbs.vms import memory

_PRIORITIES = frozenset({"restart", "best-effort", ""})
_PLATFORM_OF_VENDOR_DEVICE = 2
_VCPU_RULE = "VCPU values must satisfy: 0 < VCPUs_at_startup ≤ VCPUs_max"  # XAPI's own sign

# ---- memory ----------------------------------------------------------------------------------------------------------------------


def _set_memory(call: Call, vm: Id, **limits: int) -> None:
    """Set memory limits that, with those that stay, are in their required order; otherwise MEMORY_CONSTRAINT_VIOLATION_ORDER.

    Releases without that error raise MEMORY_CONSTRAINT_VIOLATION.
    """
    row = call.world[vm]
    names = ("memory_static_min", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max")
    if not memory.is_ordered(*(limits.get(name, row[name]) for name in names)):
        known = call.world.personality.errors
        raise Failure(
            "MEMORY_CONSTRAINT_VIOLATION_ORDER" if "MEMORY_CONSTRAINT_VIOLATION_ORDER" in known else "MEMORY_CONSTRAINT_VIOLATION"
        )
    _assert_may_balloon(call, vm, {name: limits.get(name, row[name]) for name in names})
    with call.world.edit() as edit:
        edit.set(vm, **limits)
        edit.set(vm, memory_overhead=memory.overhead_bytes(edit[vm]), memory_target=edit[vm]["memory_dynamic_max"])
    balloon.follow_target(call, vm)


def _assert_may_balloon(call: Call, vm: Id, limits: Mapping[str, int]) -> None:
    """Raise MEMORY_CONSTRAINT_VIOLATION_MAXPIN [reason] when a VM that must not balloon has a dynamic limit below its static maximum."""
    if limits["memory_dynamic_min"] == limits["memory_dynamic_max"] == limits["memory_static_max"]:
        return
    world, row = call.world, call.world[vm]
    metrics = world.get(row["metrics"])
    reasons = (
        ("DMC unavailable", is_restricted(world, "DMC")),
        ("control domain", row["is_control_domain"]),
        ("nested virt", metrics is not None and metrics["nested_virt"]),
    )
    for reason, is_so in reasons:
        if is_so and "MEMORY_CONSTRAINT_VIOLATION_MAXPIN" in world.personality.errors:
            raise Failure("MEMORY_CONSTRAINT_VIOLATION_MAXPIN", reason)
        if is_so:
            raise Failure("MEMORY_CONSTRAINT_VIOLATION")


def set_memory_dynamic_max(call: Call, vm: Id, value: int) -> None:
    """Set the upper bound of the VM's memory while it runs."""
    _set_memory(call, vm, memory_dynamic_max=value)


def set_memory_dynamic_min(call: Call, vm: Id, value: int) -> None:
    """Set the lower bound of the VM's memory while it runs."""
    _set_memory(call, vm, memory_dynamic_min=value)


def set_memory_dynamic_range(call: Call, vm: Id, least: int, most: int) -> None:
    """Set both dynamic limits."""
    _set_memory(call, vm, memory_dynamic_min=least, memory_dynamic_max=most)


def set_memory_static_max(call: Call, vm: Id, value: int) -> None:
    """Set the most memory that the VM can ever have."""
    _set_memory(call, vm, memory_static_max=value)


def set_memory_static_min(call: Call, vm: Id, value: int) -> None:
    """Set the least memory with which the VM works."""
    _set_memory(call, vm, memory_static_min=value)


def set_memory_static_range(call: Call, vm: Id, least: int, most: int) -> None:
    """Set both static limits."""
    _set_memory(call, vm, memory_static_min=least, memory_static_max=most)


def set_memory_limits(call: Call, vm: Id, static_min: int, static_max: int, dynamic_min: int, dynamic_max: int) -> None:
    """Set all four limits."""
    _set_memory(
        call,
        vm,
        memory_static_min=static_min,
        memory_static_max=static_max,
        memory_dynamic_min=dynamic_min,
        memory_dynamic_max=dynamic_max,
    )


def set_memory(call: Call, vm: Id, value: int) -> None:
    """Set all limits except the static minimum."""
    _set_memory(call, vm, memory_static_max=value, memory_dynamic_min=value, memory_dynamic_max=value)


def set_memory_target_live(call: Call, vm: Id, target: int) -> None:
    """Inflate or deflate a running VM's balloon."""
    with call.world.edit() as edit:
        edit.set(vm, memory_target=target)
    balloon.follow_target(call, vm)


async def wait_memory_target_live(call: Call, vm: Id) -> None:
    """Wait until the guest's balloon has reached its target; VM_MEMORY_TARGET_WAIT_TIMEOUT [task] when that takes too long."""
    waited_s = 0.0
    while not balloon.is_there(call, vm):
        if waited_s >= balloon.DEADLINE_S:
            raise Failure("VM_MEMORY_TARGET_WAIT_TIMEOUT", Handle(call.task))
        await call.wait(balloon.LOOKS_EVERY_S)
        waited_s += balloon.LOOKS_EVERY_S


def set_shadow_multiplier(call: Call, vm: Id, value: float) -> None:
    """Set the room for shadow pages; INVALID_VALUE below 1, unless the VM needs no shadow pages."""
    if not 1.0 <= value < float("inf"):
        raise Failure("INVALID_VALUE", "HVM_shadow_multiplier", f"{value:.16g}")
    with call.world.edit() as edit:
        edit.set(vm, HVM_shadow_multiplier=value)
        edit.set(vm, memory_overhead=memory.overhead_bytes(edit[vm]))


# ---- VCPUs -----------------------------------------------------------------------------------------------------------------------


def set_vcpus_max(call: Call, vm: Id, value: int) -> None:
    """Set the maximum of VCPUs, which may not be below the number at startup."""
    if not 0 < call.world[vm]["VCPUs_at_startup"] <= value:
        raise Failure("INVALID_VALUE", _VCPU_RULE, str(value))
    with call.world.edit() as edit:
        edit.set(vm, VCPUs_max=value)
        edit.set(vm, memory_overhead=memory.overhead_bytes(edit[vm]))


def set_vcpus_at_startup(call: Call, vm: Id, value: int) -> None:
    """Set the number of VCPUs with which it starts."""
    if not 0 < value <= call.world[vm]["VCPUs_max"]:
        raise Failure("INVALID_VALUE", _VCPU_RULE, str(value))
    with call.world.edit() as edit:
        edit.set(vm, VCPUs_at_startup=value)


def set_vcpus_number_live(call: Call, vm: Id, count: int) -> None:
    """Plug or unplug VCPUs of a running VM."""
    if not 0 < count <= call.world[vm]["VCPUs_max"]:
        raise Failure("INVALID_VALUE", "VCPUs", str(count))
    with call.world.edit() as edit:
        edit.set(edit[vm]["metrics"], VCPUs_number=count, last_updated=call.now())


def add_to_vcpus_params_live(call: Call, vm: Id, key: str, value: str) -> None:
    """Refuse, as XAPI does: it never implemented this."""
    raise Failure("NOT_IMPLEMENTED", "VM.add_to_VCPUs_params_live")


# ---- kind and protection ---------------------------------------------------------------------------------------------------------


def set_is_a_template(call: Call, vm: Id, value: bool) -> None:
    """Turn a VM into a template, where its lifecycle allows it, or a template into a VM."""
    row = call.world[vm]
    if value:
        _assert_may_become_template(call, vm)
    if value and row["ha_always_run"]:
        raise Failure("VM_IS_PROTECTED", Handle(vm))
    with call.world.edit() as edit:
        edit.set(vm, is_a_template=value)
        if value and row["metrics"] and edit.get(row["metrics"]) is not None:
            edit.destroy(row["metrics"])
            edit.set(vm, metrics=0)
        elif not value and not row["metrics"]:
            edit.set(vm, metrics=edit.create("VM_metrics"))


def set_is_default_template(call: Call, vm: Id, value: bool) -> None:
    """Mark a template as one of the product's own."""
    if value:
        _assert_may_become_template(call, vm)
    with call.world.edit() as edit:
        edit.set(vm, is_default_template=value)


def _assert_may_become_template(call: Call, vm: Id) -> None:
    failure = LIFECYCLES["VM"].check(call.world, vm, "make_into_template")
    if failure is not None:
        raise failure


def set_ha_restart_priority(call: Call, vm: Id, value: str) -> None:
    """Set what HA does with the VM. HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN for a running VM that could not be restarted any more."""
    if value not in _PRIORITIES:
        raise Failure("INVALID_VALUE", "ha_restart_priority", value)
    if value == ha_plan.RESTART and call.world[vm]["power_state"] != "Halted":
        ha_admission.assert_vm_can_be_protected(call.world, vm)
    with call.world.edit() as edit:
        edit.set(vm, ha_restart_priority=value)
        if edit[vm]["power_state"] == "Running":
            ha_admission.is_to_run(edit, vm)
    ha_admission.plan_anew(call)


def set_hvm_boot_policy(call: Call, vm: Id, value: str) -> None:
    """Set how an HVM guest boots; the domain type follows."""
    with call.world.edit() as edit:
        edit.set(vm, HVM_boot_policy=value, domain_type="hvm" if value else "pv")


def set_domain_type(call: Call, vm: Id, value: str) -> None:
    """Set the kind of domain in which a halted VM boots; the older HVM_boot_policy follows."""
    _assert_halted(call, vm)
    if value == "unspecified":
        raise Failure("INVALID_VALUE", "domain_type", value)
    with call.world.edit() as edit:
        policy = call.world[vm]["HVM_boot_policy"] or "BIOS order"
        edit.set(vm, domain_type=value, HVM_boot_policy=policy if value == "hvm" else "")


def set_has_vendor_device(call: Call, vm: Id, value: bool) -> None:
    """Set whether a halted VM has the device through which Windows fetches drivers: with it, only newer hosts can run the VM.

    LICENCE_RESTRICTION ["PCI_device_for_auto_update"], VM_BAD_POWER_STATE [vm, "halted", actual].
    """
    if value:
        require(call.world, "PCI_device_for_auto_update")
    _assert_halted(call, vm)
    least = _PLATFORM_OF_VENDOR_DEVICE if value else 0
    with call.world.edit() as edit:
        edit.set(vm, has_vendor_device=value, hardware_platform_version=max(least, edit[vm]["hardware_platform_version"]))


def _assert_halted(call: Call, vm: Id) -> None:
    state: str = call.world[vm]["power_state"]
    if state != "Halted":
        raise Failure("VM_BAD_POWER_STATE", Handle(vm), "halted", state.lower())


def _checked_number(field: str) -> Verb:
    def write(call: Call, vm: Id, value: int) -> None:
        if value < 0:
            raise Failure("INVALID_VALUE", field, str(value))
        with call.world.edit() as edit:
            edit.set(vm, **{field: value})

    return write


VERBS: Mapping[str, Verb] = {
    "VM.set_memory_dynamic_max": set_memory_dynamic_max,
    "VM.set_memory_dynamic_min": set_memory_dynamic_min,
    "VM.set_memory_dynamic_range": set_memory_dynamic_range,
    "VM.set_memory_static_max": set_memory_static_max,
    "VM.set_memory_static_min": set_memory_static_min,
    "VM.set_memory_static_range": set_memory_static_range,
    "VM.set_memory_limits": set_memory_limits,
    "VM.set_memory": set_memory,
    "VM.set_memory_target_live": set_memory_target_live,
    "VM.wait_memory_target_live": wait_memory_target_live,
    "VM.set_HVM_shadow_multiplier": set_shadow_multiplier,
    "VM.set_shadow_multiplier_live": set_shadow_multiplier,
    "VM.set_VCPUs_max": set_vcpus_max,
    "VM.set_VCPUs_at_startup": set_vcpus_at_startup,
    "VM.set_VCPUs_number_live": set_vcpus_number_live,
    "VM.add_to_VCPUs_params_live": add_to_vcpus_params_live,
    "VM.set_is_a_template": set_is_a_template,
    "VM.set_is_default_template": set_is_default_template,
    "VM.set_ha_restart_priority": set_ha_restart_priority,
    "VM.set_ha_always_run": writes("ha_always_run"),
    "VM.set_HVM_boot_policy": set_hvm_boot_policy,
    "VM.set_domain_type": set_domain_type,
    "VM.set_start_delay": _checked_number("start_delay"),
    "VM.set_shutdown_delay": _checked_number("shutdown_delay"),
    "VM.set_order": _checked_number("order"),
    "VM.set_suspend_VDI": writes("suspend_VDI"),
    "VM.set_appliance": writes("appliance"),
    "VM.set_has_vendor_device": set_has_vendor_device,
    "VM.set_actions_after_crash": writes("actions_after_crash"),
    "VM.set_NVRAM": writes("NVRAM"),
    "VM.add_to_NVRAM": puts("NVRAM"),
    "VM.remove_from_NVRAM": drops("NVRAM"),
    "VM.set_blocked_operations": writes("blocked_operations"),
    "VM.add_to_blocked_operations": puts("blocked_operations"),
    "VM.remove_from_blocked_operations": drops("blocked_operations"),
    "VM.set_other_config": writes("other_config"),
    "VM.add_to_other_config": puts("other_config"),
    "VM.remove_from_other_config": drops("other_config"),
    "VM.set_platform": writes("platform"),
    "VM.add_to_platform": puts("platform"),
    "VM.remove_from_platform": drops("platform"),
}
