"""The other side: a simulated XenServer behind real HTTP, the machine in which its new disks are filled, and all that a mover is given."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compute_core.firstgen.fleet import Destination, Generations
from compute_core.firstgen.kit import look_into
from compute_core.firstgen.move import Means, Pace
from compute_core.firstgen.mover import Mover, Told
from compute_core.firstgen.pools import Placing, Pools
from compute_core.firstgen.shell import Shell, SshHost
from compute_core.firstgen.ssh import Ssh
from compute_core.model.clock import Clock
from compute_core.settings import HostEntry
from compute_core.xenapi.console import console_log
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.place import learn
from compute_core.xenapi.session import Account, Login, Session
from compute_core.xenapi.transport import Dial, Transport
from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet
from fake_xapi.fleet.fleet import Order as FleetOrder
from fake_xapi.transports.http import HttpServer
from tests.compute_core.firstgen.sshd import Keys
from tests.compute_core.firstgen.xen_host import XenHost, manifest
from tests.compute_core.rig import left_on
from tests.compute_core.world import only_host
from tests.compute_core.xenapi.test_over_http import Only

EPOCH = datetime(2012, 8, 1, tzinfo=UTC)
GENTLE = Pace(shutdown_s=20)
KERNEL, RAMDISK, AGENT = b"a kernel" * 1000, b"a ramdisk" * 1000, b"an agent\n"


@dataclass
class Landing:
    """All there is: ``xapi`` is the simulated host, ``work`` the folder of the machine beside it."""

    xapi: Xapi
    url: str
    generations: Generations
    shell: Shell
    folder: Path
    dial: Dial
    session: Session

    @property
    def journals(self) -> Path:
        return self.folder / "moves"

    @asynccontextmanager
    async def mover(self, pace: Pace = GENTLE, told: Told = lambda _, __: None) -> AsyncIterator[Mover]:
        """A mover as a fresh process would make it."""
        async with Pools(self.generations.destinations, self.dial) as pools:
            means = Means(self.generations, self.shell, pools, Placing(pools, self.generations), look_into(self.generations.kit), pace)
            yield Mover(means, self.journals, Clock.starting(EPOCH), told)

    def left(self) -> dict[str, list[str]]:
        """What is on the XenServer beside what a fresh one has."""
        return left_on(self.xapi)

    def left_on_bench(self) -> list[str]:
        """What is in the folder of the machine that fills disks, and among the devices that are plugged into it."""
        return sorted(path.name for part in ("bench", "devices") for path in (self.folder / part).iterdir())

    async def vm(self, name: str) -> Mapping[str, Any]:
        """The record of the only VM of that name."""
        [ref] = await self.session.call("VM.get_by_name_label", name)
        record: dict[str, Any] = await self.session.call("VM.get_record", ref)
        return record

    async def console(self, name: str) -> str:
        """What a VM that runs has written on its console."""
        [vm] = await self.session.call("VM.get_by_name_label", name)
        return await console_log(self.session, await learn(self.session, self.url), vm, None)

    async def files(self, name: str) -> dict[str, tuple[object, ...]]:
        """What is in the first partition of a VM's disk, as `GET /export_raw_vdi` gives it once the VM is off."""
        await self.session.call("VM.hard_shutdown", *await self.session.call("VM.get_by_name_label", name))
        [vbd] = (await self.vm(name))["VBDs"]
        image = self.folder / "exported.raw"
        with image.open("wb") as file:
            query = {"session_id": await self.session.ref(), "vdi": await self.session.call("VBD.get_VDI", vbd), "format": "raw"}
            async for chunk in HttpTransport(self.url).get("/export_raw_vdi", query):
                file.write(chunk)
        return partition_of(image, self.folder / "exported")


