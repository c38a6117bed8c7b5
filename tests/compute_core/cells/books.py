"""What must agree when all is quiet: claims and live servers, each host's row and its claims, the quota and the copies at the top."""

from __future__ import annotations

from compute_core.model.hosts import ComputeNode
from compute_core.model.instances import Instance
from compute_core.model.limits import Usage
from compute_core.scheduler.capacity import Ask
from compute_core.store import hosts, instances, usages
from tests.compute_core.cells.cloud import USER, Cloud


async def check_books(it: Cloud) -> None:
    """What is claimed, counted and plugged is what lives."""
    claims = await it.leaf.run(hosts.claimed)
    live = {uuid: server for uuid, server in (await leaf_servers(it)).items() if not server.is_deleted}
    assert {uuid: host for uuid, (host, _) in claims.items()} == {uuid: server.host for uuid, server in live.items() if server.host}
    for stored in await it.leaf.run(hosts.listed):
        asks = [ask for host, ask in claims.values() if host == stored.node.report.host]
        assert claimed_of(stored.node) == sum(asks, Ask(0, 0, 0))
        assert stored.node.claimed_instances == len(asks)
    counted = await it.top.run(usages.of_project, USER.project_id)
    here = [server for server in (await top_servers(it)).values() if not server.is_deleted]
    assert counted == Usage(len(here), sum(s.flavor.vcpus for s in here), sum(s.flavor.memory_mb for s in here))


def claimed_of(node: ComputeNode) -> Ask:
    return Ask(node.claimed_vcpus, node.claimed_memory_mb, node.claimed_disk_gb)


async def leaf_servers(it: Cloud) -> dict[str, Instance]:
    return await it.leaf.run(instances.among, list(await top_servers(it)))


async def top_servers(it: Cloud) -> dict[str, Instance]:
    everything = await it.top.run(lambda connection: connection.exec_driver_sql("SELECT uuid FROM instances").scalars().all())
    return await it.top.run(instances.among, list(everything))
