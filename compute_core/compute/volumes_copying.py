"""Volumes that the host copies for the volume service: begun by whoever asks, and told of when asked again.

A copy ends with its agent; whoever asks the next one begins anew, which comes to the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from compute_core.compute.host_work import HostQuery, HostWork
from compute_core.compute.volumes import service
from compute_core.compute.work import Host
from compute_core.xenapi.volume_copy import copied

log = logging.getLogger(__name__)

COPYING, DONE = "copying", ""
KEPT_S = 900.0
"""So long an end is kept for who asks; longer than pauses between questions are."""


async def _copy(work: HostWork) -> str:
    """Copy volume or snapshot ``source`` onto ``target``: COPYING, DONE, or why it has failed. An end is told once."""
    source, target = work.arguments["source"], work.arguments["target"]
    name, copies = f"{source} onto {target}", work.host.copies
    if name not in copies:
        copies[name] = _begun(work.host, name, source, target)
    if not copies[name].done():
        return COPYING
    task = copies.pop(name)
    problem = "it was broken off" if task.cancelled() else task.exception()
    return DONE if problem is None else str(problem)


def _begun(host: Host, name: str, source: str, target: str) -> asyncio.Task[None]:
    """A copy that is under way; nobody may ever ask how it has ended."""
    task = asyncio.create_task(_copied(host, name, source, target), name=f"copy {name}")
    task.add_done_callback(lambda ended: ended.get_loop().call_later(KEPT_S, _forget, host, name, ended))
    return task


def _forget(host: Host, name: str, ended: asyncio.Task[None]) -> None:
    if host.copies.get(name) is ended:
        del host.copies[name]
        problem = "it was broken off" if ended.cancelled() else ended.exception()
        log.info("nobody has asked how %s was copied: %s", name, problem or "well")


async def _copied(host: Host, name: str, source: str, target: str) -> None:
    ways = [await service(host).reach(each) for each in (source, target)]
    await copied(host.xapi, host.targets, name, ways[0], ways[1])


COPYING_QUERIES: Mapping[str, HostQuery] = {"copy_volume": _copy}