def partition_of(image: Path, folder: Path) -> dict[str, tuple[object, ...]]:
    """The files of the first partition of a disk, found by its table."""
    table = subprocess.run(["sfdisk", "--dump", image], capture_output=True, text=True, check=True).stdout
    [line] = [line for line in table.splitlines() if "start=" in line]
    facts = dict(part.strip().partition("=")[::2] for part in line.partition(" : ")[2].split(","))
    assert facts["type"] == "83"
    assert "bootable" in facts
    folder.mkdir(exist_ok=True)
    offset = int(facts["start"]) * 512
    subprocess.run(["e2fsck", "-fn", f"{image}?offset={offset}"], check=True, capture_output=True)
    subprocess.run(["mount", "-o", f"ro,loop,offset={offset}", image, folder], check=True)
    try:
        return manifest(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


@asynccontextmanager
async def landing(folder: Path, keys: Keys, xen: XenHost, bench: SshHost, *, is_plugged: bool = False) -> AsyncIterator[Landing]:
    """A XenServer with a machine at ``bench``: outside of its pool, or as its own control domain."""
    fleet = Fleet(FleetOrder(hosts=1), Settings(durations=durations("instant")))
    xapi = only_host(fleet)
    for part in ("bench", "devices"):
        (folder / part).mkdir(exist_ok=True)
    async with HttpServer(Only(xapi)) as server, Ssh(keys.known_hosts, keys.key) as shell:
        url = f"http://127.0.0.1:{await server.listen(0)}"
        session = Session(Login(Account(url, "root", "xenroot"), HttpTransport))
        try:
            domain = await control_domain(session) if is_plugged else ""
            host = HostEntry("xs1", url, "root", "xenroot")
            to = Destination(host, replace(bench, lends_agent=True), domain, str(folder / "devices"), str(folder / "bench"))
            generations = Generations(
                keys.known_hosts,
                make_kit(folder),
                {xen.source.ssh.name: xen.source},
                {"xs1": to},
                keys.key,
                {"xenbr0": "xenbr0"},
                room_mib=8,
            )
            dial: Dial = (lambda where: Backend(HttpTransport(where), folder / "devices")) if is_plugged else HttpTransport
            yield Landing(xapi, url, generations, shell, folder, dial, session)
        finally:
            await session.close()
            await fleet.close()


async def control_domain(session: Session) -> str:
    """The uuid of the VM into which disks are plugged."""
    domains = await session.call("VM.get_all_records_where", 'field "is_control_domain"="true"')
    [record] = domains.values()
    uuid: str = record["uuid"]
    return uuid


def make_kit(folder: Path) -> Path:
    path = folder / "kit.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in (("boot/vmlinuz-6.1", KERNEL), ("boot/initrd.img-6.1", RAMDISK), ("usr/sbin/agent", AGENT)):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return path


@dataclass
class Backend:
    """What the hypervisor does and the simulator does not: a plugged VBD is a device in the machine, whose bytes are the VDI's.

    The device is a file, which is filled when the VBD is plugged, and is the VDI's content when it is unplugged.
    """

    inner: Transport
    devices: Path

    async def call(self, method: str, params: list[Any]) -> Any:
        if method == "VBD.unplug":
            return await self._unplug(params)
        answer = await self.inner.call(method, params)
        if method == "VBD.plug":
            session, vbd = params
            vdi, device = await self._facts(session, vbd)
            size = await self.inner.call("VDI.get_virtual_size", [session, vdi])
            with (self.devices / device).open("ab") as file:
                file.truncate(int(size))
        return answer

    async def put(self, path: str, query: Mapping[str, str], chunks: AsyncIterator[bytes], length: int) -> None:
        await self.inner.put(path, query, chunks, length)

    async def get(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        async for chunk in self.inner.get(path, query):
            yield chunk

    async def close(self) -> None:
        await self.inner.close()

    async def _unplug(self, params: list[Any]) -> Any:
        session, vbd = params
        vdi, device = await self._facts(session, vbd)
        answer = await self.inner.call("VBD.unplug", params)
        file = self.devices / device
        await self.inner.put("/import_raw_vdi", {"session_id": session, "vdi": vdi}, _content(file), file.stat().st_size)
        file.unlink()
        return answer

    async def _facts(self, session: str, vbd: str) -> tuple[str, str]:
        return await self.inner.call("VBD.get_VDI", [session, vbd]), await self.inner.call("VBD.get_device", [session, vbd])


async def _content(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as content:
        while chunk := content.read(1 << 20):
            yield chunk
