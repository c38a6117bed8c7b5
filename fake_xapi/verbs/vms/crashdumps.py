"""What crashes leave behind: dumps of hosts, kept on the host, and dumps of VMs, kept on VDIs."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import vdi


def destroy_of_host(call: Call, dump: Id) -> None:
    """Delete the dump of a host's crash."""
    with call.world.edit() as edit:
        edit.destroy(dump)


async def destroy_of_vm(call: Call, dump: Id) -> None:
    """Delete the dump of a VM's crash, along with the VDI that holds it."""
    disk = call.world[dump]["VDI"]
    if disk:
        await vdi.destroy(call, disk)
    with call.world.edit() as edit:
        if edit.get(dump) is not None:
            edit.destroy(dump)


VERBS: Mapping[str, Verb] = {"host_crashdump.destroy": destroy_of_host, "crashdump.destroy": destroy_of_vm}
