"""What a compute service is promised of volumes, by the embedded service and by the adapter to Cinder's API alike.

Cinder is here the volume endpoint of the core itself, which speaks the same calls.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import ComputeError, Conflict, HostUnreachable, Invalid, NotFound
from compute_core.model.volumes import Connection, Target
from compute_core.settings import Settings
from compute_core.volumes.cinder import CinderVolumes
from compute_core.volumes.port import Connector, Volumes
from tests.compute_core.api.harness import Api, run

GIB = 1 << 30
SERVER, OTHER = "6f70656e-7374-4163-8b00-696e6f766131", "6f70656e-7374-4163-8b00-696e6f766132"
MISSING = "00000000-0000-4000-8000-000000000000"
XS1, XS2 = Connector("xs1", "10.0.0.1", "iqn.xs1"), Connector("xs2", "10.0.0.2", "iqn.xs2")
ERRORS: dict[int, type[ComputeError]] = {400: Conflict, 404: NotFound, 409: Conflict}
DEVICE = "/dev/xvdb"
Body = Callable[[Volumes, Api], Awaitable[None]]


class ApiWire:
    """The endpoint as a Cinder."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        reply = await self._api.send(method, f"/volume/v3{path}", body, user="admin")
        if reply.status < 300:
            return reply.json if reply.content else None
        ((_, fault),) = reply.json.items()
        raise ERRORS.get(reply.status, HostUnreachable)(fault["message"])


def over(folder: Path, kind: str, body: Body, **luns: Any) -> None:
    listed = [{"scsi_id": f"lun-{number}", "size": (number + 1) * 10 * GIB, "number": number} for number in range(4)]
    array = folder / "array.json"
    target = {"iqn": "iqn.one", "portals": ["192.0.2.8"], "luns": listed, "user": "chap", "password": "secret", **luns}
    array.write_text(json.dumps({"targets": [target]}))

    async def test(api: Api) -> None:
        volumes: Volumes = api.cloud.volumes if kind == "embedded" else CinderVolumes(ApiWire(api))
        await body(volumes, api)

    def settings(usual: Settings) -> Settings:
        return replace(usual, volume_targets=array)

    run(folder, test, settings=settings)


BOTH = pytest.mark.parametrize("kind", ["embedded", "cinder"])


async def made(api: Api, **fields: Any) -> str:
    volume = await api.cloud.volumes.create("p", "u", 5, **fields)
    return volume.id


async def seen(volumes: Volumes, volume_id: str) -> tuple[str, list[str]]:
    """The status of a volume, and the hosts of its attachments."""
    volume = await volumes.get(volume_id)
    return volume.status, [each.host for each in volume.attachments]


