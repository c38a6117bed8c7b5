"""What hosts of a pool ask of one another, with the pool's secret."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.types import NULL_REF
from tests.fake_xapi.pools.fleets import MASTER, SECOND, Pool, at, over_pool, refused


async def from_a_host(pool: Pool, name: str) -> tuple[object, str]:
    """A host of the pool, and a session that another one has opened there."""
    secret = await pool.call("pool.initial_auth")
    xapi = pool.fleet.hosts[name]
    return xapi, str(await at(xapi, "session.slave_local_login", secret))


def test_a_new_master_is_proposed_confirmed_and_taken_back() -> None:
    async def body(pool: Pool) -> None:
        member, session = await from_a_host(pool, SECOND)
        await at(member, "host.propose_new_master", session, "127.0.1.3", True)
        assert await refused(member, "host.propose_new_master", session, "127.0.1.1", True) == [
            "HA_ABORT_NEW_MASTER",
            "there is already an outstanding proposal: 127.0.1.3",
        ]
        await at(member, "host.abort_new_master", session, "127.0.1.3")
        unknown = ["HA_ABORT_NEW_MASTER", "the address is not the one that was proposed"]
        assert await refused(member, "host.commit_new_master", session, "127.0.1.3") == unknown
        await at(member, "host.propose_new_master", session, "127.0.1.3", True)
        await at(member, "host.commit_new_master", session, "127.0.1.3")
        assert await refused(member, "host.get_all", session) == ["HOST_STILL_BOOTING"]

    over_pool(body)


def test_a_host_says_whether_it_is_well() -> None:
    async def body(pool: Pool) -> None:
        member, session = await from_a_host(pool, SECOND)
        await at(member, "host.local_assert_healthy", session)
        pool.kill(MASTER)
        assert await refused(member, "host.local_assert_healthy", session) == ["HOST_STILL_BOOTING"]

    over_pool(body)


@pytest.mark.parametrize("method", ["host.propose_new_master", "host.local_assert_healthy"])
def test_nobody_else_may_ask(method: str) -> None:
    async def body(pool: Pool) -> list[str]:
        member = pool.fleet.hosts[SECOND]
        session = await at(member, "session.slave_local_login_with_password", "root", "xenroot")
        return await refused(member, method, session, *(["127.0.1.3", True] if "propose" in method else []))

    assert over_pool(body) == ["INTERNAL_ERROR", f'Internal API "{method}" call attempted with non-pool (external) session']


def test_hosts_take_part_in_ha_or_not() -> None:
    async def body(pool: Pool) -> None:
        secret, second = await pool.call("pool.initial_auth"), pool.host(SECOND)
        session = await at(pool.xapi, "session.slave_login", second, secret)
        with pool.world.edit() as edit:
            edit.set(pool.row(second)["metrics"], live=False)
        assert await at(pool.xapi, "host.tickle_heartbeat", session, second, {}) == {}
        assert pool.is_live(second)
        for method in ("ha_disarm_fencing", "ha_join_liveset", "ha_stop_daemon", "ha_release_resources"):
            await at(pool.xapi, f"host.{method}", session, second)
        assert pool.row(second)["ha_statefiles"] == ()

    over_pool(body)


def test_a_host_attaches_the_statefiles_before_ha_begins_and_gives_them_up() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        session = await at(pool.xapi, "session.slave_login", second, await pool.call("pool.initial_auth"))
        statefile = pool.world.ref(next(pool.world.ids("VDI")))
        await at(pool.xapi, "host.preconfigure_ha", session, second, [statefile], NULL_REF, "1")
        assert pool.row(second)["ha_statefiles"] == (statefile,)
        await at(pool.xapi, "host.ha_disable_failover_decisions", session, second)
        await at(pool.xapi, "host.ha_wait_for_shutdown_via_statefile", session, second)
        await at(pool.xapi, "host.ha_release_resources", session, second)
        assert pool.row(second)["ha_statefiles"] == ()

    over_pool(body)


def test_what_concerns_daemons_of_a_real_host_leaves_the_world_as_it_is() -> None:
    async def body(pool: Pool) -> None:
        second = pool.host(SECOND)
        session = await at(pool.xapi, "session.slave_login", second, await pool.call("pool.initial_auth"))
        before = pool.world.fork()
        await at(pool.xapi, "host.request_backup", session, second, "7", True)
        await at(pool.xapi, "host.request_config_file_sync", session, second, "0123")
        await at(pool.xapi, "host.signal_networking_change", session)
        await at(pool.xapi, "host.notify", session, "kind", "params")
        await at(pool.xapi, "pool.ha_schedule_plan_recomputation", session)
        await at(pool.xapi, "host.update_master", session, second, str(pool.row(pool.host(MASTER))["address"]))
        assert {cls: [pool.world[each] for each in pool.world.ids(cls)] for cls in ("host", "pool", "VM", "SR")} == {
            cls: [before[each] for each in before.ids(cls)] for cls in ("host", "pool", "VM", "SR")
        }
        assert pool.is_live(second)

    over_pool(body)
