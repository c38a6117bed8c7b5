"""Volumes that the host copies for the volume service: begun by whoever asks, and told of when asked again.

A copy ends with its agent; whoever asks the next one begins anew, which comes to the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from compute_core.compute.host_work import HostQuery, HostWork
from compute_core.compute.volumes import service
from compute_core.compute.work import Host
from compute_core.xenapi.volume_copy import copied

COPYING, DONE = "copying", ""


async def _copy(work: HostWork) -> str:
    """Copy volume or snapshot ``source`` onto ``target``: COPYING, DONE, or why it has failed. An end is told once."""
    source, target = work.arguments["source"], work.arguments["target"]
    name, copies = f"{source} onto {target}", work.host.copies
    if name not in copies:
        copies[name] = asyncio.create_task(_copied(work.host, name, source, target))
    if not copies[name].done():
        return COPYING
    task = copies.pop(name)
    problem = "it was broken off" if task.cancelled() else task.exception()
    return DONE if problem is None else str(problem)


async def _copied(host: Host, name: str, source: str, target: str) -> None:
    ways = [await service(host).reach(each) for each in (source, target)]
    await copied(host.xapi, host.targets, name, ways[0], ways[1])


COPYING_QUERIES: Mapping[str, HostQuery] = {"copy_volume": _copy}
