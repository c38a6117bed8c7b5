"""VMs that are worth a copy: with fields, a disk, an interface and a CD."""

from __future__ import annotations

from typing import Any

from tests.fake_xapi.verbs.kit.hosts import Host


async def web_server(host: Host, **fields: Any) -> tuple[str, str, str, str]:
    """A VM with all of it: refs of VM, VDI, VBD and VIF."""
    vm, vdi, vbd, vif = await host.server(
        name_description="a web server",
        VCPUs_params={"weight": "512"},
        platform={"nx": "true"},
        tags=["blue"],
        xenstore_data={"vm-data/a": "b"},
        other_config={"mac_seed": "seed", "owner": "me"},
        **fields,
    )
    drive = await host.drive(vm)
    iso = await host.disk(read_only=True)
    await host.call("VBD.insert", drive, iso)
    return vm, vdi, vbd, vif


def devices(host: Host, vm: str) -> list[tuple[str, str, int]]:
    """Number, type and VDI of each of its VBDs."""
    return [(row["userdevice"], row["type"], row["VDI"]) for row in (host.world[vbd] for vbd in host.row(vm)["VBDs"])]
