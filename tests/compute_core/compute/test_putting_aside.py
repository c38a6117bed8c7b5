"""What an agent does when servers are rescued, shelved, deleted softly and rebuilt, and what it makes of such work that was broken off."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.bus.in_process import InProcessBus
from compute_core.model.instances import NO_STATE, RUNNING, SHUTDOWN, Instance
from compute_core.model.json import to_json
from tests.compute_core.compute.agent_site import BEATS_S, Site, on_site
from tests.compute_core.rig import NOTHING
from tests.compute_core.simulated import is_dead, refuses
from tests.compute_core.values import CELL, UUID, an_instance

ACTION_S = 120.0
"""Long enough for every operation here, and for heartbeats in which nothing is found."""
BUILT = {"VM": [f"instance-{UUID}"], "VBD": ["0"], "VIF": ["fa:16:3e:00:00:01"], "VDI": [f"instance-{UUID}"], "task": []}
RESCUED = {
    "VM": [*BUILT["VM"], f"instance-{UUID}-rescue"], "VBD": ["0", "0", "1"], "VIF": BUILT["VIF"] * 2,
    "VDI": [*BUILT["VDI"], f"instance-{UUID}-rescue"], "task": [],
}  # fmt: skip
ACTIVE = an_instance(vm_state="active", task_state=None, power_state=RUNNING)


async def act(site: Site, action: str, **changes: Any) -> Any:
    """The end of an action that the server is told with these members; what else was told is of no interest here."""
    site.cell.told.clear()
    server = replace(ACTIVE, **{"image_ref": site.image.id, **changes})
    site.cell.instances[:] = [replace(server, vm_state="rescued" if action == "rescue" else server.vm_state)]
    await site.cast("act", instance=to_json(server), action=action, arguments={})
    await asyncio.sleep(ACTION_S)
    ((_, end),) = [told for told in site.cell.told if told[0] == "action_finished"]
    return end["error"], end["power_state"], end["changes"]


def done(power_state: int, **changes: Any) -> Any:
    return None, power_state, changes


def test_a_rescued_server_is_known_by_its_rescue_vm(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        ends = [await act(site, "rescue", rescue_image_ref=site.image.id)]
        await asyncio.sleep(BEATS_S)
        site.cell.told.clear()
        helper = (await site.operator("VM.get_by_name_label", f"instance-{UUID}-rescue"))[0]
        await site.operator("VM.hard_shutdown", helper)
        site.cell.instances[:] = [replace(ACTIVE, vm_state="rescued")]
        await asyncio.sleep(1)
        told = list(site.cell.told)
        ends.append(await act(site, "unrescue", vm_state="rescued"))
        return ends, told, site.left()

    ends, told, left = on_site(tmp_path, body)
    assert ends == [done(RUNNING), done(RUNNING)]
    assert told == [("power_state_changed", {"uuid": UUID, "power_state": SHUTDOWN})]
    assert left == BUILT


def test_a_server_is_deleted_softly_and_restored(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        site.wire.requests.clear()
        ends = [await act(site, "soft_delete"), await act(site, "restore", vm_state="soft-delete")]
        asked = [name for name in site.wire.requests if name.startswith("VM.")]
        return ends, asked

    calls = ["VM.hard_shutdown", "VM.set_blocked_operations", "VM.set_blocked_operations", "VM.start_on"]
    assert on_site(tmp_path, body) == ([done(SHUTDOWN), done(RUNNING)], calls)


def test_a_rescued_server_is_deleted_softly_without_its_rescue_vm(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        await act(site, "rescue")
        return await act(site, "soft_delete", vm_state="rescued"), site.left()

    assert on_site(tmp_path, body) == (done(SHUTDOWN), BUILT)


def test_a_shelved_server_is_an_image_and_off_and_then_gone(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        image = await site.images.create("shelved", "p", disk_format="vhd", container_format="bare")
        ends = [await act(site, "shelve", shelved_image_ref=image.id)]
        status = (await site.images.get(image.id)).status
        ends.append(await act(site, "unshelve", vm_state="shelved"))
        ends.append(await act(site, "shelve", shelved_image_ref=image.id))
        ends.append(await act(site, "shelve_offload", vm_state="shelved"))
        return ends, status, site.left()

    assert on_site(tmp_path, body) == ([done(SHUTDOWN), done(RUNNING), done(SHUTDOWN), done(NO_STATE)], "active", NOTHING)


def test_a_server_that_cannot_be_shelved_runs_again(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        image = await site.images.create("shelved", "p", disk_format="vhd", container_format="bare")

        def refuse(name: str, _: int) -> None:
            if name == "VDI.snapshot":
                refuses(1, "SR_FULL")(name, 1)

        site.wire.before = refuse
        return await act(site, "shelve", shelved_image_ref=image.id)

    assert on_site(tmp_path, body) == ("SR_FULL []", RUNNING, {})


def test_a_rebuilt_server_has_a_new_disk_and_its_old_interfaces(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        before = await site.vm()
        ends = [await act(site, "rebuild", pending={"name": "db"})]
        record = await site.operator("VM.get_record", await site.vm())
        assert (await site.vm() != before, record["name_description"]) == (True, "db")
        ends.append(await act(site, "rebuild", vm_state="stopped"))
        ends.append(await act(site, "rebuild", vm_state="error"))
        await asyncio.sleep(BEATS_S)
        return ends, site.left()

    ends = [done(RUNNING, vm_state="active"), done(SHUTDOWN, vm_state="stopped"), done(RUNNING, vm_state="active")]
    assert on_site(tmp_path, body) == (ends, BUILT)


def test_a_rebuild_from_an_image_that_is_not_there_leaves_the_server_alone(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        await site.images.delete(site.image.id)
        return await act(site, "rebuild"), site.left()

    (error, power_state, changes), left = on_site(tmp_path, body)
    assert ("No image found" in error, power_state, changes, left) == (True, RUNNING, {}, BUILT)


@pytest.mark.parametrize("at", ["VM.get_record", "VM.hard_shutdown", "VM.set_name_label", "VM.create", "VM.start_on"])
def test_a_rebuild_that_fails_leaves_the_server_as_it_was(tmp_path: Path, at: str) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        failures = iter([True])

        def refuse(name: str, _: int) -> None:
            if name == at and next(failures, False):
                refuses(1, "INTERNAL_ERROR", "told to")(name, 1)

        before = await site.vm()
        site.wire.before = refuse
        return await act(site, "rebuild", pending={"name": "db"}), site.left(), await site.vm() == before

    assert on_site(tmp_path, body) == (("xs1 refused: INTERNAL_ERROR [told to]", RUNNING, {}), BUILT, True)


BROKEN: list[tuple[str, str, dict[str, Any], Any]] = [
    ("rescue", "VM.create", {}, "taken back"),
    ("rescue", "VM.set_blocked_operations", {}, "taken back"),
    ("rescue", "VM.start_on", {}, done(RUNNING)),
    ("unrescue", "VM.hard_shutdown", {"vm_state": "rescued"}, done(RUNNING)),
    ("unrescue", "VDI.destroy", {"vm_state": "rescued"}, done(RUNNING)),
    ("soft_delete", "VM.hard_shutdown", {}, done(SHUTDOWN)),
    ("restore", "VM.set_blocked_operations", {"vm_state": "soft-delete"}, done(RUNNING)),
    ("rebuild", "VM.set_other_config", {}, done(RUNNING, vm_state="active")),
    ("rebuild", "VDI.clone", {}, done(RUNNING, vm_state="active")),
    ("shelve", "VDI.snapshot", {}, "given up"),
    ("shelve_offload", "VDI.destroy", {"vm_state": "shelved"}, done(NO_STATE)),
    ("unshelve", "VM.start_on", {"vm_state": "shelved"}, done(RUNNING)),
]
"""An action, the request after which its agent was killed, the server then, and how the agent's next life ends it."""

