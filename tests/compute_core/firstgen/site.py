"""What a test of whole moves needs: the two machines, and a simulated XenServer on the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from compute_core.firstgen.mover import Order
from compute_core.firstgen.shell import SshHost
from tests.compute_core.firstgen.landing import Landing, landing
from tests.compute_core.firstgen.sshd import Keys
from tests.compute_core.firstgen.xen_host import XenHost, mounts_below

T = TypeVar("T")
WEB = Order("xen01", "web")


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that a test needs to land a VM."""

    folder: Path
    keys: Keys
    xen: XenHost
    bench: SshHost

    def land(self, body: Callable[[Landing], Awaitable[T]], *, is_plugged: bool = False) -> T:
        """Run a test's body beside a XenServer."""

        async def main() -> T:
            async with landing(self.folder, self.keys, self.xen, self.bench, is_plugged=is_plugged) as there:
                return await body(there)

        return asyncio.run(main())

    def mounted(self) -> list[str]:
        """Where something is mounted, but for the disks that running VMs have mounted."""
        return [path for path in mounts_below(self.folder) if not path.startswith(str(self.xen.folder / "running"))]
