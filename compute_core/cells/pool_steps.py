"""The steps of a host that changes its pool: it is asked once, and is in use again when its agent reports from where it was to go."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from compute_core.cells.host_hands import Hands
from compute_core.model.errors import Conflict, HostUnreachable
from compute_core.model.hosts import ComputeNode
from compute_core.model.upkeep import Upkeep
from compute_core.store import instances
from compute_core.store import migrations_of_servers as migrations


async def join(hands: Hands, job: Upkeep) -> Upkeep | None:
    """Into the pool ``job.pool``. Conflict with XenServer's reason."""
    node = hands.node(job.host)
    if node.report.pool == job.pool:
        await restored(hands, job)
        return None
    master = leader(hands, job.pool)
    if not job.is_asked and not await _is_member(hands, job):
        await hands.ask(job.host, "join", address=master.report.host_ip)
    return replace(job, is_asked=True)


async def eject(hands: Hands, job: Upkeep) -> Upkeep | None:
    """Out of the pool ``job.pool``. Conflict as above, also while servers are on the host: its disks are lost."""
    if hands.node(job.host).report.pool != job.pool:
        await restored(hands, job)
        return None
    is_gone = job.is_asked or not await _is_member(hands, job)
    if is_gone:
        return replace(job, is_asked=True)
    reason = await hands.store.run(_occupied, job.host)
    if reason:
        raise Conflict(reason)
    await hands.ask(job.host, "eject", pool=job.pool)
    return replace(job, is_asked=True)


def leader(hands: Hands, pool: str) -> ComputeNode:
    """The master of a pool. HostUnreachable while it is not heard of."""
    for node in hands.table.nodes():
        if node.report.pool == pool and node.report.is_master and hands.table.is_up(node.report.host):
            return node
    raise HostUnreachable(f"The master of the pool {pool} is not heard of.")


async def _is_member(hands: Hands, job: Upkeep) -> bool:
    """Whether the pool's master knows the host, whatever that says itself."""
    uuid = hands.node(job.host).report.hypervisor_uuid
    return bool(await hands.ask(leader(hands, job.pool).report.host, "has_member", uuid=uuid))


async def restored(hands: Hands, job: Upkeep) -> None:
    """The host is in use as it was before."""
    await hands.use(job.host, is_enabled=job.was_enabled, reason=job.was_reason)


def _occupied(connection: Connection, host: str) -> str:
    """What there is to be lost on a host, in words; "" for nothing."""
    servers = instances.on_host(connection, host)
    if servers:
        return f"Host {host} has {len(servers)} servers, whose disks would be lost. Cure: put it into maintenance first."
    coming = [record for record in migrations.listed(connection) if not record.is_over and host in {record.source, record.destination}]
    return f"Servers are on their way from or to host {host}. Cure: wait, or confirm their resizes." if coming else ""
