"""Flavors and their extra specs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from compute_core.api.call import Call, Reply
from compute_core.api.compute.links import links_of
from compute_core.api.paging import links_when_full, page
from compute_core.api.texts import is_true, number
from compute_core.model.errors import Invalid, NotFound
from compute_core.model.flavors import Flavor

_SORT_KEYS: Mapping[str, Callable[[Flavor], Any]] = {
    "created_at": lambda flavor: flavor.id,
    "disabled": lambda flavor: flavor.is_disabled,
    "ephemeral_gb": lambda flavor: flavor.ephemeral_gb,
    "flavorid": lambda flavor: flavor.id,
    "id": lambda flavor: flavor.id,
    "is_public": lambda flavor: flavor.is_public,
    "memory_mb": lambda flavor: flavor.memory_mb,
    "name": lambda flavor: flavor.name,
    "root_gb": lambda flavor: flavor.root_gb,
    "rxtx_factor": lambda flavor: flavor.rxtx_factor,
    "swap": lambda flavor: flavor.swap_mb,
    "vcpus": lambda flavor: flavor.vcpus,
}


def shown(call: Call, flavor: Flavor) -> dict[str, Any]:
    """A flavor with everything. Without swap it shows "" before 2.75, for reasons lost in time, and 0 since."""
    answer = {
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.memory_mb,
        "disk": flavor.root_gb,
        "swap": flavor.swap_mb or (0 if call.version >= 75 else ""),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gb,
        "OS-FLV-DISABLED:disabled": flavor.is_disabled,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": flavor.is_public,
        "rxtx_factor": flavor.rxtx_factor,
        "links": links_of(call, "flavors", flavor.id),
    }
    if call.version >= 55:
        answer["description"] = flavor.description
    if call.version >= 61:
        answer["extra_specs"] = dict(flavor.extra_specs)
    return answer


def _brief(call: Call, flavor: Flavor) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": flavor.id, "name": flavor.name, "links": links_of(call, "flavors", flavor.id)}
    return answer | ({"description": flavor.description} if call.version >= 55 else {})


async def _select(call: Call) -> list[Flavor]:
    query = call.query
    flavors = await call.services.compute.list_flavors(call.context)
    ram, disk = number("minRam", query.get("minRam") or "0"), number("minDisk", query.get("minDisk") or "0")
    publicity = _publicity(call)
    chosen = [
        flavor
        for flavor in flavors
        if flavor.memory_mb >= ram and flavor.root_gb >= disk and (publicity is None or flavor.is_public == publicity)
    ]
    chosen.sort(key=lambda flavor: (_sort_key(call)(flavor), flavor.id), reverse=query.get("sort_dir") == "desc")
    return list(page(chosen, query, lambda flavor: flavor.id))


def _sort_key(call: Call) -> Callable[[Flavor], Any]:
    key = call.query.get("sort_key") or "flavorid"
    if key not in _SORT_KEYS:
        raise Invalid(f"Sort key supplied is not valid: {key}")
    return _SORT_KEYS[key]


def _publicity(call: Call) -> bool | None:
    """Which flavors are asked for: public ones, others, or (None) all. Only admins may ask."""
    asked = call.query.get("is_public")
    if not call.context.is_admin or asked is None:
        return True
    if asked.lower() == "none":
        return None
    if asked.lower() not in {"true", "false", "1", "0", "t", "f", "yes", "no"}:
        raise Invalid(f"Invalid is_public filter [{asked}]")
    return is_true(asked)


def _with_links(call: Call, path: str, flavors: list[dict[str, Any]]) -> dict[str, Any]:
    links = links_when_full(call, path, [flavor["id"] for flavor in flavors])
    return {"flavors": flavors} | ({"flavors_links": links} if links else {})


async def index(call: Call) -> dict[str, Any]:
    """Flavors by id and name."""
    return _with_links(call, "/flavors", [_brief(call, flavor) for flavor in await _select(call)])


async def detail(call: Call) -> dict[str, Any]:
    """Flavors with everything."""
    return _with_links(call, "/flavors/detail", [shown(call, flavor) for flavor in await _select(call)])


async def show(call: Call) -> dict[str, Any]:
    """One flavor."""
    return {"flavor": shown(call, await _find(call))}


async def create(call: Call) -> dict[str, Any]:
    """Add a flavor; without an id it gets one."""
    asked = call.body["flavor"]
    identity = asked.get("id")
    flavor = Flavor(
        id="" if identity in {None, "auto"} else str(identity),
        name=asked["name"],
        memory_mb=int(asked["ram"]),
        vcpus=int(asked["vcpus"]),
        root_gb=int(asked["disk"]),
        ephemeral_gb=int(asked.get("OS-FLV-EXT-DATA:ephemeral", 0)),
        swap_mb=int(asked.get("swap", 0)),
        is_public=is_true(asked.get("os-flavor-access:is_public", True)),
        rxtx_factor=float(asked.get("rxtx_factor", 1.0)),
        description=asked.get("description"),
    )
    created = await call.services.compute.create_flavor(call.context, flavor)
    return {"flavor": shown(call, replace(created, extra_specs={}))}


async def delete(call: Call) -> None:
    """Forget a flavor; servers keep theirs."""
    await call.services.compute.delete_flavor(call.context, call.path["flavor_id"])


async def _find(call: Call) -> Flavor:
    return await call.services.compute.get_flavor(call.context, call.path["flavor_id"])


async def extra_specs(call: Call) -> dict[str, Any]:
    """All extra specs of a flavor."""
    return {"extra_specs": dict((await _find(call)).extra_specs)}


async def add_extra_specs(call: Call) -> dict[str, Any]:
    """Add extra specs, or give them new values."""
    specs = {key: str(value) for key, value in call.body["extra_specs"].items()}
    await call.services.compute.set_extra_specs(call.context, call.path["flavor_id"], specs)
    return {"extra_specs": specs}


async def extra_spec(call: Call) -> dict[str, Any]:
    """One extra spec."""
    flavor, key = await _find(call), call.path["key"]
    if key not in flavor.extra_specs:
        raise NotFound(f"Flavor {flavor.id} has no extra specs with key {key}.")
    return {key: flavor.extra_specs[key]}


async def set_extra_spec(call: Call) -> dict[str, Any]:
    """Give one extra spec a value."""
    key = call.path["key"]
    if key not in call.body:
        raise Invalid("Request body and URI mismatch")
    spec = {key: str(call.body[key])}
    await call.services.compute.set_extra_specs(call.context, call.path["flavor_id"], spec)
    return spec


async def delete_extra_spec(call: Call) -> Reply:
    """Remove one extra spec."""
    await call.services.compute.delete_extra_spec(call.context, call.path["flavor_id"], call.path["key"])
    return Reply()
