"""The agent of one host over a simulated XAPI: registration, heartbeats, builds, actions, events."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import HostUnreachable
from compute_core.model.instances import PAUSED, RUNNING, SHUTDOWN
from compute_core.model.json import to_json
from tests.compute_core.compute.agent_site import BEATS_S, CONTEXT, SETTINGS, Site, on_site
from tests.compute_core.rig import NOTHING
from tests.compute_core.simulated import holds
from tests.compute_core.values import UUID, a_vif, an_instance
from tests.compute_core.world import HOST


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


def test_a_build_tells_why_a_root_disk_was_left_as_its_image_has_it(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        await site.build(an_instance(disk_config="AUTO"))
        await asyncio.sleep(10)
        return [arguments for name, arguments in site.cell.told if name == "build_succeeded"]

    told = on_site(tmp_path, body)

    assert told
    assert {arguments["note"].partition(": ")[0] for arguments in told} == {"The root disk is left as the image has it"}


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

    finished: dict[str, Any] = {"uuid": UUID, "action": actions[-1], "error": None, "power_state": end, "changes": {}}
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
    assert arguments == {"uuid": UUID, "action": "pause", "power_state": SHUTDOWN, "changes": {}}


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
        await site.act("snapshot", image_id=image.id)
        await asyncio.sleep(5)
        return site.cell.told, (await site.images.get(image.id)).status

    finished: dict[str, Any] = {"uuid": UUID, "action": "snapshot", "error": None, "power_state": RUNNING, "changes": {}}
    assert on_site(tmp_path, body) == ([("action_finished", finished)], "active")


def test_the_console_of_a_server_is_read_also_when_it_is_halted(tmp_path: Path) -> None:
    async def body(site: Site) -> tuple[str, str]:
        await site.built()
        ask = {"context": CONTEXT, "instance": to_json(an_instance()), "question": "console_output", "arguments": {"length": 3}}
        log = await site.bus.call("compute.xs1", "query", ask, 10)
        await site.act("stop")
        await asyncio.sleep(5)
        return log, await site.bus.call("compute.xs1", "query", ask, 10)

    log, halted = on_site(tmp_path, body)

    assert 1 <= len(log.splitlines()) <= 3
    assert halted.rstrip().endswith("reboot: Power down")


def test_an_agent_answers_a_ping_until_it_ends(tmp_path: Path) -> None:
    async def body(site: Site) -> str:
        async with site.agent():
            answer = await site.bus.call("compute.xs1", "ping", {}, 1)
        with pytest.raises(HostUnreachable):
            await site.bus.call("compute.xs1", "ping", {}, 1)
        return str(answer)

    assert on_site(tmp_path, body, with_agent=False) == "pong"
