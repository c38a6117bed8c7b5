"""``POST /servers/{id}/action``: what may be done with a server that is there. Which key of the body means which is in `routes`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from compute_core.api.call import Call
from compute_core.model.errors import Conflict

Act = Callable[[Call, str, Any], Awaitable[Any]]
"""``async def act(call, server_id, what the action's key holds) -> JSON value, None or Reply``."""


def simple(action: str) -> Act:
    """An action of the model without arguments."""

    async def act(call: Call, server_id: str, _asked: Any) -> None:
        await call.services.compute.act(call.context, server_id, action)

    return act


async def reboot(call: Call, server_id: str, asked: Any) -> None:
    """Reboot through the guest, or by force."""
    await call.services.compute.act(call.context, server_id, f"reboot_{asked['type'].lower()}")


async def console_output(call: Call, server_id: str, asked: Any) -> dict[str, str]:
    """The end of what the server has written to its console."""
    length = asked.get("length")
    wanted = None if length is None or int(length) == -1 else int(length)
    server = await call.services.compute.get_server(call.context, server_id)
    if server.host is None:
        raise Conflict(f"Instance {server_id} is not ready")
    text = await call.services.compute.query(call.context, server_id, "console_output", length=wanted)
    return {"output": text.removesuffix("\n")}  # Clients count what stands between the ends of lines.
