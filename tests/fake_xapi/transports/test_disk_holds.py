"""Disks whose bytes travel are plugged into the control domain meanwhile; hosts that do not see a disk send the client elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.durations import Duration, Durations
from fake_xapi.transports.vdi_holds import hold, release_all
from tests.fake_xapi.transports.images import NOISE, exchange, get, put, served, xen_answers
from tests.fake_xapi.transports.serving import run, serving
from tests.fake_xapi.transports.worlds import MB, Host

SLOW = Durations("slow", {"import_raw_vdi": Duration(0.2), "export_raw_vdi": Duration(0.2)})


def _slow(xen: Host) -> None:
    xen.xapi.settings = replace(xen.xapi.settings, durations=SLOW)


def _control_domain(xen: Host) -> int:
    with xen.xapi.world.edit() as edit:
        domain = edit.create("VM", is_control_domain=True, resident_on=xen.xapi.host, power_state="Running")
        edit.set(xen.xapi.host, control_domain=domain)
    return domain


async def _refused(xen: Host, method: str, *params: Any) -> list[str]:
    try:
        answer = await xen.call(method, *params)
    except Failure as failure:
        return failure.details
    raise AssertionError(f"{method} answered {answer!r}")


@pytest.mark.parametrize(("method", "mode"), [("PUT", "RW"), ("GET", "RO")])
def test_a_disk_is_plugged_into_the_control_domain_while_its_bytes_travel(method: str, mode: str) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            domain, vdi = _control_domain(xen), xen.vdi(4 * MB)
            _slow(xen)
            sent = put(NOISE, session_id=xen.session, vdi=vdi) if method == "PUT" else get(session_id=xen.session, vdi=vdi)
            answer = asyncio.ensure_future(exchange(client, sent))
            while not xen.xapi.world[xen.id(vdi)]["VBDs"]:
                await xen_answers(xen)
            (vbd,) = xen.xapi.world[xen.id(vdi)]["VBDs"]
            row = xen.xapi.world[vbd]
            assert (row["VM"], row["mode"], row["currently_attached"], row["userdevice"]) == (domain, mode, True, "0")
            assert await _refused(xen, "VDI.destroy", vdi) == ["VDI_IN_USE", vdi, "destroy"]
            assert (await answer).status == 200
            assert xen.xapi.world[xen.id(vdi)]["VBDs"] == ()
            await xen.call("VDI.destroy", vdi)

    run(body())


def test_what_is_written_is_not_read_meanwhile_and_readers_bear_one_another() -> None:
    async def body() -> None:
        async with served() as (xen, _):
            _control_domain(xen)
            vdi = xen.vdi(4 * MB)
            for first, second, is_borne in (("RW", "RW", False), ("RW", "RO", False), ("RO", "RW", False), ("RO", "RO", True)):
                release = hold(xen.xapi, xen.id(vdi), first)
                if is_borne:
                    hold(xen.xapi, xen.id(vdi), second)()
                else:
                    with pytest.raises(Failure, match="VDI_IN_USE"):
                        hold(xen.xapi, xen.id(vdi), second)
                release()
                release()
            assert xen.xapi.world.count("VBD") == xen.xapi.world.count("VBD_metrics") == 0

    run(body())


def test_a_xapi_that_begins_again_holds_nothing() -> None:
    async def body() -> None:
        async with served() as (xen, _):
            hold(xen.xapi, xen.id(xen.vdi(4 * MB)), "RW")
            release_all(xen.xapi.world)
            assert xen.xapi.world.count("VBD") == 0
            release_all(xen.xapi.world)

    run(body())


def test_a_disk_that_was_made_for_an_image_goes_when_the_image_does_not_come() -> None:
    async def body() -> None:
        async with served(sr_size=2 * MB) as (xen, client):
            sr = xen.xapi.world.ref(xen.sr)
            reply = await exchange(client, put(NOISE * 8, session_id=xen.session, sr_id=sr))
            assert (reply.status, b"SR_BACKEND_FAILURE_44" in reply.body) == (500, True)
            assert xen.xapi.world[xen.sr]["VDIs"] == ()

    run(body())


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_host_that_does_not_see_the_disk_names_one_that_does(method: str) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            with xen.xapi.world.edit() as edit:
                other = edit.create("host", address="10.0.0.2")
                edit.set(edit[xen.sr]["PBDs"][0], currently_attached=False)
                edit.create("PBD", host=other, SR=xen.sr, currently_attached=True)
            if method == "PUT":
                reply = await exchange(client, put(b"", session_id=xen.session, sr_id=xen.xapi.world.ref(xen.sr)))
            else:
                reply = await exchange(client, get(session_id=xen.session, vdi=vdi))
            path = "import" if method == "PUT" else "export"
            assert (reply.status, reply.headers["location"].split("?")[0]) == (302, f"http://10.0.0.2/{path}_raw_vdi")
            assert f"session_id={xen.session.replace(':', '%3A')}" in reply.headers["location"]
            assert xen.xapi.world.count("VDI") == 1

    run(body())


def test_a_disk_without_data_is_not_sent() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            with xen.xapi.world.edit() as edit:
                edit.set(xen.id(vdi), type="cbt_metadata")
            reply = await exchange(client, get(session_id=xen.session, vdi=vdi))
            assert (reply.status, b"VDI_INCOMPATIBLE_TYPE" in reply.body) == (500, True)

    run(body())


# ---- other forms -----------------------------------------------------------------------------------------------------------------


def test_a_disk_travels_as_a_tar_of_chunks() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi, other = xen.vdi(7 * MB), xen.vdi(7 * MB)
            xen.xapi.disks.write(xen.id(vdi), 3 * MB, NOISE)
            reply = await exchange(client, get(session_id=xen.session, vdi=vdi, format="tar"))
            assert (reply.status, reply.headers["content-type"]) == (200, "application/x-tar")
            tar, prefix = await client.rest(), xen.xapi.world.uuid(xen.id(vdi))
            for image, status in ((tar, 200), (tar[: 2 * MB], 500), (tar.replace(NOISE, NOISE[::-1]), 500)):
                async with serving(xen.xapi, None) as connect:
                    sent = put(image, session_id=xen.session, vdi=other, format="tar", prefix=prefix)
                    assert (await exchange(await connect(), sent)).status == status
                if status == 200:
                    assert xen.content(other) == xen.content(vdi)

    run(body())


def _chunk(offset: int, content: bytes) -> bytes:
    return offset.to_bytes(8, "little") + len(content).to_bytes(4, "little") + content


def test_a_raw_disk_may_come_in_chunks_with_their_offsets() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            image = _chunk(0, b"begin") + _chunk(3 * MB, NOISE) + _chunk(0, b"")
            assert (await exchange(client, put(image, session_id=xen.session, vdi=vdi, chunked="true"))).status == 200
            assert xen.content(vdi) == b"begin".ljust(3 * MB, b"\0") + NOISE
            for broken in (image[:-12], image[:-20], _chunk(4 * MB, b"x"), b"\xff" * 12):
                reply = await exchange(client, put(broken, session_id=xen.session, vdi=vdi, chunked="true"))
                assert (reply.status, b"IMPORT_ERROR" in reply.body) == (500, True)

    run(body())
