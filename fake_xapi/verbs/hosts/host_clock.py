"""A host's clock: its time and zone, and the servers that it follows. A clock set by hand may be wrong while it follows none."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence
from datetime import datetime

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import later, moment
from fake_xapi.verbs.hosts import dom0_files

OFFSET = "/var/lib/clock-offset"
FACTORY = tuple(f"{number}.pool.ntp.org" for number in range(4))
_FORM = "%Y%m%dT%H:%M:%SZ"


def get_servertime(call: Call, host: Id) -> str:
    """The host's time, UTC."""
    return later(call.now(), _offset(call.world, host))


def _offset(world: World, host: Id) -> float:
    """The error of its clock in seconds."""
    return float(dom0_files.read(world, OFFSET, host) or 0)


def get_server_localtime(call: Call, host: Id) -> str:
    """The host's time in its own zone, written without the zone's name."""
    zone = zoneinfo.ZoneInfo(call.world[host]["timezone"] or "UTC")
    return moment(get_servertime(call, host)).astimezone(zone).strftime(_FORM)


def set_servertime(call: Call, host: Id, value: str) -> None:
    """Set the clock by hand; NOT_ALLOWED_WHEN_NTP_IS_ENABLED [host] while it follows servers."""
    if call.world[host]["ntp_mode"] != "Disabled":
        raise Failure("NOT_ALLOWED_WHEN_NTP_IS_ENABLED", Handle(host))
    offset = (_moment(value) - moment(call.now())).total_seconds()
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, OFFSET, str(offset), host)


def _moment(value: str) -> datetime:
    try:
        return moment(value if value.endswith("Z") else f"{value}Z")
    except ValueError:
        raise Failure("INVALID_VALUE", "value", value) from None


def set_ntp_mode(call: Call, host: Id, mode: str) -> None:
    """Choose whose time the clock follows, which corrects a clock set by hand. INVALID_NTP_CONFIG [reason] for Custom without servers."""
    if mode == "Custom" and not call.world[host]["ntp_custom_servers"]:
        raise Failure("INVALID_NTP_CONFIG", "Can't set ntp_mode to Custom when ntp_custom_servers is empty")
    with call.world.edit() as edit:
        edit.set(host, ntp_mode=mode)
        if mode != "Disabled":
            dom0_files.remove(call.world, edit, OFFSET, host)


def set_ntp_servers(call: Call, host: Id, servers: Sequence[str]) -> None:
    """Set the servers of the mode Custom. INVALID_NTP_CONFIG [reason] for an empty list while that is the mode."""
    wanted = tuple(dict.fromkeys(servers))
    if not wanted and call.world[host]["ntp_mode"] == "Custom":
        raise Failure("INVALID_NTP_CONFIG", "Can't set ntp_custom_servers empty when ntp_mode is Custom")
    with call.world.edit() as edit:
        edit.set(host, ntp_custom_servers=wanted)


def get_ntp_status(call: Call, host: Id) -> dict[str, str]:
    """The servers that the clock follows: synchronised with the first, the others as alternatives."""
    servers = _followed(call.world, host)
    return {server: "current" if number == 0 else "combined" for number, server in enumerate(servers)}


def _followed(world: World, host: Id) -> tuple[str, ...]:
    """The servers of the present mode; DHCP names none here."""
    row = world[host]
    by_mode: Mapping[str, tuple[str, ...]] = {"Custom": row["ntp_custom_servers"], "Factory": FACTORY}
    return by_mode.get(row["ntp_mode"], ())


def get_ntp_synchronized(call: Call, host: Id) -> bool:
    """Whether the clock is synchronised with a server."""
    return bool(_followed(call.world, host))


def list_timezones(call: Call, host: Id) -> list[str]:
    """The time zones that the host knows."""
    return sorted(zoneinfo.available_timezones())


def set_timezone(call: Call, host: Id, zone: str) -> None:
    """Set the host's time zone; INVALID_VALUE ["timezone", zone] for an unknown one."""
    if zone not in zoneinfo.available_timezones():
        raise Failure("INVALID_VALUE", "timezone", zone)
    with call.world.edit() as edit:
        edit.set(host, timezone=zone)


VERBS: Mapping[str, Verb] = {
    "host.get_servertime": get_servertime,
    "host.get_server_localtime": get_server_localtime,
    "host.set_servertime": set_servertime,
    "host.set_ntp_mode": set_ntp_mode,
    "host.set_ntp_custom_servers": set_ntp_servers,
    "host.get_ntp_servers_status": get_ntp_status,
    "host.get_ntp_synchronized": get_ntp_synchronized,
    "host.list_timezones": list_timezones,
    "host.set_timezone": set_timezone,
}
