"""Bytes of disks that one host of a pool sends on to another: over real sockets, and in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.xenapi import redirects
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.place import learn
from compute_core.xenapi.session import Account, Limits, Login, Session
from compute_core.xenapi.transport import Dial
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served as serving
from scenarios.direct import DirectTransport
from tests.compute_core.rig import CONTENT, Rig, content_of, fixed_vhd, image_store, stored
from tests.compute_core.simulated import Wire
from tests.compute_core.values import an_instance
from tests.compute_core.xenapi.wire import Handler, Request, Server, reply, served


def sending_on(target: str) -> Callable[[Server], Handler]:
    """A server that sends everybody elsewhere as soon as it has read the head."""

    def make(server: Server) -> Handler:
        async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
            server.seen.append(request.target)
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {target}{request.target}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

        return handle

    return make


def taking(server: Server) -> Handler:
    """A server that takes what it is sent, and has a disk."""

    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        server.seen.append((request.method, request.target, await request.body()))
        writer.write(reply(b"a disk"))

    return handle


async def pieces(count: int, size: int = 1000) -> AsyncIterator[bytes]:
    for number in range(count):
        await asyncio.sleep(0)
        yield bytes([number % 256]) * size


def test_a_disk_goes_to_where_it_is_sent_with_all_its_bytes() -> None:
    async def run() -> Any:
        async with served(taking) as there, served(sending_on(there.url)) as here:
            transport = HttpTransport(here.url)
            await redirects.put(transport, HttpTransport, here.url, "/import_raw_vdi", {"vdi": "x y"}, pieces(300), 300_000)
            got = [chunk async for chunk in redirects.get(transport, HttpTransport, here.url, "/export_raw_vdi", {"vdi": "x"})]
            await transport.close()
            return there.seen, b"".join(got), here.seen

    seen, got, asked = asyncio.run(run())
    assert seen == [
        ("PUT", "/import_raw_vdi?vdi=x+y", b"".join(bytes([number % 256]) * 1000 for number in range(300))),
        ("GET", "/export_raw_vdi?vdi=x", b""),
    ]
    assert (got, asked) == (b"a disk", ["/import_raw_vdi?vdi=x+y", "/export_raw_vdi?vdi=x"])


def test_one_that_is_sent_on_twice_goes_nowhere_and_tells_nobody_the_session() -> None:
    async def run() -> None:
        async with served(sending_on("http://127.0.0.1:9")) as there, served(sending_on(there.url)) as here:
            transport = HttpTransport(here.url)
            with pytest.raises(TransferFailed) as put:
                await redirects.put(transport, HttpTransport, here.url, "/i", {"session_id": "secret"}, pieces(3), 3000)
            with pytest.raises(TransferFailed) as got:
                _ = [chunk async for chunk in redirects.get(transport, HttpTransport, here.url, "/e", {"session_id": "secret"})]
            assert str(put.value) == "PUT /i: sent on from 127.0.0.1/i to 127.0.0.1/i"
            assert str(got.value) == "GET /e: sent on from 127.0.0.1/e to 127.0.0.1/e"
            await transport.close()

    asyncio.run(run())


def test_a_disk_whose_beginning_is_gone_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redirects, "MOST_KEPT_BYTES", 1000)

    def late(there: str) -> Callable[[Server], Handler]:
        def make(server: Server) -> Handler:
            async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
                await request.body()
                await sending_on(there)(server)(request, writer)

            return handle

        return make

    async def run() -> None:
        async with served(taking) as there, served(late(there.url)) as here:
            transport = HttpTransport(here.url)
            with pytest.raises(TransferFailed, match="after 3000 bytes, of which nobody has the beginning any more"):
                await redirects.put(transport, HttpTransport, here.url, "/i", {}, pieces(3), 3000)
            await transport.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "location", "wanted"),
    [
        ("http://10.0.0.1", "http://10.0.0.2/x?y=z", "http://10.0.0.2"),
        ("https://10.0.0.1:8443", "http://10.0.0.2/x", "https://10.0.0.2:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1:81/x", "http://127.0.0.1:81"),
        ("https://[fe80::1]", "https://[fe80::2]/x", "https://[fe80::2]"),
    ],
)
def test_others_of_a_pool_listen_as_the_one_that_is_known(url: str, location: str, wanted: str) -> None:
    assert redirects.target(url, location) == wanted


# ---- a pool of two --------------------------------------------------------------------------------------------------------------


async def _built_on_a_member(fleet: Fleet, dial: Dial, folder: Path, *, by_master: bool) -> tuple[list[str], bytes, int]:
    """A server is built on the second host's own SR; what was asked, what the disk holds, and how large its image is."""
    master, member = (entry["url"] for entry in fleet.inventory())
    asked: list[str] = []
    session = Session(Login(Account(member, "root", "xenroot"), dial), Limits(call_s=20, long_call_s=60))
    place = await learn(session, member)
    used = Session(Login(Account(master if by_master else member, "root", "xenroot"), dial), Limits(call_s=20, long_call_s=60))
    images = image_store(folder)
    xapi: Any = next(iter(fleet.hosts.values()))
    rig = Rig(
        xapi, Wire(xapi), used.noted(asked.append), place, images, ImageCache(place, images), await stored(images, fixed_vhd(CONTENT))
    )
    try:
        vm = await rig.spawn(an_instance())
        (vbd,) = (await used.call("VM.get_record", vm))["VBDs"]
        vdi = await used.call("VBD.get_VDI", vbd)
        await used.call("VM.hard_shutdown", vm)
        sent = b"".join([chunk async for chunk in used.get_vdi(vdi)])
        return asked, content_of(rig, vdi, len(CONTENT)), sent.count(CONTENT)
    finally:
        await used.close()
        await session.close()


@pytest.mark.parametrize("by_master", [True, False])
def test_an_image_gets_onto_a_members_own_disks_in_one_process(tmp_path: Path, *, by_master: bool) -> None:
    async def main() -> Any:
        fleet = Fleet(Order(hosts=2, pool_size=2))
        try:
            return await _built_on_a_member(fleet, lambda url: DirectTransport(fleet, url), tmp_path, by_master=by_master)
        finally:
            await fleet.close()

    asked, content, exported = run_virtual(main())
    assert (content, exported, asked.count("PUT /import_raw_vdi")) == (CONTENT, 1, 1)


@pytest.mark.parametrize("by_master", [True, False])
def test_an_image_gets_onto_a_members_own_disks_over_http(tmp_path: Path, *, by_master: bool) -> None:
    async def main() -> Any:
        fleet = Fleet(Order(hosts=2, pool_size=2, port=0))
        try:
            async with serving(fleet):
                return await _built_on_a_member(fleet, HttpTransport, tmp_path, by_master=by_master)
        finally:
            await fleet.close()

    asked, content, exported = asyncio.run(main())
    assert (content, exported, asked.count("PUT /import_raw_vdi")) == (CONTENT, 1, 1)
