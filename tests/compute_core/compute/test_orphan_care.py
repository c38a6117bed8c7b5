"""Orphans as an agent finds them with its cell, and cleans them when somebody asks or by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.compute.host_work import Sightings
from compute_core.xenapi import marks
from compute_core.xenapi.records import vdi_record
from tests.compute_core.compute.agent_site import CONTEXT, SETTINGS, Site, on_site

DEAD = "6f70656e-7374-4163-8b00-696e6f766133"


async def ask(site: Site, question: str, **arguments: Any) -> Any:
    asked = {"context": CONTEXT, "question": question, "arguments": arguments}
    return await site.bus.call("compute.xs1", "query_host", asked, 30.0)


async def a_disk(site: Site, server: str = DEAD) -> str:
    sr = (await site.operator("pool.get_all_records")).popitem()[1]["default_SR"]
    mark = {marks.INSTANCE: server, marks.DISK: "root"}
    ref = await site.operator("VDI.create", vdi_record(sr, f"instance-{server}", 1 << 20, mark))
    return str(await site.operator("VDI.get_uuid", ref))


def test_an_orphan_is_dated_from_when_it_was_seen_first_and_goes_when_somebody_asks_for_it(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        uuid = await a_disk(site)
        await ask(site, "list_orphans")
        await asyncio.sleep(100)
        other = await a_disk(site)
        listed = await ask(site, "list_orphans")
        old = await ask(site, "clean_orphans", ids=None, older_than_s=50.0)
        named = await ask(site, "clean_orphans", ids=[other, "unknown"], older_than_s=0.0)
        return [uuid, other], listed, old, named, await ask(site, "list_orphans")

    (uuid, other), listed, old, named, left = on_site(tmp_path, body)
    by_id = {each["id"]: each for each in listed}
    assert by_id[uuid] == {
        "kind": "VDI", "id": uuid, "name": f"instance-{DEAD}", "why": "the disk of a server that has no VM", "server": DEAD,
        "size_bytes": by_id[uuid]["size_bytes"], "is_certain": True, "since": "2012-08-01T00:00:00Z", "age_s": 100.0,
    }  # fmt: skip
    assert by_id[other]["age_s"] == 0.0
    assert [[each["id"], each["problem"]] for each in (*old, *named)] == [[uuid, ""], [other, ""]]
    assert left == []


@pytest.mark.parametrize(("kept_s", "left"), [(0.0, 1), (900.0, 0)])
def test_an_orphan_goes_by_itself_after_a_time_where_that_is_wished(tmp_path: Path, kept_s: float, left: int) -> None:
    async def body(site: Site) -> Any:
        await a_disk(site)
        await asyncio.sleep(700)
        young = len(site.left()["VDI"])
        await asyncio.sleep(1400)
        return young, len(site.left()["VDI"])

    assert on_site(tmp_path, body, settings=replace(SETTINGS, orphans_kept_s=kept_s)) == (1, left)


def test_what_the_cell_has_never_heard_of_goes_only_by_its_id(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        site.cell.strangers.add(DEAD)
        uuid = await a_disk(site)
        all_of_them = await ask(site, "clean_orphans", ids=None, older_than_s=0.0)
        by_id = await ask(site, "clean_orphans", ids=[uuid], older_than_s=0.0)
        return all_of_them, [each["id"] for each in by_id] == [uuid], site.left()["VDI"]

    assert on_site(tmp_path, body) == ([], True, [])


def test_what_has_gone_and_come_again_is_seen_anew() -> None:
    sightings = Sightings()

    assert sightings.see({"a"}, 1.0, "one") == {"a": (1.0, "one")}
    assert sightings.see({"a", "b"}, 2.0, "two") == {"a": (1.0, "one"), "b": (2.0, "two")}
    assert sightings.see({"b"}, 3.0, "three") == {"b": (2.0, "two")}
    assert sightings.see({"a"}, 4.0, "four") == {"a": (4.0, "four")}