TAKEN_BACK: tuple[str, int, dict[str, Any]] = ("the rescue was broken off when the agent of xs1 ended", RUNNING, {})
GIVEN_UP: tuple[str, int, dict[str, Any]] = ("No image found with ID 00000000-0000-4000-8000-000000000002", RUNNING, {})
ENDS: dict[tuple[str, bool], Any] = {
    ("taken back", True): done(RUNNING), ("taken back", False): TAKEN_BACK, ("given up", True): GIVEN_UP, ("given up", False): GIVEN_UP,
}  # fmt: skip
"""By an end's name and whether the agent was told again."""
BEFORE: dict[str, str] = {"unrescue": "rescue", "restore": "soft_delete", "shelve_offload": "shelve", "unshelve": "shelve"}
TASKS = {
    "rescue": "rescuing", "unrescue": "unrescuing", "soft_delete": "soft-deleting", "restore": "restoring", "rebuild": "rebuilding",
    "shelve": "shelving", "shelve_offload": "shelving_offloading", "unshelve": "unshelving",
}  # fmt: skip


@pytest.mark.parametrize("is_heard", [True, False], ids=["told again", "not told again"])
@pytest.mark.parametrize(("action", "at", "changes", "end"), BROKEN, ids=[f"{action} {at}" for action, at, _, _ in BROKEN])
def test_work_that_a_killed_agent_has_left_is_ended_by_its_next_life(
    tmp_path: Path, action: str, at: str, changes: dict[str, Any], end: Any, *, is_heard: bool
) -> None:
    async def body(site: Site) -> Any:
        image = await site.images.create("shelved", "p", disk_format="vhd", container_format="bare")
        refs: dict[str, Any] = {"shelved_image_ref": image.id, "rescue_image_ref": site.image.id, "image_ref": site.image.id}
        server = replace(ACTIVE, **{**refs, **changes})
        async with site.agent():
            await site.built()
            if action in BEFORE:
                await act(site, BEFORE[action], **refs)
            await _killed(site, action, at, server)
        site.wire.before = site.wire.after = None
        site.cell.told.clear()
        if not is_heard:
            site.bus = InProcessBus()
            await site.bus.serve(f"cell.{CELL}", site.cell.endpoints())
        site.cell.instances[:] = [replace(server, task_state=TASKS[action])]
        async with site.agent():
            await asyncio.sleep(BEATS_S)
        if not is_heard:
            await site.bus.close()
        found = next(told for name, told in site.cell.told if name == "action_finished")
        return (found["error"], found["power_state"], found["changes"]), site.left()

    found, left = on_site(tmp_path, body, with_agent=False)
    assert found == (ENDS.get((end, is_heard), end) if isinstance(end, str) else end)
    assert left == (NOTHING if action == "shelve_offload" else RESCUED if action == "rescue" and found[0] is None else BUILT)


