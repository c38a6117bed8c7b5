"""HTTP: what a client sees of the protocol, good or bad."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.transports.connection import Limits
from fake_xapi.transports.http import HttpServer, loopback_address
from tests.fake_xapi.transports.serving import Addresses, Answering, Client, call, post, run, serving, success

ASK = call("VM.get_power_state", "s", "vm")
RUNNING = success("<value>Running</value>")


def vm_xapi(release: str = "latest") -> Answering:
    return Answering({"VM.get_power_state": lambda *_: "Running", "VM.get_all": lambda *_: ["x" * 1000] * 1000}, release)


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


# ---- clients that go away -----------------------------------------------------------------------------------------------------


def waiting_xapi() -> tuple[Answering, list[str], asyncio.Event, asyncio.Event]:
    """Calls that wait until they are released; the list says how they ended."""
    ended: list[str] = []
    began, release = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        began.set()
        try:
            await release.wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        ended.append("done")
        return "x"

    return Answering({"event.from": wait, "VM.start": wait}), ended, began, release


def test_waiting_for_events_ends_with_the_client() -> None:
    async def body() -> None:
        xapi, ended, began, _ = waiting_xapi()
        async with serving(xapi) as connect:
            client = await connect()
            await client.send(post(call("event.from")))
            await began.wait()
            client.writer.write_eof()
            assert await client.rest() == b""
            other = await connect()
            while not ended:
                await other.post(call("a.b"))
        assert ended == ["cancelled"]

    run(body())


def test_an_operation_goes_on_when_its_client_is_gone() -> None:
    async def body() -> None:
        xapi, ended, began, release = waiting_xapi()
        async with serving(xapi) as connect:
            client = await connect()
            await client.send(post(call("VM.start")))
            await began.wait()
            client.close()
            other = await connect()
            await other.post(call("a.b"))
            release.set()
            while not ended:
                await other.post(call("a.b"))
        assert ended == ["done"]

    run(body())


def test_a_client_that_only_stopped_sending_gets_its_reply() -> None:
    async def body() -> None:
        xapi, _, began, release = waiting_xapi()
        async with serving(xapi) as connect:
            client = await connect()
            await client.send(post(call("VM.start")))
            await began.wait()
            client.writer.write_eof()
            other = await connect()
            await other.post(call("a.b"))
            release.set()
            assert (await client.rest()).endswith(success("<value>x</value>"))

    run(body())


def test_closing_the_server_ends_what_waits() -> None:
    async def body() -> None:
        xapi, ended, began, _ = waiting_xapi()
        async with serving(xapi) as connect:
            await (await connect()).send(post(call("VM.start")))
            await began.wait()
        assert ended == ["cancelled"]

    run(body())


# ---- faults that a layer below may order ----------------------------------------------------------------------------------------


class Cut:
    cut_at = 0.5
    value = "Running"


def lost() -> Any:
    raise ConnectionResetError("the reply is lost")


async def lost_later() -> Any:
    await asyncio.sleep(0)
    raise ConnectionResetError("the reply is lost")


def test_a_lost_reply_is_a_closed_connection_without_a_byte() -> None:
    async def body() -> None:
        async with serving(Answering({"a.now": lost, "a.later": lost_later})) as connect:
            for method in ("a.now", "a.later"):
                client = await connect()
                await client.send(post(call(method)))
                assert await client.rest() in (b"", b"reset")

    run(body())


def test_a_cut_reply_ends_in_the_middle() -> None:
    async def body() -> None:
        async with serving(Answering({"a.b": Cut, "a.c": lambda: "Running"})) as connect:
            client = await connect()
            await client.send(post(call("a.b")))
            cut = await client.rest()
            await (other := await connect()).send(post(call("a.c"), extra="Connection: close\r\n"))
            whole = await other.rest()
        assert cut == whole[: len(whole) // 2]

    run(body())


def test_each_address_is_a_host_and_a_dead_one_resets() -> None:
    async def body() -> None:
        xapis: dict[str, Any] = {f"127.1.2.{n}": Answering({"a.b": lambda n=n: f"host {n}"}) for n in (1, 2)}
        async with serving(Addresses(xapis, frozenset({"127.1.2.3"}))) as connect:
            assert [(await (await connect(a)).post(call("a.b"))).body for a in xapis] == [
                success(f"<value>host {n}</value>") for n in (1, 2)
            ]
            for address in ("127.1.2.3", "127.9.9.9"):
                assert await (await connect(address)).rest() in (b"", b"reset")

    run(body())


def test_a_host_that_dies_takes_its_connections_with_it() -> None:
    async def body() -> None:
        router = Addresses({"": vm_xapi()})
        async with serving(router) as connect:
            client = await connect()
            assert (await client.post(ASK)).body == RUNNING
            router.dead = frozenset({"127.0.0.1"})
            await client.send(post(ASK))
            assert await client.rest() in (b"", b"reset")

    run(body())


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
        (b"CONNECT /console HTTP/1.1\r\n\r\n", 404),
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
