"""HTTP: clients that go away, and replies that are lost on purpose."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fake_xapi.transports.serving import ASK, RUNNING, Addresses, Answering, call, post, run, serving, success, vm_xapi

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
