"""Disk images out, over HTTP: raw, as VHD, and what changed since another disk."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace

import pytest

from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.engine.durations import Duration, Durations
from tests.fake_xapi.dom0.vhds import decoded
from tests.fake_xapi.transports.images import NOISE, exchange, get, put, served, xen_answers
from tests.fake_xapi.transports.serving import run
from tests.fake_xapi.transports.worlds import MB, Host


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


def test_a_reader_that_resets_the_connection_before_the_first_byte_fails_the_task_too(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi, task = xen.vdi(4 * MB), await xen.call("task.create", "export", "")
            slow = Durations("slow", {"export_raw_vdi": Duration(0.05)})
            xen.xapi.settings = replace(xen.xapi.settings, durations=slow)
            await client.send(get(session_id=xen.session, vdi=vdi, task_id=task))
            client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.writer.transport.abort()
            while xen.task_record(task)["status"] == "pending":
                await xen_answers(xen)
            assert (xen.task_record(task)["error_info"], caplog.messages) == (("INTERNAL_ERROR", "the client went away"), [])

    run(body())


@pytest.mark.parametrize(
    ("query", "status"),
    [({"vdi": "OpaqueRef:gone"}, 404), ({}, 404), ({"vdi": "{vdi}", "format": "qcow2"}, 404), ({"vdi": "{vdi}", "base": "{vdi}"}, 400)],
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
