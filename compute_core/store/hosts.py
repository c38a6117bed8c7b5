"""Hosts of a compute cell, and what instances claim of them. A claim is one conditional UPDATE: it cannot overcommit, whoever competes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, not_, select, update

from compute_core.model.hosts import ComputeNode, HostReport
from compute_core.model.json import from_json, to_json
from compute_core.scheduler.capacity import Ask
from compute_core.store.dialects import insert_or_update, of
from compute_core.store.schema import claims, hosts

_H = hosts.c
_ALL = select(hosts).order_by(_H.host)
_ONE = select(hosts).where(_H.host == bindparam("key"))
_REPORTED = (
    "report",
    "limit_vcpus",
    "limit_memory_mb",
    "limit_disk_gb",
    "other_memory_mb",
    "other_disk_gb",
    "heartbeat_at_s",
    "updated_at",
)
_REPORT = insert_or_update(hosts, "host", *_REPORTED)
_CLAIM = (
    update(hosts)
    .where(
        _H.host == bindparam("key"),
        _H.generation == bindparam("seen"),
        _H.is_enabled,
        not_(_H.is_forced_down),
        _H.limit_vcpus - _H.claimed_vcpus >= bindparam("vcpus"),
        _H.limit_memory_mb - _H.claimed_memory_mb >= bindparam("memory_mb"),
        _H.limit_disk_gb - _H.claimed_disk_gb >= bindparam("disk_gb"),
    )
    .values(
        claimed_vcpus=_H.claimed_vcpus + bindparam("vcpus"),
        claimed_memory_mb=_H.claimed_memory_mb + bindparam("memory_mb"),
        claimed_disk_gb=_H.claimed_disk_gb + bindparam("disk_gb"),
        claimed_instances=_H.claimed_instances + bindparam("count"),
        generation=_H.generation + 1,
    )
)
_GIVE_BACK = (
    update(hosts)
    .where(_H.host == bindparam("key"))
    .values(
        claimed_vcpus=_H.claimed_vcpus - bindparam("vcpus"),
        claimed_memory_mb=_H.claimed_memory_mb - bindparam("memory_mb"),
        claimed_disk_gb=_H.claimed_disk_gb - bindparam("disk_gb"),
        claimed_instances=_H.claimed_instances - 1,
        generation=_H.generation + 1,
    )
)
_DROP_CLAIM = delete(claims).where(claims.c.instance_uuid == bindparam("key")).returning(*claims.c)
_NEW_CLAIM = insert(claims)


@dataclass(frozen=True, slots=True)
class StoredHost:
    """A host's row: the node, and when it last reported, as a date in seconds since 1970."""

    node: ComputeNode
    heartbeat_at_s: float


def listed(connection: Connection) -> tuple[StoredHost, ...]:
    """Every host, by name."""
    return tuple(map(_stored, connection.execute(_ALL)))


def find(connection: Connection, host: str) -> StoredHost | None:
    """One host."""
    row = connection.execute(_ONE, {"key": host}).first()
    return None if row is None else _stored(row)


def report(connection: Connection, node: ComputeNode, limits: Ask, heartbeat_at_s: float) -> None:
    """Take down a heartbeat; the first one registers the host. Claims and the operator's word stay as they are."""
    row = {
        "host": node.report.host,
        "service_uuid": node.service_uuid,
        "availability_zone": node.availability_zone,
        "report": to_json(node.report),
        "limit_vcpus": limits.vcpus,
        "limit_memory_mb": limits.memory_mb,
        "limit_disk_gb": limits.disk_gb,
        "claimed_vcpus": 0,
        "claimed_memory_mb": 0,
        "claimed_disk_gb": 0,
        "claimed_instances": 0,
        "other_memory_mb": node.other_memory_mb,
        "other_disk_gb": node.other_disk_gb,
        "is_enabled": True,
        "disabled_reason": "",
        "is_forced_down": False,
        "generation": 0,
        "heartbeat_at_s": heartbeat_at_s,
        "updated_at": node.updated_at or "",
    }
    connection.execute(of(connection, _REPORT), row)


def set_use(connection: Connection, host: str, *, is_enabled: bool, disabled_reason: str | None, is_forced_down: bool) -> None:
    """Write the operator's word on a host."""
    connection.execute(
        update(hosts)
        .where(_H.host == host)
        .values(is_enabled=is_enabled, disabled_reason=disabled_reason or "", is_forced_down=is_forced_down)
    )


def claim(connection: Connection, host: str, generation: int, asks: Mapping[str, Ask]) -> bool:
    """Claim for instances, by uuid, all or none: False when the host has changed since ``generation``, is full or out of use."""
    total = reduce(add, asks.values())
    key = {"key": host, "seen": generation, "count": len(asks)}
    taken = connection.execute(_CLAIM, {**key, "vcpus": total.vcpus, "memory_mb": total.memory_mb, "disk_gb": total.disk_gb})
    if taken.rowcount != 1:
        return False
    connection.execute(_NEW_CLAIM, [_claim_row(uuid, host, ask) for uuid, ask in asks.items()])
    return True


def release(connection: Connection, instance_uuid: str) -> str | None:
    """Give back what an instance claims, once however often it is asked; the host that has it back."""
    row = connection.execute(_DROP_CLAIM, {"key": instance_uuid}).first()
    if row is None:
        return None
    connection.execute(_GIVE_BACK, {"key": row.host, "vcpus": row.vcpus, "memory_mb": row.memory_mb, "disk_gb": row.disk_gb})
    return str(row.host)


def swap_claims(connection: Connection, name: str, other: str) -> None:
    """Let two claims be each other's from now on: a server's own, and the one that its migration holds."""
    for former, now in ((name, f"{other}~"), (other, name), (f"{other}~", other)):
        connection.execute(update(claims).where(claims.c.instance_uuid == former).values(instance_uuid=now))


def claimed(connection: Connection) -> dict[str, tuple[str, Ask]]:
    """Every claim: by instance, its host and what it takes."""
    rows = connection.execute(select(claims))
    return {row.instance_uuid: (row.host, Ask(row.vcpus, row.memory_mb, row.disk_gb)) for row in rows}


def _claim_row(uuid: str, host: str, ask: Ask) -> dict[str, Any]:
    return {"instance_uuid": uuid, "host": host, "vcpus": ask.vcpus, "memory_mb": ask.memory_mb, "disk_gb": ask.disk_gb}


def _stored(row: Row[Any]) -> StoredHost:
    node = ComputeNode(
        report=from_json(row.report, HostReport),
        service_uuid=row.service_uuid,
        claimed_vcpus=row.claimed_vcpus,
        claimed_memory_mb=row.claimed_memory_mb,
        claimed_disk_gb=row.claimed_disk_gb,
        claimed_instances=row.claimed_instances,
        other_memory_mb=row.other_memory_mb,
        other_disk_gb=row.other_disk_gb,
        is_enabled=row.is_enabled,
        disabled_reason=row.disabled_reason or None,
        is_forced_down=row.is_forced_down,
        availability_zone=row.availability_zone,
        generation=row.generation,
        updated_at=row.updated_at or None,
    )
    return StoredHost(node, row.heartbeat_at_s)
