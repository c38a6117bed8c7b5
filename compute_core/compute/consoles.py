"""Queries about servers' consoles."""

from __future__ import annotations

from collections.abc import Mapping

from compute_core.compute.work import Query, Work
from compute_core.xenapi.console import console_log


async def _console_output(work: Work) -> str:
    """The last ``length`` lines of the console log, None: all that is kept."""
    return await console_log(work.host.xapi, work.host.place, work.vm, work.arguments["length"])


CONSOLES: Mapping[str, Query] = {
    "console_output": _console_output,
}
