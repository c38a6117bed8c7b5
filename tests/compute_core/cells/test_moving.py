"""Servers that move, as their cell sees it: room on both hosts, one transaction for the move, and the way back from everything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.errors import Invalid, NotFound, NoValidHost
from compute_core.model.instances import NO_STATE, RUNNING
from compute_core.store import hosts
from tests.compute_core.cells.books import check_books
from tests.compute_core.cells.cloud import ADMIN, USER, Cloud, is_at_rest
from tests.compute_core.cells.movers import add_movers
from tests.compute_core.cells.moves import resized, rest, seen, statuses
from tests.compute_core.cells.running import Within


def test_a_resize_holds_room_on_both_hosts_until_it_is_confirmed(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        await add_movers(it, "host2", memory_mb=30000)
        await it.api.resize_server(USER, server.uuid, "3")
        claims = await it.claims()
        assert sorted(claims.values()) == ["host1", "host2"]
        assert claims[server.uuid] == "host1"
        waiting = await rest(it, server)
        assert seen(waiting) == ("resized", None, RUNNING, "host2", "3", "2")
        assert (await it.claims())[server.uuid] == "host2"
        assert await statuses(it) == ["finished"]
        await it.api.act(USER, server.uuid, "confirm_resize")
        assert seen(await rest(it, server)) == ("active", None, RUNNING, "host2", "3", None)
        assert await it.claims() == {server.uuid: "host2"}
        assert await statuses(it) == ["confirmed"]
        await check_books(it)

    within(body)


def test_a_reverted_resize_is_as_if_it_had_never_been(within: Within) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1")
        server = await it.active()
        movers |= await add_movers(it, "host2", memory_mb=30000)
        await resized(it, server)
        await it.api.act(USER, server.uuid, "revert_resize")
        assert seen(await rest(it, server)) == ("active", None, RUNNING, "host1", "2", None)
        assert await it.claims() == {server.uuid: "host1"}
        assert await statuses(it) == ["reverted"]
        assert [movers["host1"].asked, movers["host2"].asked] == [["resize", "finish_revert"], ["finish_resize", "revert_resize"]]
        await check_books(it)

    within(body)


def test_a_resize_stays_where_the_only_room_is_and_claims_both_sizes_there(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        waiting = await resized(it, server)
        assert seen(waiting) == ("resized", None, RUNNING, "host1", "3", "2")
        assert sorted((await it.claims()).values()) == ["host1", "host1"]
        stored = await it.leaf.run(hosts.find, "host1")
        assert stored is not None
        assert stored.node.claimed_instances == 2
        await it.api.act(USER, server.uuid, "confirm_resize")
        await rest(it, server)
        await check_books(it)

    within(body)


def test_the_same_host_may_be_forbidden_and_a_migration_never_stays(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        with pytest.raises(NoValidHost, match=r"of 1 hosts 1 have been tried before"):
            await it.api.resize_server(USER, server.uuid, "3")
        with pytest.raises(NoValidHost):
            await it.api.migrate_server(ADMIN, server.uuid, None)
        assert seen(await rest(it, server)) == ("active", None, RUNNING, "host1", "2", None)
        assert await statuses(it) == []
        await check_books(it)

    within(body, cell_settings=ComputeCellSettings(allow_resize_to_same_host=False))


@pytest.mark.parametrize(
    ("refuses", "state", "last"),
    [
        ("resize", ("active", None, RUNNING, "host1", "2", None), "error"),
        ("finish_resize", ("active", None, RUNNING, "host1", "2", None), "reverted"),
    ],
)
def test_a_part_that_fails_leaves_a_whole_server_and_says_why(within: Within, refuses: str, state: Any, last: str) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1", refuses=frozenset({refuses}))
        server = await it.active()
        movers |= await add_movers(it, "host2", memory_mb=30000, refuses=frozenset({refuses}))
        now = await resized(it, server)
        assert seen(now) == state
        assert now.fault is not None
        assert now.fault.message == f"{refuses} failed: broken"
        assert await statuses(it) == [last]
        assert movers["host2"].dropped == ([server.uuid] if refuses == "resize" else [])
        await check_books(it)

    within(body)


def test_a_confirmation_counts_whatever_the_old_host_has_left(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1", refuses=frozenset({"confirm_resize"}))
        server = await it.active()
        await add_movers(it, "host2", memory_mb=30000)
        await resized(it, server)
        await it.api.act(USER, server.uuid, "confirm_resize")
        assert seen(await rest(it, server)) == ("active", None, RUNNING, "host2", "3", None)
        await check_books(it)

    within(body)


@pytest.mark.parametrize("refuses", ["revert_resize", "finish_revert"])
def test_a_revert_that_has_begun_is_asked_for_until_it_is_done(within: Within, refuses: str) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1", refuses=frozenset({refuses}))
        server = await it.active()
        movers |= await add_movers(it, "host2", memory_mb=30000, refuses=frozenset({refuses}))
        await resized(it, server)
        await it.api.act(USER, server.uuid, "revert_resize")
        await asyncio.sleep(200)
        movers["host1"].refuses = movers["host2"].refuses = frozenset()
        now = await it.until(server.uuid, is_at_rest)
        assert seen(now) == ("active", None, RUNNING, "host1", "2", None)
        await check_books(it)

    within(body)


def test_a_live_migration_moves_server_and_claim_in_one_step(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        await add_movers(it, "host2")
        (host1, host2) = (it.agents["host1"], it.agents["host2"])
        host1.others = host2.others = it.agents  # type: ignore[attr-defined]
        await it.api.live_migrate_server(ADMIN, server.uuid, "host2", moves_disks=None)
        (under_way,) = await it.api.server_migrations(ADMIN, server.uuid)
        assert (under_way.status, under_way.source, under_way.destination) == ("preparing", "host1", "host2")
        await it.bus.cast("cell.cell1", "migration_progress", {"uuid": server.uuid, "progress": 40, "host": "host1"})
        await asyncio.sleep(0.2)
        (under_way,) = await it.api.server_migrations(ADMIN, server.uuid)
        assert (under_way.status, under_way.progress) == ("running", 40)
        moved = await rest(it, server)
        assert (seen(moved), moved.progress) == (("active", None, RUNNING, "host2", "2", None), 100)
        assert await it.claims() == {server.uuid: "host2"}
        assert await it.api.server_migrations(ADMIN, server.uuid) == ()
        assert await statuses(it) == ["completed"]
        await check_books(it)

    within(body)


def test_what_comes_and_goes_is_wanted_on_both_hosts(within: Within) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1", part_s=100.0)
        server = await it.active()
        movers |= await add_movers(it, "host2")
        await it.api.live_migrate_server(ADMIN, server.uuid, None, moves_disks=None)
        movers["host2"].vms[server.uuid] = RUNNING
        await asyncio.sleep(30)
        assert movers["host2"].unwanted == []

    within(body)


def test_who_is_on_the_way_may_be_steered_and_nobody_else(within: Within) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1", part_s=10.0)
        server = await it.active()
        await add_movers(it, "host2")
        await it.api.live_migrate_server(ADMIN, server.uuid, None, moves_disks=None)
        (record,) = await it.api.server_migrations(ADMIN, server.uuid)
        await it.api.steer_migration(ADMIN, server.uuid, record.id, "abort_live_migration")
        assert movers["host1"].steered == ["abort_live_migration"]
        with pytest.raises(NotFound, match="Migration 99 could not be found"):
            await it.api.steer_migration(ADMIN, server.uuid, 99, "abort_live_migration")
        await it.bus.cast("cell.cell1", "action_finished", {
            "uuid": server.uuid, "action": "live_migrate", "error": None, "power_state": RUNNING,
            "changes": {"was_cancelled": True}, "host": "host1",
        })  # fmt: skip
        assert seen(await rest(it, server)) == ("active", None, RUNNING, "host1", "2", None)
        with pytest.raises(Invalid, match="is cancelled"):
            await it.api.steer_migration(ADMIN, server.uuid, record.id, "abort_live_migration")
        await check_books(it)

    within(body)


def test_an_evacuated_server_lives_on_elsewhere_and_its_old_vm_is_not_wanted(within: Within) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1")
        server = await it.active()
        movers |= await add_movers(it, "host2")
        with pytest.raises(Invalid, match="Compute service of host1 is still in use"):
            await it.api.evacuate_server(ADMIN, server.uuid, None, "secret")
        await movers["host1"].stop()
        await asyncio.sleep(90)
        await it.api.evacuate_server(ADMIN, server.uuid, None, "secret")
        assert seen(await rest(it, server)) == ("active", None, RUNNING, "host2", "2", None)
        assert await it.claims() == {server.uuid: "host2"}
        assert await statuses(it) == ["done"]
        await movers["host1"].start()
        assert movers["host1"].unwanted == [server.uuid]
        await check_books(it)

    within(body)


def test_an_evacuation_that_fails_leaves_the_server_to_its_old_host(within: Within) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1")
        server = await it.active()
        await add_movers(it, "host2", refuses=frozenset({"evacuate"}))
        await movers["host1"].stop()
        await asyncio.sleep(90)
        await it.api.evacuate_server(ADMIN, server.uuid, None, "secret")
        assert seen(await rest(it, server)) == ("error", None, NO_STATE, "host1", "2", None)
        assert await it.claims() == {server.uuid: "host1"}
        await check_books(it)

    within(body)


def test_a_resize_is_confirmed_by_itself_after_the_cells_window(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        waiting = await resized(it, server)
        assert waiting.vm_state == "resized"
        await asyncio.sleep(500)
        assert (await it.api.get_server(USER, server.uuid)).vm_state == "resized"
        await asyncio.sleep(200)
        assert (await it.api.get_server(USER, server.uuid)).vm_state == "active"
        assert await statuses(it) == ["confirmed"]

    within(body, cell_settings=ComputeCellSettings(resize_confirm_window_s=600.0))


def test_a_confirmation_waits_for_no_host_that_is_gone(within: Within) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1")
        server = await it.active()
        await add_movers(it, "host2", memory_mb=30000)
        await resized(it, server)
        await movers["host1"].stop()
        await it.api.act(USER, server.uuid, "confirm_resize")
        now = await it.until(server.uuid, lambda now: now.vm_state == "active")
        assert seen(now) == ("active", None, RUNNING, "host2", "3", None)
        await check_books(it)

    within(body)


def test_a_confirmation_that_was_not_heard_is_sent_again(within: Within) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1", mute=frozenset({"confirm_resize"}))
        server = await it.active()
        await resized(it, server)
        await it.api.act(USER, server.uuid, "confirm_resize")
        await asyncio.sleep(200)
        movers["host1"].mute = frozenset()
        await it.until(server.uuid, lambda now: now.vm_state == "active")
        assert movers["host1"].asked.count("confirm_resize") >= 2

    within(body)


def test_a_part_of_which_nobody_hears_is_given_up(within: Within) -> None:
    async def body(it: Cloud) -> None:
        movers = await add_movers(it, "host1", mute=frozenset({"resize"}))
        server = await it.active()
        movers |= await add_movers(it, "host2", memory_mb=30000)
        await it.api.resize_server(USER, server.uuid, "3")
        now = await it.until(server.uuid, is_at_rest)
        assert seen(now) == ("active", None, RUNNING, "host1", "2", None)
        assert now.fault is not None
        assert now.fault.message == "resize failed: it was not finished in time"
        assert movers["host2"].dropped == [server.uuid]
        await check_books(it)

    within(body, cell_settings=ComputeCellSettings(action_timeout_s=600.0))


def test_a_deletion_ends_a_move_and_frees_both_hosts(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        await add_movers(it, "host2", memory_mb=30000)
        await resized(it, server)
        await it.api.delete_server(USER, server.uuid)
        await it.gone(server.uuid)
        assert await it.claims() == {}
        assert await statuses(it) == ["error"]
        await check_books(it)

    within(body)


def test_no_host_is_overcommitted_by_moves_that_compete(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1", memory_mb=16384)
        servers = [await it.active() for _ in range(4)]
        await add_movers(it, "host2", memory_mb=6000)
        moves = [it.api.migrate_server(ADMIN, server.uuid, None) for server in servers]
        answers = await asyncio.gather(*moves, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["NoValidHost", "NoValidHost", "NoneType", "NoneType"]
        stored = await it.leaf.run(hosts.find, "host2")
        assert stored is not None
        assert stored.node.claimed_instances == 2

    within(body)
