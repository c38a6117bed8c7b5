"""What the servers of a host use, measured again and again: rates become counters, and the cell hears of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from compute_core.compute.cell import Cell
from compute_core.compute.work import Host
from compute_core.model.json import to_json
from compute_core.model.usage import Counters, HostUsage, Rates, ServerUsage
from compute_core.xenapi.usage import measure


class Meter:
    """Counts since the agent began. ``last`` is None until the first measurement."""

    __slots__ = ("_at", "_counters", "last")

    def __init__(self) -> None:
        self.last: HostUsage | None = None
        self._at: datetime | None = None
        self._counters: dict[str, Counters] = {}

    async def read(self, host: Host) -> HostUsage:
        """Measure now: three requests. Raises XenApiFailure, NotSent, ReplyLost, TransferFailed."""
        servers = {uuid: vm.ref for uuid, vm in host.vms.items()}
        measured = await measure(host.xapi, host.place, host.settings.url, host.settings.host, servers)
        return self.take(measured.usage, measured.at)

    def take(self, usage: HostUsage, at: datetime | None) -> HostUsage:
        """Take a measurement in; the same with its counters. What lies between two of them is taken to have gone on as it is now."""
        elapsed_s = (at - self._at).total_seconds() if at is not None and self._at is not None else 0.0
        servers = tuple(self._counted(server, max(elapsed_s, 0.0), usage.at) for server in usage.servers)
        self._counters = {server.uuid: server.counters for server in servers}
        self._at = at or self._at
        self.last = replace(usage, servers=servers)
        return self.last

    def _counted(self, server: ServerUsage, elapsed_s: float, at: str) -> ServerUsage:
        before = self._counters.get(server.uuid)
        return replace(server, counters=Counters(at) if before is None else grown(before, server.rates, elapsed_s))


def grown(before: Counters, rates: Rates, elapsed_s: float) -> Counters:
    """The counters so much later."""
    return Counters(
        before.since,
        round(before.cpu_s + rates.cpu * elapsed_s, 3),
        before.received_bytes + round(rates.received * elapsed_s),
        before.sent_bytes + round(rates.sent * elapsed_s),
        before.read_bytes + round(rates.read * elapsed_s),
        before.written_bytes + round(rates.written * elapsed_s),
    )


async def report_usage(meter: Meter, host: Host, cell: Cell) -> None:
    """Measure, and tell the cell, which keeps the newest. As ``Meter.read``."""
    await cell.report("usage_measured", usage=to_json(await meter.read(host)))
