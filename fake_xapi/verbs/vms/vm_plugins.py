"""VM.call_plugin and VM.call_host_plugin: requests to a guest's agent, made through its host."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0 import xenstore
from fake_xapi.guest import machine
from fake_xapi.guest.watches import written_by_dom0
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.hosts.host_plugins import run_plugin

PLUGIN = "guest-agent-operation"
MOST_SCRIPT = 1024
INTERVAL_S = 10.0
"""So far apart must two requests to one guest be."""
_ALLOWED = "allow_guest_agent_run_script"
_BATCH = "control/feature-xs-batcmd"
_DESKTOP = "control/feature-ts"


async def call_plugin(call: Call, vm: Id, plugin: str, fn: str, args: dict[str, str]) -> str:
    """Ask the guest's agent for something.

    Failures XENAPI_MISSING_PLUGIN [plugin], XENAPI_PLUGIN_FAILURE [what, text, text],
    VM_CALL_PLUGIN_RATE_LIMIT [vm, seconds between calls, seconds to wait].
    """
    if plugin != PLUGIN:
        raise Failure("XENAPI_MISSING_PLUGIN", plugin)
    _note_call(call, vm)
    if fn not in FUNCTIONS:
        text = f'The requested fn "{fn}" could not be found in plugin "{plugin}".'
        raise Failure("XENAPI_PLUGIN_FAILURE", "failed to find fn", text, text)
    return await FUNCTIONS[fn](call, vm, args)


def _note_call(call: Call, vm: Id) -> None:
    """Record a request to a guest, and refuse one that follows the last too soon."""
    kept = machine.machine(call.world, vm)
    before = kept["asked"] if kept is not None else ""
    wait_s = INTERVAL_S - (moment(call.now()) - moment(before)).total_seconds() if before else 0.0
    if wait_s > 0:
        raise Failure("VM_CALL_PLUGIN_RATE_LIMIT", Handle(vm), f"{INTERVAL_S:.0f}.", f"{wait_s:.0f}.")
    with call.world.edit() as edit:
        machine.keep(edit, vm, asked=call.now())


def _requests_desktop(wanted: str) -> Callable[[Call, Id, dict[str, str]], Coroutine[Any, Any, str]]:
    fn = "request-rdp-on" if wanted == "1" else "request-rdp-off"

    async def request(call: Call, vm: Id, args: dict[str, str]) -> str:
        """Ask Windows to switch its remote desktop on or off; whether it obeys shows in its guest metrics."""
        keys = xenstore.tree(call.world, vm)
        if keys.get(_DESKTOP) != "1" and keys.get(f"{_DESKTOP}2") != "1":
            text = f'The requested fn "{fn}" of plugin "{PLUGIN}" could not be executed for lack of guest agent control feature.'
            raise Failure("XENAPI_PLUGIN_FAILURE", "failed to execute fn", text, text)
        written_by_dom0(call, vm, "control/ts", wanted)
        return ""

    return request


async def _run_script(call: Call, vm: Id, args: dict[str, str]) -> str:
    """Run a script in the guest. A simulated guest has no shell: it reports the script that it was given and a successful end."""
    if call.world[POOL]["other_config"].get(_ALLOWED) != "true":
        raise Failure("FEATURE_RESTRICTED")
    for name in ("username", "password", "script"):
        if name not in args:
            raise Failure("XENAPI_PLUGIN_FAILURE", "missing argument", "", f"Argument {name} is required.")
    if len(args["script"]) > MOST_SCRIPT:
        raise Failure("XENAPI_PLUGIN_FAILURE", "length restriction", "", f"The script length must not exceed {MOST_SCRIPT} bytes")
    if _BATCH not in xenstore.tree(call.world, vm):
        text = "run-script is not supported on the given VM (or it is still booting)"
        raise Failure("NOT_IMPLEMENTED", text)
    await asyncio.sleep(call.lasts("guest.answer"))
    digest = hashlib.sha256(args["script"].encode()).hexdigest()
    return f"SUCCESS ran a script of {len(args['script'])} bytes, SHA-256 {digest}"


async def call_host_plugin(call: Call, vm: Id, plugin: str, fn: str, args: dict[str, str]) -> str:
    """Run a plugin of the host that a VM runs on."""
    await call.takes("host.call_plugin")
    return await run_plugin(call, call.world[vm]["resident_on"], plugin, fn, args)


FUNCTIONS: Mapping[str, Callable[[Call, Id, dict[str, str]], Coroutine[Any, Any, str]]] = {
    "request-rdp-on": _requests_desktop("1"),
    "request-rdp-off": _requests_desktop("0"),
    "run-script": _run_script,
}
"""What guests' agents can be asked for."""

VERBS: Mapping[str, Verb] = {"VM.call_plugin": call_plugin, "VM.call_host_plugin": call_host_plugin}
"""By wire name."""
