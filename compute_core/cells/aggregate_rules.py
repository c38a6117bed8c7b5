"""What may not be done with an aggregate, in the words that Nova has for it. Looked up in the transaction that writes the change."""

from __future__ import annotations

from sqlalchemy import Connection

from compute_core.model.aggregates import Aggregate
from compute_core.model.errors import Conflict, Invalid
from compute_core.store import aggregates, instances

HAS_SERVERS = "One or more hosts contain instances in this zone"


def check_name(connection: Connection, aggregate: Aggregate) -> None:
    """Conflict when another one has the name."""
    other = aggregates.named(connection, aggregate.name)
    if other is not None and other.id != aggregate.id:
        raise Conflict(f"Aggregate {aggregate.name} already exists.")


def check_is_idle(aggregate: Aggregate) -> None:
    """Conflict while a host is on its way into the pool, or out of it."""
    for host, change in aggregate.changing.items():
        raise Conflict(f"Aggregate {aggregate.id} is changing: the {change} of host {host} is under way. Cure: wait until it is done.")


def check_zone(connection: Connection, before: Aggregate, after: Aggregate) -> None:
    """Invalid when hosts would come to another zone and have servers, which are to stay in theirs, or are in another one already."""
    if before.zone == after.zone:
        return
    action = f"Cannot update metadata of aggregate {before.id}. Reason: "
    if after.zone == "":
        raise Invalid(f"{action}Aggregate {before.id} does not support empty named availability zone.")
    for host in before.hosts:
        elsewhere = _zone_elsewhere(connection, before, host)
        if after.zone is not None and elsewhere not in {None, after.zone}:
            raise Invalid(f"{action}Host {host} already in availability zone {elsewhere}.")
        if elsewhere is None and instances.on_host(connection, host):
            raise Invalid(f"{action}{HAS_SERVERS}.")


def check_hosts_zone(connection: Connection, aggregate: Aggregate, host: str) -> None:
    """The same for one host that is to be added: Conflict."""
    if aggregate.zone is None:
        return
    elsewhere = _zone_elsewhere(connection, aggregate, host)
    action = f"Cannot add host to aggregate {aggregate.id}. Reason: "
    if elsewhere not in {None, aggregate.zone}:
        raise Conflict(f"{action}Host {host} already in availability zone {elsewhere}.")
    if elsewhere is None and any(server.availability_zone != aggregate.zone for server in instances.on_host(connection, host)):
        raise Conflict(f"{action}{HAS_SERVERS}.")


def check_keeps_pool(before: Aggregate, after: Aggregate) -> None:
    """Invalid: whether it is a pool is said while it has no hosts."""
    if bool(before.pool_name) != bool(after.pool_name) and before.hosts:
        raise Invalid(f"Cannot update metadata of aggregate {before.id}. Reason: it has hosts. Cure: remove them first.")


def _zone_elsewhere(connection: Connection, aggregate: Aggregate, host: str) -> str | None:
    """The zone that a host is in by another aggregate."""
    others = (other for other in aggregates.listed(connection) if other.id != aggregate.id and host in other.hosts)
    return next((other.zone for other in others if other.zone is not None), None)
