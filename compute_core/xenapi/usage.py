"""What the servers of a host really use: three requests, however many there are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from compute_core.model.usage import HostUsage, Rates, ServerUsage
from compute_core.xenapi import rrd
from compute_core.xenapi.diagnostics import moment
from compute_core.xenapi.disk_usage import Account, Accounts, accounts, disk_usage
from compute_core.xenapi.place import Place
from compute_core.xenapi.session import XenApi

CLASSES = ["vm", "vbd", "vdi", "sr"]
KIB = 1024
MINUTE_S = 60
"""Hosts keep means of a minute: one row of them is all that is asked for, for a row of a busy host is long."""
SOURCES: Mapping[str, re.Pattern[str]] = {
    "cpu": re.compile(r"cpu\d+"),
    "received": re.compile(r"vif_\d+_rx"),
    "sent": re.compile(r"vif_\d+_tx"),
    "read": re.compile(r"vbd_[^_]+_read"),
    "written": re.compile(r"vbd_[^_]+_write"),
}
"""The host's own names of what is added up for each of Rates' members."""
Records = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Measured:
    """``at`` is the host's own date, by which two measurements are told apart."""

    usage: HostUsage
    at: datetime | None


async def measure(xapi: XenApi, place: Place, url: str, host: str, servers: Mapping[str, str]) -> Measured:
    """``servers``: the refs of the VMs of the host's servers by the servers' uuids. ``url``: the host's own, ``host``: its name.

    Raises XenApiFailure, NotSent, ReplyLost, TransferFailed.
    """
    batch = await xapi.call("event.from", CLASSES, "", 0.0)
    tables = tables_of(batch["events"], CLASSES)
    now = moment(await xapi.call("host.get_servertime", place.host))
    query = {"start": str(int(now.timestamp()) - 2 * MINUTE_S if now else 0), "cf": "AVERAGE", "interval": str(MINUTE_S), "host": "true"}
    told = rrd.last(await xapi.get_text(url, "/rrd_updates", query))
    return Measured(_usage(place, host, servers, tables, told, "" if now is None else now.strftime("%Y-%m-%dT%H:%M:%SZ")), now)


def tables_of(events: list[Mapping[str, Any]], classes: list[str]) -> dict[str, dict[str, Any]]:
    """The records of each class by ref, from the events of everything that there is. XAPI writes the classes as it likes."""
    found: dict[str, dict[str, Any]] = {cls: {} for cls in classes}
    for event in events:
        if event["operation"] != "del" and event["class"].lower() in found:
            found[event["class"].lower()][event["ref"]] = event["snapshot"]
    return found


def _usage(
    place: Place, host: str, servers: Mapping[str, str], tables: Mapping[str, Records], told: rrd.Table, at: str
) -> HostUsage:  # fmt: skip
    here = {uuid: tables["vm"][ref] for uuid, ref in servers.items() if ref in tables["vm"]}
    found = accounts(_of_sr(tables["vdi"], place.sr), _owners(servers, tables["vbd"]))
    own = told.get(("host", place.uuid), {})
    total = int(own.get("memory_total_kib", place.memory_bytes / KIB)) * KIB
    return HostUsage(
        host=host,
        at=at,
        memory_bytes=total,
        free_memory_bytes=int(own.get("memory_free_kib", 0)) * KIB,
        cpu=summed(own, SOURCES["cpu"]),
        disk=disk_usage(found, tables["sr"][place.sr], here),
        servers=tuple(_server(uuid, vm, found, told.get(("vm", vm["uuid"]), {})) for uuid, vm in sorted(here.items())),
    )


def _of_sr(vdis: Records, sr: str) -> Records:
    return {ref: vdi for ref, vdi in vdis.items() if vdi["SR"] == sr}


def _owners(servers: Mapping[str, str], vbds: Records) -> dict[str, str]:
    """The servers whose VMs can write to disks, by the disks' refs. A CD that several have is nobody's."""
    uuids = {ref: uuid for uuid, ref in servers.items()}
    return {vbd["VDI"]: uuids[vbd["VM"]] for vbd in vbds.values() if vbd["VM"] in uuids and vbd["mode"] == "RW"}


def _server(uuid: str, vm: Mapping[str, Any], found: Accounts, values: rrd.Values) -> ServerUsage:
    account: Account = found.of(uuid)
    memory = int(values.get("memory", vm["memory_dynamic_max"] if int(vm["domid"]) >= 0 else 0))
    free_kib = values.get("memory_internal_free")
    return ServerUsage(
        uuid=uuid,
        power_state=vm["power_state"],
        vcpus=int(vm["VCPUs_max"]),
        memory_bytes=memory,
        used_memory_bytes=None if free_kib is None else max(memory - int(free_kib) * KIB, 0),
        own_disk_bytes=account.own_bytes,
        base_disk_bytes=account.shared_bytes,
        virtual_disk_bytes=account.virtual_bytes,
        rates=Rates(**{name: summed(values, pattern) for name, pattern in SOURCES.items()}),
    )


def summed(values: rrd.Values, pattern: re.Pattern[str]) -> float:
    """All values whose names are of a pattern, added up."""
    return round(sum(value for name, value in values.items() if pattern.fullmatch(name)), 6)
