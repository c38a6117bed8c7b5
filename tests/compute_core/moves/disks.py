"""The disks of servers, as the simulator holds them."""

from __future__ import annotations

from compute_core.model.instances import Instance
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.ids import Id
from tests.compute_core.faults.scene import Scene


def root_vdi(there: Scene, server: Instance) -> tuple[Xapi, Id]:
    """The root disk of the server's VM, and who has it."""
    xapi: Xapi = there.fleet.hosts[server.host or ""]
    (vm,) = xapi.world.named("VM", server.domain_name)
    (vbd,) = xapi.world[vm]["VBDs"]
    return xapi, xapi.world[vbd]["VDI"]
