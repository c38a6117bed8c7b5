"""Consoles over sockets: who gets to which, what is shown and what keys do, through CONNECT and through websockets."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong

from fake_xapi.dom0.screens import ROWS, screen_of
from fake_xapi.transports.consoles import news_of
from fake_xapi.transports.rfb import GREETING
from tests.fake_xapi.engine.kit import Kit
from tests.fake_xapi.transports.serving import Client, run, serving
from tests.fake_xapi.transports.worlds import host as plain_host
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, furnish

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
Connect = Callable[..., Awaitable[Client]]
HVM = {"HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "c"}}


def over_server(body: Callable[[Host, Connect], Awaitable[None]], release: str = "latest") -> None:
    async def main() -> None:
        made = await plain_host(release)
        host = furnish(Kit(made.xapi, made.session))
        async with serving(made.xapi) as connect:
            await body(host, connect)
        await made.xapi.close()

    run(main())


async def started(host: Host, **fields: Any) -> str:
    vm, *_ = await host.server(**{**HVM, **fields})
    await host.call("VM.start", vm, False, False)
    await until(lambda: bool(host.row(vm)["guest_metrics"]))
    return vm


async def dialled(connect: Connect, host: Host, query: str, version: str = "1.0") -> tuple[Client, int, bytes]:
    """A connection after CONNECT: the client, the status, and the head."""
    client = await connect()
    await client.send(f"CONNECT /console?{query} HTTP/{version}\r\nHost: x\r\nCookie: session_id={host.kit.session}\r\n\r\n".encode())
    head = await client.reader.readuntil(b"\r\n\r\n")
    return client, int(head.split()[1]), head


async def shaken(client: Client) -> bytes:
    """The server's part of a handshake of version 3.3, up to the name."""
    assert await client.reader.readexactly(12) == GREETING
    await client.send(b"RFB 003.003\n\x01")
    init = await client.reader.readexactly(4 + 24)
    return await client.reader.readexactly(int.from_bytes(init[-4:], "big"))


async def press(client: Client, *keysyms: int) -> None:
    for is_down in (1, 0):
        await client.send(b"".join(bytes((4, is_down, 0, 0)) + keysym.to_bytes(4, "big") for keysym in keysyms))


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  # the time is real, and what it waits for is the server's
        await asyncio.sleep(0.01)


# ---- which -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_console_is_found_by_itself_or_by_its_vm(version: str) -> None:
    async def body(host: Host, connect: Connect) -> None:
        vm = await started(host)
        console = (await host.call("VM.get_consoles", vm))[0]
        uuids = [await host.call("VM.get_uuid", vm), await host.call("console.get_uuid", console)]
        for query in (f"ref={vm}", f"ref={console}", *(f"uuid={uuid}" for uuid in uuids)):
            client, status, head = await dialled(connect, host, query, version)
            assert (status, b"ontent-Length" in head, await shaken(client)) == (200, False, b"web")

    over_server(body)


def test_what_is_not_there_is_not_found() -> None:
    async def body(host: Host, connect: Connect) -> None:
        halted = await host.vm()
        for query, status in (("ref=OpaqueRef:none", 404), ("uuid=none", 404), (f"ref={halted}", 404), (f"ref={host.sr}", 404), ("", 400)):
            assert (await dialled(connect, host, query))[1] == status

    over_server(body)


def test_nobody_looks_without_a_session() -> None:
    async def body(host: Host, connect: Connect) -> None:
        vm = await started(host)
        for header, status in (("", 401), ("Authorization: Basic " + base64.b64encode(b"root:xenroot").decode() + "\r\n", 200)):
            client = await connect()
            await client.send(f"CONNECT /console?ref={vm} HTTP/1.0\r\n{header}\r\n".encode())
            assert int((await client.reader.readuntil(b"\r\n\r\n")).split()[1]) == status

    over_server(body)


def test_a_client_is_sent_to_the_host_that_has_the_vm() -> None:
    async def body(host: Host, connect: Connect) -> None:
        vm = await started(host)
        host.set(vm, resident_on=host.id(add_host(host)))
        _, status, head = await dialled(connect, host, f"ref={vm}")
        assert (status, b"Location: http://10.0.0.2/console?session_id=" in head) == (302, True)

    over_server(body)


# ---- what is shown, and what keys do ---------------------------------------------------------------------------------------------


def test_keys_are_echoed_and_what_changed_is_sent() -> None:
    async def body(host: Host, connect: Connect) -> None:
        vm = await started(host)
        client, _, _ = await dialled(connect, host, f"ref={vm}")
        await shaken(client)
        await client.send(b"\x03\x00" + bytes(4) + (640).to_bytes(2, "big") + (480).to_bytes(2, "big"))
        everything = await client.reader.readexactly(4 + ROWS * (12 + 640 * 16 * 4))
        assert everything[:4] == bytes((0, 0, 0, ROWS))
        await client.send(b"\x03\x01" + bytes(4) + (640).to_bytes(2, "big") + (480).to_bytes(2, "big"))
        await press(client, ord("h"), ord("i"))
        head = await client.reader.readexactly(4)
        assert (head[0], int.from_bytes(head[2:], "big")) == (0, 1)
        await until(lambda: any(line.startswith("web login: hi_") for line in screen_of(host.world, host.id(vm)).lines))
        await press(client, 0xFF08, 0xFF0D)
        await until(lambda: "web login: h\r\nweb login: " in _console(host, vm))

    over_server(body)


