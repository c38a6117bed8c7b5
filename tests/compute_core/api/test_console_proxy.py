"""The proxy of consoles between a real VNC client and a simulated host: what a token opens, how often, and for how long."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request

from compute_core.api.console_proxy import ConsoleProxy, url_of
from compute_core.api.console_tokens import ConsoleTokens, NoConsoles
from compute_core.model.errors import Conflict, NotFound
from compute_core.xenapi.console_access import ConsoleAccess, console_access
from compute_core.xenapi.power import Patience, stop
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.rig import Rig
from tests.compute_core.values import UUID, an_instance
from tests.compute_core.xenapi.test_over_http import Only, over_http

VNCDO = Path(sys.executable).with_name("vncdo")
Body = Callable[[ConsoleProxy], Awaitable[Any]]


def shown(folder: Path, body: Body, *, is_running: bool = True) -> Any:
    """Run a test's body with a proxy in front of a host that has a server."""

    async def with_rig(rig: Rig, _: Only) -> Any:
        vm = await rig.spawn(an_instance())
        if not is_running:
            await stop(rig.session, vm, Patience())

        async def find(uuid: str) -> ConsoleAccess:
            assert uuid == UUID
            return await console_access(rig.session, vm)

        proxy = ConsoleProxy(ConsoleTokens(), find)
        await proxy.start("127.0.0.1", 0)
        try:
            return await body(proxy)
        finally:
            await proxy.close()

    return over_http(folder, with_rig, "latest")


@asynccontextmanager
async def asked(url: str, request: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]]:
    """A connection to the proxy after a request, and the head that came."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        writer.write(request.encode())
        yield reader, writer, await reader.readuntil(b"\r\n\r\n")
    finally:
        await closed(writer)


def target_of(url: str) -> str:
    """What a viewer asks for: a browser's leads to noVNC, which asks for its websocket."""
    at = urlsplit(url)
    return "/" + parse_qs(at.query)["path"][0] if "path" in parse_qs(at.query) else f"{at.path}?{at.query}"


@asynccontextmanager
async def plain(url: str) -> AsyncIterator[int]:
    """A port on this machine behind which is the plain stream that a token opens."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asked(url, f"GET {target_of(url)} HTTP/1.1\r\nHost: x\r\n\r\n") as (far_reader, far_writer, head):
            assert head.startswith(b"HTTP/1.1 200")
            await asyncio.gather(pump(reader, far_writer.write), pump(far_reader, writer.write))

    async with listening(serve) as port:
        yield port


@asynccontextmanager
async def websocket(url: str) -> AsyncIterator[int]:
    """The same through a websocket, as noVNC opens it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = WSConnection(ConnectionType.CLIENT)
        request = protocol.send(Request(host="x", target=target_of(url), subprotocols=["binary"]))

        def take(raw: bytes) -> None:
            protocol.receive_data(raw)
            for event in protocol.events():
                if isinstance(event, BytesMessage):
                    writer.write(event.data)

        async with asked(url, request.decode()) as (far_reader, far_writer, head):
            protocol.receive_data(head)
            (accepted,) = protocol.events()
            assert isinstance(accepted, AcceptConnection)
            assert accepted.subprotocol == "binary"
            far_writer.write(protocol.send(Ping()))
            send = lambda raw: far_writer.write(protocol.send(BytesMessage(data=raw)))  # noqa: E731
            await asyncio.gather(pump(reader, send), pump(far_reader, take))

    async with listening(serve) as port:
        yield port


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def pump(reader: asyncio.StreamReader, take: Callable[[bytes], object]) -> None:
    while raw := await reader.read(65536):
        take(raw)


@asynccontextmanager
async def listening(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    serving: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            await closed(writer)

    server = await asyncio.start_server(lambda *ends: serving.append(asyncio.create_task(handle(*ends))), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def captured(port: int, file: Path) -> tuple[int, int]:
    """The size of the screen that an unmodified VNC client has taken a picture of, after it has typed something."""
    command = (str(VNCDO), "-s", f"127.0.0.1::{port}", "type", "root", "pause", "0.2", "capture", str(file))
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "HOME": str(file.parent)})
    assert await asyncio.wait_for(process.wait(), 60) == 0
    with Image.open(file) as picture:
        return picture.size


@pytest.mark.parametrize(("kind", "way"), [("xvpvnc", plain), ("novnc", websocket)])
def test_a_vnc_client_sees_the_screen_that_its_token_opens(tmp_path: Path, kind: str, way: Any) -> None:
    async def body(proxy: ConsoleProxy) -> tuple[int, int]:
        url = url_of(proxy.tokens, kind, proxy.tokens.issue(UUID))
        async with way(url) as port:
            return await captured(port, tmp_path / "screen.png")

    width, height = shown(tmp_path, body)
    assert width >= 640
    assert height >= 400


