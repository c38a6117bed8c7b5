"""The screens of servers: a URL with a token that opens one once."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from compute_core.api.call import Call
from compute_core.api.console_proxy import URLS, url_of
from compute_core.api.console_tokens import PATH
from compute_core.model.errors import Conflict, Invalid

SHOWN = frozenset({"active", "paused", "rescued", "error", "stopped", "suspended"})


async def _url(call: Call, server_id: str, kind: str) -> str:
    """A new token's URL. Conflict for a server that has no screen yet, or none any more."""
    server = await call.services.compute.get_server(call.context, server_id)
    if server.host is None or server.vm_state not in SHOWN:
        raise Conflict(f"Cannot 'get_vnc_console' instance {server_id} while it is in vm_state {server.vm_state}")
    return url_of(call.services.consoles, kind, call.services.consoles.issue(server_id))


async def vnc_console(call: Call, server_id: str, asked: Any) -> dict[str, Any]:
    """As it was asked for until 2.5."""
    return {"console": {"type": asked["type"], "url": await _url(call, server_id, asked["type"])}}


async def create(call: Call) -> dict[str, Any]:
    """As it is asked for since 2.6; there is no other protocol than VNC here."""
    asked = call.body["remote_console"]
    if asked["protocol"] != "vnc" or asked["type"] not in URLS:
        raise Invalid(f"Unavailable console type {asked['type']}.")
    url = await _url(call, call.path["server_id"], asked["type"])
    return {"remote_console": {"protocol": asked["protocol"], "type": asked["type"], "url": url}}


async def token(call: Call) -> dict[str, Any]:
    """What a token opens, for an operator. Where the host's own door is stays between the proxy and the agent."""
    held = call.services.consoles.look(call.path["token"])
    proxy = urlsplit(call.services.consoles.url)
    where = {"host": proxy.hostname or "", "port": proxy.port or 0, "internal_access_path": PATH}
    return {"console": {"instance_uuid": held.instance_uuid, **where}}
