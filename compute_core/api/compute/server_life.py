"""``POST /servers/{id}/action``: rescue, rebuild, shelve, restore, lock, and what an operator does by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.server_create import personality
from compute_core.api.compute.server_security_groups import names_of
from compute_core.api.compute.server_view import WHOLE_SINCE, Groups, addresses, updated
from compute_core.api.texts import address
from compute_core.model.errors import Invalid
from compute_core.model.instances import Instance
from compute_core.model.json import to_json
from compute_core.model.requests import RebuildRequest

_NOT_HERE: Mapping[str, str] = {
    "trusted_image_certificates": "Image signatures are not checked here, so no trusted certificates can be asked for.",
}

_CHANGES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("name", str),
    "metadata": ("metadata", dict),
    "description": ("description", lambda text: text),
    "user_data": ("user_data", lambda text: text),
    "personality": ("personality", lambda asked: to_json(personality(asked))),
    "OS-DCF:diskConfig": ("disk_config", str),
    "accessIPv4": ("access_ip_v4", address),
    "accessIPv6": ("access_ip_v6", address),
}
"""What a rebuild may change beside the image: the API's name, the instance's, and how the value is read."""


async def lock(call: Call, server_id: str, asked: Any) -> None:
    """Lock it, with a reason."""
    await call.services.compute.lock_server(call.context, server_id, (asked or {}).get("locked_reason") if call.version >= 73 else None)


async def unlock(call: Call, server_id: str, _asked: Any) -> None:
    """Unlock it."""
    await call.services.compute.unlock_server(call.context, server_id)


async def rescue(call: Call, server_id: str, asked: Any) -> dict[str, str]:
    """Run a rescue image in its place."""
    wanted = asked or {}
    password = wanted.get("adminPass") or call.services.new_password()
    await call.services.compute.rescue_server(call.context, server_id, wanted.get("rescue_image_ref"), password)
    return {"adminPass": password}


async def rebuild(call: Call, server_id: str, asked: Any) -> dict[str, Any]:
    """Make it anew from an image."""
    for name, words in _NOT_HERE.items():
        if asked.get(name):
            raise Invalid(words)
    password = asked.get("adminPass") or call.services.new_password()
    request = RebuildRequest(
        image_ref=asked["imageRef"],
        changes={_CHANGES[name][0]: _CHANGES[name][1](value) for name, value in asked.items() if name in _CHANGES},
        sets_key="key_name" in asked,
        key_name=asked.get("key_name"),
        admin_password=password,
    )
    server = await call.services.compute.rebuild_server(call.context, server_id, request)
    return {"server": {**_rebuilt(call, server, await names_of(call, [server])), "adminPass": password}}


def _rebuilt(call: Call, server: Instance, groups: Groups) -> dict[str, Any]:
    """The answer has what an update's has, and what a rebuild may set."""
    key = {"key_name": server.key_name} if call.version >= 54 else {}
    user_data = {"user_data": server.user_data} if call.version >= 57 else {}
    return {**updated(call, server, {}, groups), "addresses": addresses(server, is_plain=call.version < WHOLE_SINCE), **key, **user_data}


async def shelve(call: Call, server_id: str, _asked: Any) -> None:
    """Stop it, and keep its disk as an image."""
    await call.services.compute.shelve_server(call.context, server_id)


async def unshelve(call: Call, server_id: str, asked: Any) -> None:
    """Bring it back, wherever there is room."""
    zone = asked.get("availability_zone") if isinstance(asked, Mapping) and call.version >= 77 else None
    if zone is not None and not await call.services.compute.has_zone(zone):
        raise Invalid("The requested availability zone is not available")
    await call.services.compute.unshelve_server(call.context, server_id, zone)


async def restore(call: Call, server_id: str, _asked: Any) -> None:
    """Bring back what was deleted."""
    await call.services.compute.restore_server(call.context, server_id)


async def force_delete(call: Call, server_id: str, _asked: Any) -> None:
    """Delete it for good."""
    await call.services.compute.force_delete(call.context, server_id)


async def reset_state(call: Call, server_id: str, asked: Any) -> None:
    """Say what state it is in."""
    await call.services.compute.reset_state(call.context, server_id, asked["state"])


async def trigger_crash_dump(call: Call, server_id: str, _asked: Any) -> None:
    """Let its kernel panic, so that it leaves a dump."""
    await call.services.compute.command(call.context, server_id, "trigger_crash_dump")


async def inject_network_info(call: Call, server_id: str, _asked: Any) -> None:
    """Write its addresses once more to where the guest reads them."""
    await call.services.compute.command(call.context, server_id, "inject_network_info")


async def reset_network(call: Call, server_id: str, _asked: Any) -> None:
    """Have the guest set up its network once more."""
    await call.services.compute.command(call.context, server_id, "reset_network")
