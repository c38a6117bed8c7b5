"""A server's metadata, whole and item by item."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call
from compute_core.model.errors import Invalid, NotFound


async def _metadata(call: Call) -> dict[str, str]:
    server = await call.services.compute.get_server(call.context, call.path["server_id"])
    return dict(server.metadata)


async def _write(call: Call, metadata: dict[str, str], *, is_replaced: bool) -> dict[str, str]:
    written = await call.services.compute.set_metadata(call.context, call.path["server_id"], metadata, replace=is_replaced)
    return dict(written)


async def index(call: Call) -> dict[str, Any]:
    """All items."""
    return {"metadata": await _metadata(call)}


async def add(call: Call) -> dict[str, Any]:
    """Add items, or give them new values."""
    return {"metadata": await _write(call, call.body["metadata"], is_replaced=False)}


async def replace(call: Call) -> dict[str, Any]:
    """Put these items in the place of all."""
    return {"metadata": await _write(call, call.body["metadata"], is_replaced=True)}


async def show(call: Call) -> dict[str, Any]:
    """One item."""
    key = call.path["key"]
    metadata = await _metadata(call)
    if key not in metadata:
        raise NotFound("Metadata item was not found")
    return {"meta": {key: metadata[key]}}


async def set_one(call: Call) -> dict[str, Any]:
    """Give one item a value."""
    item = call.body["meta"]
    if call.path["key"] not in item:
        raise Invalid("Request body and URI mismatch")
    await _write(call, item, is_replaced=False)
    return {"meta": item}


async def delete(call: Call) -> None:
    """Remove one item."""
    await call.services.compute.delete_metadata(call.context, call.path["server_id"], call.path["key"])
