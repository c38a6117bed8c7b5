"""Creation and destruction of VMs."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0 import rrd_notes
from fake_xapi.guest import machine
from fake_xapi.lifecycle.guests import configured_domain_type
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.networks.vif import drop_row as drop_vif
from fake_xapi.verbs.vms import memory
from fake_xapi.verbs.vms.device_copies import secrets_of

_SLEEPING = ("suspend_VDI", "last_booted_record", "last_boot_CPU_flags")
_NOT_FROM_CALLER = frozenset({"blocked_operations", "domid", "resident_on", "is_a_snapshot", "snapshot_of"})


def create(call: Call, record: dict[str, Any]) -> Id:
    """Create a VM, halted. Most faults in its record only show when it is started.

    A suspended one is accepted only with everything needed to resume it: otherwise VM_BAD_POWER_STATE [vm, "halted", "suspended"].
    """
    fields = {name: value for name, value in record.items() if name not in _NOT_FROM_CALLER}
    is_suspended = fields.get("power_state", "Halted") == "Suspended"
    can_sleep = all(fields.get(name) for name in _SLEEPING)
    fields["power_state"] = "Suspended" if is_suspended else "Halted"
    fields["other_config"] = with_mac_seed(fields["other_config"], call.chance("mac_seeds"))
    with call.world.edit() as edit:
        vm = edit.create("VM", **fields, domid=-1, metrics=edit.create("VM_metrics"))
        if is_suspended and not can_sleep:
            raise Failure("VM_BAD_POWER_STATE", Handle(vm), "halted", "suspended")
        row = edit[vm]
        edit.set(
            vm,
            domain_type=configured_domain_type(row),
            memory_target=row["memory_target"] or row["memory_dynamic_max"],
            memory_overhead=memory.overhead_bytes(row),
        )
    return vm


def with_mac_seed(other_config: Mapping[str, str], chance: random.Random) -> dict[str, str]:
    """The other_config with a seed from which MAC addresses are derived."""
    return {"mac_seed": new_uuid(chance), **other_config}


def new_uuid(chance: random.Random) -> str:
    """A random uuid."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def destroy(call: Call, vm: Id) -> None:
    """Destroy a VM and everything that is only its own. Its disks survive; the gap in the tree of its snapshots is closed."""
    blobs = tuple(call.world[vm]["blobs"].values())
    with call.world.edit() as edit:
        drop_vm(edit, vm)
    for blob in blobs:
        if blob in call.disks:
            call.disks.destroy(blob)


def drop_vm(edit: Edit, vm: Id) -> None:
    """Remove a VM's row and the rows that depend on it."""
    row = edit[vm]
    for child in row["children"]:
        edit.set(child, parent=row["parent"])
    for vbd in row["VBDs"]:
        storage.drop_vbd(edit, vbd)
    for vif in row["VIFs"]:
        drop_vif(edit, vif)
    owned = (
        *(*row["VGPUs"], *row["VTPMs"], *secrets_of(edit, row), *row["VUSBs"], *row["consoles"], *row["blobs"].values()),
        *(row["metrics"], row["guest_metrics"]),
    )
    for other in owned:
        if other and edit.get(other) is not None:
            edit.destroy(other)
    machine.forget(edit, vm)
    rrd_notes.forget(edit, vm)
    edit.destroy(vm)


VERBS: Mapping[str, Verb] = {"VM.create": create, "VM.destroy": destroy}
