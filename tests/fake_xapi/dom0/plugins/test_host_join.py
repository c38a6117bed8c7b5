"""``xenhost.host_join``: a host asks its own dom0 to make it a member of another pool."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.dom0.plugins.dom0 import packed
from tests.fake_xapi.pools.fleets import SECOND, Pool, at, logged_in, over_pool, refused

GIVEN = {"compute_uuid": "", "url": "", "user": "root", "password": "xenroot", "master_addr": "127.0.1.1", "master_user": "root"}


async def _join(pool: Pool, call: Any, **args: str) -> Any:
    xapi = pool.fleet.hosts[SECOND]
    session = await logged_in(xapi)
    return await call(xapi, "host.call_plugin", session, xapi.world.ref(xapi.host), "xenhost.py", "host_join", {**GIVEN, **args})


@pytest.mark.parametrize("force", ["false", "true"])
def test_a_host_joins_a_pool(force: str) -> None:
    async def body(pool: Pool) -> None:
        assert await _join(pool, at, master_pass="xenroot", force=force) == "null"
        assert sorted(row["name_label"] for _, row in pool.world.rows("host")) == ["xs00001", SECOND]

    over_pool(body, hosts=2, pool_size=1)


def test_what_keeps_it_out_is_told_as_xapi_tells_it() -> None:
    async def body(pool: Pool) -> None:
        assert (await _join(pool, refused, master_pass="wrong"))[0] == "SESSION_AUTHENTICATION_FAILED"
        assert pool.world.count("host") == 1

    over_pool(body, hosts=2, pool_size=1)


def test_a_master_that_was_not_named() -> None:
    async def body(pool: Pool) -> None:
        answer = await _join(pool, refused, **packed())
        assert answer == ["XENAPI_PLUGIN_EXCEPTION", "host_join", "ArgumentError", "Argument 'master_addr' is required."]

    over_pool(body, hosts=2, pool_size=1)
