"""The agent of one host over a simulated XAPI: registration, heartbeats, builds, events and recovery."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from compute_core.bus.in_process import InProcessBus
from compute_core.compute.manager import ComputeManager
from compute_core.compute.settings import AgentSettings
from compute_core.images.embedded import EmbeddedImageStore
from compute_core.model.errors import Conflict, HostUnreachable
from compute_core.model.images import Image
from compute_core.model.instances import PAUSED, RUNNING, SHUTDOWN, Instance
from compute_core.model.json import to_json
from compute_core.model.requests import RequestContext
from compute_core.xenapi.errors import ReplyLost
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from tests.compute_core.rig import CONTENT, NOTHING, URL, Rig, fixed_vhd, image_store, stored
from tests.compute_core.simulated import Wire, holds, is_dead, session_over
from tests.compute_core.values import CELL, UUID, a_vif, an_instance
from tests.compute_core.world import HOST, fresh_fleet, only_host

T = TypeVar("T")
CONTEXT = to_json(RequestContext("u", "p", ("member",), "req-1"))
SETTINGS = AgentSettings("xs1", CELL, URL, heartbeat_s=20.0, settle_s=2.0, event_wait_s=30.0)
BEATS_S = 45.0
"""Long enough for two heartbeats."""


@dataclass
class FakeCell:
    """What a cell is to an agent: it answers heartbeats with its servers of the host, and remembers what it was told."""

    instances: list[Instance] = field(default_factory=list)
    reports: list[Any] = field(default_factory=list)
    told: list[tuple[str, Any]] = field(default_factory=list)

    async def heartbeat(self, report: Any, instances_known: list[str]) -> Any:
        self.reports.append((report, instances_known))
        here = {instance.uuid for instance in self.instances}
        return {"instances": [to_json(instance) for instance in self.instances], "unwanted": sorted(set(instances_known) - here)}

    def endpoints(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        names = "build_succeeded", "build_progress", "build_failed", "instance_destroyed", "action_finished", "power_state_changed"
        return {"heartbeat": self.heartbeat, **{name: self._hears(name) for name in names}}

    def _hears(self, name: str) -> Callable[..., Awaitable[None]]:
        async def hear(host: str, **arguments: Any) -> None:
            assert host == "xs1"
            self.told.append((name, arguments))

        return hear


@dataclass
class Site:
    """A cell, a host and an agent between them."""

    xapi: Xapi
    wire: Wire
    bus: InProcessBus
    cell: FakeCell
    images: EmbeddedImageStore
    image: Image
    manager: ComputeManager

    async def cast(self, method: str, **arguments: Any) -> None:
        await self.bus.cast("compute.xs1", method, {"context": CONTEXT, **arguments})

    async def build(self, instance: Instance) -> None:
        self.cell.instances.append(instance)
        await self.cast("build", instance=to_json(instance), image=to_json(self.image), admin_password="s", attempt=1)

    async def act(self, action: str) -> None:
        await self.cast("act", instance=to_json(an_instance()), action=action, arguments={})

    async def built(self) -> None:
        """A server that is built, active and known as such."""
        await self.build(an_instance())
        await asyncio.sleep(10)
        self.cell.instances[:] = [an_instance(vm_state="active", task_state=None, power_state=RUNNING)]
        self.cell.told.clear()

    async def operator(self, method: str, *params: Any) -> Any:
        """Somebody else at the host."""
        session = session_over(Wire(self.xapi))
        try:
            return await session.call(method, *params)
        finally:
            await session.close()

    async def vm(self) -> str:
        refs = await self.operator("VM.get_by_name_label", f"instance-{UUID}")
        return str(refs[0])

    def left(self) -> dict[str, list[str]]:
        return Rig.left(self)  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def agent(self) -> AsyncIterator[ComputeManager]:
        """The agent at work; at the end it is killed, as a process is."""
        manager = ComputeManager(SETTINGS, session_over(self.wire, URL), self.bus, self.images, Random(1))
        work = asyncio.create_task(manager.run())
        try:
            ready = asyncio.create_task(manager.ready())
            await asyncio.wait({ready, work}, return_when=asyncio.FIRST_COMPLETED)
            yield manager
        finally:
            work.cancel()
            await asyncio.wait({work})
            if not work.cancelled():
                work.result()


def on_site(folder: Path, body: Callable[[Site], Awaitable[T]], *, with_agent: bool = True) -> T:
    """Run a test's body on virtual time, with an agent that has registered."""

    async def main() -> T:
        fleet, bus, cell, images = fresh_fleet(), InProcessBus(), FakeCell(), image_store(folder)
        xapi = only_host(fleet)
        wire = Wire(xapi)
        site = Site(xapi, wire, bus, cell, images, await stored(images, fixed_vhd(CONTENT)), None)  # type: ignore[arg-type]
        await bus.serve(f"cell.{CELL}", cell.endpoints())
        try:
            if not with_agent:
                return await body(site)
            async with site.agent() as site.manager:
                return await body(site)
        finally:
            await bus.close()
            await fleet.close()

    return run_virtual(main())


