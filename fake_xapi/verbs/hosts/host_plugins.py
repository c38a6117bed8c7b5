"""The plugins of dom0 behind ``host.call_plugin``: a literal registry, and the two forms in which arguments and results travel.

Most functions take a map of texts and give a text. OpenStack's "serialized" ones take a pickle of positional and named arguments in
``params`` and give a pickle. Either form works for all.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0 import pickles, user_plugins
from fake_xapi.dom0.plugins import (
    agent_requests,
    chains_of_files,
    glance,
    ipxe,
    kernel,
    network_config,
    partition_utils,
    small,
    xenhost,
    xenstore_records,
)
from fake_xapi.dom0.plugins.place import Dom0, PluginError
from fake_xapi.dom0.scripts import run_script
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call

PACKED = "params"
"""The key whose value is a pickle."""


@dataclass(frozen=True, slots=True)
class Texts:
    """``run(dom0, {name: text}) -> text``, or a coroutine function."""

    run: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Values:
    """``run(dom0, *positional, **named) -> value``, or a coroutine function."""

    run: Callable[..., Any]


Function = Texts | Values

PLUGINS: Mapping[str, Mapping[str, Function]] = {
    "dom0_plugin_version": {"get_version": Values(small.get_version)},
    "agent": {name: Texts(run) for name, run in agent_requests.FUNCTIONS.items()},
    "xenstore": {
        "read_record": Texts(xenstore_records.read_record),
        "write_record": Texts(xenstore_records.write_record),
        "list_records": Texts(xenstore_records.list_records),
        "delete_record": Texts(xenstore_records.delete_record),
    },
    "console": {"get_console_log": Texts(small.get_console_log)},
    "config_file": {"get_val": Texts(small.get_val)},
    "kernel": {
        "copy_vdi": Texts(kernel.copy_vdi),
        "create_kernel_ramdisk": Texts(kernel.create_kernel_ramdisk),
        "remove_kernel_ramdisk": Texts(kernel.remove_kernel_ramdisk),
    },
    "xenhost": {
        "host_data": Texts(xenhost.host_data),
        "host_uptime": Texts(xenhost.host_uptime),
        "set_host_enabled": Texts(xenhost.set_host_enabled),
        "host_reboot": Texts(xenhost.host_reboot),
        "host_shutdown": Texts(xenhost.host_shutdown),
        "host_start": Texts(xenhost.host_start),
        "host_join": Texts(xenhost.host_join),
        "get_config": Texts(xenhost.get_config),
        "set_config": Texts(xenhost.set_config),
        "iptables_config": Texts(xenhost.iptables_config),
        "query_gc": Texts(xenhost.query_gc),
        "get_pci_device_details": Values(xenhost.get_pci_device_details),
        "get_pci_type": Values(xenhost.get_pci_type),
        "network_config": Values(network_config.network_config),
    },
    "bandwidth": {"fetch_all_bandwidth": Values(small.fetch_all_bandwidth)},
    "glance": {"download_vhd2": Values(glance.download_vhd2), "upload_vhd2": Values(glance.upload_vhd2)},
    "migration": {
        "transfer_vhd": Values(chains_of_files.transfer_vhd),
        "move_vhds_into_sr": Values(chains_of_files.move_vhds_into_sr),
    },
    "workarounds": {"safe_copy_vdis": Values(chains_of_files.safe_copy_vdis)},
    "partition_utils": {
        "wait_for_dev": Values(partition_utils.wait_for_dev),
        "make_partition": Values(partition_utils.make_partition),
        "mkfs": Values(partition_utils.mkfs),
    },
    "ipxe": {"inject": Values(ipxe.inject)},
    "simulated_guest": {
        "read_file": Texts(small.read_guest_file),
        "list_files": Texts(small.list_guest_files),
        "check_password": Texts(small.check_guest_password),
        "end": Texts(small.end_guest),
    },
}
"""Plugin -> function. On the wire a plugin's name may end in ``.py``. ``simulated_guest`` is ours; all others are those of a real dom0."""


async def run_plugin(call: Call, host: Id, plugin: str, function: str, args: dict[str, str]) -> str:
    """The answer of a plugin; Failures XENAPI_MISSING_PLUGIN [plugin], UNKNOWN_XENAPI_PLUGIN_FUNCTION [function].

    Users' own plugins come first. An exception in a plugin is XENAPI_PLUGIN_EXCEPTION [function, kind, text].
    """
    own = call.plugins
    script = own.script(plugin)
    if script is not None:
        return await run_script(Dom0(call, host), own.folders, script, function, args)
    name = plugin.removesuffix(".py")
    if name in own.modules:
        return await user_plugins.run_module(own.modules[name], function, call.world.uuid(host), args)
    functions = PLUGINS.get(name)
    if functions is None:
        raise Failure("XENAPI_MISSING_PLUGIN", plugin)
    if function not in functions:
        raise Failure("UNKNOWN_XENAPI_PLUGIN_FUNCTION", function)
    try:
        return await _run(Dom0(call, host), functions[function], args)
    except PluginError as error:
        raise Failure("XENAPI_PLUGIN_EXCEPTION", function, error.kind, str(error)) from error


async def _run(dom0: Dom0, function: Function, args: dict[str, str]) -> str:
    is_packed = PACKED in args and _looks_packed(args[PACKED])
    positional, named = _unpacked(args[PACKED]) if is_packed else ([], dict(args))
    if isinstance(function, Texts):
        positional, named = [_texts(positional, named)], {}
    elif not is_packed:
        named.pop("host_uuid", None)
    _bind(function.run, dom0, positional, named)
    value = function.run(dom0, *positional, **named)
    if inspect.iscoroutine(value):
        value = await value
    if is_packed:
        return pickles.dump(value)
    return value if isinstance(value, str) else json.dumps(value)


def _looks_packed(text: str) -> bool:
    """Whether a value is a pickle: xenhost's settings, which are JSON, come under the same name."""
    return not text.lstrip().startswith("{")


def _unpacked(text: str) -> tuple[list[Any], dict[str, Any]]:
    """The arguments in a pickle. On the wire its bytes are a text with one character for each, unless they are UTF-8."""
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raw = text.encode()
    try:
        params = pickles.load(raw)
    except pickles.BadPickle as error:
        raise PluginError(str(error), "UnpicklingError") from error
    if not isinstance(params, dict):
        raise PluginError("params is no pickle of a dict", "TypeError")
    positional, named = params.get("args", ()), params.get("kwargs", {})
    if not isinstance(positional, list | tuple) or not isinstance(named, dict) or not all(isinstance(name, str) for name in named):
        raise PluginError("args is no list, or kwargs no dict of names", "TypeError")
    return list(positional), dict(named)


def _texts(positional: list[Any], named: dict[str, Any]) -> dict[str, str]:
    """The map of texts in whatever was given."""
    given = {**(positional[0] if positional and isinstance(positional[0], dict) else {}), **named}
    return {str(name): value if isinstance(value, str) else str(value) for name, value in given.items()}


def _bind(run: Callable[..., Any], dom0: Dom0, positional: list[Any], named: dict[str, Any]) -> None:
    """Raise the error that Python gives for arguments that a function does not accept."""
    try:
        inspect.signature(run).bind(dom0, *positional, **named)
    except TypeError as error:
        raise PluginError(str(error), "TypeError") from error
