"""Weights of servers' disks at their hosts' own disks: asked for, and changed while the server runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.compute.work import Query, Work
from compute_core.model.errors import Conflict
from compute_core.model.json import to_json
from compute_core.xenapi.io_weight import priorities, prioritise
from compute_core.xenapi.plugins import PluginRefusal
from compute_core.xenapi.quotas import weighted


async def _list(work: Work) -> Any:
    return to_json(await priorities(work.host.xapi, work.vm))


async def _set(work: Work) -> Any:
    """``weight``; ``devices``: the numbers of disks, None for all. The numbers of those that have it now."""
    host, devices = work.host, work.arguments["devices"]
    try:
        return await prioritise(host.xapi, host.place, work.vm, weighted(work.arguments["weight"]), devices)
    except PluginRefusal as refusal:
        raise Conflict(f"{host.settings.host}: {refusal}") from refusal


IO_WEIGHTS: Mapping[str, Query] = {"io_priorities": _list, "set_io_weight": _set}
