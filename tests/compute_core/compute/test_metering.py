"""What servers use, as agents count it and cells hear of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from compute_core.compute.metering import Meter, grown
from compute_core.model.instances import RUNNING
from compute_core.model.json import from_json
from compute_core.model.usage import Counters, DiskUsage, HostUsage, Rates, ServerUsage
from tests.compute_core.compute.agent_site import CONTEXT, Site, on_site
from tests.compute_core.values import UUID, an_instance

NOON = datetime(2012, 8, 1, 12, tzinfo=UTC)
SERVER = ServerUsage(UUID, "Running", 1, 512, None, 1, 2, 3, Rates(0.5, 10.0, 20.0, 30.0, 40.0))


def usage(at: datetime, *servers: ServerUsage) -> HostUsage:
    return HostUsage("xs1", at.isoformat(), 0, 0, 0.0, DiskUsage(), servers)


def test_rates_become_counters_from_the_first_measurement_on() -> None:
    meter = Meter()
    first = meter.take(usage(NOON, SERVER), NOON)
    later = meter.take(usage(NOON + timedelta(minutes=5), SERVER), NOON + timedelta(minutes=5))

    assert first.servers[0].counters == Counters(NOON.isoformat())
    assert later.servers[0].counters == Counters(NOON.isoformat(), 150.0, 3000, 6000, 9000, 12000)
    assert meter.last == later


def test_counters_do_not_run_back_with_the_hosts_clock_and_begin_anew_with_a_server_that_was_away() -> None:
    meter = Meter()
    meter.take(usage(NOON, SERVER), NOON)
    back = meter.take(usage(NOON - timedelta(hours=1), SERVER), NOON - timedelta(hours=1))
    meter.take(usage(NOON), NOON)
    again = meter.take(usage(NOON, SERVER), None)

    assert back.servers[0].counters == Counters(NOON.isoformat())
    assert again.servers[0].counters == Counters(NOON.isoformat())
    assert grown(Counters("x", 1.0, 1, 1, 1, 1), SERVER.rates, 0.0) == Counters("x", 1.0, 1, 1, 1, 1)


def test_an_agent_measures_now_and_then_and_its_heartbeats_tell_what_of_the_disk_is_no_servers(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.build(an_instance())
        await asyncio.sleep(10)
        site.cell.instances[:] = [replace(each, vm_state="active", task_state=None, power_state=RUNNING) for each in site.cell.instances]
        await asyncio.sleep(700)
        told = [arguments["usage"] for name, arguments in site.cell.told if name == "usage_measured"]
        now = await site.bus.call("compute.xs1", "query_host", {"context": CONTEXT, "question": "usage", "arguments": {}}, 30.0)
        return told, now, [report for report, _ in site.cell.reports]

    told, now, reports = on_site(tmp_path, body)
    first, second, third = (from_json(each, HostUsage) for each in (*told, now))
    assert [server.uuid for server in first.servers] == [UUID]
    assert first.at < second.at < third.at
    assert first.servers[0].counters.cpu_s == 0.0
    assert third.servers[0].counters.cpu_s > second.servers[0].counters.cpu_s > 0.0
    assert [reports[0]["others_disk_gb"], reports[-1]["others_disk_gb"]] == [-1, (first.disk.used_bytes - first.disk.servers_bytes) >> 30]
