"""Servers' interfaces at the top: ports are given to servers here; everything else is done by the servers' hosts."""

from __future__ import annotations

from dataclasses import replace

from compute_core.cells.parts import parts
from compute_core.cells.servers import CellServers
from compute_core.model.errors import ComputeError, NotFound
from compute_core.model.instances import Instance, Vif
from compute_core.model.networks import Wish
from compute_core.model.requests import RequestContext
from compute_core.model.transitions import begin
from compute_core.networks.port import Networks


class AttachmentFailed(ComputeError):
    """The host could not do it; the server's fault says why."""


class ServerInterfaces:
    """See the port for each. Both wait for the end, as Nova does, unless that takes longer than calls do.

    Without a network service there is nothing to attach.
    """

    def __init__(self, servers: CellServers, networks: Networks | None) -> None:
        self._servers = servers
        self._networks = networks

    async def attach_interface(self, context: RequestContext, uuid: str, wish: Wish) -> Vif:
        """See the port."""
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "attach_interface")
        networks = self._service(wish)
        made = replace(await networks.allocate(uuid, instance.project_id, wish), state="attaching")
        with self._servers.watch(uuid) as watch:
            try:
                begun = await self._servers.begin_with_parts(context, uuid, "attach_interface", parts("vifs", added=[made]))
            except ComputeError:
                await networks.unbind(made.id)
                raise
            ended = await watch.at_rest(begun)
        return made if ended is None else _attached(ended, made.id)

    async def detach_interface(self, context: RequestContext, uuid: str, port_id: str) -> None:
        """See the port."""
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "detach_interface")
        vif = interface(instance, port_id)
        going = parts("vifs", changed={vif.id: {"state": "detaching"}})
        with self._servers.watch(uuid) as watch:
            await watch.at_rest(await self._servers.begin_with_parts(context, uuid, "detach_interface", going))

    def _service(self, wish: Wish) -> Networks:
        if self._networks is None:
            raise NotFound.of("Network", wish.network or wish.port)
        return self._networks


def _attached(instance: Instance, port_id: str) -> Vif:
    """The interface that the server has now. AttachmentFailed: it has not."""
    for vif in instance.vifs:
        if vif.id == port_id:
            return vif
    raise AttachmentFailed(f"Failed to attach network adapter device to {instance.uuid}")


def interface(instance: Instance, port_id: str) -> Vif:
    """An interface of a server. NotFound."""
    for vif in instance.vifs:
        if vif.id == port_id:
            return vif
    raise NotFound(f"Port id {port_id} could not be found.")
