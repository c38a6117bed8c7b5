"""Who leads a pool: by arrangement, and in an emergency."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.lifecycle.rules import POOL
from tests.fake_xapi.pools.fleets import MASTER, SECOND, THIRD, Pool, at, logged_in, over_pool, refused

LOCAL_LOGIN = ("session.slave_local_login_with_password", "root", "xenroot")


def test_a_new_master_answers_for_the_pool_and_the_old_one_sends_callers_to_it() -> None:
    async def body(pool: Pool) -> None:
        await pool.call("pool.designate_new_master", pool.host(SECOND))
        second = pool.fleet.hosts[SECOND]
        session = await logged_in(second)
        assert await at(second, "pool.get_master", session, second.world.ref(POOL)) == pool.host(SECOND)
        assert await at(second, "session.get_this_host", session, session) == pool.host(SECOND)
        for name in (MASTER, THIRD):
            assert await refused(pool.fleet.hosts[name], "host.get_all", session) == ["HOST_IS_SLAVE", "127.0.1.2"]
        assert [xapi.is_master for xapi in pool.fleet.hosts.values()] == [False, True, False]
        assert "POOL_MASTER_TRANSITION" in {row["name"] for _, row in second.world.rows("message")}

    over_pool(body)


def test_who_may_not_be_master() -> None:
    async def body(pool: Pool) -> None:
        second, third = pool.host(SECOND), pool.host(THIRD)
        pool.kill(THIRD)
        assert await pool.refused("pool.designate_new_master", second) == ["CANNOT_CONTACT_HOST", third]
        with pool.world.edit() as edit:
            edit.set(pool.row(second)["metrics"], live=False)
        assert await pool.refused("pool.designate_new_master", second) == ["HOST_NOT_LIVE"]
        with pool.world.edit() as edit:
            edit.set(POOL, ha_enabled=True)
        assert await pool.refused("pool.designate_new_master", second) == ["HA_IS_ENABLED"]

    over_pool(body)


def test_a_member_becomes_master_in_an_emergency_and_recovers_the_others() -> None:
    async def body(pool: Pool) -> None:
        second, third = (pool.fleet.hosts[name] for name in (SECOND, THIRD))
        locally = await at(second, *LOCAL_LOGIN)
        death = pool.kill(MASTER)
        await at(second, "pool.emergency_transition_to_master", locally)
        new = pool.fleet.hosts[SECOND]
        session = await logged_in(new)
        assert await at(new, "pool.get_master", session, new.world.ref(POOL)) == pool.host(SECOND)
        elsewhere = await at(third, *LOCAL_LOGIN)
        assert await at(third, "host.is_in_emergency_mode", elsewhere) is True
        assert await at(new, "pool.recover_slaves", session) == [pool.host(THIRD)]
        assert await at(third, "host.is_in_emergency_mode", elsewhere) is False
        assert await refused(third, "host.get_all", session) == ["HOST_IS_SLAVE", "127.0.1.2"]
        pool.fleet.faults.remove(death)
        old = pool.fleet.hosts[MASTER]
        assert await refused(old, "host.get_all", session) == ["HOST_STILL_BOOTING"]
        assert await at(new, "pool.recover_slaves", session) == [pool.host(MASTER)]
        assert await refused(old, "host.get_all", session) == ["HOST_IS_SLAVE", "127.0.1.2"]
        await asyncio.sleep(31)

    over_pool(body)


def test_a_member_is_told_by_hand_where_its_master_is() -> None:
    async def body(pool: Pool) -> None:
        third = pool.fleet.hosts[THIRD]
        session = await at(third, *LOCAL_LOGIN)
        await at(third, "pool.emergency_reset_master", session, "127.0.1.99")
        assert await refused(third, "host.get_all", session) == ["HOST_STILL_BOOTING"]
        await at(third, "pool.emergency_reset_master", session, "127.0.1.1")
        assert await refused(third, "host.get_all", session) == ["HOST_IS_SLAVE", "127.0.1.1"]

    over_pool(body)


@pytest.mark.parametrize("method", ["pool.emergency_transition_to_master", "pool.emergency_reset_master", "pool.recover_slaves"])
def test_roles_are_not_taken_by_hand_while_ha_gives_them(method: str) -> None:
    async def body(pool: Pool) -> list[str]:
        with pool.world.edit() as edit:
            edit.set(POOL, ha_enabled=True)
        return await pool.refused(method, *(["127.0.1.1"] if "reset" in method else []))

    assert over_pool(body) == ["HA_IS_ENABLED"]


def test_a_host_says_hello() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        uuid = pool.world.uuid(pool.id(second))
        with pool.world.edit() as edit:
            edit.set(pool.row(second)["metrics"], live=False)
        assert await pool.call("pool.hello", uuid, "127.0.1.2") == "ok"
        assert pool.is_live(second)
        assert await pool.call("pool.hello", "2e6a2f3c-0000-4000-8000-000000000000", "127.0.1.2") == "unknown_host"
        pool.kill(SECOND)
        assert await pool.call("pool.hello", uuid, "127.0.1.2") == "cannot_talk_back"

    over_pool(body)