def test_an_agent_registers_with_what_xenapi_says_of_its_host(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        host = await site.operator("host.get_record", (await site.operator("host.get_all"))[0])
        return site.cell.reports[0], host

    (report, known), host = on_site(tmp_path, body)

    assert known == []
    assert (report["host"], report["hypervisor_uuid"], report["host_ip"]) == ("xs1", host["uuid"], host["address"])
    assert report["hypervisor_hostname"] == host["hostname"]
    assert report["vcpus"] == int(host["cpu_info"]["cpu_count"])
    assert 0 < report["memory_mb_free"] <= report["memory_mb_total"]
    assert 0 < report["disk_gb_free"] <= report["disk_gb_total"]
    assert report["running_vms"] == 0


def test_a_heartbeat_asks_twice_however_many_servers_there_are(tmp_path: Path) -> None:
    async def body(site: Site) -> list[tuple[list[str], int]]:
        beats = []
        for number in range(3):
            await site.build(an_instance(f"{UUID[:-1]}{number}", vifs=(a_vif(number),)))
            await asyncio.sleep(10)
            site.cell.instances[:] = [replace(one, vm_state="active", task_state=None, power_state=RUNNING) for one in site.cell.instances]
            seen, count = len(site.cell.reports), len(site.wire.requests)
            await asyncio.sleep(60)
            asked = [name for name in site.wire.requests[count:] if name != "event.from"]
            beats.append((asked, len(site.cell.reports) - seen))
        return beats

    for asked, beats in on_site(tmp_path, body):
        assert asked == ["host.compute_free_memory", "SR.get_physical_utilisation"] * beats
        assert 2 <= beats <= 4


def test_a_build_is_reported_and_the_host_is_then_busier(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.build(an_instance())
        await asyncio.sleep(BEATS_S)
        return site.cell.told, site.cell.reports[-1][1], site.cell.reports[-1][0]["running_vms"]

    told, known, running = on_site(tmp_path, body)

    assert told[:2] == [
        ("build_progress", {"uuid": UUID, "task_state": "spawning", "progress": 0}),
        ("build_succeeded", {"uuid": UUID, "power_state": RUNNING}),
    ]
    assert (known, running) == ([UUID], 1)


def test_a_build_that_fails_names_host_and_reason(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.build(an_instance(vifs=(a_vif(bridge="xenbr9"),)))
        await asyncio.sleep(1)
        return site.cell.told[-1]

    assert on_site(tmp_path, body) == (
        "build_failed",
        {"uuid": UUID, "message": f"{HOST} has no network on bridge xenbr9.", "is_retryable": True},
    )


def test_builds_at_once_are_bounded(tmp_path: Path) -> None:
    async def body(site: Site) -> int:
        most, now = 0, 0

        async def watch(name: str) -> None:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(1)
            now -= 1

        site.wire.before = lambda name, _: watch(name) if name == "VM.create" else None
        for number in range(9):
            await site.build(an_instance(f"{UUID[:-1]}{number}", vifs=(a_vif(number),)))
        await asyncio.sleep(60)
        assert sum(name == "build_succeeded" for name, _ in site.cell.told) >= 9
        return most

    assert on_site(tmp_path, body) == SETTINGS.concurrent_builds


@pytest.mark.parametrize(
    ("actions", "end"),
    [(["stop"], SHUTDOWN), (["stop", "start"], RUNNING), (["pause"], PAUSED), (["suspend", "resume"], RUNNING), (["reboot_hard"], RUNNING)],
)
def test_an_action_ends_with_its_power_state(tmp_path: Path, actions: list[str], end: int) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        for action in actions:
            await site.act(action)
        await asyncio.sleep(5)
        return site.cell.told[-1], len(site.cell.told)

    finished = {"uuid": UUID, "action": actions[-1], "error": None, "power_state": end}
    assert on_site(tmp_path, body) == (("action_finished", finished), len(actions))


def test_an_action_that_fails_says_why_and_where_the_vm_is(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        await site.act("stop")
        await site.act("pause")
        await asyncio.sleep(5)
        return site.cell.told[-1]

    name, arguments = on_site(tmp_path, body)

    assert name == "action_finished"
    assert arguments.pop("error").startswith("VM_BAD_POWER_STATE")
    assert arguments == {"uuid": UUID, "action": "pause", "power_state": SHUTDOWN}


def test_a_guest_that_halts_by_itself_is_heard_of_without_a_poll(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        await site.operator("VM.hard_shutdown", await site.vm())
        await asyncio.sleep(1)
        return site.cell.told

    assert on_site(tmp_path, body) == [("power_state_changed", {"uuid": UUID, "power_state": SHUTDOWN})]


def test_a_deletion_leaves_nothing_and_may_come_twice(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        site.cell.instances.clear()
        for _ in range(2):
            await site.cast("destroy", instance=to_json(an_instance()))
        await asyncio.sleep(5)
        return site.cell.told, site.left()

    assert on_site(tmp_path, body) == ([("instance_destroyed", {"uuid": UUID})] * 2, NOTHING)


def test_a_deletion_interrupts_a_build(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        arrived = asyncio.Event()
        site.wire.before = lambda name, _: holds(1, arrived)(name, 1) if name == "VBD.create" else None
        await site.build(an_instance())
        await arrived.wait()
        site.cell.instances.clear()
        await site.cast("destroy", instance=to_json(an_instance()))
        await asyncio.sleep(5)
        return [name for name, _ in site.cell.told], site.left()

    assert on_site(tmp_path, body) == (["build_progress", "instance_destroyed"], NOTHING)


def test_a_snapshot_ends_like_an_action(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.built()
        image = await site.images.create("snapshot", "p", disk_format="vhd", container_format="bare")
        await site.cast("snapshot", instance=to_json(an_instance()), image_id=image.id)
        await asyncio.sleep(5)
        return site.cell.told, (await site.images.get(image.id)).status

    finished = {"uuid": UUID, "action": "snapshot", "error": None, "power_state": RUNNING}
    assert on_site(tmp_path, body) == ([("action_finished", finished)], "active")


def test_the_console_of_a_running_server_is_read_and_that_of_another_is_refused_with_the_cure(tmp_path: Path) -> None:
    async def body(site: Site) -> tuple[str, str]:
        await site.built()
        ask = {"context": CONTEXT, "instance": to_json(an_instance()), "length": 3}
        log = await site.bus.call("compute.xs1", "console_output", ask, 10)
        await site.act("stop")
        await asyncio.sleep(5)
        with pytest.raises(Conflict) as refused:
            await site.bus.call("compute.xs1", "console_output", ask, 10)
        return log, refused.value.message

    log, refusal = on_site(tmp_path, body)

    assert 1 <= len(log.splitlines()) <= 3
    assert "Cure: start it" in refusal


def test_an_agent_answers_a_ping_until_it_ends(tmp_path: Path) -> None:
    async def body(site: Site) -> str:
        async with site.agent():
            answer = await site.bus.call("compute.xs1", "ping", {}, 1)
        with pytest.raises(HostUnreachable):
            await site.bus.call("compute.xs1", "ping", {}, 1)
        return str(answer)

    assert on_site(tmp_path, body, with_agent=False) == "pong"


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
            return {name for name, _ in site.cell.told}, {cls: len(found) for cls, found in site.left().items() if cls != "task"}

    told, left = on_site(tmp_path, body, with_agent=False)

    assert told == {"build_progress", "build_succeeded"}
    assert left == {"VM": 1, "VBD": 1, "VIF": 1, "VDI": 1}


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
        return {cls: found for cls, found in site.left().items() if cls != "task"}

    assert on_site(tmp_path, body, with_agent=False) == {cls: [] for cls in NOTHING if cls != "task"}


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

    finished = {"uuid": UUID, "action": "pause", "error": None, "power_state": PAUSED}
    assert on_site(tmp_path, body) == [("action_finished", finished)]
