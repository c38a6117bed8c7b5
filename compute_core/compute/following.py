"""Follows the host's events of VMs, so that nobody has to poll for power states."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from compute_core.compute.settings import AgentSettings
from compute_core.compute.vms import Vms
from compute_core.xenapi.certainty import all_of
from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.session import XenApi

log = logging.getLogger(__name__)

OnNews = Callable[[str], Awaitable[None]]
"""Told a server's uuid when its power state is news to the cell."""


async def read_vms(xapi: XenApi) -> Mapping[str, Any]:
    """Every VM of the pool that is a guest, with one call."""
    return await all_of(xapi, "VM", {"is_a_template": "false", "is_control_domain": "false"})


async def follow(xapi: XenApi, settings: AgentSettings, vms: Vms, token: str, on_news: OnNews) -> None:
    """Keep ``vms`` true, from what changed after ``token`` on, until cancelled. After a silence everything is read anew."""
    while True:
        try:
            batch = await xapi.call("event.from", ["vm"], token, settings.event_wait_s)
            token = batch["token"]
            news = [uuid for event in batch["events"] if (uuid := _take_in(vms, event))]
        except (XenApiFailure, Unanswered) as problem:
            log.warning("%s: no events: %s", settings.host, problem)
            token, news = await _start_over(xapi, settings, vms)
        for uuid in news:
            await on_news(uuid)


def _take_in(vms: Vms, event: Mapping[str, Any]) -> str:
    if event["class"].lower() != "vm":
        return ""
    if event["operation"] == "del":
        vms.forget(event["ref"])
        return ""
    return vms.see(event["ref"], event["snapshot"])


async def _start_over(xapi: XenApi, settings: AgentSettings, vms: Vms) -> tuple[str, list[str]]:
    """A token, and what had changed by then; as soon as the host answers again. The token first: nothing falls between the two."""
    while True:
        await asyncio.sleep(settings.retry_s)
        try:
            batch = await xapi.call("event.from", ["pool"], "", 0.0)
            return batch["token"], vms.replace(await read_vms(xapi))
        except (XenApiFailure, Unanswered) as problem:
            log.info("%s: still no events: %s", settings.host, problem)
