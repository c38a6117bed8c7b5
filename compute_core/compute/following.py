"""Follows the host's events of VMs, so that nobody has to poll for power states."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from compute_core.compute.settings import AgentSettings
from compute_core.compute.vms import Vms
from compute_core.xenapi.certainty import all_of
from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.place import NULL
from compute_core.xenapi.session import XenApi

log = logging.getLogger(__name__)

OnNews = Callable[[str], Awaitable[None]]
"""Told a server's uuid when its power state is news to the cell."""


async def read_vms(xapi: XenApi) -> Mapping[str, Any]:
    """Every VM of the pool that is a guest, with one call."""
    return await all_of(xapi, "VM", {"is_a_template": "false", "is_control_domain": "false"})


class HasMoved(Exception):
    """The host is in another pool than it was, or no longer alone in its own: what is known of it holds no more."""


async def follow(
    xapi: XenApi, settings: AgentSettings, vms: Vms, token: str, on_news: OnNews, alone: str = ""
) -> None:  # fmt: skip
    """Keep ``vms`` true, from what changed after ``token`` on, until cancelled. After a silence everything is read anew.

    ``alone``: the host, as long as its pool has no other. HasMoved when VMs of another one are there.
    """
    while True:
        try:
            batch = await xapi.call("event.from", ["vm"], token, settings.event_wait_s)
            token = batch["token"]
            check_alone(alone, (event["snapshot"] for event in batch["events"] if _is_vm(event)))
            news = [uuid for event in batch["events"] if (uuid := _take_in(vms, event))]
        except (XenApiFailure, Unanswered) as problem:
            log.warning("%s: no events: %s", settings.host, problem)
            token, news = await _start_over(xapi, settings, vms, alone)
        for uuid in news:
            await on_news(uuid)


def check_alone(alone: str, records: Iterable[Mapping[str, Any]]) -> None:
    """HasMoved when one of the VMs is at home on another host than the one that was alone in its pool."""
    homes = {record[name] for record in records for name in ("resident_on", "affinity")} if alone else set()
    if homes - {alone, NULL}:
        raise HasMoved


def _is_vm(event: Mapping[str, Any]) -> bool:
    return bool(event["class"].lower() == "vm" and event["operation"] != "del")


def _take_in(vms: Vms, event: Mapping[str, Any]) -> str:
    if event["class"].lower() != "vm":
        return ""
    if event["operation"] == "del":
        vms.forget(event["ref"])
        return ""
    return vms.see(event["ref"], event["snapshot"])


async def _start_over(xapi: XenApi, settings: AgentSettings, vms: Vms, alone: str) -> tuple[str, list[str]]:
    """A token, and what had changed by then; as soon as the host answers again. The token first: nothing falls between the two."""
    while True:
        await asyncio.sleep(settings.retry_s)
        try:
            batch = await xapi.call("event.from", ["pool"], "", 0.0)
            records = await read_vms(xapi)
            check_alone(alone, records.values())
            return batch["token"], vms.replace(records)
        except (XenApiFailure, Unanswered) as problem:
            log.info("%s: still no events: %s", settings.host, problem)
