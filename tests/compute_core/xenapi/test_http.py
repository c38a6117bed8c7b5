"""The HTTP client of the sessions, against servers that answer well, badly and not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from compute_core.xenapi.errors import NotSent, ReplyLost, TransferFailed, XenApiFailure
from compute_core.xenapi.http import HttpTransport
from tests.compute_core.xenapi.wire import Handler, Request, Server, refusal, reply, result, served, xml


async def chunked(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def answering(*replies: bytes) -> Any:
    """Each request gets the next reply; "" closes the connection instead."""

    def make(server: Server) -> Handler:
        left = list(replies)

        async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
            server.seen.append((request.target, await request.body()))
            answer = left.pop(0)
            if answer:
                writer.write(answer)
            else:
                writer.transport.abort()

        return handle

    return make


def test_calls_share_one_connection() -> None:
    async def run() -> tuple[list[Any], int]:
        async with served(answering(result("a"), result({"b": 1}))) as server:
            transport = HttpTransport(server.url)
            values = [await transport.call("x.y", []), await transport.call("x.z", [])]
            await transport.close()
            return values, server.connections

    assert asyncio.run(run()) == (["a", {"b": 1}], 1)


def test_a_server_without_json_is_asked_in_xml_from_then_on() -> None:
    async def run() -> list[str]:
        pages = [reply(b"<html>", "404 Not Found", "text/html"), xml("<value>1</value>"), xml("<value>2</value>")]
        async with served(answering(*pages)) as server:
            transport = HttpTransport(server.url)
            assert [await transport.call("x.y", ["s"]), await transport.call("x.y", ["s"])] == ["1", "2"]
            await transport.close()
            return [target for target, _ in server.seen]

    assert asyncio.run(run()) == ["/jsonrpc", "/", "/"]


def test_a_refusal_is_told_from_a_failure_to_answer() -> None:
    async def run() -> None:
        async with served(answering(refusal("HANDLE_INVALID", "VM", "OpaqueRef:1"), b"")) as server:
            transport = HttpTransport(server.url)
            with pytest.raises(XenApiFailure, match=r"HANDLE_INVALID \[VM, OpaqueRef:1\]"):
                await transport.call("VM.get_record", [])
            with pytest.raises(ReplyLost, match=r"VM\.start: no answer from 127"):
                await transport.call("VM.start", [])
            await transport.close()

    asyncio.run(run())


@pytest.mark.parametrize("page", [b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n", reply(b"[]")])
def test_a_reply_that_cannot_be_read_leaves_the_outcome_open(page: bytes) -> None:
    async def run() -> None:
        async with served(answering(result(""), page)) as server:
            transport = HttpTransport(server.url)
            await transport.call("x.y", [])
            with pytest.raises(ReplyLost):
                await transport.call("VM.start", [])
            await transport.close()

    asyncio.run(run())


def test_nothing_is_sent_where_nobody_listens() -> None:
    async def run() -> None:
        async with served(answering()) as server:
            url = server.url
        transport = HttpTransport(url)
        with pytest.raises(NotSent, match="cannot be reached"):
            await transport.call("VM.start", [])
        await transport.close()

    asyncio.run(run())


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async def run() -> int:
        async with served(answering(result(1) + b"", b"", result(2))) as server:
            transport = HttpTransport(server.url)
            await transport.call("x.y", [])
            with pytest.raises(ReplyLost):
                await transport.call("x.y", [])
            assert await transport.call("x.y", []) == 2
            await transport.close()
            return server.connections

    assert asyncio.run(run()) == 2


def test_a_cancelled_call_takes_its_connection_with_it() -> None:
    async def run() -> list[Any]:
        arrived = asyncio.Event()

        def make(server: Server) -> Handler:
            async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
                server.seen.append(await request.body())
                if len(server.seen) == 1:
                    arrived.set()
                else:
                    writer.write(result("second"))

            return handle

        async with served(make) as server:
            transport = HttpTransport(server.url)
            first = asyncio.create_task(transport.call("VM.start", []))
            await arrived.wait()
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            answer = await transport.call("x.y", [])
            await transport.close()
            return [answer, server.connections]

    assert asyncio.run(run()) == ["second", 2]


def test_calls_at_once_have_connections_of_their_own_and_two_are_kept() -> None:
    async def run() -> list[int]:
        gate = asyncio.Event()

        def make(server: Server) -> Handler:
            async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
                await request.body()
                server.seen.append(request.target)
                if len(server.seen) == 3:
                    gate.set()
                await gate.wait()
                writer.write(result(""))

            return handle

        async with served(make) as server:
            transport = HttpTransport(server.url)
            await asyncio.gather(*(transport.call("x.y", []) for _ in range(3)))
            at_once = server.connections
            await asyncio.gather(*(transport.call("x.y", []) for _ in range(2)))
            await transport.close()
            return [at_once, server.connections]

    assert asyncio.run(run()) == [3, 3]


def taking_a_disk(answer: bytes, *, is_early: bool) -> Any:
    def make(server: Server) -> Handler:
        async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
            if is_early:
                writer.write(answer)
            server.seen.append((request.method, request.target, await request.body()))
            if not is_early:
                writer.write(answer)
            writer.close()

        return handle

    return make


@pytest.mark.parametrize("is_early", [False, True])
def test_a_disk_goes_out_whole_even_when_the_answer_comes_first(is_early: bool) -> None:
    async def run() -> list[Any]:
        async with served(taking_a_disk(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", is_early=is_early)) as server:
            transport = HttpTransport(server.url)
            await transport.put("/import_raw_vdi", {"vdi": "OpaqueRef:1"}, chunked(b"a" * 300_000, b"b" * 300_000), 600_000)
            await transport.close()
            return server.seen

    assert asyncio.run(run()) == [("PUT", "/import_raw_vdi?vdi=OpaqueRef%3A1", b"a" * 300_000 + b"b" * 300_000)]


def test_a_refused_disk_is_not_sent_to_its_end() -> None:
    sent: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            sent.append(1)
            yield b"x" * 65536
            await asyncio.sleep(0)

    def make(_: Server) -> Handler:
        async def handle(_: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 404 No such format\r\nContent-Length: 0\r\n\r\n")

        return handle

    async def run() -> None:
        async with served(make) as server:
            transport = HttpTransport(server.url)
            with pytest.raises(TransferFailed, match="PUT /import_raw_vdi: HTTP 404"):
                await transport.put("/import_raw_vdi", {}, endless(), 1 << 40)
            await transport.close()

    asyncio.run(run())


def test_an_invalid_session_of_a_transfer_is_named() -> None:
    async def run() -> None:
        async with served(answering(reply(b"", "401 Unauthorized"))) as server:
            transport = HttpTransport(server.url)
            with pytest.raises(XenApiFailure, match="SESSION_INVALID"):
                await transport.put("/import_raw_vdi", {}, chunked(), 0)
            await transport.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"d" * 5_000_000,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"d" * 5_000_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4c4b40\r\n" + b"d" * 5_000_000 + b"\r\n0\r\n\r\n",
    ],
)
def test_a_disk_comes_in_whole_however_it_is_framed(head: bytes) -> None:
    def make(_: Server) -> Handler:
        async def handle(_: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(head)
            writer.close()

        return handle

    async def run() -> bytes:
        async with served(make) as server:
            transport = HttpTransport(server.url)
            disk = b"".join([chunk async for chunk in transport.get("/export_raw_vdi", {"vdi": "x"})])
            await transport.close()
            return disk

    assert asyncio.run(run()) == b"d" * 5_000_000


def test_a_disk_that_ends_early_is_no_disk() -> None:
    def make(_: Server) -> Handler:
        async def handle(_: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"d" * 50)
            writer.close()

        return handle

    async def run() -> None:
        async with served(make) as server:
            transport = HttpTransport(server.url)
            with pytest.raises(TransferFailed, match="GET /export_raw_vdi: the peer closed"):
                _ = [chunk async for chunk in transport.get("/export_raw_vdi", {})]
            await transport.close()

    asyncio.run(run())


@pytest.mark.parametrize("url", ["", "xs1", "ftp://xs1", "http://"])
def test_an_url_of_no_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of a XenAPI server"):
        HttpTransport(url)
