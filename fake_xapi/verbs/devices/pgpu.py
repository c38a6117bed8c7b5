"""The verbs of PGPU and GPU_group: physical graphics cards, and the groups from which VMs take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.editions import is_restricted
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.devices import gpu_capacity
from fake_xapi.verbs.hosts import dom0_access


def add_enabled_types(call: Call, pgpu: Id, value: Id) -> None:
    """Enable one more type of virtual card. VGPU_TYPE_NOT_SUPPORTED [type, supported types]."""
    set_enabled_types(call, pgpu, [*call.world[pgpu]["enabled_VGPU_types"], value])


def remove_enabled_types(call: Call, pgpu: Id, value: Id) -> None:
    """Disable a type. PGPU_IN_USE_BY_VM [vms] while a card of it exists."""
    _assert_none_runs(call, pgpu, [value])
    _enable(call, pgpu, [kept for kept in call.world[pgpu]["enabled_VGPU_types"] if kept != value])


def set_enabled_types(call: Call, pgpu: Id, value: list[Id]) -> None:
    """Enable these types and no others."""
    row = call.world[pgpu]
    for vgpu_type in value:
        if vgpu_type not in row["enabled_VGPU_types"] and vgpu_type not in row["supported_VGPU_types"]:
            raise Failure("VGPU_TYPE_NOT_SUPPORTED", Handle(vgpu_type), *(Handle(each) for each in row["supported_VGPU_types"]))
    _assert_none_runs(call, pgpu, [gone for gone in row["enabled_VGPU_types"] if gone not in value])
    _enable(call, pgpu, value)


def _assert_none_runs(call: Call, pgpu: Id, types: list[Id]) -> None:
    for vgpu_type in types:
        vms = [call.world[vgpu]["VM"] for vgpu in call.world[pgpu]["resident_VGPUs"] if call.world[vgpu]["type"] == vgpu_type]
        if vms:
            raise Failure("PGPU_IN_USE_BY_VM", *(Handle(vm) for vm in vms))


def _enable(call: Call, pgpu: Id, types: Iterable[Id]) -> None:
    with call.world.edit() as edit:
        edit.set(pgpu, enabled_VGPU_types=tuple(dict.fromkeys(types)))
        update_group(edit, edit[pgpu]["GPU_group"])


def set_group(call: Call, pgpu: Id, group: Id) -> None:
    """Move a card to another group: one of the same model, or an empty one.

    Failures PGPU_IN_USE_BY_VM [vms], PGPU_NOT_COMPATIBLE_WITH_GPU_GROUP [type, "[types of the group]"].
    """
    row = call.world[pgpu]
    resident = row["resident_VGPUs"]
    if resident:
        raise Failure("PGPU_IN_USE_BY_VM", *(Handle(call.world[vgpu]["VM"]) for vgpu in resident))
    pci, known = call.world[row["PCI"]], call.world[group]["GPU_types"]
    model = f"{pci['vendor_id']}/{pci['device_id']}"
    if known and model not in known:
        raise Failure("PGPU_NOT_COMPATIBLE_WITH_GPU_GROUP", model, "[" + ", ".join(known) + "]")
    with call.world.edit() as edit:
        edit.set(pgpu, GPU_group=group)
        edit.set(group, GPU_types=known or (model,))
        for each in (row["GPU_group"], group):
            update_group(edit, each)


def update_group(edit: Edit, group: Id) -> None:
    """Let a group support whatever any of its cards supports."""
    if edit.get(group) is None:
        return
    for field in ("supported_VGPU_types", "enabled_VGPU_types"):
        offered = (vgpu_type for pgpu in edit[group]["PGPUs"] for vgpu_type in edit[pgpu][field])
        edit.set(group, **{field: tuple(sorted(set(offered)))})


def get_remaining_capacity(call: Call, pgpu: Id, vgpu_type: Id) -> int:
    """How many more virtual cards of a type fit on a card."""
    return gpu_capacity.remaining(call.world, pgpu, vgpu_type)


def disable_dom0_access(call: Call, pgpu: Id) -> str:
    """Leave a card to VMs, from the next boot of its host on. FEATURE_RESTRICTED [] without a licence."""
    if is_restricted(call.world, "Integrated_GPU"):
        raise Failure("FEATURE_RESTRICTED")
    return dom0_access.ask_for(call, call.world[pgpu]["PCI"], "disable")


def enable_dom0_access(call: Call, pgpu: Id) -> str:
    """Give a card back to dom0, from the next boot of its host on."""
    return dom0_access.ask_for(call, call.world[pgpu]["PCI"], "enable")


def create_group(call: Call, name_label: str = "", name_description: str = "", other_config: dict[str, str] | None = None) -> Id:
    """Create an empty group; it takes on the model of its first card."""
    with call.world.edit() as edit:
        return edit.create(
            "GPU_group", name_label=name_label, name_description=name_description, other_config=other_config or {},
            allocation_algorithm="depth_first",
        )  # fmt: skip


def destroy_group(call: Call, group: Id) -> None:
    """Destroy a group without cards. GPU_GROUP_CONTAINS_VGPU [attached ones], GPU_GROUP_CONTAINS_PGPU [cards]."""
    row = call.world[group]
    attached = [vgpu for vgpu in row["VGPUs"] if call.world[vgpu]["currently_attached"]]
    for code, members in (("GPU_GROUP_CONTAINS_VGPU", attached), ("GPU_GROUP_CONTAINS_PGPU", row["PGPUs"])):
        if members:
            raise Failure(code, *(Handle(member) for member in members))
    with call.world.edit() as edit:
        for vgpu in row["VGPUs"]:
            edit.destroy(vgpu)
        edit.destroy(group)


def refresh_group(call: Call, group: Id) -> None:
    """Recompute what a group supports."""
    with call.world.edit() as edit:
        update_group(edit, group)


def get_group_capacity(call: Call, group: Id, vgpu_type: Id) -> int:
    """How many more virtual cards of a type fit on the cards of a group."""
    return sum(gpu_capacity.remaining(call.world, pgpu, vgpu_type) for pgpu in call.world[group]["PGPUs"])


VERBS: Mapping[str, Verb] = {
    "PGPU.add_enabled_VGPU_types": add_enabled_types,
    "PGPU.remove_enabled_VGPU_types": remove_enabled_types,
    "PGPU.set_enabled_VGPU_types": set_enabled_types,
    "PGPU.set_GPU_group": set_group,
    "PGPU.get_remaining_capacity": get_remaining_capacity,
    "PGPU.disable_dom0_access": disable_dom0_access,
    "PGPU.enable_dom0_access": enable_dom0_access,
    "GPU_group.create": create_group,
    "GPU_group.destroy": destroy_group,
    "GPU_group.update_enabled_VGPU_types": refresh_group,
    "GPU_group.update_supported_VGPU_types": refresh_group,
    "GPU_group.get_remaining_capacity": get_group_capacity,
}
