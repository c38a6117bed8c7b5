"""What a VM does at this moment: its record, and its host's last measurements. Four calls, however many disks and interfaces it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from compute_core.xenapi import rrd
from compute_core.xenapi.place import NULL, Place
from compute_core.xenapi.session import XenApi

RECENT_S = 60
"""How far back measurements are asked for: the last of them counts. Hosts measure every five seconds."""
_DATE = "%Y%m%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """``values`` are by the host's own names of its data sources (``cpu0``, ``vbd_xvda_read``), per second, bytes or shares of one.

    Empty for a VM without a domain. ``uptime_s`` None: it is not up, or nobody knows since when.
    """

    power_state: str
    vcpus: int
    uptime_s: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)


async def diagnostics(xapi: XenApi, place: Place, url: str, vm: str) -> Diagnostics:
    """``url``: the host's own, on which it tells its measurements. Raises XenApiFailure, NotSent, ReplyLost, TransferFailed."""
    record = await xapi.call("VM.get_record", vm)
    power_state, vcpus = record["power_state"], int(record["VCPUs_max"])
    if int(record["domid"]) < 0:
        return Diagnostics(power_state, vcpus)
    now = moment(await xapi.call("host.get_servertime", place.host))
    began = None if record["metrics"] == NULL else moment(await xapi.call("VM_metrics.get_start_time", record["metrics"]))
    uptime_s = None if now is None or began is None or began.year < 2000 else max(int((now - began).total_seconds()), 0)
    query = {"start": str(int(now.timestamp()) - RECENT_S if now else 0), "vm_uuid": record["uuid"], "cf": "AVERAGE", "interval": "5"}
    told = await xapi.get_text(url, "/rrd_updates", query)
    return Diagnostics(power_state, vcpus, uptime_s, rrd.last(told).get(("vm", record["uuid"]), {}))


def moment(date: object) -> datetime | None:
    """A date of XenAPI, None for what is none."""
    try:
        return datetime.strptime(f"{str(date).removesuffix('Z').replace('-', '')}Z+0000", f"{_DATE}%z")
    except ValueError:
        return None
