"""Disk images in and out, over HTTP: with real bytes, whoever may and whatever breaks."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest

from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.transports.connection import Limits
from tests.fake_xapi.dom0.vhds import decoded, vhd_of
from tests.fake_xapi.transports.serving import Client, Reply, run, serving
from tests.fake_xapi.transports.worlds import MB, Host, host

NOISE = random.Random(1).randbytes(MB)
Connect = Callable[[], "asyncio.Future[Client]"]


@asynccontextmanager
async def served(sr_size: int = 10 << 30, limits: Limits | None = None) -> AsyncIterator[tuple[Host, Client]]:
    made = await host(sr_size=sr_size)
    async with serving(made.xapi, limits) as connect:
        yield made, await connect()
    await made.xapi.close()
    made.xapi.disks.close()


def put(body: bytes, extra: str = "", **query: str) -> bytes:
    head = f"PUT /import_raw_vdi?{urlencode(query)} HTTP/1.1\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def get(extra: str = "", **query: str) -> bytes:
    return f"GET /export_raw_vdi?{urlencode(query)} HTTP/1.1\r\n{extra}\r\n".encode()


async def exchange(client: Client, request: bytes) -> Reply:
    await client.send(request)
    return await client.reply()


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
        ({"vdi": "{vdi}", "chunked": "true"}, 404),
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


def test_a_client_that_falls_silent_is_given_up() -> None:
    async def body() -> None:
        async with served(limits=Limits(request_timeout_s=0.05, idle_timeout_s=0.05)) as (xen, client):
            task, vdi = await xen.call("task.create", "import", ""), xen.vdi(8 * MB)
            await client.send(put(NOISE * 4, session_id=xen.session, vdi=vdi, task_id=task)[: 3 * MB])
            assert await client.rest() in (b"", b"reset")
            assert xen.task_record(task)["error_info"] == ("IMPORT_ERROR_PREMATURE_EOF",)

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


async def xen_answers(xen: Host) -> None:
    """Let the loop go round."""
    await asyncio.sleep(0)
    await xen.call("VDI.get_all")


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


# ---- out ------------------------------------------------------------------------------------------------------------------------


def filled(xen: Host, size: int, *writes: tuple[int, bytes]) -> str:
    vdi = xen.vdi(size)
    for offset, content in writes:
        xen.xapi.disks.write(xen.id(vdi), offset, content)
    return vdi


def test_a_vdi_goes_out_raw() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = filled(xen, 5 * MB, (0, NOISE), (5 * MB - 3, b"end"))
            reply = await exchange(client, get(session_id=xen.session, vdi=vdi))
            assert (reply.status, reply.body) == (200, xen.content(vdi))
            uuid = xen.xapi.world.uuid(xen.id(vdi))
            assert reply.headers["content-type"] == "application/octet-stream"
            assert reply.headers["content-disposition"] == f'attachment; filename="{uuid}.raw"'
            assert (await exchange(client, get(session_id=xen.session, vdi=vdi))).status == 200

    run(body())


def test_a_vdi_goes_out_as_vhd_and_comes_back_the_same() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi, other = filled(xen, 7 * MB, (0, NOISE), (6 * MB, b"end")), xen.vdi(7 * MB)
            task = await xen.call("task.create", "export", "")
            reply = await exchange(client, get(session_id=xen.session, vdi=vdi, format="vhd", task_id=task))
            assert (reply.status, reply.headers["content-type"]) == (200, "application/vhd")
            assert xen.task_record(task)["status"] == "success"
            footer, content = decoded(reply.body)
            assert (str(footer.uuid), footer.disk_type) == (xen.xapi.world.uuid(xen.id(vdi)), "dynamic")
            assert content == xen.content(vdi)
            assert (await exchange(client, put(reply.body, session_id=xen.session, vdi=other, format="vhd"))).status == 200
            assert xen.xapi.disks[xen.id(other)].blocks == xen.xapi.disks[xen.id(vdi)].blocks

    run(body())


def test_a_delta_upon_a_base_restores_the_whole() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            base = filled(xen, 8 * MB, (0, NOISE), (4 * MB, NOISE))
            leaf, rebuilt = xen.vdi(8 * MB), xen.vdi(8 * MB)
            for copy in (leaf, rebuilt):
                xen.xapi.disks.clone(xen.id(base), xen.id(copy))
            xen.xapi.disks.write(xen.id(leaf), 4 * MB, bytes(MB))
            xen.xapi.disks.write(xen.id(leaf), 6 * MB, b"new")
            delta = await exchange(client, get(session_id=xen.session, vdi=leaf, base=base, format="vhd"))
            assert decoded(delta.body)[0].disk_type == "differencing"
            assert len(delta.body) < 2 * (BLOCK_BYTES + 512) + 8192
            assert (await exchange(client, put(delta.body, session_id=xen.session, vdi=rebuilt, format="vhd"))).status == 200
            assert xen.content(rebuilt) == xen.content(leaf)

    run(body())


def test_a_slow_reader_does_not_fill_our_memory() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = filled(xen, 64 * MB, *((n * 2 * MB, bytes([n + 1])) for n in range(32)))
            task = await xen.call("task.create", "export", "")
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read-write transport
            await client.send(get(session_id=xen.session, vdi=vdi, task_id=task))
            for _ in range(2000):
                await xen_answers(xen)
            record = xen.task_record(task)
            assert (record["status"], record["progress"] < 0.5) == ("pending", True)
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
            assert (await client.reply()).body == xen.content(vdi)
            assert xen.task_record(task)["status"] == "success"

    run(body())


def test_a_reader_that_goes_away_fails_the_task() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi, task = xen.vdi(200 * MB), await xen.call("task.create", "export", "")
            await client.send(get(session_id=xen.session, vdi=vdi, task_id=task))
            await client.reader.readuntil(b"\r\n\r\n")
            client.close()
            while xen.task_record(task)["status"] == "pending":
                await xen_answers(xen)
            assert xen.task_record(task)["error_info"] == ("INTERNAL_ERROR", "the client went away")

    run(body())


@pytest.mark.parametrize(
    ("query", "status"),
    [({"vdi": "OpaqueRef:gone"}, 404), ({}, 404), ({"vdi": "{vdi}", "format": "tar"}, 404), ({"vdi": "{vdi}", "base": "{vdi}"}, 400)],
)
def test_what_cannot_be_sent_is_refused(query: dict[str, str], status: int) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            answer = await exchange(client, get(session_id=xen.session, **{name: value.format(vdi=vdi) for name, value in query.items()}))
            assert answer.status == status

    run(body())


def test_a_transfer_waits_for_the_call_before_it() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB)
            await client.send(put(NOISE, session_id=xen.session, vdi=vdi) + get(session_id=xen.session, vdi=vdi))
            assert (await client.reply()).status == 200
            assert (await client.reply()).body == NOISE.ljust(4 * MB, b"\0")

    run(body())
