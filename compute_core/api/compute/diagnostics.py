"""What a server does at this moment: ``GET /servers/{id}/diagnostics``, in the host's own names until 2.47, in Nova's from 2.48 on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.model.errors import Conflict
from compute_core.model.instances import Instance
from compute_core.model.usage import ServerUsage

STANDARD_SINCE = 48
MIB = 1 << 20
STATES: Mapping[str, str] = {"Running": "running", "Paused": "paused", "Halted": "shutdown", "Suspended": "suspended"}
_DISK = re.compile(r"vbd_(\w+)_(?:read|write)")
_NIC_COUNTS: Mapping[str, str] = {
    f"{way}_{nova}": f"{way}_{ours}"
    for way in ("rx", "tx")
    for nova, ours in (("octets", "bytes"), ("errors", "errors"), ("drop", "dropped"), ("packets", "packets"))
}
"""Nova's names of counts, and the switch's."""


async def show(call: Call) -> dict[str, Any]:
    """One server's. Conflict for one that has no host, or while it goes from one to another."""
    server = await call.services.compute.get_server(call.context, call.path["server_id"])
    if server.host is None:
        raise Conflict(f"Instance {server.uuid} is not ready")
    told = await call.services.compute.query(call.context, server.uuid, "diagnostics")
    if call.version >= STANDARD_SINCE:
        return standard(server, told)
    return {**told["values"], **_passed(server, told), **await _measured(call, server)}


def _passed(server: Instance, told: Mapping[str, Any]) -> dict[str, int]:
    """What has passed each interface since it came up, where the host's switch tells."""
    counts: Mapping[str, Mapping[str, int]] = told.get("interfaces", {})
    return {f"vif_{vif.device}_{name}": count for vif in server.vifs for name, count in counts.get(vif.mac, {}).items()}


async def _measured(call: Call, server: Instance) -> dict[str, int | float]:
    """What its agent has measured last, beside the host's own names: disks over their whole chains, and what has come together."""
    usages = await call.services.compute.list_usages(call.context, server.host)
    of_server = (each for usage in usages for each in usage.servers if each.uuid == server.uuid)
    return {name: value for each in of_server for name, value in _counts(each).items()}


def _counts(usage: ServerUsage) -> dict[str, int | float]:
    disks = {
        "disk_own_bytes": usage.own_disk_bytes,
        "disk_base_bytes": usage.base_disk_bytes,
        "disk_virtual_bytes": usage.virtual_disk_bytes,
    }
    counters = usage.counters
    traffic = {"received_bytes": counters.received_bytes, "sent_bytes": counters.sent_bytes}
    return {**disks, **traffic, "read_bytes": counters.read_bytes, "written_bytes": counters.written_bytes, "cpu_time_s": counters.cpu_s}


def standard(server: Instance, told: Mapping[str, Any]) -> dict[str, Any]:
    """Nova's form. What is not measured is null: hosts tell rates of interfaces, and counts where flows keep servers to their groups."""
    values: Mapping[str, float] = told["values"]
    counts: Mapping[str, Mapping[str, int]] = told.get("interfaces", {})
    disks = sorted({found[1] for name in values if (found := _DISK.fullmatch(name))})
    return {
        "state": STATES.get(told["power_state"], "crashed"),
        "driver": "xenapi",
        "hypervisor": "xenserver",
        "hypervisor_os": None,
        "uptime": told["uptime_s"],
        "config_drive": server.has_config_drive,
        "num_cpus": told["vcpus"],
        "num_nics": len(server.vifs),
        "num_disks": len(disks) or 1,
        "cpu_details": [_cpu(values, number) for number in range(told["vcpus"])],
        "nic_details": [_nic(values, vif.device, vif.mac, counts.get(vif.mac, {})) for vif in server.vifs],
        "disk_details": [_disk(values, disk) for disk in disks],
        "memory_details": _memory(server, values),
    }


def _cpu(values: Mapping[str, float], number: int) -> dict[str, int | None]:
    share = values.get(f"cpu{number}")
    return {"id": number, "time": None, "utilisation": None if share is None else round(share * 100)}


def _nic(values: Mapping[str, float], device: int, mac: str, counts: Mapping[str, int]) -> dict[str, Any]:
    rates = {f"{way}_rate": _whole(values.get(f"vif_{device}_{way}")) for way in ("rx", "tx")}
    return {"mac_address": mac, **{nova: counts.get(ours) for nova, ours in _NIC_COUNTS.items()}, **rates}


def _disk(values: Mapping[str, float], disk: str) -> dict[str, int | None]:
    read, written = (_whole(values.get(f"vbd_{disk}_{way}")) for way in ("read", "write"))
    return {"read_bytes": read, "read_requests": None, "write_bytes": written, "write_requests": None, "errors_count": None}


def _memory(server: Instance, values: Mapping[str, float]) -> dict[str, int | None]:
    """In MiB. The guest tells what it has left, in KiB, when it has an agent that does."""
    maximum = _whole(values.get("memory"))
    free_kib = values.get("memory_internal_free")
    most = server.flavor.memory_mb if maximum is None else maximum // MIB
    return {"maximum": most, "used": None if free_kib is None else max(most - int(free_kib) // 1024, 0)}


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
