"""Keeps what may pass the ports of a host's servers as the network service has it, by the flows of the host's switch.

Whatever changes is noted: a guest has a new domain and so a new port, a server has gone, rules are different. All that is noted is then
written with one call, and tried again until it has been. When the agent begins everything is written anew, and what is nobody's deleted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from compute_core.compute.vms import Vms
from compute_core.model.errors import ComputeError
from compute_core.model.instances import Vif
from compute_core.model.networks import PortFilter
from compute_core.networks.port import PortFilters
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.plugins import Dom0, Guest, PluginRefusal

log = logging.getLogger(__name__)

PROBLEMS = (XenApiFailure, Unanswered, TransferFailed, ComputeError, PluginRefusal)


@dataclass(slots=True)
class Filtering:
    """``keep`` is its work. ``retry_s``: so long after a failure it is tried again."""

    name: str
    dom0: Dom0
    vms: Vms
    networks: PortFilters
    retry_s: float
    _written: dict[str, dict[str, str]] = field(default_factory=dict)
    _due: set[str] = field(default_factory=set)
    _is_due: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def note(self, uuid: str) -> None:
        """Something is different with a server, perhaps."""
        self._due.add(uuid)
        self._is_due.set()

    async def keep(self) -> None:
        """Write whatever is noted, until cancelled."""
        await self._until_written(self.begin)
        while True:
            await self._is_due.wait()
            await self._until_written(self.write_noted)

    async def begin(self) -> None:
        """Write everything; of whom nothing is written nothing is left."""
        async with self._turn:
            self._take()
            await self._write(set(self.vms), is_whole=True)

    async def write_noted(self) -> None:
        """Write what is noted: one call."""
        async with self._turn:
            noted = self._take()
            try:
                await self._write(noted)
            except BaseException:
                self._due |= noted
                raise

    async def follow(self, uuid: str, guest: Guest | None, gone: Collection[Vif]) -> None:
        """Write one server's but for interfaces that it has no more, and tell its guest what it is to know, with the same call."""
        async with self._turn:
            await self._write({uuid}, guest, gone)

    async def _until_written(self, write: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await write()
            except PROBLEMS as problem:
                log.warning("%s: what may pass ports was not written: %s", self.name, problem)
                await asyncio.sleep(self.retry_s)
            else:
                return

    def _take(self) -> set[str]:
        taken, self._due = self._due, set()
        self._is_due.clear()
        return taken

    async def _write(
        self, uuids: Collection[str], guest: Guest | None = None, left: Collection[Vif] = (), *, is_whole: bool = False
    ) -> None:  # fmt: skip
        here = [uuid for uuid in sorted(uuids) if uuid in self.vms]
        ports = await self.networks.filters(here) if here else ()
        found = [port for port in ports if port.port_id not in {vif.id for vif in left}]
        before = {mac: bridge for uuid in uuids for mac, bridge in self._written.get(uuid, {}).items()}
        before |= {vif.mac: vif.bridge for vif in left}
        gone = {mac: bridge for mac, bridge in before.items() if mac not in {port.mac for port in found}}
        if found or gone or guest is not None or is_whole:
            await self.dom0.filter_ports(found, gone, [] if guest is None else [guest], is_whole=is_whole)
        self._remember(uuids, found)

    def _remember(self, uuids: Collection[str], found: Collection[PortFilter]) -> None:
        for uuid in uuids:
            self._written.pop(uuid, None)
        for port in found:
            self._written.setdefault(port.device_id, {})[port.mac] = port.bridge
