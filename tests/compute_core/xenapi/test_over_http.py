"""The recipes over real sockets: the core's own HTTP client against the simulator's HTTP server, in JSON and in XML."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from compute_core.model.errors import BuildFailed
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.place import learn
from compute_core.xenapi.power import Patience, stop
from compute_core.xenapi.removal import remove
from compute_core.xenapi.session import Account, Limits, Login, Session
from compute_core.xenapi.snapshot import snapshot
from compute_core.xenapi.spawn import spawn
from compute_core.xenapi.verdicts import as_build_failure
from fake_xapi.engine.xapi import Xapi
from fake_xapi.transports.http import HttpServer
from tests.compute_core.rig import CONTENT, NOTHING, Rig, content_of, fixed_vhd, image_store, stored
from tests.compute_core.simulated import Wire
from tests.compute_core.values import UUID, an_instance
from tests.compute_core.world import fresh_fleet, only_host

T = TypeVar("T")


class Only:
    """The router of a server with one XAPI."""

    def __init__(self, xapi: Xapi) -> None:
        self.xapi = xapi
        self.is_dead = False

    def xapi_at(self, address: str, port: int) -> Xapi:
        if self.is_dead:
            raise ConnectionRefusedError(f"{address}:{port} is dead")
        return self.xapi


def over_http(folder: Path, body: Callable[[Rig, Only], Awaitable[T]], release: str) -> T:
    async def main() -> T:
        fleet = fresh_fleet(release)
        xapi = only_host(fleet)
        router = Only(xapi)
        async with HttpServer(router) as server:
            url = f"http://127.0.0.1:{await server.listen(0)}"
            session = Session(Login(Account(url, "root", "xenroot"), HttpTransport), Limits(call_s=10, long_call_s=20))
            images = image_store(folder)
            place = await learn(session, url)
            rig = Rig(xapi, Wire(xapi), session, place, images, ImageCache(place, images), await stored(images, fixed_vhd(CONTENT)))
            try:
                return await body(rig, router)
            finally:
                await session.close()
                await fleet.close()

    return asyncio.run(main())


@pytest.mark.parametrize("release", ["tampa", "clearwater", "latest"])
def test_a_server_lives_its_life(tmp_path: Path, release: str) -> None:
    async def body(rig: Rig, _: Only) -> Any:
        vm = await rig.spawn(an_instance())
        record = await rig.session.call("VM.get_record", vm)
        image = await rig.images.create("snapshot", "p", disk_format="vhd", container_format="bare")
        await snapshot(rig.session, vm, image.id, rig.images)
        vdi = (await rig.session.call("VBD.get_record", record["VBDs"][0]))["VDI"]
        content = content_of(rig, vdi, len(CONTENT))
        await stop(rig.session, vm, Patience())
        await remove(rig.session, UUID, f"instance-{UUID}")
        taken = await rig.images.get(image.id)
        return record["power_state"], record["memory_static_max"], content == CONTENT, taken.virtual_size_bytes, rig.left()

    assert over_http(tmp_path, body, release) == ("Running", 512 << 20, True, 1 << 30, NOTHING)


def test_a_corrupt_image_is_broken_off_before_the_host_takes_it_for_whole(tmp_path: Path) -> None:
    async def body(rig: Rig, _: Only) -> Any:
        path = rig.images.path(rig.image.id)
        assert path is not None
        path.write_bytes(b"x" + path.read_bytes()[1:])
        with pytest.raises(BuildFailed, match="is damaged: its MD5") as failed:
            await rig.spawn(an_instance())
        return failed.value.is_retryable, rig.left()

    assert over_http(tmp_path, body, "latest") == (False, NOTHING)


def test_a_host_that_is_dead_fails_the_build_for_itself_alone(tmp_path: Path) -> None:
    async def body(rig: Rig, router: Only) -> bool:
        router.is_dead = True
        with pytest.raises(BuildFailed, match="xs1 did not answer") as failed, as_build_failure("xs1"):
            await spawn(rig.session, rig.place, rig.cache, an_instance(), rig.image)
        return failed.value.is_retryable

    assert over_http(tmp_path, body, "latest") is True


@pytest.mark.parametrize("release", ["tampa", "latest"])
def test_a_refusal_has_its_parameters_over_the_wire(tmp_path: Path, release: str) -> None:
    async def body(rig: Rig, _: Only) -> tuple[str, ...]:
        with pytest.raises(XenApiFailure) as refused:
            await rig.session.call("VM.get_record", "OpaqueRef:none")
        return refused.value.details

    assert over_http(tmp_path, body, release) == ("HANDLE_INVALID", "VM", "OpaqueRef:none")


def test_events_wait_on_a_connection_of_their_own(tmp_path: Path) -> None:
    async def body(rig: Rig, _: Only) -> list[str]:
        waiting = asyncio.create_task(rig.session.call("event.from", ["vm"], rig.place.token, 10.0))
        await rig.spawn(an_instance())
        batch = await waiting
        return [event["class"] for event in batch["events"]]

    assert over_http(tmp_path, body, "latest") == ["vm"]
