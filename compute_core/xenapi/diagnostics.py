"""What a VM does at this moment: its record, and its host's last measurements. Four calls, however many disks and interfaces it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import unescape

from compute_core.xenapi.place import NULL, Place
from compute_core.xenapi.session import XenApi

RECENT_S = 60
"""How far back measurements are asked for: the last of them counts. Hosts measure every five seconds."""
_ENTRY = re.compile(r"<entry>([^<]*)</entry>")
_ROW = re.compile(r"<row>\s*<t>(\d+)</t>((?:\s*<v>[^<]*</v>)*)\s*</row>")
_VALUE = re.compile(r"<v>([^<]*)</v>")
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
    now = _moment(await xapi.call("host.get_servertime", place.host))
    began = None if record["metrics"] == NULL else _moment(await xapi.call("VM_metrics.get_start_time", record["metrics"]))
    uptime_s = None if now is None or began is None or began.year < 2000 else max(int((now - began).total_seconds()), 0)
    query = {"start": str(int(now.timestamp()) - RECENT_S if now else 0), "vm_uuid": record["uuid"], "cf": "AVERAGE", "interval": "5"}
    return Diagnostics(power_state, vcpus, uptime_s, last_values(await xapi.get_text(url, "/rrd_updates", query), record["uuid"]))


def last_values(document: str, uuid: str) -> Mapping[str, float]:
    """The newest row of ``/rrd_updates`` for one VM. What was not measured is left out.

    The document is a flat table that hosts write themselves: no more of XML is read than its cells.
    """
    columns = [unescape(entry).split(":", 3) for entry in _ENTRY.findall(document)]
    rows = {int(row[1]): _VALUE.findall(row[2]) for row in _ROW.finditer(document)}
    if not rows:
        return {}
    named = zip(columns, rows[max(rows)], strict=False)
    read = {parts[3]: _number(text) for parts, text in named if len(parts) == 4 and parts[1:3] == ["vm", uuid]}
    return {name: value for name, value in read.items() if value is not None}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _moment(date: object) -> datetime | None:
    try:
        return datetime.strptime(f"{str(date).removesuffix('Z').replace('-', '')}Z+0000", f"{_DATE}%z")
    except ValueError:
        return None
