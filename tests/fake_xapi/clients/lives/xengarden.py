"""``XenGarden``, an asynchronous wrapper of the official package: ``python xengarden.py URL USER PASSWORD``."""

from __future__ import annotations

import asyncio
import sys

from XenGarden.Host import Host
from XenGarden.session import create_session
from XenGarden.SR import SR
from XenGarden.VM import VM


async def main(url: str, user: str, password: str) -> None:
    """A VM from its template to its end."""
    session = create_session("here", {"here": {"host": url, "username": user, "password": password}})
    assert [host.get_enabled() for host in Host.list_host(session)] == [True]
    template = next(one for one in VM.list_templates(session) if one.get_record()["other_config"].get("disks"))
    vm = await template.clone("life")
    await vm.provision()
    vm.set_description("lives for a while")
    vm.set_vCPUs(2)
    vm.set_memory(1 << 30)
    await vm.start()
    assert vm.get_power_state() == "Running"
    for step in (vm.pause, vm.unpause, vm.reboot, vm.suspend):
        await step()
    assert vm.get_power_state() == "Suspended"
    await vm.force_shutdown()
    await vm.snapshot("kept")
    snapshots = [VM(session, ref) for ref in session.xenapi.VM.get_snapshots(vm.vm)]  # its own list of them is always empty
    disks = [disk.get_VDI() for one in (*snapshots, vm) for disk in one.get_Disks()]
    for one in (*snapshots, vm):
        await one.delete()
    for disk in disks:
        disk.destroy()
    for sr in SR.get_all(session):
        if sr.get_name() == "Local storage":
            sr.scan()
    session.xenapi.session.logout()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