def _console(host: Host, vm: str) -> str:
    return next((str(row["console"]) for _, row in host.world.rows("guest") if row["vm"] == str(host.id(vm))), "")


def test_ctrl_alt_del_reboots_hardware_and_ends_its_console() -> None:
    async def body(host: Host, connect: Connect) -> None:
        vm = await started(host)
        domid = host.row(vm)["domid"]
        client, _, _ = await dialled(connect, host, f"ref={vm}")
        await shaken(client)
        await press(client, 0xFFE3, 0xFFE9, 0xFFFF)
        assert await client.rest() == b""
        assert (host.row(vm)["power_state"], host.row(vm)["domid"] > domid) == ("Running", True)

    over_server(body)


def test_paravirtual_and_stubborn_guests_do_not_notice_ctrl_alt_del() -> None:
    async def body(host: Host, connect: Connect) -> None:
        stubborn = await started(host, other_config={"sim.shutdown": "hang"})
        for vm in (await started(host, HVM_boot_policy=""), stubborn):
            domid = host.row(vm)["domid"]
            client, _, _ = await dialled(connect, host, f"ref={vm}")
            await shaken(client)
            await press(client, 0xFFE4, 0xFFEA, 0xFF9F)
            await press(client, ord("."))
            await until(lambda vm=vm: _console(host, vm).endswith("."))  # type: ignore[misc]  # bound where it is made
            assert host.row(vm)["domid"] == domid

    over_server(body)


def test_a_text_console_is_its_text_and_takes_input() -> None:
    async def body(host: Host, connect: Connect) -> None:
        vm = await started(host, HVM_boot_policy="")
        texts = [one for one in await host.call("VM.get_consoles", vm) if await host.call("console.get_protocol", one) == "vt100"]
        client, _, _ = await dialled(connect, host, f"ref={texts[0]}")
        assert b"Booting on Xen as a pv domain" in await client.reader.readuntil(b"login: \r\n")
        await client.send(b"hello")
        assert await client.reader.readexactly(16) == b"web login: hello"
        await host.call("VM.hard_shutdown", vm)
        assert (await client.rest())[:4] in (b"", b"\x1b[2J")

    over_server(body)


@pytest.mark.parametrize(
    ("before", "now", "news"),
    [("", "abc", "abc"), ("abc", "abcd", "d"), ("abc", "a", "\b \b\b \b"), ("abc", "xyz", "\x1b[2J\x1b[Hxyz"),
     ("a" * 10 + "b" * 2000, "b" * 2000 + "c", "c")],
)  # fmt: skip
def test_a_terminal_is_sent_what_it_lacks(before: str, now: str, news: str) -> None:
    assert news_of(before, now) == news


def test_what_is_no_rfb_is_cut_off() -> None:
    async def body(host: Host, connect: Connect) -> None:
        client, _, _ = await dialled(connect, host, f"ref={await started(host)}")
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert await client.rest() in (GREETING, GREETING + b"reset")

    over_server(body)


def test_a_client_that_goes_leaves_nothing_behind() -> None:
    async def body(host: Host, connect: Connect) -> None:
        vm = await started(host)
        listeners = len(host.world.listeners)
        client, _, _ = await dialled(connect, host, f"ref={vm}")
        await shaken(client)
        assert len(host.world.listeners) == listeners + 1
        client.close()
        await until(lambda: len(host.world.listeners) == listeners)

    over_server(body)


# ---- websockets ------------------------------------------------------------------------------------------------------------------


async def upgraded(connect: Connect, host: Host, vm: str, extra: str) -> tuple[Client, bytes]:
    client = await connect()
    upgrade = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n{extra}"
    await client.send(f"GET /console?ref={vm}&session_id={host.kit.session} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n".encode())
    return client, await client.reader.readuntil(b"\r\n\r\n")


def test_a_websocket_carries_the_same_in_binary_frames() -> None:
    async def body(host: Host, connect: Connect) -> None:
        vm = await started(host)
        client, head = await upgraded(connect, host, vm, f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: base64, binary\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert f"Sec-WebSocket-Accept: {ACCEPTED}\r\nSec-WebSocket-Protocol: binary\r\n".encode() in head
        frames = Connection(ConnectionType.CLIENT)

        async def received() -> list[Any]:
            frames.receive_data(await client.reader.read(65_536))
            return list(frames.events())

        assert [event.data for event in await received()] == [GREETING]
        await client.send(frames.send(BytesMessage(data=b"RFB 003.0")) + frames.send(BytesMessage(data=b"08\n")))
        assert [bytes(event.data) for event in await received()] == [b"\x01\x01"]
        await client.send(frames.send(Ping(payload=b"there?")))
        assert [(type(event), bytes(event.payload)) for event in await received()] == [(Pong, b"there?")]
        await client.send(frames.send(CloseConnection(code=1000)))
        assert [type(event) for event in await received()] == [CloseConnection]
        assert await client.rest() in (b"", b"reset")

    over_server(body)


def test_what_is_no_handshake_of_a_websocket_is_refused() -> None:
    async def body(host: Host, connect: Connect) -> None:
        vm = await started(host)
        for extra in ("", "Sec-WebSocket-Key: short\r\n", "Sec-WebSocket-Key: !\r\n"):
            _, head = await upgraded(connect, host, vm, extra)
            assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        client = await connect()
        await client.send(f"GET /console?ref={vm}&session_id={host.kit.session} HTTP/1.1\r\n\r\n".encode())
        assert (await client.reply()).status == 400

    over_server(body)
