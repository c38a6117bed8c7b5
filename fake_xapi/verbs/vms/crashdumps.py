"""What crashes have left: dumps of hosts, which lie on them, and dumps of VMs, which lie on VDIs."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import vdi


def destroy_of_host(call: Call, dump: Id) -> None:
    """Delete what a host's crash has left."""
    with call.world.edit() as edit:
        edit.destroy(dump)


async def destroy_of_vm(call: Call, dump: Id) -> None:
    """Delete what a VM's crash has left, with the VDI that it is on."""
    disk = call.world[dump]["VDI"]
    if disk:
        await vdi.destroy(call, disk)
    with call.world.edit() as edit:
        if edit.get(dump) is not None:
            edit.destroy(dump)


VERBS: Mapping[str, Verb] = {"host_crashdump.destroy": destroy_of_host, "crashdump.destroy": destroy_of_vm}
