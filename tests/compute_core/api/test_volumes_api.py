"""Volumes through the REST API: the volume endpoint, and servers' attachments, each answer of the latter judged by Tempest's schemas."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.settings import Settings
from tests.compute_core.api.harness import VERSIONS, Api, run

GIB = 1 << 30
MISSING = "00000000-0000-4000-8000-000000000000"
EXACT = pytest.mark.parametrize("version", VERSIONS)


def over(folder: Path, test: Callable[[Api], Awaitable[None]]) -> None:
    """Run a test with an array of four LUNs."""
    luns = [{"scsi_id": f"lun-{number}", "size": (number + 1) * 10 * GIB, "number": number} for number in range(4)]
    array = folder / "array.json"
    array.write_text(json.dumps({"targets": [{"iqn": "iqn.one", "portals": ["192.0.2.8"], "luns": luns}]}))

    def settings(usual: Settings) -> Settings:
        return replace(usual, volume_targets=array)

    run(folder, test, settings=settings)


async def volume(api: Api, user: str = "demo", **asked: Any) -> str:
    reply = await api.send("POST", "/volume/v3/volumes", {"volume": {"size": 5, **asked}}, user=user)
    assert reply.status == 202, reply
    return str(reply.json["volume"]["id"])


async def status(api: Api, volume_id: str) -> str:
    return str((await api.get(f"/volume/v3/volumes/{volume_id}"))["volume"]["status"])


def attachments(server: str) -> str:
    return f"/v2.1/servers/{server}/os-volume_attachments"


async def attach(api: Api, server: str, volume_id: str, version: int = 1, **more: Any) -> Any:
    return await api.send("POST", attachments(server), {"volumeAttachment": {"volumeId": volume_id, **more}}, version=version)


def test_a_volume_is_made_shown_changed_extended_and_deleted(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        made = await volume(api, name="data", description="d", metadata={"a": "b"}, consistencygroup_id=None)
        assert [each["name"] for each in (await api.get("/volume/v3/volumes"))["volumes"]] == ["data"]
        path = f"/volume/v3/volumes/{made}"
        shown = (await api.get(path))["volume"]
        wanted = {
            "id": made,
            "name": "data",
            "description": "d",
            "metadata": {"a": "b"},
            "size": 5,
            "status": "available",
            "attachments": [],
        }
        assert {name: shown[name] for name in wanted} == wanted
        assert (await api.send("PUT", path, {"volume": {"name": "more"}})).json["volume"]["name"] == "more"
        assert (await api.send("POST", f"{path}/action", {"os-extend": {"new_size": 10}})).status == 202
        assert (await api.send("POST", f"{path}/action", {"os-extend": {"new_size": 11}})).status == 413
        assert (await api.send("POST", f"{path}/action", {"os-extend": {"new_size": 3}})).status == 400
        assert (await api.send("POST", f"{path}/action", {"os-set_bootable": {"bootable": True}})).status == 200
        assert (await api.get(path))["volume"]["bootable"] == "true"
        assert (await api.send("DELETE", path)).status == 202
        assert (await api.send("GET", path)).status == 404

    over(tmp_path, body)


def test_limits_tell_what_a_project_has(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        await volume(api)
        await volume(api, size=7)
        await volume(api, user="admin")
        limits = (await api.get("/volume/v3/limits"))["limits"]
        absolute = {name: value for name, value in limits["absolute"].items() if value != -1}
        assert (limits["rate"], {name: value for name, value in absolute.items() if value}) == (
            [], {"totalVolumesUsed": 2, "totalGigabytesUsed": 12},
        )  # fmt: skip

    over(tmp_path, body)


def test_what_is_written_down_about_a_volume_is_kept(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        path = f"/volume/v3/volumes/{await volume(api)}/metadata"
        assert (await api.send("POST", path, {"metadata": {"a": "1", "b": "2"}})).json == {"metadata": {"a": "1", "b": "2"}}
        assert (await api.send("DELETE", f"{path}/a")).status == 200
        assert (await api.send("DELETE", f"{path}/a")).status == 404
        assert await api.get(path) == {"metadata": {"b": "2"}}
        assert (await api.send("PUT", path, {"metadata": {"c": "3"}})).json == {"metadata": {"c": "3"}}

    over(tmp_path, body)


def test_volumes_are_their_projects(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        mine = await volume(api, name="mine")
        assert (await api.send("GET", f"/volume/v3/volumes/{mine}", user="other")).status == 404
        assert (await api.get("/volume/v3/volumes/detail", user="other")) == {"volumes": []}
        assert [each["id"] for each in (await api.get("/volume/v3/volumes/detail?all_tenants=1", user="admin"))["volumes"]] == [mine]
        assert (await api.get("/volume/v3/volumes?all_tenants=1", user="other")) == {"volumes": []}
        assert (await api.get("/volume/v3/volumes?name=yours")) == {"volumes": []}
        server = await api.active(user="other")
        reply = await api.send("POST", attachments(server), {"volumeAttachment": {"volumeId": mine}}, user="other")
        assert (reply.status, reply.json) == (404, {"itemNotFound": {"code": 404, "message": f"Volume {mine} could not be found."}})

    over(tmp_path, body)


def test_an_array_without_a_free_lun_is_said_to_be_full(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        reply = await api.send("POST", "/volume/v3/volumes", {"volume": {"size": 41}})
        message = "The array has no free LUN of 41 GiB or more for this project."
        assert (reply.status, reply.json) == (413, {"overLimit": {"code": 413, "message": message}})

    over(tmp_path, body)


@EXACT
def test_an_attachment_is_shown_as_its_version_has_it(tmp_path: Path, version: int) -> None:
    async def body(api: Api) -> None:
        server, made = await api.active(), await volume(api)
        more = {"delete_on_termination": True} if version >= 79 else {}
        reply = await attach(api, server, made, version, **more)
        tag = {"tag": None} if version >= 70 else {}
        wanted = {"id": made, "serverId": server, "volumeId": made, "device": "/dev/xvdb", **tag, **more}
        assert (reply.status, reply.json) == (200, {"volumeAttachment": wanted})
        assert await api.get(attachments(server), version=version) == {"volumeAttachments": [wanted]}
        assert await api.get(f"{attachments(server)}/{made}", version=version) == {"volumeAttachment": wanted}
        shown = (await api.get(f"/v2.1/servers/{server}", version=version))["server"]["os-extended-volumes:volumes_attached"]
        assert shown == [{"id": made, **({"delete_on_termination": version >= 79} if version >= 3 else {})}]

    over(tmp_path, body)


def test_each_volume_is_another_disk_and_taken_once(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        server, first, second, third = await api.active(), await volume(api), await volume(api), await volume(api)
        assert (await attach(api, server, first)).json["volumeAttachment"]["device"] == "/dev/xvdb"
        await api.settle()
        assert (await attach(api, server, second, device="/dev/sdf")).json["volumeAttachment"]["device"] == "/dev/xvdf"
        await api.settle()
        assert (await attach(api, server, third, device="/dev/xvdb")).status == 400
        taken = await attach(api, server, first)
        assert (taken.status, taken.json["badRequest"]["message"]) == (
            400,
            f"Invalid volume: volume {first} already attached to instance {server}",
        )
        assert await status(api, third) == "available"

    over(tmp_path, body)


def test_a_volume_that_the_server_has_not_got_is_neither_shown_nor_detached(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        server = await api.active()
        message = {"itemNotFound": {"code": 404, "message": f"Instance {server} is not attached to volume {MISSING}"}}
        for method in ("GET", "DELETE"):
            reply = await api.send(method, f"{attachments(server)}/{MISSING}")
            assert (reply.status, reply.json) == (404, message)
        assert (await attach(api, server, MISSING)).status == 404
        assert (await attach(api, server, "not-a-uuid")).status == 400
        assert (await attach(api, MISSING, MISSING)).status == 404

    over(tmp_path, body)


def test_a_busy_server_takes_no_volume_and_the_volume_stays_free(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        server, made = await api.active(), await volume(api)
        await api.send("POST", f"/v2.1/servers/{server}/action", {"suspend": None})
        await api.settle()
        assert (await attach(api, server, made)).status == 409
        assert await status(api, made) == "available"

    over(tmp_path, body)


def test_a_server_that_is_deleted_gives_its_volumes_back_or_takes_them_along(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        server, kept, gone = await api.active(), await volume(api), await volume(api)
        for each in (kept, gone):
            await attach(api, server, each)
            await api.settle()
        change = {"volumeAttachment": {"volumeId": gone, "delete_on_termination": True}}
        assert (await api.send("PUT", f"{attachments(server)}/{gone}", change, version=85)).status == 202
        assert await status(api, gone) == "reserved"
        await api.send("DELETE", f"/v2.1/servers/{server}")
        await api.settle()
        assert [(each["id"], each["status"]) for each in (await api.get("/volume/v3/volumes/detail"))["volumes"]] == [(kept, "available")]

    over(tmp_path, body)


def test_a_server_whose_volume_cannot_go_with_it_is_gone_and_so_is_the_next_one(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        server, second, made = await api.active(), await api.active(), await volume(api)
        await attach(api, server, made, 79, delete_on_termination=True)
        await api.settle()
        (attachment,) = (await api.cloud.volumes.get(made)).attachments
        await api.cloud.volumes.complete(attachment.id)
        await api.cloud.volumes.snapshot(made, "u", forces=True)
        await api.settle()
        for each in (server, second):
            await api.send("DELETE", f"/v2.1/servers/{each}")
        await api.settle()
        assert [(await api.send("GET", f"/v2.1/servers/{each}")).status for each in (server, second)] == [404, 404]
        assert await status(api, made) == "available"

    over(tmp_path, body)


def test_nothing_else_of_an_attachment_is_changed(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        server, made, other = await api.active(), await volume(api), await volume(api)
        await attach(api, server, made)
        await api.settle()
        change = {"volumeId": made, "device": "/dev/xvdc"}
        assert (await api.send("PUT", f"{attachments(server)}/{made}", {"volumeAttachment": change}, version=85)).status == 400
        change = {"volumeId": other}
        assert (await api.send("PUT", f"{attachments(server)}/{made}", {"volumeAttachment": change}, version=85)).status == 403

    over(tmp_path, body)


def test_an_admin_puts_a_volume_in_anothers_place_where_it_fits(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        server, made, small, other = await api.active(), await volume(api), await volume(api, size=4), await volume(api, size=6)

        async def swap(new: str) -> Any:
            asked = {"volumeAttachment": {"volumeId": new}}
            return await api.send("PUT", f"{attachments(server)}/{made}", asked, version=85, user="admin")

        await attach(api, server, made)
        await api.settle()
        assert (await swap(small)).json == {
            "badRequest": {"code": 400, "message": "Invalid volume: New volume must be the same size or larger."}
        }
        assert (await swap(MISSING)).status == 404
        assert (await swap(other)).status == 400
        assert (await status(api, small), await status(api, other)) == ("available", "available")
        (attachment,) = (await api.cloud.volumes.get(made)).attachments
        await api.cloud.volumes.complete(attachment.id)
        assert (await swap(other)).status == 202
        assert [each["volumeId"] for each in (await api.get(attachments(server)))["volumeAttachments"]] == [made]
        assert await status(api, other) == "reserved"
        assert (await swap(other)).status == 409

    over(tmp_path, body)


def test_the_endpoint_says_which_versions_it_speaks(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        (version,) = (await api.get("/volume/v3/"))["versions"]
        assert (version["status"], version["min_version"], version["version"]) == ("CURRENT", "3.0", "3.44")
        assert (await api.send("GET", "/volume/")).status == 300

    over(tmp_path, body)


def disk(**changes: Any) -> dict[str, Any]:
    return {"source_type": "volume", "destination_type": "volume", "boot_index": 0, **changes}


async def refusal(api: Api, **asked: Any) -> str:
    """Why a server is not built."""
    body = {"name": "web", "flavorRef": "1", "imageRef": "", **asked}
    reply = await api.send("POST", "/v2.1/servers", {"server": body})
    assert reply.status == 400, reply
    return str(reply.json["badRequest"]["message"])


def test_a_server_boots_from_a_volume_and_has_further_ones(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        root = await volume(api)
        blank = disk(source_type="blank", volume_size=7, boot_index=-1, delete_on_termination=True)
        server = await api.server(imageRef="", block_device_mapping_v2=[disk(uuid=root), blank])
        shown = (await api.get(f"/v2.1/servers/{server}"))["server"]
        new = next(each for each in (await api.get("/volume/v3/volumes/detail"))["volumes"] if each["id"] != root)
        assert (shown["image"], new["size"]) == ("", 7)
        devices = {each["volumeId"]: each["device"] for each in (await api.get(attachments(server)))["volumeAttachments"]}
        assert devices == {root: "/dev/xvda", new["id"]: "/dev/xvdb"}
        await api.settle()
        await api.send("DELETE", f"/v2.1/servers/{server}")
        await api.settle()
        assert [(each["id"], each["status"]) for each in (await api.get("/volume/v3/volumes/detail"))["volumes"]] == [(root, "available")]

    over(tmp_path, body)


def test_what_no_server_can_be_built_from_is_refused_and_reserves_nothing(tmp_path: Path) -> None:
    invalid = "Block Device Mapping is Invalid: "

    async def body(api: Api) -> None:
        root, image = await volume(api), await api.image()
        mapped = {"block_device_mapping_v2": [disk(uuid=root)]}
        assert await refusal(api) == "Invalid imageRef provided."
        assert "Boot sequence" in await refusal(api, imageRef=image, **mapped)
        assert await refusal(api, block_device_mapping_v2=[disk(uuid=MISSING)]) == f"{invalid}the volume to boot from is not there."
        assert await refusal(api, max_count=2, **mapped) == "Cannot attach one or more volumes to multiple instances"
        extra = [disk(uuid=root), disk(uuid=MISSING, boot_index=None)]
        assert await refusal(api, block_device_mapping_v2=extra) == f"{invalid}failed to get volume {MISSING}."
        assert await refusal(api, block_device_mapping_v2=[disk(source_type="blank")]) == f"{invalid}a blank volume needs a volume_size."
        assert await refusal(api, block_device_mapping_v2=[disk()]) == f"{invalid}a volume needs a uuid."
        for source, kind in (("image", "volume"), ("blank", "local")):
            asked = [disk(source_type=source, destination_type=kind, uuid=image)]
            assert (await refusal(api, imageRef=image, block_device_mapping_v2=asked)).startswith(invalid)
        gone = [disk(source_type="snapshot", uuid=MISSING)]
        assert await refusal(api, block_device_mapping_v2=gone) == f"{invalid}failed to get snapshot {MISSING}."
        assert await refusal(api, block_device_mapping_v2=[disk(source_type="snapshot")]) == f"{invalid}a snapshot needs a uuid."
        other = [disk(source_type="image", destination_type="local", uuid=MISSING)]
        assert await refusal(api, imageRef=image, block_device_mapping_v2=other) == f"{invalid}the image of the boot disk is not imageRef."
        assert await status(api, root) == "available"
        blank = disk(source_type="blank", volume_size=7, boot_index=-1)
        absent = disk(uuid=MISSING, boot_index=None)
        assert await refusal(api, block_device_mapping_v2=[disk(uuid=root), blank, absent]) == f"{invalid}failed to get volume {MISSING}."
        await api.settle()
        assert [(volume.id, volume.status) for volume in await api.cloud.volumes.list()] == [(root, "available")]

    over(tmp_path, body)


def test_a_snapshot_is_made_shown_and_deleted_and_volumes_are_made_of_it(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        made = await volume(api, name="data")
        asked = {"volume_id": made, "name": "before", "description": "d", "metadata": {"a": "b"}}
        reply = await api.send("POST", "/volume/v3/snapshots", {"snapshot": asked})
        wanted = {**asked, "size": 5, "status": "creating"}
        assert (reply.status, {name: reply.json["snapshot"][name] for name in wanted}) == (202, wanted)
        path = f"/volume/v3/snapshots/{reply.json['snapshot']['id']}"
        assert (await api.send("DELETE", path)).status == 400
        await api.settle()
        assert (await api.get(path))["snapshot"]["status"] == "available"
        assert [each["name"] for each in (await api.get("/volume/v3/snapshots/detail?name=before"))["snapshots"]] == ["before"]
        assert (await api.get(f"/volume/v3/snapshots?volume_id={MISSING}"))["snapshots"] == []
        assert (await api.get("/volume/v3/snapshots", user="other")) == {"snapshots": []}
        assert (await api.send("GET", path, user="other")).status == 404
        assert (await api.get("/volume/v3/limits"))["limits"]["absolute"]["totalSnapshotsUsed"] == 1
        stolen = {"volume": {"size": 5, "snapshot_id": reply.json["snapshot"]["id"]}}
        assert (await api.send("POST", "/volume/v3/volumes", stolen, user="other")).status == 404
        again = await volume(api, snapshot_id=reply.json["snapshot"]["id"])
        await api.settle()
        assert await status(api, again) == "available"
        assert (await api.send("DELETE", f"/volume/v3/volumes/{made}")).status == 400
        assert (await api.send("DELETE", path)).status == 202
        assert (await api.send("GET", path)).status == 404
        assert (await api.send("DELETE", f"/volume/v3/volumes/{made}")).status == 202

    over(tmp_path, body)


def test_no_snapshot_is_made_of_what_is_in_use_or_nobodys(tmp_path: Path) -> None:
    async def body(api: Api) -> None:
        server, made = await api.active(), await volume(api)

        async def snap(**asked: Any) -> tuple[int, str]:
            reply = await api.send("POST", "/volume/v3/snapshots", {"snapshot": {"volume_id": made, **asked}})
            ((_, fault),) = reply.json.items()
            return reply.status, fault.get("message", "")

        assert await snap(volume_id=MISSING) == (404, f"Volume {MISSING} could not be found.")
        await attach(api, server, made)
        await api.settle()
        held = f"Invalid volume: server {server} holds volume {made}. Cure: stop the server first."
        assert await snap(force=True) == (400, held)
        await api.send("POST", f"/v2.1/servers/{server}/action", {"os-stop": None})
        await api.settle()
        status_of = f"Invalid volume: Volume {made} status must be available, but current status is: reserved."
        assert await snap(force=True) == (400, status_of)

    over(tmp_path, body)
