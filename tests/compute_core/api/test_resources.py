"""Flavors, key pairs, services, hosts, zones and limits through the REST API, in every version that changed them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api.harness import VERSIONS, Api, run

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl demo@laptop"
UNSUPPORTED = "The requested functionality is not supported."
FLAVOR = {"name": "c1.mini", "ram": 256, "vcpus": "2", "disk": 3}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_shows_flavors_keys_and_hosts_as_tempest_expects(tmp_path: Path, version: int) -> None:
    async def test(api: Api) -> None:
        await api.send("POST", "/v2.1/os-keypairs", {"keypair": {"name": "laptop", "public_key": KEY}}, version=version)
        for path in (
            "/flavors",
            "/flavors/detail",
            "/flavors/1",
            "/os-keypairs",
            "/os-keypairs/laptop",
            "/limits",
            "/os-availability-zone",
        ):
            await api.get(f"/v2.1{path}", version=version)
        for path in (
            "/os-aggregates",
            "/os-services",
            "/os-hypervisors",
            "/os-hypervisors/detail",
            "/os-hypervisors/statistics",
            "/os-availability-zone/detail",
        ):
            await api.get(f"/v2.1{path}", version=version, user="admin")
        host = (await api.get("/v2.1/os-hypervisors", version=version, user="admin"))["hypervisors"][0]
        assert (await api.get(f"/v2.1/os-hypervisors/{host['id']}", version=version, user="admin"))["hypervisor"]["id"] == host["id"]
        created = await api.send("POST", "/v2.1/flavors", {"flavor": FLAVOR}, version=version, user="admin")
        assert created.json["flavor"]["vcpus"] == 2

    run(tmp_path, test)


def test_flavors_are_found_sorted_and_paged(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        async def ids(query: str, **more: Any) -> list[str]:
            return [flavor["id"] for flavor in (await api.get(f"/v2.1/flavors?{query}", **more))["flavors"]]

        assert await ids("") == ["1", "2", "3", "4", "5"]
        assert await ids("minRam=4096") == ["3", "4", "5"]
        assert await ids("minDisk=160") == ["5"]
        assert await ids("limit=2&marker=2") == ["3", "4"]
        assert await ids("sort_key=memory_mb&sort_dir=desc") == ["5", "4", "3", "2", "1"]
        await api.send("POST", "/v2.1/flavors", {"flavor": {**FLAVOR, "id": "p", "os-flavor-access:is_public": False}}, user="admin")
        assert "p" not in await ids("")
        assert await ids("is_public=False", user="admin") == ["p"]
        assert len(await ids("is_public=None", user="admin")) == 6
        for query in ("limit=x", "minRam=x", "marker=nope", "sort_key=nope"):
            assert (await api.send("GET", f"/v2.1/flavors?{query}")).status == 400, query

    run(tmp_path, test)


def test_flavors_are_made_by_admins_only(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        assert (await api.send("POST", "/v2.1/flavors", {"flavor": FLAVOR})).status == 403
        reply = await api.send("POST", "/v2.1/flavors", {"flavor": {**FLAVOR, "description": "tiny"}}, user="admin", version=61)
        flavor = reply.json["flavor"]
        assert (flavor["description"], flavor["extra_specs"], flavor["swap"]) == ("tiny", {}, "")
        assert (await api.get(f"/v2.1/flavors/{flavor['id']}", version=75))["flavor"]["swap"] == 0
        assert (await api.send("POST", "/v2.1/flavors", {"flavor": FLAVOR}, user="admin")).status == 409
        for wrong in ({"ram": 0}, {"vcpus": "x"}, {"disk": -1}, {"name": ""}, {"id": "a/b"}, {"rxtx_factor": 0}, {"description": "2.1"}):
            assert (await api.send("POST", "/v2.1/flavors", {"flavor": FLAVOR | wrong}, user="admin")).status == 400, wrong
        assert (await api.send("DELETE", f"/v2.1/flavors/{flavor['id']}", user="admin")).status == 202
        assert (await api.send("GET", f"/v2.1/flavors/{flavor['id']}")).status == 404

    run(tmp_path, test)


def test_extra_specs_are_added_and_removed(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        path = "/v2.1/flavors/1/os-extra_specs"
        assert (await api.send("POST", path, {"extra_specs": {"hw:a": "1", "b": 2}}, user="admin")).json == {
            "extra_specs": {"hw:a": "1", "b": "2"}
        }
        assert (await api.send("PUT", f"{path}/b", {"b": "3"}, user="admin")).json == {"b": "3"}
        assert await api.get(f"{path}/b") == {"b": "3"}
        assert (await api.send("DELETE", f"{path}/hw:a", user="admin")).status == 200
        assert await api.get(path) == {"extra_specs": {"b": "3"}}
        assert (await api.send("GET", f"{path}/hw:a")).status == 404
        assert (await api.send("DELETE", f"{path}/hw:a", user="admin")).status == 404
        assert (await api.send("PUT", f"{path}/b", {"c": "3"}, user="admin")).status == 400
        assert (await api.send("POST", path, {"extra_specs": {"b": "3"}})).status == 403

    run(tmp_path, test)


def test_key_pairs_are_their_users(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        made = (await api.send("POST", "/v2.1/os-keypairs", {"keypair": {"name": "made"}})).json["keypair"]
        assert made["private_key"].startswith("-----BEGIN")
        taken = await api.send("POST", "/v2.1/os-keypairs", {"keypair": {"name": "laptop", "public_key": KEY, "type": "ssh"}}, version=2)
        assert (taken.status, "private_key" in taken.json["keypair"]) == (201, False)
        assert [pair["keypair"]["name"] for pair in (await api.get("/v2.1/os-keypairs"))["keypairs"]] == ["laptop", "made"]
        page = await api.get("/v2.1/os-keypairs?limit=1&marker=laptop", version=35)
        assert [pair["keypair"]["name"] for pair in page["keypairs"]] == ["made"]
        assert (await api.get("/v2.1/os-keypairs", user="other"))["keypairs"] == []
        assert (await api.send("GET", "/v2.1/os-keypairs/laptop", user="other")).status == 404
        demo = made["user_id"]
        assert (await api.send("GET", f"/v2.1/os-keypairs/laptop?user_id={demo}", user="other", version=10)).status == 403
        assert (await api.send("GET", f"/v2.1/os-keypairs/laptop?user_id={demo}", user="admin", version=10)).status == 200
        assert (await api.send("POST", "/v2.1/os-keypairs", {"keypair": {"name": "made"}})).status == 409
        assert (await api.send("POST", "/v2.1/os-keypairs", {"keypair": {"name": "bad", "public_key": "ssh-rsa nonsense"}})).status == 400
        assert (await api.send("DELETE", "/v2.1/os-keypairs/made")).status == 202
        assert (await api.send("DELETE", "/v2.1/os-keypairs/laptop", version=2)).status == 204

    run(tmp_path, test)


def test_services_are_taken_out_of_use(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        services = (await api.get("/v2.1/os-services?host=xen-a", version=87, user="admin"))["services"]
        assert [(row["host"], row["binary"], row["status"], row["state"]) for row in services] == [
            ("xen-a", "nova-compute", "enabled", "up")
        ]
        path = f"/v2.1/os-services/{services[0]['id']}"
        reply = await api.send("PUT", path, {"status": "disabled", "disabled_reason": "disk"}, version=53, user="admin")
        assert (reply.json["service"]["status"], reply.json["service"]["disabled_reason"]) == ("disabled", "disk")
        for version, action, more in (
            (1, "enable", {}),
            (1, "disable", {}),
            (1, "disable-log-reason", {"disabled_reason": "again"}),
            (11, "force-down", {"forced_down": True}),
            (11, "force-down", {"forced_down": False}),
        ):
            body = {"host": "xen-a", "binary": "nova-compute", **more}
            assert (await api.send("PUT", f"/v2.1/os-services/{action}", body, version=version, user="admin")).status == 200, action
        after = (await api.get("/v2.1/os-services?host=xen-a", version=11, user="admin"))["services"][0]
        assert (after["status"], after["disabled_reason"], after["forced_down"]) == ("disabled", "again", False)
        assert (await api.send("PUT", "/v2.1/os-services/enable", {"host": "x", "binary": "y"}, user="admin")).status == 404
        assert (await api.send("PUT", path, {"disabled_reason": "x"}, version=53, user="admin")).status == 400
        assert (await api.send("GET", "/v2.1/os-services")).status == 403

    run(tmp_path, test)


def test_hosts_are_found_by_name_and_with_their_servers(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active(user="admin", availability_zone="nova:xen-b")
        found = (await api.get("/v2.1/os-hypervisors/detail?with_servers=true", version=75, user="admin"))["hypervisors"]
        assert [(row["service"]["host"], [item["uuid"] for item in row["servers"]]) for row in found] == [
            ("xen-a", []),
            ("xen-b", [server]),
        ]
        assert [row["hypervisor_version"] for row in found] == [6002000, 6002000]
        named = await api.get("/v2.1/os-hypervisors?hypervisor_hostname_pattern=xen-b", version=53, user="admin")
        assert [row["hypervisor_hostname"] for row in named["hypervisors"]] == ["xen-b.example"]
        assert len((await api.get("/v2.1/os-hypervisors/xen-b/search", user="admin"))["hypervisors"]) == 1
        assert len((await api.get("/v2.1/os-hypervisors/xen-b/servers", user="admin"))["hypervisors"][0]["servers"]) == 1
        assert (await api.send("GET", "/v2.1/os-hypervisors/xen-b/search", user="admin", version=53)).status == 404
        assert (await api.send("GET", "/v2.1/os-hypervisors/xen-b", user="admin", version=87)).status == 400
        assert (await api.send("GET", "/v2.1/os-hypervisors/nope/search", user="admin")).status == 404
        for version in (1, 53, 87):
            host = (await api.get("/v2.1/os-hypervisors", user="admin", version=version))["hypervisors"][0]["id"]
            told = await api.send("GET", f"/v2.1/os-hypervisors/{host}/uptime", user="admin", version=version)
            assert (told.status, told.json) == (501, {"notImplemented": {"code": 501, "message": UNSUPPORTED}})
        assert (await api.send("GET", "/v2.1/os-hypervisors/9/uptime", user="admin")).status == 404
        page = await api.get("/v2.1/os-hypervisors?limit=1", user="admin", version=33)
        assert (len(page["hypervisors"]), page["hypervisors_links"][0]["rel"]) == (1, "next")

    run(tmp_path, test)


def test_zones_show_their_hosts_to_admins_only(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        zone = (await api.get("/v2.1/os-availability-zone"))["availabilityZoneInfo"]
        assert zone == [{"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}]
        detail = (await api.get("/v2.1/os-availability-zone/detail", user="admin"))["availabilityZoneInfo"]
        assert sorted(detail[0]["hosts"]) == ["xen-a", "xen-b"]
        assert detail[0]["hosts"]["xen-a"]["nova-compute"]["available"] is True
        assert (await api.send("GET", "/v2.1/os-availability-zone/detail")).status == 403

    run(tmp_path, test)


def test_extensions_are_listed_for_those_who_ask(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        aliases = [extension["alias"] for extension in (await api.get("/v2.1/extensions"))["extensions"]]
        assert "os-config-drive" in aliases
        assert (await api.get("/v2.1/extensions/os-services"))["extension"]["alias"] == "os-services"
        assert (await api.send("GET", "/v2.1/extensions/nope")).status == 404

    run(tmp_path, test)
