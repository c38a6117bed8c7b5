"""A pool of several hosts: its master answers for all, its members send callers to him, and are in emergency mode without him."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.engine.forwarding import TARGETS
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.state_file import load_fleet, save_fleet
from fake_xapi.lifecycle.rules import POOL
from tests.fake_xapi.pools.fleets import MASTER, SECOND, THIRD, Pool, at, logged_in, over_pool, refused
from tests.fake_xapi.pools.test_host_life import made_running

LOCAL_LOGIN = ("session.slave_local_login_with_password", "root", "xenroot")


def test_hosts_come_as_pools_and_the_last_may_be_smaller() -> None:
    async def body(pool: Pool) -> None:
        hosts = pool.fleet.hosts
        worlds = [hosts[f"xs0000{number}"].world for number in range(1, 6)]
        assert [world is worlds[0] for world in worlds] == [True, True, False, False, False]
        assert [world.count("host") for world in worlds] == [2, 2, 2, 2, 1]
        assert [xapi.is_master for xapi in hosts.values()] == [True, False, True, False, True]

    over_pool(body, hosts=5, pool_size=2)


def test_each_host_of_a_pool_has_its_own_address_storage_control_domain_and_nics_on_the_pools_networks() -> None:
    async def body(pool: Pool) -> None:
        world = pool.world
        rows = [pool.row(pool.host(name)) for name in (MASTER, SECOND, THIRD)]
        assert [row["address"] for row in rows] == ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
        assert [world[row["control_domain"]]["name_label"] for row in rows] == [
            f"Control domain on host: {name}" for name in (MASTER, SECOND, THIRD)
        ]
        assert len({world[pif]["MAC"] for row in rows for pif in row["PIFs"]}) == 6
        networks = [[world[pif]["network"] for pif in row["PIFs"]] for row in rows]
        assert networks[0] == networks[1] == networks[2]
        stores = [sorted(world[world[pbd]["SR"]]["name_label"] for pbd in row["PBDs"]) for row in rows]
        assert stores == [["DVD drives", "Local storage", "Removable storage", "XenServer Tools"]] * 3
        assert (world.count("SR"), world.count("PBD"), world.count("host_cpu")) == (10, 12, 48)

    over_pool(body)


def test_the_inventory_lists_every_host_with_its_own_url() -> None:
    async def body(pool: Pool) -> None:
        assert pool.fleet.inventory() == [
            {"name": name, "uuid": pool.world.uuid(pool.id(pool.host(name))), "url": f"http://127.0.1.{number}", "user": "root"}
            for number, name in ((1, MASTER), (2, SECOND), (3, THIRD))
        ]

    over_pool(body)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("session.login_with_password", ("root", "xenroot")),
        ("session.login_with_password", ("root", "wrong")),
        ("pool.get_all", ("OpaqueRef:x",)),
        ("VM.start", ()),
        ("Async.VM.start", ()),
        ("host_get_all", ("OpaqueRef:x",)),
        ("no.such_message", ()),
    ],
)
def test_a_member_sends_callers_to_the_master(method: str, params: tuple[str, ...]) -> None:
    async def body(pool: Pool) -> list[str]:
        return await refused(pool.fleet.hosts[SECOND], method, *params)

    assert over_pool(body) == ["HOST_IS_SLAVE", "127.0.1.1"]


def test_a_local_session_serves_what_is_the_hosts_own_and_nothing_else() -> None:
    async def body(pool: Pool) -> None:
        member = pool.fleet.hosts[SECOND]
        session = await at(member, *LOCAL_LOGIN)
        assert await at(member, "pool.is_slave", session, pool.host(SECOND)) is True
        assert await at(member, "host.is_in_emergency_mode", session) is False
        assert await refused(member, "host.get_all", session) == ["HOST_IS_SLAVE", "127.0.1.1"]
        assert await refused(member, LOCAL_LOGIN[0], "root", "wrong") == ["SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"]
        await at(member, "session.local_logout", session)
        assert await refused(member, "host.is_in_emergency_mode", session) == ["SESSION_INVALID", session]

    over_pool(body)


def test_a_session_of_the_pool_is_good_for_transfers_on_every_host() -> None:
    async def body(pool: Pool) -> None:
        session = pool.id(pool.session)
        assert pool.fleet.hosts[THIRD].authorise(pool.session, "get_export") == session

    over_pool(body)


def test_without_its_master_a_member_is_in_emergency_mode() -> None:
    async def body(pool: Pool) -> None:
        member = pool.fleet.hosts[SECOND]
        session = await at(member, *LOCAL_LOGIN)
        death = pool.kill(MASTER)
        assert await at(member, "host.is_in_emergency_mode", session) is True
        for method in ("session.login_with_password", "host.get_all", "session.slave_login"):
            assert await refused(member, method, session) == ["HOST_STILL_BOOTING"]
        pool.fleet.faults.remove(death)
        assert await at(member, "host.is_in_emergency_mode", session) is False

    over_pool(body)


def test_a_dead_member_is_found_out_by_who_calls_it_and_missed_after_ten_minutes() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        death = pool.kill(SECOND)
        assert await pool.refused("host.get_servertime", second) == ["CANNOT_CONTACT_HOST", second]
        await asyncio.sleep(599)
        assert pool.is_live(second)
        await asyncio.sleep(2)
        assert not pool.is_live(second)
        assert await pool.refused("host.get_servertime", second) == ["HOST_OFFLINE", second]
        assert await pool.call("host.get_enabled", second) is True
        pool.fleet.faults.remove(death)
        await asyncio.sleep(31)
        assert pool.is_live(second)
        await pool.call("host.get_servertime", second)

    over_pool(body)


def test_a_pool_comes_back_from_its_file(tmp_path: Path) -> None:
    async def body() -> None:
        fleet = Fleet(Order(hosts=5, pool_size=2, seed=3))
        with fleet.hosts["xs00004"].world.edit() as edit:
            edit.set(POOL, name_label="second pool")
        before = fleet.inventory()
        fleet.machines.off.add("xs00002")
        save_fleet(fleet, tmp_path / "f")
        await fleet.close()
        again = Fleet(load_fleet(tmp_path / "f").order, before=load_fleet(tmp_path / "f"))
        assert again.inventory() == before
        assert [xapi.is_master for xapi in again.hosts.values()] == [True, False, True, False, True]
        assert again.hosts["xs00003"].world is again.hosts["xs00004"].world
        assert again.hosts["xs00003"].world[POOL]["name_label"] == "second pool"
        assert again.hosts["xs00001"].lost == {again.hosts["xs00002"].host}
        with pytest.raises(ConnectionRefusedError, match="xs00002 is off"):
            again.xapi_at("127.0.1.2", 80)
        await logged_in(again.hosts["xs00001"])
        await again.close()

    run_virtual(body())


def test_who_keeps_a_host_in_process_follows_it_into_another_pool_and_hears_when_it_is_off() -> None:
    async def body(pool: Pool) -> None:
        kept = pool.fleet.xapi_of(SECOND)
        session = await logged_in(kept)
        await at(kept, "pool.join", session, "127.0.1.1", "root", "xenroot")
        await asyncio.sleep(1)
        assert await refused(kept, "host.get_all", session) == ["HOST_IS_SLAVE", "127.0.1.1"]
        pool.fleet.machines.off.add(SECOND)
        with pytest.raises(ConnectionRefusedError, match="xs00002 is off"):
            await at(kept, "host.get_all", session)
        with pytest.raises(KeyError):
            pool.fleet.xapi_of("xs00009")

    over_pool(body, hosts=2, pool_size=1)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_what_is_forwarded_is_a_message(name: str) -> None:
    cls, _, message = name.partition(".")
    assert message in {known.name for known in datamodel().classes[cls].messages}


@pytest.mark.parametrize("method", ["pool.eject", "host.evacuate", "host.disable", "host.call_plugin"])
def test_calls_to_a_host_that_died_are_refused(method: str) -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        pool.kill(SECOND)
        more = ["plugin", "main", {}] if "plugin" in method else []
        assert await pool.refused(method, second, *more) == ["CANNOT_CONTACT_HOST", second]
        task = await pool.call(f"Async.{method}", second, *more)
        await asyncio.sleep(0.1)
        assert pool.row(task)["error_info"] == ("CANNOT_CONTACT_HOST", second)

    over_pool(body)


def test_calls_about_what_is_on_a_host_that_died_are_refused() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        vm = made_running(pool, second)
        pif, pbd = (pool.world.ref(pool.row(second)[field][0]) for field in ("PIFs", "PBDs"))
        pool.kill(SECOND)
        refusal = ["CANNOT_CONTACT_HOST", second]
        for method, about in (("VM.pause", vm), ("VM.hard_shutdown", vm), ("PBD.unplug", pbd), ("PIF.plug", pif)):
            assert await pool.refused(method, about) == refusal
        elsewhere = made_running(pool, pool.host(THIRD))
        assert await pool.refused("VM.pool_migrate", elsewhere, second, {}) == refusal
        assert await pool.refused("VM.pool_migrate", vm, pool.host(THIRD), {}) == refusal
        assert await pool.call("VM.get_power_state", vm) == "Running"

    over_pool(body)