async def refusal(proxy: ConsoleProxy, token: str) -> tuple[str, str]:
    """Status and words of the answer to a request with a token."""
    async with asked(proxy.tokens.url, f"GET /console?token={token} HTTP/1.1\r\nHost: x\r\n\r\n") as (reader, _, head):
        words = (await reader.read()).decode() if b" 200 " not in head else ""
        return head.split(b"\r\n")[0].decode().removeprefix("HTTP/1.1 "), words.strip()


def test_a_token_opens_a_screen_once(tmp_path: Path) -> None:
    async def body(proxy: ConsoleProxy) -> Any:
        token = proxy.tokens.issue(UUID)
        return [await refusal(proxy, token), await refusal(proxy, token), await refusal(proxy, "")]

    first, second, none = shown(tmp_path, body)
    gone = ("403 Forbidden", "The console token was not found, was used already, or has expired.")
    assert (first[0], second, none) == ("200 OK", gone, gone)


def test_a_server_that_does_not_run_has_no_screen(tmp_path: Path) -> None:
    async def body(proxy: ConsoleProxy) -> Any:
        return await refusal(proxy, proxy.tokens.issue(UUID))

    assert shown(tmp_path, body, is_running=False) == ("502 Bad Gateway", "The server is not running: it has no screen. Cure: start it.")


@pytest.mark.parametrize(
    ("access", "words"),
    [(ConsoleAccess("http://127.0.0.1:1", "OpaqueRef:x", "OpaqueRef:y"), "127.0.0.1:1 cannot be reached"), (None, "not ready")],
)
def test_a_host_that_shows_nothing_is_said_so_without_its_secrets(tmp_path: Path, access: ConsoleAccess | None, words: str) -> None:
    async def main() -> Any:
        async def find(_: str) -> ConsoleAccess:
            if access is None:
                raise Conflict("not ready")
            return access

        proxy = ConsoleProxy(ConsoleTokens(), find)
        await proxy.start("127.0.0.1", 0)
        try:
            return await refusal(proxy, proxy.tokens.issue(UUID))
        finally:
            await proxy.close()

    assert asyncio.run(main()) == ("502 Bad Gateway", words)


def test_a_session_that_opens_nothing_is_refused_by_the_host(tmp_path: Path) -> None:
    async def with_rig(rig: Rig, _: Only) -> Any:
        async def find(_: str) -> ConsoleAccess:
            return ConsoleAccess(rig.session.url, "OpaqueRef:x", "OpaqueRef:y")

        proxy = ConsoleProxy(ConsoleTokens(), find)
        await proxy.start("127.0.0.1", 0)
        try:
            return await refusal(proxy, proxy.tokens.issue(UUID))
        finally:
            await proxy.close()

    status, words = over_http(tmp_path, with_rig, "latest")
    assert status == "502 Bad Gateway"
    assert "answers" in words
    assert "OpaqueRef" not in words


def test_what_is_no_http_is_shown_the_door(tmp_path: Path) -> None:
    async def body(proxy: ConsoleProxy) -> bytes:
        at = urlsplit(proxy.tokens.url)
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        writer.write(b"RFB 003.008\n" + b"x" * 20000)
        line = await reader.readline()
        await closed(writer)
        return line

    assert shown(tmp_path, body) == b"HTTP/1.1 400 Bad Request\r\n"


def test_a_token_lives_for_ten_minutes_and_is_looked_at_without_being_used() -> None:
    async def main() -> None:
        tokens = ConsoleTokens(url="http://127.0.0.1:6080")
        token = tokens.issue(UUID)
        await asyncio.sleep(599)
        assert tokens.look(token).instance_uuid == UUID
        await asyncio.sleep(2)
        with pytest.raises(NotFound):
            tokens.look(token)
        with pytest.raises(NotFound):
            tokens.take(token)

    run_virtual(main())


def test_nobody_gets_a_token_where_no_proxy_listens() -> None:
    async def main() -> None:
        with pytest.raises(NoConsoles, match="inova core up"):
            ConsoleTokens().issue(UUID)

    asyncio.run(main())


def test_a_viewer_that_says_goodbye_is_let_go(tmp_path: Path) -> None:
    async def body(proxy: ConsoleProxy) -> bytes:
        protocol = WSConnection(ConnectionType.CLIENT)
        url = url_of(proxy.tokens, "novnc", proxy.tokens.issue(UUID))
        async with asked(url, protocol.send(Request(host="x", target=target_of(url))).decode()) as (reader, writer, head):
            protocol.receive_data(head)
            list(protocol.events())
            writer.write(protocol.send(CloseConnection(code=1000)))
            return (await reader.read())[-12:]

    assert shown(tmp_path, body) in (b"", b"RFB 003.008\n", b"RFB 003.003\n")
