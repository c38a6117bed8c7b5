"""HTTP: what a client sees of the protocol, good or bad."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.transports.http import HttpServer, loopback_address
from tests.fake_xapi.transports.serving import ASK, RUNNING, Addresses, Answering, Client, call, post, run, serving, success, vm_xapi

# ---- calls ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/RPC2", "/xmlrpc", "/json", "/RPC2?x=1"])
def test_xml_rpc_is_answered_with_xapi_s_headers(path: str) -> None:
    async def body() -> None:
        async with serving(xapi := vm_xapi()) as connect:
            reply = await (await connect()).post(ASK, path)
        assert (reply.status, reply.body) == (200, RUNNING)
        assert reply.headers == {
            "content-type": "text/xml",
            "connection": "keep-alive",
            "cache-control": "no-cache, no-store",
            "access-control-allow-origin": "*",
            "access-control-allow-headers": "X-Requested-With",
            "content-length": str(len(RUNNING)),
        }
        assert xapi.calls == [("VM.get_power_state", ["s", "vm"])]

    run(body())


def test_json_rpc_is_answered_as_json() -> None:
    async def body() -> None:
        async with serving(vm_xapi()) as connect:
            reply = await (await connect()).post(b'{"method":"VM.get_power_state","params":["s","vm"],"id":1}', "/jsonrpc")
        assert reply.headers["content-type"] == "application/json"
        assert reply.body == b'{"result":"Running","error":null,"id":1}'

    run(body())


def test_boston_has_no_json_rpc() -> None:
    async def body() -> None:
        async with serving(vm_xapi("boston")) as connect:
            assert (await (await connect()).post(b'{"method":"m","params":[],"id":1}', "/jsonrpc")).status == 404

    run(body())


def test_a_connection_is_kept_for_the_next_call() -> None:
    async def body() -> None:
        async with serving(vm_xapi()) as connect:
            client = await connect()
            assert [(await client.post(ASK)).body for _ in range(3)] == [RUNNING] * 3

    run(body())


@pytest.mark.parametrize("request_", [post(ASK, extra="Connection: close\r\n"), post(ASK).replace(b"HTTP/1.1", b"HTTP/1.0")])
def test_a_connection_is_closed_when_the_client_wants_it(request_: bytes) -> None:
    async def body() -> None:
        async with serving(vm_xapi()) as connect:
            client = await connect()
            await client.send(request_)
            reply = await client.reply()
            assert (reply.headers["connection"], reply.body) == ("close", RUNNING)
            assert await client.rest() == b""

    run(body())


def test_a_failure_of_xapi_is_an_answer_like_any_other() -> None:
    async def body() -> None:
        async with serving(vm_xapi()) as connect:
            reply = await (await connect()).post(call("VM.fly"))
        assert reply.status == 200
        assert b"<value>MESSAGE_METHOD_UNKNOWN</value><value>VM.fly</value>" in reply.body

    run(body())


def test_an_error_of_ours_is_xapi_s_internal_error_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> Any:
        raise ZeroDivisionError("by zero")

    async def fails_later() -> Any:
        await asyncio.sleep(0)
        raise ZeroDivisionError("by zero, later")

    async def body() -> None:
        async with serving(Answering({"a.b": fails, "a.c": fails_later, "a.d": lambda: {1}})) as connect:
            client = await connect()
            assert b"<value>INTERNAL_ERROR</value><value>ZeroDivisionError(by zero)</value>" in (await client.post(call("a.b"))).body
            assert b"<value>ZeroDivisionError(by zero, later)</value>" in (await client.post(call("a.c"))).body
            assert b"INTERNAL_ERROR" in (await client.post(call("a.d"))).body

    run(body())
    assert [record.getMessage() for record in caplog.records] == ["a.b failed", "a.c failed", "a.d failed"]


def test_the_body_may_come_in_chunks_and_byte_by_byte() -> None:
    async def body() -> None:
        chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (
            10,
            ASK[:10],
            len(ASK) - 10,
            ASK[10:],
        )
        async with serving(vm_xapi()) as connect:
            client = await connect()
            await client.send(chunked)
            assert (await client.reply()).body == RUNNING
            for byte in post(ASK):
                await client.send(bytes([byte]))
            assert (await client.reply()).body == RUNNING

    run(body())


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async def body() -> None:
        async with serving(vm_xapi()) as connect:
            client = await connect()
            await client.send(post(b"x" * len(ASK), extra="Expect: 100-continue\r\n")[: -len(ASK)])
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(ASK)
            assert (await client.reply()).body == RUNNING

    run(body())


def test_a_client_that_would_rather_speak_http_2_is_answered_and_let_go() -> None:
    async def body() -> None:
        async with serving(vm_xapi()) as connect:
            client = await connect()
            reply = await client.post(
                ASK,
                extra="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
            )
            assert (reply.headers["connection"], reply.body) == ("close", RUNNING)
            assert await client.rest() == b""

    run(body())


@pytest.mark.parametrize("path", ["/", "/json", "/jsonrpc"])
def test_browsers_are_told_that_they_may(path: str) -> None:
    async def body() -> None:
        async with serving(vm_xapi()) as connect:
            client = await connect()
            await client.send(f"OPTIONS {path} HTTP/1.1\r\n\r\n".encode())
            reply = await client.reply()
        assert (reply.status, reply.body) == (200, b"")
        assert reply.headers["access-control-allow-headers"] == "X-Requested-With"

    run(body())


def test_the_front_page_and_what_is_not_there() -> None:
    async def body() -> None:
        async with serving(vm_xapi("clearwater")) as connect:
            client = await connect()
            await client.send(b"GET / HTTP/1.1\r\n\r\n")
            front = await client.reply()
            await client.send(b"HEAD / HTTP/1.1\r\n\r\n")
            head = await client.reply(has_body=False)
            await client.send(b"GET /RPC2 HTTP/1.1\r\n\r\n")
            missing = await client.reply()
        assert (front.status, front.headers["content-type"]) == (200, "text/html")
        assert b"Simulated XenServer clearwater" in front.body
        assert (head.status, head.headers) == (200, front.headers)
        assert missing.status == 404

    run(body())


# ---- order ------------------------------------------------------------------------------------------------------------------


def test_pipelined_calls_are_answered_in_order_even_when_the_first_waits() -> None:
    async def slow(name: str) -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return name

    async def body() -> None:
        async with serving(Answering({"a.slow": slow, "a.quick": lambda name: name})) as connect:
            client = await connect()
            names = [f"n{number}" for number in range(60)]
            await client.send(b"".join(post(call("a.slow" if number % 7 == 0 else "a.quick", name)) for number, name in enumerate(names)))
            assert [(await client.reply()).body for _ in names] == [success(f"<value>{name}</value>") for name in names]

    run(body())


def test_a_client_that_does_not_read_is_not_answered_without_end() -> None:
    async def body() -> None:
        async with serving(xapi := vm_xapi()) as connect:
            client = await connect()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read-write transport
            client.writer.write(post(call("VM.get_all", "s")) * 300)
            other = await connect()
            while len(xapi.calls) < 5:
                await other.post(ASK)
            for _ in range(50):
                await other.post(ASK)
            asked = sum(method == "VM.get_all" for method, _ in xapi.calls)
            assert asked < 100
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
            replies = [len((await client.reply()).body) for _ in range(300)]
            assert (
                replies == [len(success("<value><array><data>" + f"<value>{'x' * 1000}</value>" * 1000 + "</data></array></value>"))] * 300
            )

    run(body())


# ---- the listener ---------------------------------------------------------------------------------------------------------------


def test_the_listener_is_bound_to_loopback() -> None:
    async def body() -> None:
        async with HttpServer(Addresses({"": vm_xapi()})) as server:
            await server.listen(0)
            (listener,) = server._servers[0].sockets
            device = listener.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
            assert device.startswith(b"lo") or listener.getsockname()[0] == "127.0.0.1"

    run(body())


def test_replies_are_not_held_back_by_nagle() -> None:
    async def body() -> None:
        async with HttpServer(Addresses({"": vm_xapi()})) as server:
            client = Client(*await asyncio.open_connection("127.0.0.1", await server.listen(0)))
            await client.post(ASK)
            (connection,) = server._site.connections
            accepted = connection._transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            client.close()

    run(body())


def test_ports_instead_of_addresses() -> None:
    class Ports:
        def xapi_at(self, address: str, port: int) -> Any:
            return Answering({"a.b": lambda: f"{address} {port}"})

    async def body() -> None:
        async with HttpServer(Ports()) as server:
            ports = await server.listen_at("127.0.0.1", [0, 0])
            for port in ports:
                client = Client(*await asyncio.open_connection("127.0.0.1", port))
                assert (await client.post(call("a.b"))).body == success(f"<value>127.0.0.1 {port}</value>")
                client.close()
        assert len(set(ports)) == 2

    run(body())


def test_an_address_outside_loopback_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1 is not a loopback address"):
        loopback_address("10.0.0.1", 0)


def test_a_port_that_is_taken_is_an_error() -> None:
    async def body() -> None:
        async with HttpServer(Addresses({})) as server:
            port = await server.listen(0)
            async with HttpServer(Addresses({})) as second:
                with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
                    await second.listen(port)

    run(body())


def test_a_failure_may_carry_anything() -> None:
    def refuse() -> Any:
        raise Failure("SR_BACKEND_FAILURE_44", "", 'a "quoted" <text>', "\x00")

    async def body() -> None:
        async with serving(Answering({"a.b": refuse})) as connect:
            reply = await (await connect()).post(call("a.b"))
        assert b"<value>SR_BACKEND_FAILURE_44</value><value/><value>a &quot;quoted&quot; &lt;text&gt;</value><value></value>" in reply.body

    run(body())
