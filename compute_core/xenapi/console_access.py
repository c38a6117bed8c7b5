"""The way to a VM's screen: the host's handler of consoles, and a session that opens it."""

from __future__ import annotations

from dataclasses import dataclass, field

from compute_core.model.errors import Conflict
from compute_core.xenapi.session import XenApi


@dataclass(frozen=True, slots=True)
class ConsoleAccess:
    """``url`` is the pool's; ``session`` is valid there. XAPI finds the host that has the VM by itself."""

    url: str
    vm: str
    session: str = field(repr=False)


async def console_access(xapi: XenApi, vm: str) -> ConsoleAccess:
    """Of a VM that has a domain: one call. Conflict for one that has none."""
    if await xapi.call("VM.get_domid", vm) < 0:
        raise Conflict("The server is not running: it has no screen. Cure: start it.")
    return ConsoleAccess(xapi.url, vm, await xapi.ref())
