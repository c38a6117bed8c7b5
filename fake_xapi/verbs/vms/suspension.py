"""The VDI that holds the memory of a suspended VM."""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.disks import storage

_FACTOR = 1.26
_EXTRA_BYTES = 100 << 20


def create_image(call: Call, vm: Id) -> Id:
    """Make room for a VM's memory; Failures VM_NO_SUSPEND_SR [vm], SR_SUSPEND_SPACE_INSUFFICIENT [sr]."""
    sr = _suspend_sr(call, vm)
    sr_type: str = call.world[sr]["type"]
    size = storage.rounded_size(sr_type, int(call.world[vm]["memory_static_max"] * _FACTOR) + _EXTRA_BYTES)
    free = storage.free_bytes(call.world[sr])
    if free is not None and free < size:
        raise Failure("SR_SUSPEND_SPACE_INSUFFICIENT", Handle(sr))
    with call.world.edit() as edit:
        return storage.create_vdi(
            call,
            edit,
            sr,
            size,
            name_label="Suspend image",
            name_description="Suspend image",
            type="suspend",
            sharable=False,
            read_only=False,
        )


def _suspend_sr(call: Call, vm: Id) -> Id:
    """The SR for suspend images: chosen by the VM, otherwise by its pool, otherwise by its host."""
    world, row = call.world, call.world[vm]
    pool = world.get(POOL)
    host = world.get(row["resident_on"])
    choices = (row["suspend_SR"], pool["suspend_image_SR"] if pool else 0, host["suspend_image_sr"] if host else 0)
    for sr in choices:
        if sr and world.get(sr) is not None:
            return int(sr)
    raise Failure("VM_NO_SUSPEND_SR", Handle(vm))


def destroy_image(call: Call, vm: Id) -> None:
    """Destroy the image of a VM that is no longer suspended."""
    discard(call, call.world[vm]["suspend_VDI"])


def discard(call: Call, image: Id) -> None:
    """Destroy an image if there is one."""
    if image and call.world.get(image) is not None:
        with call.world.edit() as edit:
            storage.drop_vdi(call, edit, image)
