"""RRDs over HTTP: which archives answer, what stands in them, and that calls tell the same."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from fake_xapi.transports.handlers import HANDLERS
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.transfers import BadRequest, TransferAnswer, TransferRequest
from fake_xapi.verbs.dates import moment
from tests.fake_xapi.transports.images import exchange, served
from tests.fake_xapi.transports.serving import run
from tests.fake_xapi.verbs.kit.hosts import GIB, Host, add_host, over_host

HOUR = 3600


async def read(host: Host, path: str, /, **parameters: str) -> str:
    client = InProcess(host.kit.xapi)
    return b"".join([piece async for piece in client.get(path, {"session_id": host.kit.session, **parameters})]).decode()


async def refused(host: Host, path: str, **parameters: str) -> int:
    with pytest.raises(BadRequest) as caught:
        await read(host, path, **parameters)
    return caught.value.status


async def running(host: Host, **fields: Any) -> tuple[str, str]:
    """A VM that runs, with a disk and an interface: its ref and uuid."""
    vm, _, _, _ = await host.server(**fields)
    await host.call("VM.start", vm, False, False)
    return vm, host.world.uuid(host.id(vm))


def now_s(host: Host) -> int:
    return int(moment(host.kit.xapi.now()).timestamp())


def columns(document: str) -> dict[str, list[float]]:
    """The columns of an xport document by their legends, newest first."""
    root = ET.fromstring(document)
    meta, rows = root.find("meta"), root.findall("data/row")
    assert meta is not None
    legend = [entry.text or "" for entry in meta.findall("legend/entry")]
    assert (meta.findtext("rows"), meta.findtext("columns")) == (str(len(rows)), str(len(legend)))
    assert len(set(legend)) == len(legend)
    values = [[float(v.text or "") for v in row.findall("v")] for row in rows]
    return {name: [row[place] for row in values] for place, name in enumerate(legend)}


def times(document: str) -> list[int]:
    return [int(t.text or "") for t in ET.fromstring(document).findall("data/row/t")]


# ---- what is new -----------------------------------------------------------------------------------------------------------------


def test_what_is_new_is_told_newest_first_of_the_finest_archive_that_goes_back_so_far() -> None:
    async def body(host: Host) -> None:
        await running(host)
        await asyncio.sleep(3 * HOUR)
        for back, step, rows in ((60, 5, 13), (595, 5, 120), (601, 60, 11), (7000, 60, 117), (8000, HOUR, 3), (10 * 86_400, 86_400, 10)):
            document = await read(host, "/rrd_updates", start=str(now_s(host) - back), cf="AVERAGE")
            found = times(document)
            assert (len(found), {a - b for a, b in itertools.pairwise(found)}) == (rows, {step}), back
            assert ET.fromstring(document).findtext("meta/step") == str(step)

    over_host(body)


def test_a_negative_start_is_relative_and_an_interval_makes_rows_longer() -> None:
    async def body(host: Host) -> None:
        await running(host)
        await asyncio.sleep(HOUR)
        absolute = await read(host, "/rrd_updates", start=str(now_s(host) - 300))
        assert await read(host, "/rrd_updates", start="-300") == absolute
        longer = await read(host, "/rrd_updates", start="-300", interval="60", cf="MAX")
        assert ET.fromstring(longer).findtext("meta/step") == "60"

    over_host(body)


def test_only_a_number_is_a_start() -> None:
    async def body(host: Host) -> None:
        assert [await refused(host, "/rrd_updates", start=start) for start in ("", "soon", "1e3")] == [400, 400, 400]
        assert await refused(host, "/rrd_updates") == 400

    over_host(body)


def test_the_host_and_srs_are_told_when_they_are_wished_for_and_one_vm_alone_when_it_is_named() -> None:
    async def body(host: Host) -> None:
        _, first = await running(host)
        _, second = await running(host)
        await asyncio.sleep(60)
        prefixes: dict[tuple[str, ...], set[str]] = {}
        for wish in ({}, {"host": "true"}, {"vm_uuid": first}, {"vm_uuid": "none", "sr_uuid": "all"}, {"uuid": second}):
            legends = columns(await read(host, "/rrd_updates", start="-30", **wish))
            prefixes[tuple(wish)] = {":".join(legend.split(":")[1:3]) for legend in legends}
        here = host.world.uuid(host.kit.xapi.host)
        assert list(prefixes.values()) == [
            {f"vm:{first}", f"vm:{second}"},
            {f"vm:{first}", f"vm:{second}", f"host:{here}"},
            {f"vm:{first}"},
            {f"sr:{host.world.uuid(host.id(host.sr))}"},
            {f"vm:{second}"},
        ]

    over_host(body)


def test_each_consolidation_is_of_the_same_values() -> None:
    async def body(host: Host) -> None:
        _, uuid = await running(host, other_config={"sim.load": "steady"})
        await asyncio.sleep(HOUR)
        found = columns(await read(host, "/rrd_updates", start="-1200", interval="60"))
        low, mean, high = (found[f"{cf}:vm:{uuid}:cpu0"] for cf in ("MIN", "AVERAGE", "MAX"))
        assert all(a < b < c for a, b, c in zip(low, mean, high, strict=True))
        single = columns(await read(host, "/rrd_updates", start="-590", cf="AVERAGE"))[f"AVERAGE:vm:{uuid}:cpu0"]
        last = columns(await read(host, "/rrd_updates", start="-590", interval="60", cf="LAST"))[f"LAST:vm:{uuid}:cpu0"]
        assert last[0] in single[:12]
        minute = single[: len(single) // 12 * 12]
        assert min(minute) >= 0.0
        assert max(minute) <= 1.0

    over_host(body)


def test_json_says_the_same_as_xml_with_numbers_as_texts() -> None:
    async def body(host: Host) -> None:
        await running(host)
        await asyncio.sleep(20)
        document = json.loads(await read(host, "/rrd_updates", start="-60", json="true", host="true"))
        xml = columns(await read(host, "/rrd_updates", start="-60", host="true"))
        assert document["meta"]["legend"] == list(xml)
        assert (document["meta"]["step"], document["meta"]["rows"], document["meta"]["columns"]) == (5, len(document["data"]), len(xml))
        assert all(isinstance(value, str) for row in document["data"] for value in row["values"])
        read_back = {name: [float(row["values"][place]) for row in document["data"]] for place, name in enumerate(xml)}
        assert str(read_back) == str(xml)  # as texts, since NaN is not NaN

    over_host(body)


def test_json_of_2012_has_no_quotes() -> None:
    async def body(host: Host) -> None:
        await running(host)
        await asyncio.sleep(7)
        document = await read(host, "/rrd_updates", start="-10", json="true")
        assert document.startswith("{meta: {start:")
        assert ",values:[" in document
        assert '"values"' not in document

    over_host(body, "tampa")


# ---- whole databases -------------------------------------------------------------------------------------------------------------


def archives(document: str) -> list[tuple[str, str, int]]:
    rras = ET.fromstring(document).findall("rra")
    return [(rra.findtext("cf") or "", rra.findtext("pdp_per_row") or "", len(rra.findall("database/row"))) for rra in rras]


def latest(document: str) -> dict[str, float]:
    """The last row of the first archive by the names of the sources, as drivers read diagnostics."""
    root = ET.fromstring(document)
    names = [name.text or "" for name in root.findall("ds/name")]
    rows = root.findall("rra/database/row")[:120]
    return dict(zip(names, [float(v.text or "") for v in rows[-1].findall("v")], strict=True))


def test_a_database_has_the_four_archives_of_every_host() -> None:
    async def body(host: Host) -> None:
        vm, uuid = await running(host)
        await asyncio.sleep(120)
        document = await read(host, "/vm_rrd", uuid=uuid)
        per_row = [("1", 120, 1), ("12", 120, 3), ("720", 168, 3), ("17280", 366, 3)]
        assert archives(document) == [(cf, steps, rows) for steps, rows, cfs in per_row for cf in ("AVERAGE", "MIN", "MAX")[:cfs]]
        root = ET.fromstring(document)
        assert (root.findtext("version"), root.findtext("step"), root.findtext("lastupdate")) == ("0003", "5", str(now_s(host)))
        assert latest(document)["memory"] == GIB == await host.call("VM.query_data_source", vm, "memory")

    over_host(body)


def test_calls_and_databases_tell_the_same() -> None:
    async def body(host: Host) -> None:
        vm, uuid = await running(host)
        await asyncio.sleep(600)
        found = latest(await read(host, "/vm_rrd", uuid=uuid))
        for name, value in found.items():
            assert await host.call("VM.query_data_source", vm, name) == pytest.approx(value, abs=5e-5), name
        of_host = latest(await read(host, "/host_rrd"))
        for name, value in of_host.items():
            assert await host.call("host.query_data_source", host.host, name) == pytest.approx(value, abs=5e-5), name

    over_host(body)


def test_a_vm_has_nothing_before_it_ran_and_keeps_what_it_had_when_it_is_down() -> None:
    async def body(host: Host) -> None:
        vm, uuid = await running(host)
        await asyncio.sleep(300)
        await host.call("VM.hard_shutdown", vm)
        await asyncio.sleep(120)
        values = [row.findtext("v") for row in ET.fromstring(await read(host, "/vm_rrd", uuid=uuid)).findall("rra/database/row")[:120]]
        assert [value == "NaN" for value in values] == [True] * 36 + [False] * 60 + [True] * 24
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(60)
        values = [row.findtext("v") for row in ET.fromstring(await read(host, "/vm_rrd", uuid=uuid)).findall("rra/database/row")[:120]]
        assert [value == "NaN" for value in values] == [True] * 24 + [False] * 60 + [True] * 24 + [False] * 12

    over_host(body)


def test_json_of_a_database_is_the_same_database() -> None:
    async def body(host: Host) -> None:
        _, uuid = await running(host)
        await asyncio.sleep(30)
        document, xml = json.loads(await read(host, "/vm_rrd", uuid=uuid, json="true")), await read(host, "/vm_rrd", uuid=uuid)
        assert [(rra["cf"], rra["pdp_per_row"], len(rra["database"])) for rra in document["rra"]] == archives(xml)
        first = [[v.text for v in row.findall("v")] for row in ET.fromstring(xml).findall("rra/database/row")[:120]]
        assert document["rra"][0]["database"] == first

    over_host(body)


def test_what_is_asked_of_nothing_is_refused() -> None:
    async def body(host: Host) -> None:
        vm, _, _, _ = await host.server()
        other = add_host(host)
        with host.world.edit() as edit:
            sr = edit.create("SR", name_label="elsewhere", type="nfs")
        assert [await refused(host, path) for path in ("/vm_rrd", "/sr_rrd")] == [400, 400]
        assert [await refused(host, path, uuid="nobody") for path in ("/vm_rrd", "/sr_rrd")] == [404, 404]
        assert await refused(host, "/vm_rrd", uuid=host.world.uuid(host.id(vm))) == 404
        assert await refused(host, "/sr_rrd", uuid=host.world.uuid(sr)) == 404
        host.set(vm, resident_on=host.id(other), power_state="Running")
        answer = await _answer(host, "/vm_rrd", uuid=host.world.uuid(host.id(vm)))
        assert answer.status == 302
        assert dict(answer.headers)["Location"].startswith("http://10.0.0.2/vm_rrd?session_id=")

    over_host(body)


async def _answer(host: Host, path: str, **parameters: str) -> TransferAnswer:
    async def nothing() -> Any:
        no_pieces: tuple[bytes, ...] = ()
        for piece in no_pieces:
            yield piece

    asked: Mapping[str, str] = {"session_id": host.kit.session, **parameters}
    return await HANDLERS[b"GET", path.encode()](TransferRequest(host.kit.xapi, asked, host.kit.session, nothing(), 0))


def test_over_http_the_documents_have_their_types_and_lengths() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            for accept, kind in (("", "text/xml"), ("Accept: application/json\r\n", "application/json")):
                request = f"GET /host_rrd?session_id={xen.session} HTTP/1.1\r\n{accept}\r\n".encode()
                reply = await exchange(client, request)
                assert (reply.status, reply.headers["content-type"], len(reply.body) > 100_000) == (200, kind, True)
            reply = await exchange(client, b"GET /host_rrd HTTP/1.1\r\n\r\n")
            assert reply.status == 401

    run(body())


# ---- data sources ----------------------------------------------------------------------------------------------------------------

VM_NAMES = {
    "boston": {"cpu0", "cpu1", "memory", "memory_target", "vif_0_rx", "vif_0_tx", "vbd_xvda_read", "vbd_xvda_write"},
    "tampa": {"cpu0", "cpu1", "memory", "memory_target", "vif_0_rx", "vif_0_tx", "vbd_xvda_read", "vbd_xvda_write"},
    "latest": {
        "cpu0", "cpu1", "memory", "memory_target", "vif_0_rx", "vif_0_tx",
        *(f"vbd_xvda_{name}" for name in (
            "read", "write", "read_latency", "write_latency", "io_throughput_read", "io_throughput_write", "io_throughput_total",
            "iops_read", "iops_write", "iops_total", "iowait", "inflight", "latency", "avgqu_sz",
        )),
    },
}  # fmt: skip


@pytest.mark.parametrize("release", VM_NAMES)
def test_each_era_records_its_sources(release: str) -> None:
    async def body(host: Host) -> None:
        vm, _ = await running(host)
        host.set(vm, guest_metrics=0)
        sources = await host.call("VM.get_data_sources", vm)
        assert {source["name_label"] for source in sources if source["enabled"]} == VM_NAMES[release]
        assert {source["name_label"] for source in sources if source["standard"]} == VM_NAMES[release]
        runstates = {source["name_label"]: source["value"] for source in sources if source["name_label"].startswith("runstate_")}
        assert (len(runstates), math.isclose(sum(runstates.values()), 1.0, abs_tol=1e-9)) == (
            (0, False) if release == "boston" else (6, True)
        )

    over_host(body, {"boston": "boston", "tampa": "tampa", "latest": "latest"}[release])


def test_a_source_is_recorded_and_forgotten_as_callers_say() -> None:
    async def body(host: Host) -> None:
        vm, uuid = await running(host)
        await asyncio.sleep(60)

        async def names() -> set[str]:
            return set(latest(await read(host, "/vm_rrd", uuid=uuid)))

        no_such = ["INTERNAL_ERROR", 'Failure("No such data source: vif_0_rx_errors")']
        assert "vif_0_rx_errors" not in await names()
        assert await host.refused("VM.query_data_source", vm, "vif_0_rx_errors") == no_such
        await host.call("VM.record_data_source", vm, "vif_0_rx_errors")
        assert "vif_0_rx_errors" in await names()
        assert await host.call("VM.query_data_source", vm, "vif_0_rx_errors") == 0.0
        await host.call("VM.forget_data_source_archives", vm, "cpu0")
        assert "cpu0" not in await names()
        assert await host.refused("VM.forget_data_source_archives", vm, "cpu0") == ["INVALID_VALUE", "data-source", "cpu0"]
        assert await host.refused("VM.record_data_source", vm, "luck") == ["INTERNAL_ERROR", 'Failure("No such data source: luck")']
        await host.call("VM.record_data_source", vm, "cpu0")
        assert "cpu0" in await names()
        await host.call("VM.hard_shutdown", vm)
        await host.call("VM.destroy", vm)
        assert not list(host.world.ids("rrd"))

    over_host(body)


@pytest.mark.parametrize(("kind", "least", "most"), [("idle", 0.0, 0.05), ("steady", 0.05, 0.8), ("bursty", 0.0, 1.0)])
def test_a_guest_is_as_busy_as_it_was_told(kind: str, least: float, most: float) -> None:
    async def body(host: Host) -> None:
        _, uuid = await running(host, other_config={"sim.load": kind})
        await asyncio.sleep(2 * HOUR)
        found = columns(await read(host, "/rrd_updates", start="-7000", interval="60", cf="MAX"))[f"MAX:vm:{uuid}:cpu0"]
        known = [value for value in found if not math.isnan(value)]
        assert len(known) > 100
        assert all(least <= value <= most for value in known)
        assert kind != "bursty" or (max(known) > 0.4 and min(known) < 0.1)

    over_host(body)


def test_a_host_carries_what_its_guests_do() -> None:
    async def body(host: Host) -> None:
        for _ in range(4):
            await running(host, other_config={"sim.load": "steady"})
        alone = await host.call("host.query_data_source", host.host, "cpu_avg")
        names = {source["name_label"]: source["value"] for source in await host.call("host.get_data_sources", host.host)}
        assert {"cpu7", "loadavg", "memory_free_kib", "pif_eth0_rx", "pif_aggr_tx", "xapi_memory_usage_kib", "cpu0-C0"} <= set(names)
        assert names["memory_total_kib"] == 16 * GIB // 1024
        short = host.world.uuid(host.id(host.sr))[:8]
        assert names[f"iops_total_{short}"] == pytest.approx(names[f"iops_read_{short}"] + names[f"iops_write_{short}"])
        for vm in await host.call("VM.get_all"):
            await host.call("VM.hard_shutdown", vm)
        assert await host.call("host.query_data_source", host.host, "cpu_avg") < alone

    over_host(body)


def test_an_sr_tells_its_size() -> None:
    async def body(host: Host) -> None:
        assert await host.call("SR.query_data_source", host.sr, "size") == 200 * GIB
        await asyncio.sleep(10)
        assert latest(await read(host, "/sr_rrd", uuid=host.world.uuid(host.id(host.sr))))["size"] == 200 * GIB

    over_host(body)
