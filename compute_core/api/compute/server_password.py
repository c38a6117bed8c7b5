"""The password of a server's administrator: ``changePassword``, and ``/servers/{id}/os-server-password``."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call


async def change(call: Call, server_id: str, asked: Any) -> None:
    """Give the guest another one, now. Conflict where its agent does not take it."""
    await call.services.compute.change_password(call.context, server_id, asked["adminPass"])


async def show(call: Call) -> dict[str, str]:
    """As the owner of the server's key can decrypt it, in base64; "" when none is kept."""
    server = await call.services.compute.get_server(call.context, call.path["server_id"])
    return {"password": server.encrypted_password}


async def delete(call: Call) -> None:
    """Keep it no longer; the guest has it still."""
    await call.services.compute.forget_password(call.context, call.path["server_id"])
