"""What the REST API asks of the upkeep of hosts at the top of the cell tree. Only an admin may: Forbidden to others."""

from __future__ import annotations

from typing import Any, Protocol

from compute_core.model.requests import RequestContext
from compute_core.model.upkeep import Upkeep


class HostTending(Protocol):
    """Hosts as wholes: in and out of use, emptied, rebooted, off and on."""

    async def list_upkeep(self, context: RequestContext) -> tuple[Upkeep, ...]:
        """What is being done with which host of any cell that answers."""

    async def tend_host(self, context: RequestContext, host: str, request: str, **arguments: Any) -> Upkeep | None:
        """Ask something of a host.

        look: nothing; disable, enable: at once, ``on_host`` XenServer too, ``reason``
        enter: into maintenance, its servers to other hosts, ``reason``, ``may_halt``; end: back into use
        reboot, shutdown: with its servers moved or stopped (``clearing``); power_on
        join, eject: into the ``pool`` (its uuid), or out of it; Conflict with XenServer's reason. name_pool: its pool, by a ``name``

        The host's upkeep from now on, None for none. NotFound, Conflict, HostUnreachable.
        """
