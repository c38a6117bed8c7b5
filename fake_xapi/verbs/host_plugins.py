"""The plugins of dom0 that ``host.call_plugin`` reaches: a literal registry of functions from arguments to a text."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.guest.console_log import console_text
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call

Plugin = Callable[[Call, Id, dict[str, str]], str]
"""``plugin(call, host, args) -> text``."""

_KEPT_BYTES = 102_400
_LAST_DOMID = "last_dom_id"
"""Where drivers keep the number of a VM's domain beyond its end."""


def _get_console_log(call: Call, host: Id, args: dict[str, str]) -> str:
    """The end of a domain's console: base64 of its zlib form. Args: dom_id."""
    domid = args.get("dom_id", "")
    vm = _vm_of_domain(call.world, host, domid)
    if not vm:
        path = f"/var/log/xen/guest/console.{domid}"
        raise Failure("XENAPI_PLUGIN_FAILURE", "get_console_log", "IOError", f"[Errno 2] No such file or directory: '{path}'")
    text = console_text(call.world, vm).encode()[-_KEPT_BYTES:]
    return base64.b64encode(zlib.compress(text)).decode()


def _vm_of_domain(world: World, host: Id, domid: str) -> Id:
    """The VM of a domain that runs here, or ran here last by what its driver noted."""
    for vm in world[host]["resident_VMs"]:
        if str(world[vm]["domid"]) == domid:
            return int(vm)
    return next((vm for vm, row in world.rows("VM") if row["other_config"].get(_LAST_DOMID) == domid), 0)


PLUGINS: Mapping[str, Mapping[str, Plugin]] = {"console": {"get_console_log": _get_console_log}}
"""Plugin -> function. On the wire a plugin's name may end in ``.py``."""


def run_plugin(call: Call, host: Id, plugin: str, function: str, args: dict[str, str]) -> str:
    """What a plugin answers; Failures XENAPI_MISSING_PLUGIN [plugin], UNKNOWN_XENAPI_PLUGIN_FUNCTION [function]."""
    functions = PLUGINS.get(plugin.removesuffix(".py"))
    if functions is None:
        raise Failure("XENAPI_MISSING_PLUGIN", plugin)
    if function not in functions:
        raise Failure("UNKNOWN_XENAPI_PLUGIN_FUNCTION", function)
    return functions[function](call, host, args)
