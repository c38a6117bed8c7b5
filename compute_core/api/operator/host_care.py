"""What is on hosts: what servers really use of them, the images that they keep, orphans, weights of disks."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call
from compute_core.model.errors import Conflict
from compute_core.model.json import to_json

AT_REST = frozenset({"active", "paused", "suspended", "stopped", "rescued", "error"})
"""Servers in these states have a VM on their host."""


async def usages(call: Call) -> dict[str, Any]:
    """As it was measured last, of every host or one."""
    found = await call.services.compute.list_usages(call.context, call.query.get("host"))
    return {"usages": to_json(found)}


async def usage(call: Call) -> dict[str, Any]:
    """Of one host, measured now."""
    return {"usage": await _ask(call, "usage")}


async def images(call: Call) -> dict[str, Any]:
    """The images that a host keeps."""
    return {"images": await _ask(call, "list_images")}


async def cache_images(call: Call) -> None:
    """Have a host fetch images before they are needed. Conflict: the host is not there."""
    host = call.path["host"]
    ids = [image["id"] for image in call.body["cache"]]
    if host not in await call.services.compute.cache_images(call.context, [host], ids):
        raise Conflict(f"Host {host} is not there, or down.")


async def evict_images(call: Call) -> dict[str, Any]:
    """Take away images that are not in use: some, or all."""
    found: dict[str, Any] = await _ask(call, "evict_images", images=call.body["evict"].get("images"))
    return found


async def orphans(call: Call) -> dict[str, Any]:
    """What is on a host and belongs to no server that its cell knows there."""
    return {"orphans": await _ask(call, "list_orphans")}


async def clean_orphans(call: Call) -> dict[str, Any]:
    """Take orphans away: those named, or all that are certain."""
    wanted = call.body["clean"]
    cleaned = await _ask(call, "clean_orphans", ids=wanted.get("ids"), older_than_s=wanted.get("older_than_s", 0.0))
    return {"cleaned": cleaned}


async def io_priorities(call: Call) -> dict[str, Any]:
    """Of each disk of a server."""
    return {"disks": await call.services.compute.query(call.context, await _at_rest(call), "io_priorities")}


async def set_io_weight(call: Call) -> dict[str, Any]:
    """Give a server's disks a weight: at once if it runs, and at every boot."""
    wanted, uuid = call.body["io_weight"], await _at_rest(call)
    asked = {"weight": wanted["weight"], "devices": wanted.get("devices")}
    return {"devices": await call.services.compute.query(call.context, uuid, "set_io_weight", **asked)}


async def _ask(call: Call, question: str, **arguments: Any) -> Any:
    return await call.services.compute.ask_host(call.context, call.path["host"], question, **arguments)


async def _at_rest(call: Call) -> str:
    """The server's uuid. Conflict while something is under way on it, or it has no VM."""
    server = await call.services.compute.get_server(call.context, call.path["server_id"])
    if server.task_state is not None or server.vm_state not in AT_REST:
        raise Conflict(f"Cannot look at the disks of instance {server.uuid} while it is in {server.task_state or server.vm_state}")
    return server.uuid
