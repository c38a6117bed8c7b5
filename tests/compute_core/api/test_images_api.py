"""Images through the REST API, as Glance's clients use it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.compute_core.api.harness import Api, run
from tests.compute_core.images import vhds

OCTETS = {"Content-Type": "application/octet-stream"}


def test_an_image_is_registered_filled_and_read_back(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        asked = {"name": "debian", "disk_format": "vhd", "container_format": "bare", "min_disk": 1, "os_type": "linux", "tags": ["x"]}
        created = await api.send("POST", "/image/v2/images", asked)
        path = f"/image/v2/images/{created.json['id']}"
        assert (created.status, created.json["status"], created.headers["location"]) == (201, "queued", f"http://inova.local{path}")
        assert (await api.send("GET", f"{path}/file")).status == 204
        content = vhds.dynamic({0: b"boot"})
        assert (await api.send("PUT", f"{path}/file", content=content, headers=OCTETS)).status == 204
        shown = await api.get(path)
        expected = {
            **asked, "status": "active", "size": len(content), "virtual_size": 4 * vhds.BLOCK, "visibility": "private", "protected": False,
            "checksum": hashlib.md5(content).hexdigest(), "os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(content).hexdigest(),
        }  # fmt: skip
        assert {name: shown[name] for name in expected} == expected
        reply = await api.send("GET", f"{path}/file")
        assert (reply.content, reply.headers["content-type"]) == (content, "application/octet-stream")
        assert reply.headers["content-md5"] == expected["checksum"]

    run(tmp_path, test)


def test_what_is_no_vhd_is_refused_and_may_be_sent_again(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        asked = {"name": "x", "disk_format": "vhd", "container_format": "bare"}
        path = f"/image/v2/images/{(await api.send('POST', '/image/v2/images', asked)).json['id']}"
        reply = await api.send("PUT", f"{path}/file", content=b"no disk", headers=OCTETS)
        assert (reply.status, reply.json["error"]["message"]) == (400, "Not a VHD: no footer at the end of the file.")
        assert (await api.get(path))["status"] == "queued"
        assert (await api.send("PUT", f"{path}/file", content=vhds.fixed(b"x" * 512), headers=OCTETS)).status == 204
        again = await api.send("PUT", f"{path}/file", content=vhds.fixed(b"y" * 512), headers=OCTETS)
        assert again.status == 409
        wrong = await api.send("PUT", f"{path}/file", content=b"{}", headers={"Content-Type": "application/json"})
        assert wrong.status == 415

    run(tmp_path, test)


def test_an_image_is_changed_by_json_patch(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        path = f"/image/v2/images/{await api.image(os_type='linux')}"
        steps: list[dict[str, Any]] = [
            {"op": "replace", "path": "/name", "value": "new"},
            {"op": "add", "path": "/vm_mode", "value": "xen"},
            {"op": "remove", "path": "/os_type"},
            {"op": "replace", "path": "/tags", "value": ["a"]},
        ]
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        shown = (await api.send("PATCH", path, steps, headers=headers)).json
        assert (shown["name"], shown["vm_mode"], shown["tags"], "os_type" in shown) == ("new", "xen", ["a"], False)
        for step, status in (
            ({"op": "replace", "path": "/status", "value": "active"}, 403),
            ({"op": "add", "path": "/checksum", "value": "0"}, 403),
            ({"op": "replace", "path": "/visibility", "value": "public"}, 403),
            ({"op": "replace", "path": "/disk_format", "value": "raw"}, 403),
            ({"op": "replace", "path": "/nothing", "value": "x"}, 409),
            ({"op": "remove", "path": "/name"}, 403),
            ({"op": "replace", "path": "/min_disk", "value": "x"}, 400),
            ({"op": "move", "path": "/name"}, 400),
        ):
            assert (await api.send("PATCH", path, [step], headers=headers)).status == status, step
        assert await api.get(path) == shown

    run(tmp_path, test)


def test_images_of_others_are_seen_when_public_and_never_changed(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        private = await api.image()
        public = await api.image("admin", visibility="public")
        assert (await api.send("GET", f"/image/v2/images/{private}", user="other")).status == 404
        assert (await api.get(f"/image/v2/images/{public}", user="other"))["id"] == public
        for method, rest in (("DELETE", ""), ("PUT", "/tags/x")):
            assert (await api.send(method, f"/image/v2/images/{public}{rest}", user="other")).status == 403
        assert (await api.send("POST", "/image/v2/images", {"name": "x", "visibility": "public"})).status == 403
        assert (await api.send("POST", "/image/v2/images", {"name": "x", "owner": "else"})).status == 403
        assert (await api.send("DELETE", f"/image/v2/images/{private}")).status == 204
        assert (await api.send("GET", f"/image/v2/images/{private}")).status == 404

    run(tmp_path, test)


def test_images_are_listed_filtered_sorted_and_paged(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        ids = {name: (await api.send("POST", "/image/v2/images", {"name": name, "kind": name[0], "tags": [name]})).json["id"] for name in
               ("a,1", "b", "c")}  # fmt: skip

        async def names(query: str) -> list[str]:
            return [image["name"] for image in (await api.get(f"/image/v2/images?{query}"))["images"]]

        assert await names("sort=name:asc") == ["a,1", "b", "c"]
        assert await names("sort_key=name&sort_dir=desc") == ["c", "b", "a,1"]
        assert await names(f"sort=name:asc&id=in:{ids['b']},{ids['c']}") == ["b", "c"]
        assert await names('name=in:"a,1",b&sort=name:desc') == ["b", "a,1"]
        assert await names("name=b") == ["b"]
        assert await names("tag=c") == ["c"]
        assert await names("kind=b") == ["b"]
        assert await names("status=active") == []
        assert await names("created_at=lt:2012-08-01T00:00:00Z") == []
        page = await api.get("/image/v2/images?limit=2&sort=name:asc")
        assert [image["name"] for image in page["images"]] == ["a,1", "b"]
        rest = await api.get(f"/image{page['next']}")
        assert ([image["name"] for image in rest["images"]], "next" in rest) == (["c"], False)
        for query in ("limit=x", "marker=nope", "sort=nope", "visibility=nope", "size_min=x", "created_at=gt:x", "updated_at=x"):
            assert (await api.send("GET", f"/image/v2/images?{query}")).status == 400, query

    run(tmp_path, test)


def test_tags_and_protection(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        path = f"/image/v2/images/{await api.image(protected=True)}"
        assert (await api.send("PUT", f"{path}/tags/gold")).status == 204
        assert (await api.get(path))["tags"] == ["gold"]
        assert (await api.send("DELETE", f"{path}/tags/gold")).status == 204
        assert (await api.send("DELETE", f"{path}/tags/gold")).status == 404
        assert (await api.send("DELETE", path)).status == 403

    run(tmp_path, test)


def test_networks_are_listed_to_choose_from(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        (network,) = (await api.get("/network/v2.0/networks?name=private"))["networks"]
        assert (await api.get(f"/network/v2.0/networks/{network['id']}"))["network"] == network
        assert (await api.get(f"/network/v2.0/subnets?network_id={network['id']}"))["subnets"][0]["id"] == network["subnets"][0]
        assert (await api.send("GET", "/network/v2.0/networks/nope")).status == 404
        server = await api.active(networks=[{"uuid": network["id"]}])
        assert list((await api.get(f"/v2.1/servers/{server}/ips"))["addresses"]) == ["private"]

    run(tmp_path, test)
