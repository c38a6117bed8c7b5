"""Hosts in maintenance, booted, off and on: what becomes of their servers, and what operators are told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from compute_core.cells.compute_cell import ComputeCell
from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.errors import Conflict, Forbidden, NotFound
from compute_core.model.instances import Instance
from compute_core.model.upkeep import Upkeep
from compute_core.store import instances
from tests.compute_core.cells.cloud import ADMIN, USER, Cloud, is_at_rest
from tests.compute_core.cells.keepers import add_keepers
from tests.compute_core.cells.running import Within

RESUMES = {"cell_settings": ComputeCellSettings(resume_guests_state_on_host_boot=True)}


async def servers_on(it: Cloud, host: str, count: int) -> list[str]:
    """So many servers that run there."""
    built = [(await it.active(target_host=host, flavor_id="1")).uuid for _ in range(count)]
    await asyncio.sleep(1)
    return built


async def reached(it: Cloud, host: str, stage: str) -> Upkeep:
    """The upkeep of a host once it is in a stage."""
    async with asyncio.timeout(3600):
        while True:
            found = [job for job in await it.api.list_upkeep(ADMIN) if job.host == host]
            if found and found[0].stage == stage:
                return found[0]
            await asyncio.sleep(1)


async def in_use(it: Cloud, host: str) -> None:
    """Wait until nothing is done with a host any more."""
    async with asyncio.timeout(3600):
        while True:
            if host not in {job.host for job in await it.api.list_upkeep(ADMIN)}:
                return
            await asyncio.sleep(1)


async def seen(it: Cloud, uuid: str) -> Instance:
    await asyncio.sleep(1)
    return await it.top.run(instances.get, uuid)


async def status(it: Cloud, host: str) -> tuple[bool, str | None]:
    (node,) = await it.api.list_hosts(ADMIN, (host,))
    return node.is_enabled, node.disabled_reason


def test_in_maintenance_every_server_goes_elsewhere_a_few_at_a_time_and_none_comes(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_keepers(it, "a", "b", part_s=10.0)
        running = await servers_on(it, "a", 6)
        halted, other = await servers_on(it, "a", 2)
        await it.api.act(USER, halted, "stop")
        await it.until(halted, is_at_rest)

        job = await it.api.tend_host(ADMIN, "a", "enter", reason="new disks")

        assert job is not None
        assert (job.stage, await status(it, "a")) == ("leaving", (False, "new disks"))
        await asyncio.sleep(1)
        at_work = [server for server in [await it.leaf.run(instances.get, uuid) for uuid in [*running, halted, other]] if server.task_state]
        assert len(at_work) == 4
        ended = await reached(it, "a", "in maintenance")
        assert (ended.stuck, hosts["a"].vms, hosts["a"].is_host_enabled) == ((), {}, False)
        assert hosts["a"].formers == {}
        for uuid in (*running, other):
            assert ((await seen(it, uuid)).host, (await seen(it, uuid)).vm_state) == ("b", "active")
        assert (await seen(it, halted)).host == "b"
        assert ended.tried == {**dict.fromkeys([*running, other], ("live_migrate",)), halted: ("resize",)}
        assert (await it.active()).host == "b"

        await it.api.tend_host(ADMIN, "a", "end")
        await in_use(it, "a")
        assert (hosts["a"].is_host_enabled, await status(it, "a")) == (True, (True, None))

    within(body)


def test_a_server_that_does_not_go_while_it_runs_is_halted_on_the_way_unless_that_is_ruled_out(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_keepers(it, "a", "b", refuses=frozenset({"live_migrate"}))
        first, second = await servers_on(it, "a", 1), await servers_on(it, "b", 1)
        await it.api.tend_host(ADMIN, "a", "enter")
        ended = await reached(it, "a", "in maintenance")
        moved = await seen(it, first[0])
        assert (moved.host, moved.vm_state, ended.tried) == ("b", "active", {first[0]: ("live_migrate", "resize")})
        await it.api.tend_host(ADMIN, "a", "end")
        await in_use(it, "a")

        await it.api.tend_host(ADMIN, "b", "enter", may_halt=False)
        stuck = await reached(it, "b", "stuck")
        assert {(each.uuid, each.name, each.reason) for each in stuck.stuck} == {
            (uuid, "web", "live_migrate failed: broken") for uuid in (first[0], second[0])
        }
        await it.api.tend_host(ADMIN, "b", "enter")
        await reached(it, "b", "in maintenance")

    within(body)


def test_what_cannot_leave_is_told_with_the_reason_and_may_be_tried_again(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_keepers(it, "a")
        lonely, paused = await servers_on(it, "a", 2)
        await it.api.act(USER, paused, "pause")
        await it.until(paused, is_at_rest)
        await it.api.tend_host(ADMIN, "a", "enter")
        job = await reached(it, "a", "stuck")
        assert {each.uuid: each.reason for each in job.stuck} == {
            lonely: "No valid host was found: of 1 hosts 1 are disabled.",
            paused: "It is paused: such a server is neither moved nor stopped by itself.",
        }
        assert (hosts["a"].tended, await status(it, "a")) == ([], (False, "maintenance"))
        await add_keepers(it, "b")
        hosts["a"].others["b"] = it.agents["b"]  # type: ignore[assignment]
        await it.api.act(USER, paused, "unpause")
        await it.until(paused, is_at_rest)
        await it.api.tend_host(ADMIN, "a", "enter")
        await reached(it, "a", "in maintenance")
        assert {(await seen(it, uuid)).host for uuid in (lonely, paused)} == {"b"}

    within(body)


def test_a_move_that_cannot_be_confirmed_keeps_no_other_server_back_and_is_told(within: Within, monkeypatch: pytest.MonkeyPatch) -> None:
    acting, stubborn = ComputeCell.act, list[str]()

    async def refusing(cell: ComputeCell, context: Any, uuid: str, action: str, arguments: Any, **more: Any) -> Any:
        if action == "confirm_resize":
            stubborn[:] = stubborn or [uuid]
            if uuid in stubborn:
                raise Conflict("It is not at rest.")
        return await acting(cell, context, uuid, action, arguments, **more)

    monkeypatch.setattr(ComputeCell, "act", refusing)

    async def body(it: Cloud) -> None:
        await add_keepers(it, "a", "b", refuses=frozenset({"live_migrate"}))
        built = await servers_on(it, "a", 6)
        await it.api.tend_host(ADMIN, "a", "enter")
        job = await reached(it, "a", "stuck")
        assert {(await seen(it, uuid)).host for uuid in built} == {"b"}
        assert [(each.uuid, each.reason) for each in job.stuck] == [
            (stubborn[0], "It has left, but its move cannot be confirmed: It is not at rest.")
        ]
        assert [(await seen(it, uuid)).vm_state for uuid in built if uuid not in stubborn] == ["active"] * 5

    within(body)


def test_a_cell_that_is_killed_during_maintenance_goes_on_with_it(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_keepers(it, "a", "b", part_s=20.0)
        built = await servers_on(it, "a", 6)
        await it.api.tend_host(ADMIN, "a", "enter")
        await asyncio.sleep(5)
        await it.cell.close()
        await asyncio.sleep(5)
        await it.cell.start()
        await reached(it, "a", "in maintenance")
        assert {(await seen(it, uuid)).host for uuid in built} == {"b"}

    within(body)


@pytest.mark.parametrize("resumes", [True, False])
def test_a_host_boots_with_its_servers_stopped_which_run_again_where_that_is_wanted(within: Within, resumes: bool) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_keepers(it, "a", "b")
        ran, was_off = await servers_on(it, "a", 2)
        await it.api.act(USER, was_off, "stop")
        await it.until(was_off, is_at_rest)
        await it.api.tend_host(ADMIN, "a", "reboot", clearing="stop")
        job = await reached(it, "a", "going down")
        assert (job.stopped, job.boot_time, await status(it, "a")) == ((ran,), "1", (False, "reboot"))
        await in_use(it, "a")
        assert (hosts["a"].boots, hosts["a"].tended.count("reboot"), await status(it, "a")) == (2, 1, (True, None))
        await asyncio.sleep(10)
        assert (await seen(it, ran)).vm_state == ("active" if resumes else "stopped")
        assert (await seen(it, was_off)).vm_state == "stopped"

    within(body, **(RESUMES if resumes else {}))


def test_a_host_in_maintenance_boots_and_stays_there_and_its_stopped_servers_run_when_it_ends(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_keepers(it, "a")
        (ran,) = await servers_on(it, "a", 1)
        await it.api.tend_host(ADMIN, "a", "enter", reason="memory")
        await reached(it, "a", "stuck")
        await it.api.tend_host(ADMIN, "a", "reboot", clearing="stop")
        await reached(it, "a", "going down")
        job = await reached(it, "a", "in maintenance")
        assert (job.reason, job.stopped, hosts["a"].is_host_enabled) == ("memory", (ran,), False)
        await it.api.tend_host(ADMIN, "a", "end")
        await in_use(it, "a")
        await it.until(ran, lambda server: server.vm_state == "active")
        assert await status(it, "a") == (True, None)

    within(body, **RESUMES)


def test_a_host_is_off_until_a_neighbour_switches_it_on_and_is_in_use_then_as_it_was(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_keepers(it, "a", "b", pool="pool-1")
        hosts["b"].is_master = False
        await it.api.tend_host(ADMIN, "b", "disable", reason="spare")
        await it.api.tend_host(ADMIN, "b", "shutdown")
        await reached(it, "b", "off")
        with pytest.raises(Conflict, match="Host b is off"):
            await it.api.tend_host(ADMIN, "b", "end")
        await it.api.tend_host(ADMIN, "b", "power_on")
        await in_use(it, "b")
        assert (hosts["b"].boots, await status(it, "b"), hosts["a"].tended) == (2, (False, "spare"), ["power_on"])

    within(body)


def test_what_a_host_refuses_is_told_and_asked_for_again(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_keepers(it, "a")
        hosts["a"].refused["reboot"] = "HOST_IN_USE [x, VM, y]"
        await it.api.tend_host(ADMIN, "a", "reboot", clearing="stop")
        await asyncio.sleep(20)
        (job,) = await it.api.list_upkeep(ADMIN)
        assert (job.stage, job.fault) == ("closing", "a: reboot is refused: HOST_IN_USE [x, VM, y]")
        hosts["a"].refused.clear()
        await in_use(it, "a")
        assert hosts["a"].boots == 2

    within(body)


def test_what_does_not_fit_is_refused(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_keepers(it, "a")
        await add_keepers(it, "b", boot_s=10000.0)
        asked = it.api.tend_host
        await asked(ADMIN, "b", "reboot")
        await reached(it, "b", "going down")
        for kind, words, request in (
            (Forbidden, "Policy", asked(USER, "a", "enter")),
            (Forbidden, "Policy", it.api.list_upkeep(USER)),
            (NotFound, "Compute host c could not be found", asked(ADMIN, "c", "enter")),
            (Conflict, "Host a is not in maintenance", asked(ADMIN, "a", "end")),
            (Conflict, "Host a is up", asked(ADMIN, "a", "power_on")),
            (Conflict, "Host b is going down", asked(ADMIN, "b", "enter")),
            (Conflict, "Host b is going down, and not off", asked(ADMIN, "b", "power_on")),
            (Conflict, "Host b is going down. Cure: end its maintenance first", asked(ADMIN, "b", "enable")),
        ):
            with pytest.raises(kind, match=words):
                await request
        await it.agents["a"].stop()
        await asyncio.sleep(100)
        with pytest.raises(Conflict, match="Host a has no neighbour in a pool that could switch it on"):
            await asked(ADMIN, "a", "power_on")
        assert [replace(job, since="") for job in await it.api.list_upkeep(ADMIN)] == [
            Upkeep("b", "going down", "", reason="reboot", then="reboot", returns=True, boot_time="1")
        ]

    within(body)


def test_a_host_is_taken_out_of_use_at_once_and_xenserver_is_told_if_that_is_asked(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_keepers(it, "a")
        await it.api.tend_host(ADMIN, "a", "disable", reason="noisy")
        assert (await status(it, "a"), hosts["a"].is_host_enabled) == ((False, "noisy"), True)
        await it.api.tend_host(ADMIN, "a", "disable", on_host=True)
        assert (await status(it, "a"), hosts["a"].is_host_enabled) == ((False, None), False)
        await it.api.tend_host(ADMIN, "a", "enable", on_host=True)
        assert (await status(it, "a"), hosts["a"].is_host_enabled) == ((True, None), True)

    within(body)


def test_a_host_that_takes_long_keeps_no_other_waiting(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_keepers(it, "a", "b", "c", pool="pool-1")
        hosts["b"].is_master = hosts["c"].is_master = False
        await it.api.tend_host(ADMIN, "b", "shutdown")
        await reached(it, "b", "off")
        hosts["b"].boot_s = 800.0
        await it.api.tend_host(ADMIN, "b", "power_on")
        await asyncio.sleep(5)
        async with asyncio.timeout(300):
            await it.api.tend_host(ADMIN, "c", "reboot", clearing="stop")
            await in_use(it, "c")
        assert (hosts["c"].boots, hosts["b"].boots) == (2, 1)
        await in_use(it, "b")
        assert hosts["b"].boots == 2

    within(body)
