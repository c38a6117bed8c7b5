"""Backups as agents make them: what goes and what stays, how far they tell that they are, and what a next life makes of a broken one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.backups import BACKUP, HOW, KIND, MOST_IN_CHAIN, MOVED, PARENT, POINT, ROTATION, SEQUENCE, WHOLE
from compute_core.model.images import Image
from compute_core.model.instances import RUNNING
from compute_core.model.transitions import ACTIONS
from tests.compute_core.compute.agent_site import BEATS_S, Site, on_site
from tests.compute_core.simulated import refuses
from tests.compute_core.values import UUID, an_instance

NAME = f"instance-{UUID}"


async def queued(site: Site, name: str, image_type: str, **properties: str) -> Image:
    own = {"image_type": image_type, "instance_uuid": UUID, **properties}
    return await site.images.create(name, "p", disk_format="vhd", container_format="ovf", properties=own)


async def backed_up(site: Site, name: str, rotation: int, kind: str = "daily") -> None:
    image = await queued(site, name, BACKUP, **{KIND: kind, ROTATION: str(rotation)})
    await site.act("backup", image_id=image.id)
    await asyncio.sleep(60)


async def pointed(site: Site, name: str, rotation: int = 0, *, is_full: bool = False) -> str:
    image = await queued(site, name, POINT, **{ROTATION: str(rotation)})
    await site.act("incremental_backup", image_id=image.id, is_full=is_full)
    await asyncio.sleep(60)
    return image.id


async def names(site: Site, image_type: str) -> list[str]:
    return sorted(image.name for image in await site.images.list() if image.properties.get("image_type") == image_type)


def ends(site: Site) -> list[tuple[str, Any]]:
    return [(told["action"], told["error"]) for name, told in site.cell.told if name == "action_finished"]


def test_the_oldest_of_a_series_goes_when_the_new_one_is_whole(tmp_path: Path) -> None:
    async def body(site: Site) -> tuple[list[str], list[int]]:
        await site.built()
        await backed_up(site, "weekly", 1, "weekly")
        for number in range(4):
            await backed_up(site, f"b{number}", 2)
        assert site.left()["VDI"] == [NAME]
        return await names(site, BACKUP), [told["progress"] for name, told in site.cell.told if name == "image_progress"]

    left, progress = on_site(tmp_path, body)

    assert left == ["b2", "b3", "weekly"]
    assert (progress[-1], max(progress), min(progress) > 0) == (100, 100, True)


def test_a_backup_that_fails_takes_none_away(tmp_path: Path) -> None:
    async def body(site: Site) -> tuple[list[str], list[tuple[str, Any]]]:
        await site.built()
        await backed_up(site, "good", 1)
        site.wire.requests.clear()

        def refuse(name: str, _: int) -> None:
            if name == "VDI.snapshot":
                refuses(1, "SR_FULL", "1", "2")(name, 1)

        site.wire.before = refuse
        await backed_up(site, "bad", 1)
        return await names(site, BACKUP), ends(site)

    assert on_site(tmp_path, body) == (["good"], [("backup", None), ("backup", "SR_FULL [1, 2]")])


def test_points_follow_one_another_until_a_new_chain_begins(tmp_path: Path) -> None:
    async def body(site: Site) -> list[tuple[str, str, str]]:
        await site.built()
        ids = [await pointed(site, f"p{number}") for number in range(MOST_IN_CHAIN + 2)]
        ids.append(await pointed(site, "whole", is_full=True))
        points = [await site.images.get(each) for each in ids]
        assert site.left()["VDI"] == [NAME] * 2
        for point in points:
            assert (int(point.properties[MOVED]) < int(point.properties[WHOLE])) == (point.properties[HOW] == "delta")
        parents = [str(ids.index(point.properties[PARENT])) if point.properties[PARENT] else "" for point in points]
        return [(point.properties[SEQUENCE], parent, point.properties[HOW]) for point, parent in zip(points, parents, strict=True)]

    assert on_site(tmp_path, body) == [
        ("1", "", "full"),
        *((str(number + 1), str(number - 1), "delta") for number in range(1, MOST_IN_CHAIN)),
        (str(MOST_IN_CHAIN + 1), "", "full"),
        (str(MOST_IN_CHAIN + 2), str(MOST_IN_CHAIN), "delta"),
        (str(MOST_IN_CHAIN + 3), "", "full"),
    ]


def test_rotation_lets_a_chain_go_when_nothing_that_is_kept_needs_it(tmp_path: Path) -> None:
    async def body(site: Site) -> tuple[list[str], list[str]]:
        await site.built()
        for name in ("p1", "p2"):
            await pointed(site, name, 1)
        before = await names(site, POINT)
        await pointed(site, "p3", 1, is_full=True)
        return before, await names(site, POINT)

    assert on_site(tmp_path, body) == (["p1", "p2"], ["p3"])


@pytest.mark.parametrize(("action", "image_type"), [("backup", BACKUP), ("incremental_backup", POINT)])
def test_what_a_killed_agent_has_left_unfilled_is_forgotten(tmp_path: Path, action: str, image_type: str) -> None:
    task_state = ACTIONS[action].task_state
    error = "the snapshot was broken off when the agent of xs1 ended"

    async def body(site: Site) -> tuple[list[str], list[tuple[str, Any]], list[str]]:
        async with site.agent():
            await site.built()
            await pointed(site, "good")
        await queued(site, "half", image_type, **{KIND: "daily", ROTATION: "1"})
        site.cell.told.clear()
        site.cell.instances[:] = [an_instance(vm_state="active", task_state=task_state, power_state=RUNNING)]
        async with site.agent():
            await asyncio.sleep(2 * BEATS_S)
            site.cell.instances[:] = [an_instance(vm_state="active", task_state=None, power_state=RUNNING)]
        return await names(site, POINT) + await names(site, BACKUP), ends(site)[:1], site.left()["VDI"]

    assert on_site(tmp_path, body, with_agent=False) == (["good"], [(action, error)], [NAME] * 2)
