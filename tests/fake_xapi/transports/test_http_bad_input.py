"""HTTP: what is no request, too large, too slow or half sent is refused, and the server goes on."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.transports.connection import Limits
from fake_xapi.transports.http import HttpServer
from tests.fake_xapi.transports.serving import ASK, RUNNING, Addresses, Client, post, run, serving, vm_xapi

# ---- bad input ------------------------------------------------------------------------------------------------------------------

SMALL = Limits(rpc_body_bytes=1000, head_bytes=2000, request_timeout_s=0.05, idle_timeout_s=0.1)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001, 413),
        (b"GET /" + b"x" * 3000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500, 431),
        (b"CONNECT /console HTTP/1.1\r\n\r\n", 401),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(request_: bytes, status: int) -> None:
    async def body() -> None:
        async with serving(vm_xapi(), SMALL) as connect:
            client = await connect()
            await client.send(request_)
            assert (await client.reply()).status == status
            client.writer.write_eof()
            assert await client.rest() == b""
            assert (await (await connect()).post(ASK)).body == RUNNING

    run(body())


def test_a_refused_client_may_go_on_sending_and_still_read_why() -> None:
    async def body() -> None:
        async with serving(vm_xapi()) as connect:
            client = await connect()
            await client.send(b"POST / HTTP/1.1\r\nContent-Length: 50000000\r\n\r\n")
            for _ in range(50):
                await client.send(bytes(1_000_000))
            assert (await client.reply()).status == 413

    run(body())


@pytest.mark.parametrize(
    ("path", "request_body", "content_type"),
    [("/RPC2", b"<methodCall>", "text/html"), ("/jsonrpc", b"{", "text/html"), ("/RPC2", b"", "text/html")],
)
def test_a_malformed_body_is_status_500_and_the_connection_goes_on(path: str, request_body: bytes, content_type: str) -> None:
    async def body() -> None:
        async with serving(vm_xapi()) as connect:
            client = await connect()
            reply = await client.post(request_body, path)
            assert (reply.status, reply.headers["content-type"]) == (500, content_type)
            assert (await client.post(ASK)).body == RUNNING

    run(body())


def test_300_kib_are_accepted_and_one_byte_more_is_not() -> None:
    async def body() -> None:
        padding = b" " * (300 * 1024 - len(ASK))
        async with serving(vm_xapi()) as connect:
            assert (await (await connect()).post(ASK + padding)).body == RUNNING
            assert (await (await connect()).post(ASK + padding + b" ")).status == 413

    run(body())


@pytest.mark.parametrize("begun", [b"POST /RPC2 HTTP/1.1\r\nCont", b"POST /RPC2 HTTP/1.1\r\nContent-Length: 500\r\n\r\n<meth"])
def test_a_request_that_never_ends_is_given_up(begun: bytes) -> None:
    async def body() -> None:
        async with serving(vm_xapi(), SMALL) as connect:
            client = await connect()
            await client.send(begun)
            assert (await client.reply()).status == 408
            assert await client.rest() in (b"", b"reset")

    run(body())


def test_an_idle_connection_is_closed() -> None:
    async def body() -> None:
        async with serving(vm_xapi(), SMALL) as connect:
            client = await connect()
            assert (await client.post(ASK)).body == RUNNING
            assert await client.rest() in (b"", b"reset")

    run(body())


def test_half_sent_requests_leave_nothing_behind() -> None:
    async def body() -> None:
        xapi = vm_xapi()
        async with HttpServer(Addresses({"": xapi})) as server:
            port = await server.listen(0)
            for cut in range(0, len(post(ASK)), 7):
                client = Client(*await asyncio.open_connection("127.0.0.1", port))
                await client.send(post(ASK)[:cut])
                client.writer.write_eof()
                assert await client.rest() == b""
                client.close()
            assert (len(server._site.connections), len(server._site.tasks), xapi.calls) == (0, 0, [])

    run(body())
