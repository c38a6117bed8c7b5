"""What is on hosts, over the operator's API: usage, kept images, orphans, weights of disks; and what projects have used, over Nova's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.json import to_json
from compute_core.model.usage import Counters, DiskUsage, HostUsage, ServerUsage
from tests.compute_core.api import harness
from tests.compute_core.api.harness import Api, run

TOP = "/operator/v1"
IMAGE = "00000000-0000-4000-8000-000000000001"
USAGE = HostUsage("xen-a", "2012-08-01T00:05:00Z", 2, 1, 0.5, DiskUsage(10, 5))


ANSWERS: Mapping[str, Any] = {
    "usage": ["usage"],
    "list_images": ["image"],
    "evict_images": {"evicted": [], "kept": []},
    "list_orphans": ["orphan"],
    "clean_orphans": ["cleaned"],
    "io_priorities": [{"device": "0", "scheduler": "", "level": "4"}],
    "set_io_weight": ["0"],
}


@pytest.fixture(autouse=True)
def _answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "ANSWERS", dict(ANSWERS))


def asked(api: Api) -> list[tuple[str, str, Any]]:
    """What hosts were asked about themselves, by host."""
    return [(agent.host, *each) for agent in api.agents for each in agent.asked]


async def body_of(api: Api, method: str, path: str, body: Any = None) -> Any:
    reply = await api.send(method, f"{TOP}{path}", body, user="admin")
    return reply.status, reply.json


def test_a_host_is_asked_what_is_on_it_and_what_is_to_be_done(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        assert await body_of(api, "GET", "/hosts/xen-a/usage") == (200, {"usage": ["usage"]})
        assert await body_of(api, "GET", "/hosts/xen-b/images") == (200, {"images": ["image"]})
        assert await body_of(api, "POST", "/hosts/xen-a/images/evict", {"evict": {}}) == (200, {"evicted": [], "kept": []})
        await body_of(api, "POST", "/hosts/xen-a/images/evict", {"evict": {"images": [IMAGE]}})
        assert await body_of(api, "GET", "/hosts/xen-a/orphans") == (200, {"orphans": ["orphan"]})
        assert await body_of(api, "POST", "/hosts/xen-a/orphans/clean", {"clean": {}}) == (200, {"cleaned": ["cleaned"]})
        await body_of(api, "POST", "/hosts/xen-a/orphans/clean", {"clean": {"ids": ["x"], "older_than_s": 60}})
        image = await api.image()
        reply = await api.send("POST", f"{TOP}/hosts/xen-b/images", {"cache": [{"id": image}]}, user="admin")
        assert (reply.status, reply.content) == (202, b"")
        await asyncio.sleep(1)
        assert asked(api) == [
            ("xen-a", "usage", {}),
            ("xen-a", "evict_images", {"images": None}),
            ("xen-a", "evict_images", {"images": [IMAGE]}),
            ("xen-a", "list_orphans", {}),
            ("xen-a", "clean_orphans", {"ids": None, "older_than_s": 0.0}),
            ("xen-a", "clean_orphans", {"ids": ["x"], "older_than_s": 60}),
            ("xen-b", "list_images", {}),
            ("xen-b", "cache_images", [image]),
        ]

    run(tmp_path, test)


def test_the_hosts_of_an_aggregate_fetch_images_ahead_since_2_81(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        made = await api.send("POST", "/v2.1/os-aggregates", {"aggregate": {"name": "east"}}, user="admin")
        one = f"/v2.1/os-aggregates/{made.json['aggregate']['id']}"
        await api.send("POST", f"{one}/action", {"add_host": {"host": "xen-b"}}, user="admin")
        body = {"cache": [{"id": await api.image()}]}

        async def cached(path: str, body: Any, version: int = 81, user: str = "admin") -> int:
            return (await api.send("POST", f"{path}/images", body, version=version, user=user, is_judged=False)).status

        assert await cached(one, body) == 202
        await asyncio.sleep(1)
        assert asked(api) == [("xen-b", "cache_images", [body["cache"][0]["id"]])]
        assert [await cached(one, body, 80), await cached("/v2.1/os-aggregates/9", body), await cached(one, body, user="demo")] == [
            404,
            404,
            403,
        ]
        for odd in ([], [body["cache"][0]] * 2, [{"id": IMAGE}], [{"id": "debian"}]):
            assert await cached(one, {"cache": odd}) == 400

    run(tmp_path, test)


def test_the_last_measurements_of_all_hosts_are_one_list(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        await api.agents[0].tell("usage_measured", host="xen-a", usage=to_json(USAGE))
        await asyncio.sleep(0.1)
        assert await body_of(api, "GET", "/usages") == (200, {"usages": [{**to_json(USAGE), "servers": []}]})
        assert await body_of(api, "GET", "/usages?host=xen-b") == (200, {"usages": []})

    run(tmp_path, test)


def test_diagnostics_in_the_hosts_own_names_tell_what_was_measured_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"power_state": "Running", "vcpus": 1, "uptime_s": 1, "values": {"cpu0": 0.5}}
    monkeypatch.setattr(harness, "ANSWERS", {"diagnostics": told})

    async def test(api: Api) -> None:
        server = await api.active()
        path = f"/v2.1/servers/{server}/diagnostics"
        assert await api.get(path, user="admin", is_judged=False) == {"cpu0": 0.5}
        host = (await api.get(f"/v2.1/servers/{server}", user="admin"))["server"]["OS-EXT-SRV-ATTR:host"]
        used = ServerUsage(server, "Running", 1, 2, None, 3, 4, 5, counters=Counters("x", 6.5, 7, 8, 9, 10))
        strange = replace(used, uuid=IMAGE)
        await api.agents[0].tell("usage_measured", host=host, usage=to_json(replace(USAGE, host=host, servers=(strange, used))))
        await asyncio.sleep(0.1)
        assert await api.get(path, user="admin", is_judged=False) == {
            "cpu0": 0.5, "disk_own_bytes": 3, "disk_base_bytes": 4, "disk_virtual_bytes": 5, "cpu_time_s": 6.5,
            "received_bytes": 7, "sent_bytes": 8, "read_bytes": 9, "written_bytes": 10,
        }  # fmt: skip

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/hosts/nobody/usage", None, 404),
        ("POST", "/hosts/nobody/images", "image", 409),
        ("POST", "/hosts/xen-a/images", {"cache": [{"id": IMAGE}]}, 400),
        ("POST", "/hosts/xen-a/images", {"cache": []}, 400),
        ("POST", "/hosts/xen-a/images/evict", {"evict": {"images": ["x"]}}, 400),
        ("POST", "/hosts/xen-a/orphans/clean", {"clean": {"older_than_s": -1}}, 400),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, method: str, path: str, body: Any, status: int) -> None:
    async def test(api: Api) -> None:
        sent = {"cache": [{"id": await api.image()}]} if body == "image" else body
        assert (await api.send(method, f"{TOP}{path}", sent, user="admin")).status == status
        assert (await api.send(method, f"{TOP}{path}", sent)).status == 403

    run(tmp_path, test)


def test_disks_are_weighed_while_their_server_is_at_rest(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        path = f"/servers/{server}/io-weights"
        assert await body_of(api, "GET", path) == (200, {"disks": ANSWERS["io_priorities"]})
        assert await body_of(api, "PUT", path, {"io_weight": {"weight": 900}}) == (200, {"devices": ["0"]})
        assert await body_of(api, "PUT", path, {"io_weight": {"weight": 900, "devices": ["0"]}}) == (200, {"devices": ["0"]})
        told = [arguments for agent in api.agents for question, arguments in agent.asked if question == "set_io_weight"]
        assert told == [{"weight": 900, "devices": None}, {"weight": 900, "devices": ["0"]}]
        for odd in ({"weight": 99}, {"weight": 1001}, {"weight": 500, "devices": []}, {"weight": 500, "devices": ["xvda"]}, {}):
            assert (await body_of(api, "PUT", path, {"io_weight": odd}))[0] == 400
        building = await api.server()
        assert (await body_of(api, "GET", f"/servers/{building}/io-weights"))[0] == 409

    run(tmp_path, test)


# ---- what projects have used ----------------------------------------------------------------------------------------------------


async def two_lives(api: Api) -> tuple[str, str]:
    """A server that lives on after an hour, and one that lived half an hour of it."""
    stays, goes = await api.active(name="stays", flavorRef="2"), await api.active(name="goes")
    await asyncio.sleep(1800)
    assert (await api.send("DELETE", f"/v2.1/servers/{goes}")).status == 204
    await asyncio.sleep(1800)
    return stays, goes


def test_a_project_is_told_what_its_servers_used_by_how_long_they_lived(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        stays, goes = await two_lives(api)
        project = (await api.get("/v2.1/servers/detail"))["servers"][0]["tenant_id"]
        usage = (await api.get(f"/v2.1/os-simple-tenant-usage/{project}"))["tenant_usage"]
        lines = {line["instance_id"]: line for line in usage["server_usages"]}
        assert {uuid: (line["state"], line["flavor"], line["vcpus"], line["memory_mb"]) for uuid, line in lines.items()} == {
            stays: ("active", "m1.small", 1, 2048),
            goes: ("terminated", "m1.tiny", 1, 512),
        }
        assert (1.0 < lines[stays]["hours"] < 1.1, 0.5 <= lines[goes]["hours"] < 0.52) == (True, True)
        assert (lines[stays]["ended_at"], lines[goes]["ended_at"] is None) == (None, False)
        assert usage["total_hours"] == sum(line["hours"] for line in lines.values())
        assert usage["total_memory_mb_usage"] == sum(line["hours"] * line["memory_mb"] for line in lines.values())
        assert usage["total_local_gb_usage"] == sum(line["hours"] * line["local_gb"] for line in lines.values())
        assert (await api.send("GET", f"/v2.1/os-simple-tenant-usage/{project}", user="other")).status == 403
        assert (await api.send("GET", "/v2.1/os-simple-tenant-usage")).status == 403
        listed = (await api.get("/v2.1/os-simple-tenant-usage?detailed=1", user="admin"))["tenant_usages"]
        assert [(each["tenant_id"], len(each["server_usages"])) for each in listed] == [(project, 2)]
        brief = (await api.get("/v2.1/os-simple-tenant-usage", user="admin"))["tenant_usages"]
        assert "server_usages" not in brief[0]

    run(tmp_path, test)


def test_only_what_lived_in_the_window_counts_and_pages_follow_each_other(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        stays, _ = await two_lives(api)
        project = (await api.get("/v2.1/servers/detail"))["servers"][0]["tenant_id"]
        path = f"/v2.1/os-simple-tenant-usage/{project}"
        late = (await api.get(f"{path}?start=2012-08-01T00:45:00&end=2012-08-01%2000:50:00.0"))["tenant_usage"]
        assert [(line["instance_id"], line["hours"]) for line in late["server_usages"]] == [(stays, 300 / 3600)]
        early = await api.send("GET", f"{path}?start=2011-01-01T00:00:00&end=2011-01-02T00:00:00", is_judged=False)
        assert early.json == {"tenant_usage": {}}
        first = await api.get(f"{path}?limit=1", version=40)
        (link,) = first["tenant_usage_links"]
        second = await api.get(f"/v2.1{link['href'].partition('/v2.1')[2]}", version=40)
        ids = [body["tenant_usage"]["server_usages"][0]["instance_id"] for body in (first, second)]
        assert len(set(ids)) == 2
        for odd in ("start=yesterday", "start=2012-08-02T00:00:00&end=2012-08-01T00:00:00"):
            assert (await api.send("GET", f"{path}?{odd}")).status == 400
        assert (await api.send("GET", f"{path}?colour=red", version=75)).status == 400

    run(tmp_path, test)