@BOTH
def test_a_volume_is_reserved_connected_and_complete_and_given_back(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        volume_id = await made(api, name="data")
        attachment = await volumes.reserve(volume_id, SERVER)
        with pytest.raises(Conflict):
            await volumes.reserve(volume_id, OTHER)
        for _ in range(2):
            way = await volumes.connect(attachment.id, XS1, DEVICE)
            assert way == Connection(Target("192.0.2.8", "iqn.one", 0, asks_login=True), "chap", "secret")
        await volumes.complete(attachment.id)
        assert await seen(volumes, volume_id) == ("in-use", ["xs1"])
        await volumes.disconnect(attachment.id)
        await volumes.disconnect(attachment.id)
        assert await seen(volumes, volume_id) == ("available", [])
        assert [volume.name for volume in await volumes.list("p")] == ["data"]

    over(tmp_path, kind, body)


@BOTH
def test_a_server_that_moves_reaches_its_volume_from_both_hosts_until_it_is_settled(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        volume_id = await made(api)
        first = await volumes.reserve(volume_id, SERVER)
        known, way = await volumes.arrive(volume_id, SERVER, XS1, DEVICE)
        assert known == first.id
        await volumes.complete(known)
        assert (await volumes.arrive(volume_id, SERVER, XS1, DEVICE)) == (known, way)
        second, there = await volumes.arrive(volume_id, SERVER, XS2, DEVICE)
        assert (second == known, there) == (False, way)
        assert (await volumes.arrive(volume_id, SERVER, XS2, DEVICE))[0] == second
        assert (await seen(volumes, volume_id))[0] == "in-use"
        await volumes.complete(second)
        for _ in range(2):
            await volumes.settle(volume_id, SERVER, second)
        assert await seen(volumes, volume_id) == ("in-use", ["xs2"])
        await volumes.settle(volume_id, SERVER, MISSING)
        assert await seen(volumes, volume_id) == ("in-use", ["xs2"])

    over(tmp_path, kind, body)


@BOTH
def test_a_server_that_is_put_aside_keeps_its_volume_without_a_host(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        volume_id = await made(api)
        attachment = await volumes.reserve(volume_id, SERVER)
        await volumes.connect(attachment.id, XS1, DEVICE)
        await volumes.complete(attachment.id)
        parked = await volumes.park(volume_id, SERVER)
        assert await volumes.park(volume_id, SERVER) == parked
        assert (await seen(volumes, volume_id))[0] == "reserved"
        with pytest.raises(Conflict):
            await volumes.reserve(volume_id, OTHER)
        back, _ = await volumes.arrive(volume_id, SERVER, XS2, DEVICE)
        await volumes.complete(back)
        assert (back, await seen(volumes, volume_id)) == (parked, ("in-use", ["xs2"]))

    over(tmp_path, kind, body)


@BOTH
def test_a_volume_that_is_on_its_way_out_goes_or_stays(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        volume_id = await made(api)
        with pytest.raises(Conflict):
            await volumes.begin_detaching(volume_id)
        attachment = await volumes.reserve(volume_id, SERVER)
        await volumes.connect(attachment.id, XS1, DEVICE)
        await volumes.complete(attachment.id)
        await volumes.begin_detaching(volume_id)
        assert (await seen(volumes, volume_id))[0] == "detaching"
        await volumes.roll_detaching(volume_id)
        assert (await seen(volumes, volume_id))[0] == "in-use"

    over(tmp_path, kind, body)


@BOTH
def test_a_volume_gets_anothers_place_or_does_not(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        old, new = await made(api), await made(api)
        for volume_id in (old, new):
            attachment = await volumes.reserve(volume_id, SERVER)
            await volumes.connect(attachment.id, XS1, DEVICE)
            await volumes.complete(attachment.id)
        await volumes.begin_detaching(old)
        await volumes.not_swapped(old, new)
        assert (await seen(volumes, old))[0] == "in-use"
        await volumes.begin_detaching(old)
        assert await volumes.swapped(old, new) == new

    over(tmp_path, kind, body)


@BOTH
def test_a_server_that_is_gone_leaves_its_volumes_and_takes_some_along(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        kept, gone = await made(api), await made(api)
        for volume_id in (kept, gone):
            await volumes.reserve(volume_id, SERVER)
        await volumes.release(SERVER, [gone])
        await volumes.release(SERVER, [gone])
        assert [(volume.id, volume.status) for volume in await volumes.list()] == [(kept, "available")]

    over(tmp_path, kind, body)


@BOTH
def test_a_volume_that_another_server_has_outlives_the_one_that_was_to_take_it_along(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        shared, gone = await made(api, is_multiattach=True), await made(api)
        for server in (SERVER, OTHER):
            attachment = await volumes.reserve(shared, server)
            await volumes.connect(attachment.id, XS1, DEVICE)
            await volumes.complete(attachment.id)
        await volumes.reserve(gone, SERVER)
        await volumes.release(SERVER, [shared, gone])
        assert [(volume.id, volume.status) for volume in await volumes.list()] == [(shared, "in-use")]

    over(tmp_path, kind, body)


@BOTH
def test_a_volume_that_has_a_snapshot_outlives_the_server_that_was_to_take_it_along(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        kept, gone = await made(api), await made(api)
        await api.cloud.volumes.snapshot(kept, "u", forces=False)
        await api.settle()
        for volume_id in (kept, gone):
            await volumes.reserve(volume_id, SERVER)
        await volumes.release(SERVER, [kept, gone])
        assert [(volume.id, volume.status) for volume in await volumes.list()] == [(kept, "available")]

    over(tmp_path, kind, body)


@BOTH
def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        for asked in (volumes.get(MISSING), volumes.reserve(MISSING, SERVER), volumes.connect(MISSING, XS1, DEVICE)):
            with pytest.raises(NotFound):
                await asked
        volume_id = await made(api)
        for strange in (volumes.arrive(volume_id, SERVER, XS1, DEVICE), volumes.park(volume_id, SERVER)):
            with pytest.raises(Conflict, match=f"Volume {volume_id} is not server {SERVER}'s."):
                await strange

    over(tmp_path, kind, body)


@BOTH
def test_a_volume_is_described_extended_and_deleted(tmp_path: Path, kind: str) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        volume_id = await made(api, name="data", is_multiattach=True)
        changed = await volumes.update(volume_id, {"name": "more", "is_bootable": True})
        assert (changed.name, changed.is_bootable, changed.is_multiattach, changed.size_gb) == ("more", True, True, 5)
        assert (await volumes.extend(volume_id, 7)).size_gb == 7
        for server in (SERVER, OTHER):
            attachment = await volumes.reserve(volume_id, server)
            assert (await volumes.connect(attachment.id, XS1, DEVICE)).is_shared
            await volumes.complete(attachment.id)
        await volumes.release(SERVER)
        await volumes.release(OTHER)
        await volumes.delete(volume_id)
        assert await volumes.list() == ()

    over(tmp_path, kind, body)


def test_cinder_makes_its_volumes_itself(tmp_path: Path) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        with pytest.raises(Invalid, match="volumes are made by Cinder"):
            await volumes.create("p", "u", 5)

    over(tmp_path, "cinder", body)


def test_a_host_that_was_not_announced_is_not_let_at_a_volume_that_another_has(tmp_path: Path) -> None:
    async def body(volumes: Volumes, api: Api) -> None:
        volume_id = await made(api)
        first, second = await volumes.reserve(volume_id, SERVER), await volumes.reserve(volume_id, SERVER)
        await volumes.connect(first.id, XS1, DEVICE)
        with pytest.raises(Conflict, match="duplicate connectors detected"):
            await volumes.connect(second.id, XS2, DEVICE)

    over(tmp_path, "cinder", body)
