"""The server that a request is about."""

from __future__ import annotations

from compute_core.api.call import Call
from compute_core.model.instances import Instance


async def asked_server(call: Call) -> Instance:
    """The one that the path names. NotFound."""
    return await call.services.compute.get_server(call.context, call.path["server_id"])
