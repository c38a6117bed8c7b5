"""The plugin ``agent``: requests to the agent in a guest, written into xenstore and waited for there."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fake_xapi.dom0 import xenstore
from fake_xapi.dom0.plugins.place import Args, Dom0, PluginError, need, number
from fake_xapi.guest.agent import ANSWERS, REQUESTS
from fake_xapi.guest.watches import written_by_dom0
from fake_xapi.state.ids import Id

TIMEOUT_S = "30"
LOOKS_EVERY_S = 0.5
Function = Callable[[Dom0, Args], Coroutine[Any, Any, str]]


def asks(name: str, value_of: Callable[[Args], str]) -> Function:
    """A function that sends one request; what it answers is the agent's own JSON."""

    async def ask_for_it(dom0: Dom0, args: Args) -> str:
        return await ask(dom0, args, need(args, "id"), name, value_of(args))

    return ask_for_it


async def ask(dom0: Dom0, args: Args, request: str, name: str, value: Any) -> str:
    """Send a request and wait for the answer. PluginError with TIMEOUT: or REBOOT: in its text when none comes."""
    domid = need(args, "dom_id")
    vm = dom0.vm_of(domid)
    if not vm:
        raise PluginError(f"REBOOT: the domain {domid} is not there")
    written_by_dom0(dom0.call, vm, f"{REQUESTS}/{request}", json.dumps({"name": name, "value": value}))
    answer = await _awaited(dom0, vm, domid, request, number(args, "timeout", TIMEOUT_S))
    xenstore.remove(dom0.call, vm, f"{ANSWERS}/{request}")
    return answer


async def _awaited(dom0: Dom0, vm: Id, domid: str, request: str, timeout_s: float) -> str:
    """Look at once and then every half second, as the plugin in a real dom0 does."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    while True:
        if dom0.vm_of(domid) != vm:
            raise PluginError(f"REBOOT: the domain {domid} is gone, and its guest with it")
        answer = xenstore.read(dom0.world, vm, f"{ANSWERS}/{request}")
        if answer is not None:
            return answer
        if loop.time() >= deadline:
            xenstore.remove(dom0.call, vm, f"{REQUESTS}/{request}")
            raise PluginError(f"TIMEOUT: No response from agent within {timeout_s:g} seconds")
        await asyncio.sleep(min(LOOKS_EVERY_S, max(deadline - loop.time(), 0)))


async def inject_file(dom0: Dom0, args: Args) -> str:
    """Put a file into the guest, in the way that its agent knows. Args: id, dom_id, b64_path, b64_contents."""
    path, content = need(args, "b64_path"), need(args, "b64_contents")
    known = await _features(dom0, args)
    if "file_inject" in known:
        return await ask(dom0, args, need(args, "id"), "file_inject", {"b64_path": path, "b64_file": content})
    if "injectfile" in known:
        joined = base64.b64encode(_decoded(path) + b"," + _decoded(content)).decode()
        return await ask(dom0, args, need(args, "id"), "injectfile", joined)
    raise PluginError("NOT IMPLEMENTED: the agent does not take files")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError as error:
        raise PluginError(str(error), "Error") from error


async def _features(dom0: Dom0, args: Args) -> tuple[str, ...]:
    """What the agent says that it understands; nothing when it does not say."""
    request = str(uuid.UUID(int=dom0.call.chance("plugins").getrandbits(128), version=4))
    reply = json.loads(await ask(dom0, args, request, "features", ""))
    return tuple(reply["message"].split(",")) if reply["returncode"] == "0" else ()


def if_known(name: str, value_of: Callable[[Args], str]) -> Function:
    """A function that asks only an agent that has the feature; PluginError NOT IMPLEMENTED: else."""

    async def ask_for_it(dom0: Dom0, args: Args) -> str:
        if name not in await _features(dom0, args):
            raise PluginError(f"NOT IMPLEMENTED: the agent does not support {name}")
        return await ask(dom0, args, need(args, "id"), name, value_of(args))

    return ask_for_it


FUNCTIONS: Mapping[str, Function] = {
    "version": asks("version", lambda _: "agent"),
    "key_init": asks("keyinit", lambda args: need(args, "pub")),
    "password": asks("password", lambda args: need(args, "enc_pass")),
    "resetnetwork": asks("resetnetwork", lambda _: ""),
    "inject_file": inject_file,
    "agentupdate": asks("agentupdate", lambda args: f"{need(args, 'url')},{need(args, 'md5sum')}"),
    "kmsactivate": if_known("kmsactivate", lambda args: args.get("activation_data", "")),
}
