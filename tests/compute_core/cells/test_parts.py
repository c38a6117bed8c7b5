"""Interfaces and volumes one by one: what is said of one leaves those that have come or gone since it was looked at."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from compute_core.cells.outcomes import with_changes
from compute_core.cells.parts import parts, with_parts
from compute_core.model.errors import ComputeError, Conflict, NotFound
from compute_core.model.json import to_json
from compute_core.model.networks import Wish
from compute_core.model.volumes import BlockDevice
from compute_core.store import instances
from tests.compute_core.cells.cloud import USER, Cloud
from tests.compute_core.cells.running import Within
from tests.compute_core.cells.test_interfaces import served
from tests.compute_core.values import an_instance

ONE = BlockDevice("v-1", "a-1", "/dev/xvdb")
TWO = BlockDevice("v-2", "a-2", "/dev/xvdc")
CHANGED = "Instance a has been changed meanwhile. Cure: look, and ask again."
SERVER = an_instance("a", block_devices=(ONE, TWO))


def test_one_is_added_and_another_is_changed_and_the_others_stay() -> None:
    new = BlockDevice("v-3", "a-3", "/dev/xvdb", state="replacing")
    told = parts("block_devices", added=[new], changed={"v-1": {"state": "detaching"}})
    assert with_parts(SERVER, told).block_devices == (replace(ONE, state="detaching"), TWO, new)
    assert with_parts(SERVER, {}) is SERVER


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        (parts("block_devices", changed={"v-9": {"state": "detaching"}}), NotFound, "Instance a has no v-9 any more."),
        (parts("block_devices", added=[ONE]), Conflict, CHANGED),
        (parts("block_devices", added=[replace(ONE, volume_id="v-3")]), Conflict, CHANGED),
    ],
)
def test_what_does_not_fit_what_is_there_now_is_refused(told: Any, kind: type[ComputeError], words: str) -> None:
    with pytest.raises(kind) as refusal:
        with_parts(SERVER, told)
    assert refusal.value.message == words


async def behind(there: Cloud, uuid: str, member: str) -> Any:
    """Make the top's copy one without the newest part, as it is while news of it are on their way; the newest part."""
    copy = await there.top.run(instances.get, uuid)
    *older, newest = getattr(copy, member)
    await there.top.run(instances.put, with_changes(copy, {member: to_json(tuple(older))}))
    return newest


def test_an_interface_that_the_top_has_not_heard_of_stays(within: Within) -> None:
    async def body(there: Cloud) -> None:
        _, uuid = await served(there)
        (first,) = (await there.api.get_server(USER, uuid)).vifs
        await there.api.attach_interface(USER, uuid, Wish("private"))
        second = await behind(there, uuid, "vifs")
        third = await there.api.attach_interface(USER, uuid, Wish("private"))
        assert (await there.api.get_server(USER, uuid)).vifs == (first, second, third)
        await behind(there, uuid, "vifs")
        await there.api.detach_interface(USER, uuid, first.id)
        assert (await there.api.get_server(USER, uuid)).vifs == (second, third)

    within(body)


def test_a_volume_is_kept_without_a_word_of_others_and_not_while_something_is_under_way(within: Within) -> None:
    kept = parts("block_devices", changed={"v-1": {"deletes_volume": True}})

    async def body(there: Cloud) -> None:
        _, uuid = await served(there, takes_s=30.0)
        here = await there.leaf.run(instances.get, uuid)
        await there.leaf.run(instances.put, replace(here, block_devices=(ONE, TWO)))
        assert (await there.api._servers.ask_cell(USER, uuid, "change_parts", {"parts": kept})).block_devices == (
            replace(ONE, deletes_volume=True),
            TWO,
        )
        busy = asyncio.ensure_future(there.api.attach_interface(USER, uuid, Wish("private")))
        await asyncio.sleep(5)
        with pytest.raises(Conflict) as refusal:
            await there.api._servers.ask_cell(USER, uuid, "change_parts", {"parts": kept})
        assert refusal.value.message == f"Instance {uuid} is in task_state attaching_interface. Cure: ask again when that has ended."
        await busy

    within(body)
