"""Hosts as wholes: emptied for maintenance, booted, joined to pools and ejected."""

from __future__ import annotations

from compute_core.model.instances import Instance
from tests.compute_core.faults.case import Case
from tests.compute_core.faults.deeds import with_server
from tests.compute_core.faults.scene import ADMIN, Scene


async def _server(scene: Scene) -> Instance:
    (server,) = [server for server in await scene.servers() if not server.is_deleted]
    return server


async def _tend(scene: Scene, request: str, **arguments: str) -> None:
    """Something is asked of the host that has the server."""
    await scene.cloud.api_cell.tend_host(ADMIN, (await _server(scene)).host or "", request, **arguments)


async def _enter(scene: Scene) -> None:
    await _tend(scene, "enter")


async def _moved_cold(scene: Scene) -> None:
    """What maintenance comes to where the server does not go while it runs."""
    await scene.order()
    await scene.quiet()
    host = (await _server(scene)).host or ""
    await scene.cloud.api_cell.migrate_server(ADMIN, await scene.uuid(), None)
    await scene.quiet()
    await scene.act("confirm_resize")
    await scene.quiet()
    await scene.cloud.api_cell.tend_host(ADMIN, host, "enter")


async def _reboot(scene: Scene) -> None:
    await _tend(scene, "reboot", clearing="stop")


async def _pool(scene: Scene, *hosts: str) -> None:
    """An aggregate that is a pool, with these hosts."""
    api = scene.cloud.api_cell
    made = await api.create_aggregate(ADMIN, "blue", None)
    await api.set_aggregate_metadata(ADMIN, made.id, {"pool": "blue"})
    for host in hosts:
        await api.add_aggregate_host(ADMIN, made.id, host)
        await scene.quiet()


async def _pool_of_one(scene: Scene) -> None:
    await _pool(scene, "xs00001")


async def _pool_of_two(scene: Scene) -> None:
    await _pool(scene, "xs00001", "xs00002")


async def _join(scene: Scene) -> None:
    await scene.cloud.api_cell.add_aggregate_host(ADMIN, 1, "xs00002")


async def _eject(scene: Scene) -> None:
    await scene.cloud.api_cell.remove_aggregate_host(ADMIN, 1, "xs00002")


HOSTS = (
    Case("host-maintenance", _enter, with_server, hosts=2, at_most=14, also=(_moved_cold,)),
    Case("host-reboot", _reboot, with_server, at_most=10),
    Case("pool-join", _join, _pool_of_one, hosts=2, at_most=2),
    Case("pool-eject", _eject, _pool_of_two, hosts=2, at_most=5),
)
