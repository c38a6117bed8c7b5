"""Aggregates of hosts as ``os-aggregates`` shows them. One that is a pool tells what becomes of it among its metadata, as Nova's does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.operations import date_of
from compute_core.model.aggregates import Aggregate
from compute_core.model.errors import Invalid

UUID_SINCE = 41
STATE, MASTER = "operational_state", "master_compute"


async def index(call: Call) -> dict[str, Any]:
    """All of them."""
    return {"aggregates": [_whole(call, each) for each in await call.services.compute.list_aggregates(call.context)]}


async def show(call: Call) -> dict[str, Any]:
    """One of them."""
    return {"aggregate": _whole(call, await call.services.compute.get_aggregate(call.context, _number(call)))}


async def create(call: Call) -> dict[str, Any]:
    """A new one, without hosts and so shown without."""
    asked = call.body["aggregate"]
    made = await call.services.compute.create_aggregate(call.context, asked["name"], asked.get("availability_zone"))
    return {"aggregate": _brief(call, made)}


async def update(call: Call) -> dict[str, Any]:
    """Another name or zone."""
    return {"aggregate": _whole(call, await call.services.compute.update_aggregate(call.context, _number(call), call.body["aggregate"]))}


async def delete(call: Call) -> None:
    """One that is empty."""
    await call.services.compute.delete_aggregate(call.context, _number(call))


async def act(call: Call) -> dict[str, Any]:
    """One of ACTIONS."""
    ((action, asked),) = call.body.items()
    return {"aggregate": _whole(call, await ACTIONS[action](call, _number(call), asked))}


async def cache_images(call: Call) -> None:
    """Have all of its hosts fetch images before they are needed; those that are down are left out. Invalid (image)."""
    aggregate = await call.services.compute.get_aggregate(call.context, _number(call))
    ids = [image["id"] for image in call.body["cache"]]
    await call.services.compute.cache_images(call.context, aggregate.hosts, ids)


async def _add_host(call: Call, number: int, asked: Mapping[str, Any]) -> Aggregate:
    return await call.services.compute.add_aggregate_host(call.context, number, asked["host"])


async def _remove_host(call: Call, number: int, asked: Mapping[str, Any]) -> Aggregate:
    return await call.services.compute.remove_aggregate_host(call.context, number, asked["host"])


async def _set_metadata(call: Call, number: int, asked: Mapping[str, Any]) -> Aggregate:
    return await call.services.compute.set_aggregate_metadata(call.context, number, asked["metadata"])


ACTIONS: Mapping[str, Callable[[Call, int, Mapping[str, Any]], Awaitable[Aggregate]]] = {
    "add_host": _add_host,
    "remove_host": _remove_host,
    "set_metadata": _set_metadata,
}


def _number(call: Call) -> int:
    """Clients try a name here first, and take a refusal for leave to look through the list."""
    text = call.path["aggregate_id"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(f"Invalid aggregate id {text}: it is a number.")
    return int(text)


def _brief(call: Call, aggregate: Aggregate) -> dict[str, Any]:
    answer = {
        "id": aggregate.id,
        "name": aggregate.name,
        "availability_zone": aggregate.zone,
        "created_at": date_of(aggregate.created_at),
        "updated_at": date_of(aggregate.updated_at),
        "deleted_at": date_of(aggregate.deleted_at),
        "deleted": aggregate.deleted_at is not None,
    }
    return answer | ({"uuid": aggregate.uuid} if call.version >= UUID_SINCE else {})


def _whole(call: Call, aggregate: Aggregate) -> dict[str, Any]:
    return _brief(call, aggregate) | {"hosts": list(aggregate.hosts), "metadata": {**aggregate.metadata, **_pool_state(aggregate)}}


def _pool_state(aggregate: Aggregate) -> dict[str, str]:
    if not aggregate.pool_name:
        return {}
    if not aggregate.hosts:
        return {STATE: "created"}
    return {STATE: "changing" if aggregate.changing else "active", MASTER: aggregate.hosts[0], **aggregate.changing}
