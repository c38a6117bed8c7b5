"""Where the bytes of a new disk are while it is filled: the port, and its two adapters.

`Plugged` is the way of 2012: the VDI is plugged into the machine that fills it, a VM on the same host. `Streamed` fills a file in a machine
outside the pool and imports it when it is whole: for pools without such a VM, at the price of the import's time in the downtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from compute_core.firstgen.bench import size_of, wait_for
from compute_core.firstgen.fleet import Destination
from compute_core.firstgen.shell import CommandFailed, Shell, as_lines, script
from compute_core.xenapi.certainty import all_of, certain, destroy
from compute_core.xenapi.errors import TransferFailed, XenApiFailure
from compute_core.xenapi.filling import fill
from compute_core.xenapi.records import vbd_record
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.sweep import end_task

PUT_FILE = as_lines('mkdir -p "$(dirname "$1")"', 'truncate --size "$2" "$1"')
PACK = as_lines('rm -f "$2"', 'qemu-img convert -f raw -O vpc -o subformat=dynamic,force_size=on "$1" "$2"')


class DiskSite(Protocol):
    """A place for one disk. Everything may be asked for again, also after a crash."""

    async def attach(self) -> str:
        """The path at which the disk is seen on the bench."""

    async def detach(self) -> int:
        """The VDI holds what was written, and nothing else does; how many bytes went through the network for that."""

    async def release(self) -> None:
        """Leave nothing at the bench; what the VDI then holds is unknown when it was not detached before."""


@dataclass(frozen=True, slots=True)
class Plugged:
    """A VDI in the VM ``destination.domain``."""

    xapi: XenApi
    shell: Shell
    destination: Destination
    vdi: str

    async def attach(self) -> str:
        """See the port."""
        domain = await self.xapi.call("VM.get_by_uuid", self.destination.domain)
        where = {"VM": domain, "VDI": self.vdi}
        vbd = await self._vbd(where) or await self._create(domain, where)
        await certain(self._plug(vbd), lambda: self._is_attached(vbd))
        device = f"{self.destination.devices}/{await self.xapi.call('VBD.get_device', vbd)}"
        await wait_for(self.shell, self.destination, device)
        return device

    async def detach(self) -> int:
        """See the port."""
        await self.release()
        return 0

    async def release(self) -> None:
        """See the port."""
        domain = await self.xapi.call("VM.get_by_uuid", self.destination.domain)
        for vbd, record in (await all_of(self.xapi, "VBD", {"VM": domain, "VDI": self.vdi})).items():
            if record["currently_attached"]:
                await certain(self._unplug(vbd), partial(self._is_detached, vbd))
            await destroy(self.xapi, "VBD", vbd)

    async def _create(self, domain: str, where: dict[str, str]) -> str:
        record: dict[str, Any] = vbd_record(domain, self.vdi) | {"userdevice": "autodetect", "bootable": False}
        return await certain(self.xapi.call("VBD.create", record), lambda: self._vbd(where))

    async def _vbd(self, where: dict[str, str]) -> str | None:
        return next(iter(await all_of(self.xapi, "VBD", where)), None)

    async def _plug(self, vbd: str) -> str:
        await self._unless("DEVICE_ALREADY_ATTACHED", "VBD.plug", vbd)
        return ""

    async def _unplug(self, vbd: str) -> str:
        await self._unless("DEVICE_ALREADY_DETACHED", "VBD.unplug", vbd)
        return ""

    async def _unless(self, fine: str, method: str, vbd: str) -> None:
        try:
            await self.xapi.call(method, vbd)
        except XenApiFailure as failure:
            if failure.code != fine:
                raise

    async def _is_attached(self, vbd: str) -> str | None:
        return "" if await self.xapi.call("VBD.get_currently_attached", vbd) else None

    async def _is_detached(self, vbd: str) -> str | None:
        return None if await self.xapi.call("VBD.get_currently_attached", vbd) else ""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A file below ``folder`` on the bench, which becomes the VDI's content when it is detached: as a VHD, so that holes cost nothing."""

    xapi: XenApi
    shell: Shell
    destination: Destination
    vdi: str
    folder: str
    size_bytes: int

    async def attach(self) -> str:
        """See the port."""
        await self.shell.run(self.destination.ssh, *script(PUT_FILE, self._raw, str(self.size_bytes)))
        return self._raw

    async def detach(self) -> int:
        """See the port. The file stays until ``release``: an import that a crash has cut off is begun anew."""
        await self._end_tasks()
        await self.shell.run(self.destination.ssh, *script(PACK, self._raw, self._packed))
        length = await size_of(self.shell, self.destination, self._packed)
        chunks = self.shell.stream(self.destination.ssh, "cat", self._packed)
        try:
            await fill(self.xapi, self.vdi, chunks, length, self._label)
        except CommandFailed as problem:
            raise TransferFailed(f"the disk cannot be read: {problem}") from problem
        return length

    async def release(self) -> None:
        """See the port."""
        await self._end_tasks()
        await self.shell.run(self.destination.ssh, "rm", "-f", self._raw, self._packed)

    async def _end_tasks(self) -> None:
        """Those of imports that a crash has cut off."""
        for task in await all_of(self.xapi, "task", {"name__label": self._label}):
            await end_task(self.xapi, task)

    @property
    def _label(self) -> str:
        return f"inova import of {self.folder.rpartition('/')[2]}"

    @property
    def _raw(self) -> str:
        return f"{self.folder}/disk.raw"

    @property
    def _packed(self) -> str:
        return f"{self.folder}/disk.vhd"
