"""Management of a host that has lost its master."""

from __future__ import annotations

from tests.fake_xapi.pools.fleets import MASTER, SECOND, Pool, at, over_pool, refused

LOCAL_LOGIN = ("session.slave_local_login_with_password", "root", "xenroot")


def test_a_host_that_has_lost_its_master_moves_its_management_by_hand() -> None:
    async def body(pool: Pool) -> None:
        second = pool.fleet.hosts[SECOND]
        session = await at(second, *LOCAL_LOGIN)
        assert await refused(second, "host.local_management_reconfigure", session, "xenbr1") == ["NOT_IN_EMERGENCY_MODE"]
        pifs = [pif for pif in pool.row(pool.host(SECOND))["PIFs"] if pool.world[pif]["device"] == "eth1"]
        pool.kill(MASTER)
        assert await refused(second, "host.local_management_reconfigure", session, "xenbr1") == ["INTERFACE_HAS_NO_IP", "xenbr1"]
        with pool.world.edit() as edit:
            edit.set(pifs[0], ip_configuration_mode="Static", IP="127.9.9.9")
        await at(second, "host.local_management_reconfigure", session, "xenbr1")
        assert pool.world[pifs[0]]["management"] is True
        assert pool.row(pool.host(SECOND))["address"] == "127.9.9.9"

    over_pool(body)