async def _killed(site: Site, action: str, at: str, server: Instance) -> None:
    """The host does ``at``; its answer never comes, and whatever the agent asks in dying does not arrive."""
    arrived = asyncio.Event()

    async def wait() -> None:
        arrived.set()
        await asyncio.get_running_loop().create_future()

    site.wire.after = lambda name, _: wait() if name == at else None
    await site.cast("act", instance=to_json(server), action=action, arguments={})
    await arrived.wait()
    site.wire.before = is_dead(0)


async def hear(site: Site, news: str, **changes: Any) -> None:
    await site.cast("hear", instance=to_json(replace(ACTIVE, **changes)), news=news, arguments={})
    await asyncio.sleep(5)


def test_a_renamed_server_is_shown_by_its_name_on_its_host_and_removed_all_the_same(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        vm = await site.vm()
        await hear(site, "renamed", name='my "web"')
        label = await site.operator("VM.get_name_label", vm)
        await site.cast("destroy", instance=to_json(replace(ACTIVE, task_state="deleting")))
        await asyncio.sleep(10)
        return label, site.left()

    assert on_site(tmp_path, body) == ('my "web"', NOTHING)


def test_a_server_s_guest_is_told_of_its_metadata(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        await site.cast("hear", instance=to_json(ACTIVE), news="metadata-changed", arguments={"items": {"role": "front"}})
        await asyncio.sleep(5)
        return (await site.operator("VM.get_xenstore_data", await site.vm()))["vm-data/user-metadata/role"], site.cell.told

    assert on_site(tmp_path, body) == ('"front"', [])


def test_a_power_update_has_the_host_asked_and_what_is_of_no_interest_is_passed_over(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        await hear(site, "power-update")
        await hear(site, "accelerator-request-bound")
        return site.cell.told

    assert on_site(tmp_path, body) == [("power_state_changed", {"uuid": UUID, "power_state": RUNNING})]


def test_news_that_cannot_be_acted_upon_do_no_harm(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        await hear(site, "network-changed")
        return site.cell.told, site.left()

    assert on_site(tmp_path, body) == ([], BUILT)
