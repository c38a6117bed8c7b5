"""What agents make of crashes: their own at any step, their host's, and lost messages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.bus.in_process import InProcessBus
from compute_core.compute import manager
from compute_core.model.instances import PAUSED, RUNNING, SHUTDOWN
from compute_core.xenapi.errors import ReplyLost
from compute_core.xenapi.marks import INSTANCE
from compute_core.xenapi.place import Place, learn
from compute_core.xenapi.session import Session
from tests.compute_core.compute.agent_site import BEATS_S, FakeCell, Site, on_site
from tests.compute_core.rig import NOTHING
from tests.compute_core.simulated import holds, is_dead
from tests.compute_core.values import CELL, UUID, an_instance
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD

KILLED_AT = [
    "VDI.create",
    "task.create",
    "PUT /import_raw_vdi",
    "VDI.get_record",
    "VDI.clone",
    "VDI.set_name_label",
    "VDI.resize",
    "VM.create",
    "VBD.create",
    "VIF.create",
    "VM.start_on",
]


async def _killed_in_build(site: Site, at: str) -> None:
    """An agent is killed when the host has done ``at`` and could not say so; its host is cut off, so that it takes nothing back."""
    async with site.agent():
        arrived = asyncio.Event()
        site.wire.after = lambda name, _: holds(1, arrived)(name, 1) if name == at else None
        await site.build(an_instance())
        await arrived.wait()
        site.wire.before = is_dead(0)
    site.wire.before = site.wire.after = None


@pytest.mark.parametrize("at", KILLED_AT)
def test_a_build_goes_on_when_its_agent_was_killed_anywhere_and_comes_back(tmp_path: Path, at: str) -> None:
    async def body(site: Site) -> Any:
        await _killed_in_build(site, at)
        async with site.agent():
            await asyncio.sleep(BEATS_S)
            return {name for name, _ in site.cell.told}, {cls: len(found) for cls, found in site.left().items()}

    told, left = on_site(tmp_path, body, with_agent=False)

    assert told == {"build_progress", "build_succeeded"}
    assert left == {"VM": 1, "VBD": 1, "VIF": 1, "VDI": 1, "task": 0}


@pytest.mark.parametrize("at", KILLED_AT)
def test_what_a_killed_agent_left_is_removed_when_the_cell_has_sent_the_server_elsewhere(tmp_path: Path, at: str) -> None:
    async def body(site: Site) -> Any:
        await _killed_in_build(site, at)
        site.bus = InProcessBus()
        await site.bus.serve(f"cell.{CELL}", site.cell.endpoints())
        site.cell.instances.clear()
        async with site.agent():
            await asyncio.sleep(BEATS_S)
        await site.bus.close()
        return site.left()

    assert on_site(tmp_path, body, with_agent=False) == NOTHING


@pytest.mark.parametrize("state", ["deleted", "only VM", "double"])
def test_in_a_pool_what_the_cell_has_elsewhere_goes_alone_and_only_if_it_is_not_the_servers_only_vm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:  # fmt: skip
    async def pooled(session: Session, url: str) -> Place:
        return replace(await learn(session, url), is_alone=False)

    async def known(_: FakeCell, host: str, uuids: list[str]) -> Any:
        return {uuid: {"is_here": False, "is_gone": state == "deleted", "ports": [], "volumes": []} for uuid in uuids}

    monkeypatch.setattr(manager, "learn", pooled)
    monkeypatch.setattr(FakeCell, "known", known)

    async def body(site: Site) -> Any:
        async with site.agent():
            await site.built()
            if state != "only VM":
                await site.operator("VM.create", {**VM_RECORD, "name_label": f"instance-{UUID}", "other_config": {INSTANCE: UUID}})
            site.cell.instances.clear()
            await asyncio.sleep(BEATS_S)
            return site.left()["VM"], site.left()["VDI"]

    label = [f"instance-{UUID}"]
    assert on_site(tmp_path, body, with_agent=False) == (label, label if state == "only VM" else [])


def test_a_build_whose_message_is_lost_with_the_agent_is_given_back_to_the_cell(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        site.cell.instances.append(an_instance(task_state="spawning"))
        await asyncio.sleep(BEATS_S)
        return site.cell.told[0]

    name, arguments = on_site(tmp_path, body)

    assert (name, arguments["is_retryable"]) == ("build_failed", True)


def test_a_build_that_ended_unheard_is_reported_at_the_first_heartbeat(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        async with site.agent():
            await site.built()
        site.cell.instances[:] = [an_instance(task_state="spawning")]
        async with site.agent():
            await asyncio.sleep(0)
            return site.cell.told

    assert on_site(tmp_path, body, with_agent=False) == [("build_succeeded", {"uuid": UUID, "power_state": RUNNING})]


def test_a_deletion_that_was_broken_off_is_finished(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        site.cell.instances[:] = [an_instance(vm_state="active", task_state="deleting", power_state=RUNNING)]
        await asyncio.sleep(BEATS_S)
        return site.cell.told[0], site.left()

    assert on_site(tmp_path, body) == (("instance_destroyed", {"uuid": UUID}), NOTHING)


def test_a_dead_host_sends_no_heartbeat_and_comes_back_with_what_has_changed(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        site.wire.before = is_dead(0)
        beats = len(site.cell.reports)
        vm = await site.vm()
        await asyncio.sleep(100)
        assert len(site.cell.reports) == beats
        await site.operator("VM.hard_shutdown", vm)
        site.wire.before = None
        await asyncio.sleep(60)
        return len(site.cell.reports) > beats, site.cell.told[0]

    assert on_site(tmp_path, body) == (True, ("power_state_changed", {"uuid": UUID, "power_state": SHUTDOWN}))


def test_an_agent_waits_for_a_host_that_does_not_answer_yet(tmp_path: Path) -> None:
    async def body(site: Site) -> int:
        site.wire.before = lambda name, number: is_dead(0)(name, number) if number < 4 else None
        async with site.agent():
            return len(site.cell.reports)

    assert on_site(tmp_path, body, with_agent=False) == 1


def test_a_lost_answer_to_a_change_of_power_is_no_error(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()

        def lose(name: str, _: int) -> None:
            if name == "VM.pause":
                raise ReplyLost(name, "lost by the test")

        site.wire.after = lose
        await site.act("pause")
        await asyncio.sleep(5)
        return site.cell.told

    finished: dict[str, Any] = {"uuid": UUID, "action": "pause", "error": None, "power_state": PAUSED, "changes": {}}
    assert on_site(tmp_path, body) == [("action_finished", finished)]
