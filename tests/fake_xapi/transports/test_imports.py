"""Disk images in, over HTTP: with real bytes, whoever may and whatever breaks."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import pytest

from fake_xapi.transports.connection import Limits
from tests.fake_xapi.dom0.vhds import decoded, vhd_of
from tests.fake_xapi.transports.images import NOISE, exchange, put, served, xen_answers
from tests.fake_xapi.transports.serving import run
from tests.fake_xapi.transports.worlds import MB

# ---- in -------------------------------------------------------------------------------------------------------------------------


def test_a_raw_image_becomes_the_vdi_s_content() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            reply = await exchange(client, put(NOISE, session_id=xen.session, vdi=vdi))
            assert (reply.status, reply.body) == (200, b"")
            assert xen.content(vdi) == NOISE.ljust(4 * MB, b"\0")
            row = xen.xapi.world[xen.id(vdi)]
            assert row["physical_utilisation"] == xen.xapi.world[xen.sr]["physical_utilisation"] > MB

    run(body())


def test_a_vhd_becomes_the_vdi_s_content_named_by_uuid_in_chunks() -> None:
    async def body() -> None:
        image = vhd_of(8 * MB, {0: NOISE, 3: b"end"})
        async with served() as (xen, client):
            vdi = xen.vdi(8 * MB)
            query = urlencode({"session_id": xen.session, "vdi": xen.xapi.world.uuid(xen.id(vdi)), "format": "vhd"})
            await client.send(f"PUT /import_raw_vdi?{query} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            for start in range(0, len(image), 300_000):
                piece = image[start : start + 300_000]
                await client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            await client.send(b"0\r\n\r\n")
            assert (await client.reply()).status == 200
            assert xen.content(vdi) == decoded(image)[1]

    run(body())


def test_a_long_image_in_small_chunks_arrives_whole() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi, chunk = xen.vdi(16 * MB), NOISE[:4096]
            query = urlencode({"session_id": xen.session, "vdi": vdi})
            await client.send(f"PUT /import_raw_vdi?{query} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            await client.send(b"1000\r\n%b\r\n" % chunk * 4096 + b"0\r\n\r\n")
            assert (await client.reply()).status == 200
            assert xen.content(vdi) == chunk * 4096

    run(body())


def test_the_client_s_task_is_told() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            task, vdi = await xen.call("task.create", "import", ""), xen.vdi(4 * MB)
            assert (await exchange(client, put(NOISE, session_id=xen.session, vdi=vdi, task_id=task))).status == 200
            assert xen.task_record(task) == {"status": "success", "progress": 1.0, "result": f"<value>{vdi}</value>", "error_info": ()}

    run(body())


def test_a_new_vdi_is_made_in_an_sr() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            task = await xen.call("task.create", "import", "")
            query = {"session_id": xen.session, "sr_id": xen.xapi.world.ref(xen.sr), "task_id": task}
            assert (await exchange(client, put(NOISE, **query))).status == 200
            (vdi,) = xen.xapi.world.ids("VDI")
            row = xen.xapi.world[vdi]
            assert (row["name_label"], row["SR"], row["virtual_size"] >= MB) == ("Imported VDI", xen.sr, True)
            assert xen.content(xen.xapi.world.ref(vdi))[:MB] == NOISE
            assert xen.task_record(task)["result"] == f"<value>{xen.xapi.world.ref(vdi)}</value>"

    run(body())


def basic(user: str, password: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}\r\n"


@pytest.mark.parametrize("how", ["query", "cookie", "basic"])
def test_who_may_is_let_in(how: str) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            extra = {"cookie": f"Cookie: a=b; session_id={xen.session}\r\n", "basic": basic("root", "xenroot"), "query": ""}[how]
            query = {"session_id": xen.session} if how == "query" else {}
            assert (await exchange(client, put(NOISE, extra, vdi=vdi, **query))).status == 200
            assert xen.xapi.world.count("session") == 1

    run(body())


@pytest.mark.parametrize("extra", ["", "Cookie: session_id=OpaqueRef:wrong\r\n", basic("root", "wrong"), "Authorization: Basic !!!\r\n"])
def test_who_may_not_is_told_how(extra: str) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi, task = xen.vdi(4 * MB), await xen.call("task.create", "import", "")
            reply = await exchange(client, put(NOISE, extra, vdi=vdi, task_id=task))
            assert (reply.status, reply.headers["www-authenticate"][:12]) == (401, "Basic realm=")
            assert xen.task_record(task)["status"] == "failure"
            assert xen.xapi.disks.allocated_bytes(xen.id(vdi)) == 0

    run(body())


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"vdi": "OpaqueRef:gone"}, 404),
        ({"vdi": "OpaqueRef:NULL"}, 404),
        ({}, 400),
        ({"vdi": "{vdi}", "format": "qcow2"}, 404),
        ({"vdi": "{vdi}", "chunked": "true", "format": "vhd"}, 404),
        ({"vdi": "{sr}"}, 404),
        ({"sr_id": "{sr}", "format": "vhd"}, 400),
        ({"sr_id": "OpaqueRef:gone"}, 404),
        ({"vdi": "{vdi}", "task_id": "OpaqueRef:gone"}, 404),
    ],
)
def test_what_cannot_be_served_is_refused(query: dict[str, str], status: int) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            names = {"vdi": xen.vdi(4 * MB), "sr": xen.xapi.world.ref(xen.sr)}
            filled = {name: value.format(**names) for name, value in query.items()}
            assert (await exchange(client, put(NOISE, session_id=xen.session, **filled))).status == status

    run(body())


def test_a_damaged_image_fails_the_task_with_its_place() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            task, vdi = await xen.call("task.create", "import", ""), xen.vdi(8 * MB)
            image = vhd_of(8 * MB, {0: NOISE})
            reply = await exchange(
                client, put(image[:600] + b"x" + image[601:], session_id=xen.session, vdi=vdi, task_id=task, format="vhd")
            )
            assert reply.status == 500
            record = xen.task_record(task)
            assert (record["status"], record["error_info"][0]) == ("failure", "IMPORT_ERROR")
            assert record["error_info"][1].startswith("VHD, byte 548: the dynamic header's checksum is")

    run(body())


def test_an_image_that_is_too_large_is_refused() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            vhd = await exchange(client, put(vhd_of(8 * MB, {0: NOISE}), session_id=xen.session, vdi=vdi, format="vhd"))
            assert (vhd.status, b"VDI_TOO_SMALL" in vhd.body) == (500, True)

        async with served() as (xen, client):
            vdi = xen.vdi(2 * MB)
            raw = await exchange(client, put(NOISE * 3, session_id=xen.session, vdi=vdi))
            assert (raw.status, b"do not fit a disk of 2097152 bytes" in raw.body) == (500, True)

    run(body())


def test_a_disk_in_use_and_a_read_only_one_are_refused() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            used, fixed = xen.vdi(4 * MB), xen.vdi(4 * MB, read_only=True)
            with xen.xapi.world.edit() as edit:
                vm = edit.create("VM", power_state="Running")
                edit.create("VBD", VM=vm, VDI=xen.id(used), currently_attached=True, mode="RW")
            for vdi, code in ((used, b"VDI_IN_USE"), (fixed, b"VDI_READONLY")):
                reply = await exchange(client, put(b"x", session_id=xen.session, vdi=vdi))
                assert (reply.status, code in reply.body) == (500, True)

    run(body())


def test_a_full_sr_leaves_the_vdi_as_it_was() -> None:
    async def body() -> None:
        async with served(sr_size=2 * MB) as (xen, client):
            vdi = xen.vdi(16 * MB)
            reply = await exchange(client, put(NOISE * 8, session_id=xen.session, vdi=vdi))
            assert (reply.status, b"SR_BACKEND_FAILURE_44" in reply.body) == (500, True)
            assert xen.xapi.disks.allocated_bytes(xen.id(vdi)) == 0
            assert xen.xapi.world[xen.sr]["physical_utilisation"] == 0

    run(body())


def test_a_client_that_goes_away_fails_the_task() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            task, vdi = await xen.call("task.create", "import", ""), xen.vdi(8 * MB)
            await client.send(put(NOISE * 4, session_id=xen.session, vdi=vdi, task_id=task)[: 3 * MB])
            client.writer.write_eof()
            await client.rest()
            assert xen.task_record(task)["error_info"] == ("IMPORT_ERROR_PREMATURE_EOF",)

    run(body())


def test_a_client_that_falls_silent_is_given_up_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with served(limits=Limits(request_timeout_s=0.05, idle_timeout_s=0.05)) as (xen, client):
            task, vdi = await xen.call("task.create", "import", ""), xen.vdi(8 * MB)
            await client.send(put(NOISE * 4, session_id=xen.session, vdi=vdi, task_id=task)[: 3 * MB])
            assert await client.rest() in (b"", b"reset")
            await xen_answers(xen)
            assert (xen.task_record(task)["error_info"], caplog.messages) == (("IMPORT_ERROR_PREMATURE_EOF",), [])

    run(body())


def test_a_vdi_destroyed_meanwhile_fails_the_import() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(8 * MB)
            request = put(NOISE * 6, session_id=xen.session, vdi=vdi)
            await client.send(request[: 3 * MB])
            while not xen.xapi.disks.blocks(xen.id(vdi)):
                await xen_answers(xen)
            xen.xapi.disks.destroy(xen.id(vdi))
            await client.send(request[3 * MB :])
            assert b"destroyed while it was written" in (await client.reply()).body

    run(body())


def test_a_cancelled_task_stops_the_import() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            task, vdi = await xen.call("task.create", "import", ""), xen.vdi(8 * MB)
            await xen.call("task.cancel", task)
            reply = await exchange(client, put(NOISE * 4, session_id=xen.session, vdi=vdi, task_id=task))
            assert (reply.status, b"TASK_CANCELLED" in reply.body) == (500, True)
            assert xen.task_record(task)["status"] == "cancelled"

    run(body())


def test_a_client_that_asks_first_is_refused_before_it_sends() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            request = put(NOISE, "Expect: 100-continue\r\n", vdi=vdi)
            await client.send(request[: -len(NOISE)])
            assert (await client.reply()).status == 401
            client.close()

        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            await client.send(put(NOISE, "Expect: 100-continue\r\n", vdi=vdi, session_id=xen.session)[: -len(NOISE)])
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(NOISE)
            assert (await client.reply()).status == 200

    run(body())
