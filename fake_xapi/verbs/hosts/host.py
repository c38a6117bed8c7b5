"""The verbs of host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.user_plugins import run_extension
from fake_xapi.guest import balloon
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts.host_plugins import run_plugin
from fake_xapi.verbs.setters import writes
from fake_xapi.verbs.vms import memory
from fake_xapi.verbs.vms.data_sources import forget_data_source_archives, get_data_sources, query_data_source, record_data_source


def compute_free_memory(call: Call, host: Id) -> int:
    """The bytes left for VMs."""
    return memory.spare_bytes(call.world, host)


def compute_memory_overhead(call: Call, host: Id) -> int:
    """The bytes that the hypervisor itself takes."""
    return int(call.world[host]["memory_overhead"])


def list_methods(call: Call) -> list[str]:
    """Every message of the release."""
    return sorted({message.wire_name for message in call.world.personality.messages.values()})


async def call_plugin(call: Call, host: Id, plugin: str, fn: str, args: dict[str, str]) -> str:
    """Run a function of a plugin in dom0."""
    await call.takes("host.call_plugin")
    return await run_plugin(call, host, plugin, fn, args)


async def call_extension(call: Call, host: Id, text: str) -> str:
    """Run an extension of the API in dom0: the call and its answer are JSON. MESSAGE_METHOD_UNKNOWN [name] for an unknown name."""
    try:
        request = json.loads(text)
        name, params = str(request["method"]), list(request.get("params", ()))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Failure("INTERNAL_ERROR", f"Jsonrpc.Malformed_method_request({text})") from error
    script = call.plugins.extensions.get(name)
    if script is None:
        raise Failure("MESSAGE_METHOD_UNKNOWN", name)
    return json.dumps(await run_extension(script, name, params))


def has_extension(call: Call, host: Id, name: str) -> bool:
    """Whether a script extends the API with that name."""
    return name in call.plugins.extensions


def get_management_interface(call: Call, host: Id) -> Id:
    """The PIF over which the host is managed."""
    pifs = call.world[host]["PIFs"]
    return next((int(pif) for pif in pifs if call.world[pif]["management"]), 0)


def set_hostname_live(call: Call, host: Id, hostname: str) -> None:
    """Rename a host and, with it, its control domain. INVALID_VALUE ["hostname", h] for an impossible name."""
    if not hostname or len(hostname) > 63 or not hostname.replace("-", "").replace(".", "").isalnum():
        raise Failure("INVALID_VALUE", "hostname", hostname)
    with call.world.edit() as edit:
        edit.set(host, hostname=hostname, name_label=hostname)
        control_domain: Id = edit[host]["control_domain"]
        if control_domain:
            edit.set(control_domain, name_label=f"Control domain on host: {hostname}")


def set_power_on_mode(call: Call, host: Id, mode: str, config: dict[str, str]) -> None:
    """Set how the host can be switched on remotely."""
    with call.world.edit() as edit:
        edit.set(host, power_on_mode=mode, power_on_config=config)


def set_iscsi_iqn(call: Call, host: Id, value: str) -> None:
    """Set the host's name as an iSCSI initiator. INVALID_VALUE ["value", ""] for an empty one."""
    if not value:
        raise Failure("INVALID_VALUE", "value", value)
    with call.world.edit() as edit:
        edit.set(host, iscsi_iqn=value)
        edit.put(host, "other_config", "iscsi_iqn", value)


def set_multipathing(call: Call, host: Id, value: bool) -> None:
    """Set whether the host reaches its storage over several paths."""
    with call.world.edit() as edit:
        edit.set(host, multipathing=value)
        edit.put(host, "other_config", "multipathing", str(value).lower())


def get_uncooperative_resident_vms(call: Call, host: Id) -> list[Id]:
    """The VMs whose balloons are off their targets and do not move."""
    running = (vm for vm in call.world[host]["resident_VMs"] if call.world[vm]["power_state"] == "Running")
    return [vm for vm in running if not balloon.is_there(call, vm) and not balloon.obeys(call, vm)]


def enable_local_storage_caching(call: Call, host: Id, sr: Id) -> None:
    """Cache shared disks in a local SR."""
    with call.world.edit() as edit:
        edit.set(host, local_cache_sr=sr)
        edit.set(sr, local_cache_enabled=True)


def disable_local_storage_caching(call: Call, host: Id) -> None:
    """Stop caching shared disks."""
    with call.world.edit() as edit:
        sr: Id = edit[host]["local_cache_sr"]
        edit.set(host, local_cache_sr=0)
        if sr and edit.get(sr) is not None:
            edit.set(sr, local_cache_enabled=False)


def nothing_to_do(call: Call, host: Id, *_arguments: Any) -> None:
    """Accept a message that concerns only daemons, files or RRDs of a real dom0."""


def is_in_emergency_mode(call: Call) -> bool:
    """Whether the host has lost its master."""
    return call.machines.is_emergency


VERBS: Mapping[str, Verb] = {
    "host.compute_free_memory": compute_free_memory,
    "host.compute_memory_overhead": compute_memory_overhead,
    "host.list_methods": list_methods,
    "host.call_plugin": call_plugin,
    "host.call_extension": call_extension,
    "host.has_extension": has_extension,
    "host.get_data_sources": get_data_sources,
    "host.query_data_source": query_data_source,
    "host.record_data_source": record_data_source,
    "host.forget_data_source_archives": forget_data_source_archives,
    "host.get_management_interface": get_management_interface,
    "host.set_hostname_live": set_hostname_live,
    "host.set_power_on_mode": set_power_on_mode,
    "host.set_iscsi_iqn": set_iscsi_iqn,
    "host.set_multipathing": set_multipathing,
    "host.get_uncooperative_resident_VMs": get_uncooperative_resident_vms,
    "host.enable_local_storage_caching": enable_local_storage_caching,
    "host.disable_local_storage_caching": disable_local_storage_caching,
    "host.is_in_emergency_mode": is_in_emergency_mode,
    "host.sync_data": nothing_to_do,
    "host.backup_rrds": nothing_to_do,
    "host.syslog_reconfigure": nothing_to_do,
    "host.refresh_pack_info": nothing_to_do,
    "host.send_debug_keys": nothing_to_do,
    "host.set_ssl_legacy": writes("ssl_legacy"),
    "host.set_numa_affinity_policy": writes("numa_affinity_policy"),
    "host.set_https_only": writes("https_only"),
    "host.set_uefi_certificates": writes("uefi_certificates"),
}
