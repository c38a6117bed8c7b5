"""Questions about a host as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.compute.host_work import HostQuery, HostWork
from compute_core.model.json import to_json


async def _usage(work: HostWork) -> Any:
    return to_json(await work.meter.read(work.host))


HOST_USAGE: Mapping[str, HostQuery] = {"usage": _usage}
