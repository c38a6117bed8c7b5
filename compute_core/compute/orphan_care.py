"""Orphans of a host: found with what the cell knows, remembered since when they are ones, and taken away when somebody says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from compute_core.compute.host_work import HostQuery, HostWork
from compute_core.model.clock import iso
from compute_core.model.json import from_json, to_json
from compute_core.model.orphans import Cleaned
from compute_core.xenapi.orphan_removal import clean
from compute_core.xenapi.orphans import Asked, Found, Known, look, orphans

log = logging.getLogger(__name__)


async def find(work: HostWork) -> list[Found]:
    """Two calls to the host, and one to the cell. The host is looked at first: what is made meanwhile is none."""
    host = work.host
    sight = await look(host.xapi, host.place, host.settings.cell, host.settings.compute_vm)
    servers = sorted(sight.servers())
    told = await work.cell.ask("known", host.settings.call_timeout_s, host=host.settings.host, uuids=servers) if servers else {}
    known = {uuid: from_json(each, Known) for uuid, each in told.items()}
    found = list(orphans(sight, Asked(known, work.is_busy, host.targets.is_held)))
    return list(_dated(work, found))


def _dated(work: HostWork, found: list[Found]) -> Iterator[Found]:
    """With how long they have been orphans, as far as this agent has seen."""
    clock, now_s = work.host.cache.clock, asyncio.get_running_loop().time()
    since = work.sightings.see({(each.orphan.kind, each.orphan.id) for each in found}, now_s, "" if clock is None else iso(clock.now()))
    for each in found:
        began_s, date = since[each.orphan.kind, each.orphan.id]
        yield replace(each, orphan=replace(each.orphan, since=date, age_s=round(now_s - began_s, 1)))


async def _list(work: HostWork) -> Any:
    return to_json([found.orphan for found in await find(work)])


async def _clean(work: HostWork) -> Any:
    """``ids``: which, None for all that are certain; ``older_than_s``: those that have been orphans for so long."""
    ids, older_than_s = work.arguments["ids"], work.arguments["older_than_s"]
    found = [each for each in await find(work) if each.orphan.age_s >= older_than_s]
    wanted = [each for each in found if (each.orphan.is_certain if ids is None else each.orphan.id in ids)]
    return to_json(await _cleaned(work, wanted))


async def _cleaned(work: HostWork, wanted: list[Found]) -> list[Cleaned]:
    done = []
    for each in wanted:
        log.warning("%s: %s %s (%s) goes: %s", work.host.settings.host, each.orphan.kind, each.orphan.id, each.orphan.name, each.orphan.why)
        done.append(await clean(work.host.xapi, work.host.place, work.host.targets, each))
    for failed in (one for one in done if one.problem):
        log.warning("%s: %s %s stays: %s", work.host.settings.host, failed.kind, failed.id, failed.problem)
    return done


ORPHAN_CARE: Mapping[str, HostQuery] = {"list_orphans": _list, "clean_orphans": _clean}


async def clean_as_told(work: HostWork) -> None:
    """A round: what has been an orphan for long enough goes, where no other agent can be at work on it."""
    settings = work.host.settings
    if settings.orphans_kept_s > 0 and work.host.place.is_alone:
        found = [each for each in await find(work) if each.orphan.is_certain and each.orphan.age_s >= settings.orphans_kept_s]
        await _cleaned(work, found)
