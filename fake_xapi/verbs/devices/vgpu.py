"""The verbs of VGPU: the graphics cards of VMs."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.digits import whole
from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.editions import is_restricted
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb

DEVICES = range(21)
"""A guest's PCI bus has room for so many; 0 asks for the first that is free."""


def create(call: Call, vm: Id, group: Id, device: str = "0", other_config: dict[str, str] | None = None, vgpu_type: Id = 0) -> Id:
    """Create a card for a halted VM, from a group; without a type it is a whole physical one.

    Failures FEATURE_RESTRICTED [], VM_BAD_POWER_STATE, VGPU_TYPE_NOT_COMPATIBLE [type], VM_PCI_BUS_FULL [vm],
    DEVICE_ALREADY_EXISTS [device], INVALID_DEVICE [device].
    """
    world, row = call.world, call.world[vm]
    if is_restricted(world, "GPU"):
        raise Failure("FEATURE_RESTRICTED")
    if row["power_state"] != "Halted" and not row["is_a_snapshot"]:
        raise Failure("VM_BAD_POWER_STATE", Handle(vm), "halted", row["power_state"].lower())
    wanted = vgpu_type or find_passthrough(world)
    for vgpu in row["VGPUs"]:
        present = world.get(world[vgpu]["type"])
        if present is None or wanted not in present["compatible_types_in_vm"]:
            raise Failure("VGPU_TYPE_NOT_COMPATIBLE", Handle(wanted))
    place = _device(world, vm, row, device)
    with world.edit() as edit:
        return edit.create(
            "VGPU", VM=vm, GPU_group=group, device=place, other_config=other_config or {}, type=wanted or create_passthrough(edit)
        )


def find_passthrough(world: World) -> Id:
    """The type of a whole card; NULL when it does not exist yet."""
    return next((found for found, row in world.rows("VGPU_type") if row["implementation"] == "passthrough"), 0)


def create_passthrough(edit: Edit) -> Id:
    """Create the type of a whole card."""
    return edit.create("VGPU_type", model_name="passthrough", implementation="passthrough", identifier="0001:0000,0000")


def _device(world: World, vm: Id, row: Row, device: str) -> str:
    if whole(device) not in DEVICES:
        raise Failure("INVALID_DEVICE", device)
    taken = {int(world[vgpu]["device"]) for vgpu in row["VGPUs"]}
    if int(device) == 0:
        free = next((place for place in DEVICES if place not in taken), None)
        if free is None:
            raise Failure("VM_PCI_BUS_FULL", Handle(vm))
        return str(free)
    if int(device) in taken:
        raise Failure("DEVICE_ALREADY_EXISTS", device)
    return device


def destroy(call: Call, vgpu: Id) -> None:
    """Remove a card from a VM that does not run."""
    vm = call.world.get(call.world[vgpu]["VM"])
    if vm is not None and vm["power_state"] == "Running":
        raise Failure("OPERATION_NOT_ALLOWED", "vGPU currently attached to a running VM")
    with call.world.edit() as edit:
        edit.destroy(vgpu)


VERBS: Mapping[str, Verb] = {
    "VGPU.create": create,
    "VGPU.destroy": destroy,
}
