"""Lets hosts know of whose ports something else may pass than before: what the network service says, passed on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from compute_core.cells.healing import CONTEXT
from compute_core.model.errors import NotFound
from compute_core.networks.port import Networks

TellHost = Callable[[Any, str, str, Mapping[str, Any]], Awaitable[None]]
"""``tell_host(context, uuid, news, arguments)``."""


async def tell_of_filters(networks: Networks, tell_host: TellHost) -> None:
    """Wait for a change, and tell the hosts of the servers that it concerns; a server that is gone meanwhile has none."""
    for uuid in sorted(await networks.changed()):
        with suppress(NotFound):
            await tell_host(CONTEXT, uuid, "filters-changed", {})
