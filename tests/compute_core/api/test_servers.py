"""Servers through the REST API: made, listed, shown in every version, changed, acted upon, deleted."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from compute_core.api.wsgi import Request, call_wsgi
from tests.compute_core.api.harness import VERSIONS, Api, run

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl demo@laptop"
NOWHERE = "00000000-0000-4000-8000-00000000dead"


def test_a_server_has_what_it_was_asked_for(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        await api.send("POST", "/v2.1/os-keypairs", {"keypair": {"name": "laptop", "public_key": KEY}})
        image = await api.image()
        user_data = base64.b64encode(b"#cloud-config\n").decode()
        server = await api.active(
            name="web", imageRef=image, metadata={"role": "front"}, user_data=user_data, config_drive=True, key_name="laptop",
            description="the front", tags=["a", "b"], version=52, accessIPv4="192.0.2.7", networks="auto",
        )  # fmt: skip
        shown = (await api.get(f"/v2.1/servers/{server}", version=87, user="admin"))["server"]
        wanted = {
            "id": server,
            "name": "web",
            "status": "ACTIVE",
            "metadata": {"role": "front"},
            "config_drive": "True",
            "key_name": "laptop",
            "description": "the front",
            "tags": ["a", "b"],
            "accessIPv4": "192.0.2.7",
            "OS-EXT-STS:vm_state": "active",
            "OS-EXT-STS:task_state": None,
            "OS-EXT-STS:power_state": 1,
            "OS-EXT-SRV-ATTR:user_data": user_data,
            "OS-EXT-AZ:availability_zone": "nova",
            "host_status": "UP",
            "locked": False,
        }
        assert {name: shown[name] for name in wanted} == wanted
        assert shown["image"]["id"] == image
        assert shown["flavor"] == {
            "original_name": "m1.tiny", "vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {},
        }  # fmt: skip
        assert [address["version"] for address in shown["addresses"]["private"]] == [4]

    run(tmp_path, test)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_answers_as_tempest_expects(tmp_path: Path, version: int) -> None:
    async def test(api: Api) -> None:
        server = await api.active(version=version)
        for user in ("demo", "admin"):
            await api.get(f"/v2.1/servers/{server}", version=version, user=user)
            await api.get("/v2.1/servers/detail?all_tenants=1" if user == "admin" else "/v2.1/servers/detail", version=version, user=user)
            await api.get("/v2.1/servers", version=version, user=user)
            reply = await api.send("PUT", f"/v2.1/servers/{server}", {"server": {"name": f"of-{user}"}}, version=version, user=user)
            assert reply.json["server"]["name"] == f"of-{user}"
        assert (await api.send("DELETE", f"/v2.1/servers/{server}", version=version)).status == 204
        await api.settle()
        assert (await api.send("GET", f"/v2.1/servers/{server}", version=version)).status == 404

    run(tmp_path, test)


def test_only_an_admin_sees_where_a_server_runs(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        own = (await api.get(f"/v2.1/servers/{server}", version=87))["server"]
        assert not [name for name in own if name.startswith("OS-EXT-SRV-ATTR") or name == "host_status"]
        assert len(own["hostId"]) == 56
        admins = (await api.get(f"/v2.1/servers/{server}", version=87, user="admin"))["server"]
        assert admins["OS-EXT-SRV-ATTR:host"] in {"xen-a", "xen-b"}

    run(tmp_path, test)


def test_a_server_of_another_project_is_not_found(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        assert (await api.get("/v2.1/servers", user="other"))["servers"] == []
        requests: tuple[tuple[str, str, Any], ...] = (
            ("GET", "", None),
            ("PUT", "", {"server": {"name": "mine"}}),
            ("DELETE", "", None),
            ("POST", "/action", {"os-stop": None}),
            ("GET", "/metadata", None),
            ("GET", "/ips", None),
            ("POST", "/action", {"createImage": {"name": "x"}}),
        )
        for method, rest, body in requests:
            reply = await api.send(method, f"/v2.1/servers/{server}{rest}", body, user="other")
            assert (reply.status, list(reply.json)) == (404, ["itemNotFound"]), (method, rest)

    run(tmp_path, test)


def test_a_reader_may_look_and_touch_nothing(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        assert (await api.get(f"/v2.1/servers/{server}", user="looker"))["server"]["id"] == server
        requests: tuple[tuple[str, str, Any], ...] = (
            ("POST", "/servers", {"server": {}}),
            ("DELETE", f"/servers/{server}", None),
            ("POST", f"/servers/{server}/action", {"os-stop": None}),
            ("POST", "/os-keypairs", {"keypair": {"name": "x"}}),
            ("POST", f"/servers/{server}/metadata", {"metadata": {}}),
        )
        for method, path, body in requests:
            reply = await api.send(method, f"/v2.1{path}", body, user="looker")
            assert (reply.status, list(reply.json)) == (403, ["forbidden"]), path

    run(tmp_path, test)


def test_several_servers_are_asked_for_at_once(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        await api.server(name="many", min_count=2, max_count="3")
        await api.settle()
        servers = (await api.get("/v2.1/servers/detail?sort_key=display_name&sort_dir=asc"))["servers"]
        assert [(server["name"], server["status"]) for server in servers] == [
            ("many-1", "ACTIVE"), ("many-2", "ACTIVE"), ("many-3", "ACTIVE"),
        ]  # fmt: skip
        asked = {"name": "r", "flavorRef": "1", "imageRef": servers[0]["image"]["id"], "max_count": 2, "return_reservation_id": True}
        headers = {"X-Auth-Token": await api.token("demo")}
        reply = await call_wsgi(api.cloud.local_app, Request("POST", "/v2.1/servers", {"server": asked}, headers=headers))
        assert (reply.status, list(reply.json)) == (202, ["reservation_id"])

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "Invalid input for field/attribute server.name. Value: . '' should be non-empty"),
        ({"name": " x"}, "Invalid input for field/attribute server.name. Value:  x. ' x' is not a 'name'"),
        ({"name": "x" * 256}, "is too long"),
        ({"surprise": 1}, "Additional properties are not allowed ('surprise' was unexpected)"),
        ({"flavorRef": "nope"}, "Flavor nope could not be found."),
        ({"imageRef": NOWHERE}, "Can not find requested image"),
        ({"imageRef": ""}, "Invalid imageRef provided."),
        ({"key_name": "nope"}, "Invalid key_name provided."),
        ({"min_count": 3, "max_count": 2}, "min_count must be <= max_count"),
        ({"min_count": 0}, "server.min_count"),
        ({"user_data": "?"}, "is not a 'base64'"),
        ({"metadata": {"k" * 256: "v"}}, "does not match any of the regexes"),
        ({"availability_zone": "mars"}, "The requested availability zone is not available"),
        ({"networks": [{"uuid": NOWHERE}]}, f"Network {NOWHERE} could not be found."),
        ({"networks": [{"port": NOWHERE}]}, f"Port {NOWHERE} could not be found."),
        ({"security_groups": [{"name": "web"}]}, "Security group web not found"),
        ({"block_device_mapping_v2": [{"boot_index": 0, "uuid": NOWHERE, "source_type": "volume"}]}, "Boot sequence for the instance"),
        ({"block_device_mapping": [{"volume_id": NOWHERE}]}, "block_device_mapping is not read here"),
        ({"description": "not in 2.1"}, "Additional properties are not allowed"),
    ],
)
def test_a_server_that_cannot_be_meant_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    async def test(api: Api) -> None:
        asked = {"name": "web", "flavorRef": "1", "imageRef": await api.image(), **fields}
        reply = await api.send("POST", "/v2.1/servers", {"server": asked})
        assert (reply.status, list(reply.json), reply.json["badRequest"]["code"]) == (400, ["badRequest"], 400)
        assert message in reply.json["badRequest"]["message"]
        assert (await api.get("/v2.1/servers"))["servers"] == []

    run(tmp_path, test)


def test_an_image_too_large_for_the_flavor_is_refused(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        for name, value, message in (("min_ram", 1024, "memory is too small"), ("min_disk", 2, "disk is too small")):
            asked = {"name": "web", "flavorRef": "1", "imageRef": await api.image("demo", **{name: value})}
            reply = await api.send("POST", "/v2.1/servers", {"server": asked})
            assert reply.status == 400
            assert message in reply.json["badRequest"]["message"]

    run(tmp_path, test)


def test_the_boot_disk_may_be_named_twice_as_the_openstack_client_does(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        image = await api.image()
        disk = {"uuid": image, "boot_index": 0, "source_type": "image", "destination_type": "local", "delete_on_termination": True}
        await api.active(imageRef=image, block_device_mapping_v2=[disk], networks="none", version=87)

    run(tmp_path, test)


def test_networks_must_be_named_from_2_37_on(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        asked = {"name": "web", "flavorRef": "1", "imageRef": await api.image()}
        reply = await api.send("POST", "/v2.1/servers", {"server": asked}, version=37)
        assert reply.json["badRequest"]["message"].endswith("'networks' is a required property")
        none = await api.active(**asked, networks="none", version=37)
        assert (await api.get(f"/v2.1/servers/{none}/ips"))["addresses"] == {}
        some = await api.active(**asked, networks="auto", version=37)
        assert list((await api.get(f"/v2.1/servers/{some}/ips"))["addresses"]) == ["private"]
        assert len((await api.get(f"/v2.1/servers/{some}/ips/private"))["private"]) == 1
        assert (await api.send("GET", f"/v2.1/servers/{some}/ips/public")).status == 404

    run(tmp_path, test)


def test_pages_follow_their_links_and_lose_nothing(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        await api.server(name="s", min_count=5)
        await api.settle()
        found, path = [], "/v2.1/servers?limit=2&sort_key=display_name&sort_dir=asc"
        pages = []
        while path:
            page = await api.get(path)
            pages.append(len(page["servers"]))
            found += [server["name"] for server in page["servers"]]
            links = page.get("servers_links", [])
            path = links[0]["href"].removeprefix("http://inova.local") if links else ""
        assert (found, pages) == (["s-1", "s-2", "s-3", "s-4", "s-5"], [2, 2, 1])
        assert (await api.get("/v2.1/servers?limit=0"))["servers"] == []
        for query in ("limit=-1", "limit=x", f"marker={NOWHERE}", "sort_key=nonsense", "sort_dir=up", "name=(", "changes-since=yesterday"):
            assert (await api.send("GET", f"/v2.1/servers?{query}")).status == 400, query

    run(tmp_path, test)


def test_filters_let_through_what_they_name(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        first = await api.active(name="alpha")
        second = await api.active(name="beta", flavorRef="2")
        await api.send("POST", f"/v2.1/servers/{second}/action", {"os-stop": None})
        await api.settle()

        async def names(query: str, **more: Any) -> list[str]:
            return sorted(server["name"] for server in (await api.get(f"/v2.1/servers?{query}", **more))["servers"])

        image = (await api.get(f"/v2.1/servers/{first}"))["server"]["image"]["id"]
        address = (await api.get(f"/v2.1/servers/{first}/ips"))["addresses"]["private"][0]["addr"]
        for query, expected in {
            "name=alp": ["alpha"],
            "name=^b.*a$": ["beta"],
            "status=SHUTOFF": ["beta"],
            "status=active&status=shutoff": ["alpha", "beta"],
            "status=NONSENSE": [],
            "flavor=2": ["beta"],
            f"image={image}": ["alpha"],
            f"uuid={second}": ["beta"],
            f"ip=^{address}$": ["alpha"],
            "vm_state=stopped": ["beta"],
            "changes-since=2012-08-01T00:00:00Z": ["alpha", "beta"],
            "changes-since=2013-01-01T00:00:00Z": [],
            "deleted=False": ["alpha", "beta"],
        }.items():
            assert await names(query) == expected, query
        assert await names("all_tenants=1", user="admin") == ["alpha", "beta"]
        assert await names("", user="admin") == []
        assert await names("nonsense=1", version=74) == ["alpha", "beta"]
        assert (await api.send("GET", "/v2.1/servers?nonsense=1", version=75)).status == 400
        assert (await api.send("GET", "/v2.1/servers?all_tenants=1")).status == 403
        assert (await api.send("GET", "/v2.1/servers?tags=x", version=26)).status == 400

    run(tmp_path, test)


def test_an_admin_may_list_what_is_deleted(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        await api.send("DELETE", f"/v2.1/servers/{server}")
        await api.settle()
        for query in ("deleted=True", "status=DELETED", "changes-since=2012-08-01T00:00:00Z"):
            found = (await api.get(f"/v2.1/servers/detail?all_tenants=1&{query}", user="admin"))["servers"]
            assert [(item["id"], item["status"]) for item in found] == [(server, "DELETED")], query
        assert (await api.send("GET", "/v2.1/servers?status=DELETED")).status == 403

    run(tmp_path, test)


def test_actions_lead_from_state_to_state(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        for action, status in (
            ({"pause": None}, "PAUSED"),
            ({"unpause": None}, "ACTIVE"),
            ({"suspend": None}, "SUSPENDED"),
            ({"resume": None}, "ACTIVE"),
            ({"os-stop": None}, "SHUTOFF"),
            ({"os-start": None}, "ACTIVE"),
            ({"reboot": {"type": "SOFT"}}, "ACTIVE"),
            ({"reboot": {"type": "hard"}}, "ACTIVE"),
        ):
            reply = await api.send("POST", f"/v2.1/servers/{server}/action", action)
            assert (reply.status, reply.content) == (202, b""), action
            await api.settle()
            assert (await api.get(f"/v2.1/servers/{server}"))["server"]["status"] == status, action

    run(tmp_path, test)


def test_an_action_that_cannot_be_is_refused(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        for action, status, name in (
            ({"unpause": None}, 409, "conflictingRequest"),
            ({"os-start": None}, 409, "conflictingRequest"),
            ({"reboot": {"type": "WARM"}}, 400, "badRequest"),
            ({"reboot": None}, 400, "badRequest"),
            ({"dance": None}, 400, "badRequest"),
            ({}, 400, "badRequest"),
            ({"pause": None, "os-stop": None}, 400, "badRequest"),
            ([], 400, "badRequest"),
        ):
            reply = await api.send("POST", f"/v2.1/servers/{server}/action", action)
            assert (reply.status, list(reply.json)) == (status, [name]), action
        reply = await api.send("POST", f"/v2.1/servers/{NOWHERE}/action", {"os-stop": None})
        assert reply.json == {"itemNotFound": {"code": 404, "message": f"Instance {NOWHERE} could not be found."}}

    run(tmp_path, test)


def test_an_image_is_made_of_a_server(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        old = await api.send("POST", f"/v2.1/servers/{server}/action", {"createImage": {"name": "one", "metadata": {"a": "b"}}})
        assert old.content == b""
        image = old.headers["location"].rpartition("/")[2]
        await api.settle()
        shown = await api.get(f"/image/v2/images/{image}")
        assert (shown["name"], shown["a"], shown["disk_format"]) == ("one", "b", "vhd")
        new = await api.send("POST", f"/v2.1/servers/{server}/action", {"createImage": {"name": "two"}}, version=45)
        assert (await api.get(f"/image/v2/images/{new.json['image_id']}"))["name"] == "two"
        assert "location" not in new.headers

    run(tmp_path, test)


def test_the_console_is_read_from_its_end(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        path = f"/v2.1/servers/{server}/action"
        reply = await api.send("POST", path, {"os-getConsoleOutput": {"length": 2}})
        assert reply.json == {"output": "line 8\nline 9"}
        for length in ({}, {"length": None}, {"length": -1}, {"length": "-1"}):
            reply = await api.send("POST", path, {"os-getConsoleOutput": length})
            assert reply.json["output"].startswith("line 0\n"), length
        assert (await api.send("POST", path, {"os-getConsoleOutput": {"length": "x"}})).status == 400

    run(tmp_path, test)


def test_metadata_is_added_replaced_and_removed(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active(metadata={"a": "1"})
        path = f"/v2.1/servers/{server}/metadata"
        assert (await api.send("POST", path, {"metadata": {"b": "2"}})).json == {"metadata": {"a": "1", "b": "2"}}
        assert (await api.send("PUT", f"{path}/c", {"meta": {"c": "3"}})).json == {"meta": {"c": "3"}}
        assert await api.get(f"{path}/c") == {"meta": {"c": "3"}}
        assert (await api.send("DELETE", f"{path}/a")).status == 204
        assert await api.get(path) == {"metadata": {"b": "2", "c": "3"}}
        assert (await api.send("PUT", path, {"metadata": {"d": "4"}})).json == {"metadata": {"d": "4"}}
        assert (await api.send("GET", f"{path}/a")).status == 404
        assert (await api.send("DELETE", f"{path}/a")).status == 404
        assert (await api.send("PUT", f"{path}/x", {"meta": {"y": "1"}})).status == 400
        assert (await api.send("POST", path, {"metadata": {"a": 1}})).status == 400

    run(tmp_path, test)


def test_an_admin_may_choose_the_host(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        image = await api.image("admin")
        for fields in ({"availability_zone": "nova:xen-b"}, {"host": "xen-b", "version": 74}):
            server = await api.active(user="admin", imageRef=image, **fields)
            shown = (await api.get(f"/v2.1/servers/{server}", user="admin"))["server"]
            assert shown["OS-EXT-SRV-ATTR:host"] == "xen-b"
        asked = {"name": "web", "flavorRef": "1", "imageRef": await api.image(), "availability_zone": "nova:xen-b"}
        assert (await api.send("POST", "/v2.1/servers", {"server": asked})).status == 403

    run(tmp_path, test)
