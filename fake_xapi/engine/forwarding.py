"""The host to which a call is forwarded, and the error when that host does not answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.engine.routes import Route
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi

Target = Callable[[World, list[Any]], tuple[Id, ...]]
"""``target(world, params)``: the hosts that a call needs, NULL for the master itself."""


def check_reachable(xapi: Xapi, route: Route, values: list[Any]) -> None:
    """Raise HOST_OFFLINE [host] when the call's host is known to be dead, CANNOT_CONTACT_HOST [host] when that only shows now."""
    target = TARGETS.get(route.message.wire_name)
    for host in target(xapi.world, values) if target is not None and xapi.lost else ():
        if host in xapi.lost:
            metrics = xapi.world.get(xapi.world[host]["metrics"])
            is_live = metrics is not None and metrics["live"]
            raise Failure("CANNOT_CONTACT_HOST" if is_live else "HOST_OFFLINE", Handle(host))


def _first(_world: World, values: list[Any]) -> tuple[Id, ...]:
    return (values[0],)


def _second(_world: World, values: list[Any]) -> tuple[Id, ...]:
    return (values[1],)


def _home(world: World, values: list[Any]) -> tuple[Id, ...]:
    return (world[values[0]]["resident_on"],)


def _home_and_second(world: World, values: list[Any]) -> tuple[Id, ...]:
    return (world[values[0]]["resident_on"], values[1])


def _home_of_device(world: World, values: list[Any]) -> tuple[Id, ...]:
    vm = world.get(world[values[0]]["VM"])
    return (vm["resident_on"],) if vm is not None else ()


def _host_of(world: World, values: list[Any]) -> tuple[Id, ...]:
    return (world[values[0]]["host"],)


_LIVE_VM = (
    *("clean_shutdown", "clean_reboot", "hard_shutdown", "hard_reboot", "shutdown", "pause", "unpause", "suspend", "checkpoint"),
    *("migrate_send", "set_VCPUs_number_live", "set_memory_target_live", "wait_memory_target_live", "send_sysrq"),
    *("send_trigger", "call_plugin", "get_data_sources", "query_data_source", "record_data_source", "set_shadow_multiplier_live"),
)
_HOST = (
    *("disable", "enable", "shutdown", "reboot", "prepare_for_poweroff", "dmesg", "dmesg_clear", "get_log", "send_debug_keys"),
    *("bugreport_upload", "license_apply", "syslog_reconfigure", "get_system_status_capabilities", "restart_agent"),
    *("set_hostname_live", "call_plugin", "call_extension", "has_extension", "get_servertime", "get_server_localtime"),
    *("get_data_sources", "query_data_source", "record_data_source", "forget_data_source_archives", "sync_data", "backup_rrds"),
    *("apply_edition", "refresh_pack_info", "enable_local_storage_caching", "disable_local_storage_caching", "migrate_receive"),
    *("enable_external_auth", "disable_external_auth", "install_server_certificate", "get_server_certificate"),
)
_DEVICE = ("plug", "unplug", "unplug_force", "insert", "eject")
TARGETS: Mapping[str, Target] = {
    **{f"VM.{name}": _home for name in _LIVE_VM},
    "VM.pool_migrate": _home_and_second,
    "VM.start_on": _second,
    "VM.resume_on": _second,
    **{f"host.{name}": _first for name in _HOST},
    **{f"VBD.{name}": _home_of_device for name in _DEVICE},
    **{f"VIF.{name}": _home_of_device for name in _DEVICE[:3]},
    "host.evacuate": _first,
    "pool.eject": _first,
    "PBD.plug": _host_of,
    "PBD.unplug": _host_of,
    "PIF.plug": _host_of,
    "PIF.unplug": _host_of,
    "PIF.scan": _first,
    "PIF.reconfigure_ip": _host_of,
}
"""By message. All others are served by the master, or by a host that it picks among those that answer."""
