"""An image that lies in an SR's folder becomes a VDI: introduced by name, or found by a scan of the SR. Which is faster, and why?

A question of 2012. Real files, read as both ways must read them: a scan looks at the metadata of every disk of the SR, an introduction at
the image's alone. Then the calls, over HTTP to a simulated host whose dom0 runs the core's plugin.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID

from compute_core.dom0 import vhd
from compute_core.xenapi import dom0_bundle, vhd_chains
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.place import learn
from compute_core.xenapi.plugins import Dom0, LaidVhd, Source
from compute_core.xenapi.records import vdi_record
from compute_core.xenapi.session import Account, Login, Session
from fake_xapi.dom0.user_plugins import load
from fake_xapi.dom0.vhd_write import VhdImage
from fake_xapi.engine.settings import Settings
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served
from scenarios.bench.row import Row

DISKS = 1000
SIZE = 8 << 30
Register = Callable[[Session, str, list[LaidVhd], str], Awaitable[str]]


def measure() -> Iterator[Row]:
    """An SR of a thousand disks and one image more."""
    with tempfile.TemporaryDirectory(prefix="inova-bench-") as folder:
        alone_ms, all_ms = _read_ms(Path(folder, "sr"))
        introduced, scanned = asyncio.run(_registered(Path(folder, "plugins"), Path(folder)))
    where = f"to make a VDI of an image in an SR of {DISKS:,} disks"
    yield Row(f"ms for metadata of real VHD files {where}, introduced", alone_ms, "ms", all_ms / 100, f"a scan of the SR {all_ms:,.1f}")
    yield Row(f"XenAPI calls {where}, introduced", introduced[0], "calls", scanned[0], f"by a scan {scanned[0]}")
    yield Row(f"ms of a simulated host {where}, introduced", introduced[1], "ms", scanned[1], f"by a scan {scanned[1]:,.1f}")


def _read_ms(folder: Path) -> tuple[float, float]:
    """Milliseconds to read the metadata of one disk, and of all."""
    folder.mkdir()
    for number in range(DISKS + 1):
        uuid = UUID(int=number + 1)
        (folder / f"{uuid}.vhd").write_bytes(b"".join(VhdImage(SIZE, uuid, [], bytes).pieces()))
    files = sorted(folder.iterdir())
    return min(_ms(files[:1]) for _ in range(5)), min(_ms(files) for _ in range(3))


def _ms(files: list[Path]) -> float:
    began_s = time.perf_counter()
    for path in files:
        with path.open("rb") as file:
            vhd.read(file, path.name)
    return (time.perf_counter() - began_s) * 1000


async def _registered(plugins: Path, folder: Path) -> tuple[tuple[int, float], tuple[int, float]]:
    """Calls and milliseconds, introduced and scanned."""
    dom0_bundle.write(plugins)
    (folder / "image.vhd").write_bytes(b"".join(VhdImage(SIZE, UUID(int=7), [], bytes).pieces()))
    fleet = Fleet(Order(port=0), Settings(plugins=load(plugins)))
    async with served(fleet):
        url = fleet.inventory()[0]["url"]
        asked: list[str] = []
        session = Session(Login(Account(url, "root", "xenroot"), HttpTransport)).noted(asked.append)
        place = await learn(session, url)
        for number in range(DISKS):
            await session.call("VDI.create", vdi_record(place.sr, f"disk {number}", SIZE, {}))
        sr = await session.call("SR.get_uuid", place.sr)
        server = await asyncio.start_server(_gives(folder / "image.vhd"), "127.0.0.1", 0)
        source = Source(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        found: list[tuple[int, float]] = []
        ways: tuple[Register, ...] = (vhd_chains.introduce, vhd_chains.scan)
        for number, way in enumerate(ways):
            laid = await Dom0(session, place.host).download(sr, [str(UUID(int=1000 + number))], source)
            asked.clear()
            began_s = time.perf_counter()
            await way(session, place.sr, laid, "image")
            found.append((len(asked), (time.perf_counter() - began_s) * 1000))
        server.close()
        await session.close()
    return found[0], found[1]


def _gives(file: Path) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """An image service with one image."""
    content = file.read_bytes()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(content) + content)
        await writer.drain()
        writer.close()

    return answer
