"""A host whose plugins are called in either form, and guests on it."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
from typing import Any

from tests.fake_xapi.verbs.kit.hosts import Host


async def texts(host: Host, plugin: str, function: str, **args: Any) -> str:
    """Call a function with a map of texts."""
    given = {name.replace("__", "-"): value for name, value in args.items()}
    return str(
        await host.call("host.call_plugin", host.host, plugin, function, {"host_uuid": host.world.uuid(host.id(host.host)), **given})
    )


async def texts_refused(host: Host, plugin: str, function: str, **args: Any) -> list[str]:
    """The refusal of such a call."""
    given = {name.replace("__", "-"): value for name, value in args.items()}
    return await host.refused("host.call_plugin", host.host, plugin, function, given)


def packed(*args: Any, **kwargs: Any) -> dict[str, str]:
    """Arguments as OpenStack's driver packs them; the wire gives each byte as a character."""
    return {"params": pickle.dumps({"args": list(args), "kwargs": kwargs}).decode("latin-1")}


async def values(host: Host, plugin: str, function: str, *args: Any, **kwargs: Any) -> Any:
    """Call a function with a pickle of arguments, and read the pickle that comes back."""
    answer = await host.call("host.call_plugin", host.host, plugin, function, packed(*args, **kwargs))
    assert answer.isascii()
    return pickle.loads(answer.encode())


async def values_refused(host: Host, plugin: str, function: str, *args: Any, **kwargs: Any) -> list[str]:
    """The refusal of such a call."""
    return await host.refused("host.call_plugin", host.host, plugin, function, packed(*args, **kwargs))


async def running(host: Host, **fields: Any) -> tuple[str, str]:
    """A VM whose guest is up, and the number of its domain."""
    vm, *_ = await host.server(**fields)
    await host.call("VM.start", vm, False, False)
    await asyncio.sleep(60)
    return vm, str(host.row(vm)["domid"])


def encoded(text: str) -> str:
    """Base64 of a text."""
    return base64.b64encode(text.encode()).decode()


def answer(text: str) -> tuple[str, str]:
    """The code and the message in an agent's answer."""
    given = json.loads(text)
    assert set(given) == {"returncode", "message"}
    return given["returncode"], given["message"]
