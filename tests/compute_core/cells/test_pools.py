"""Aggregates that are pools: what is asked of hosts, what becomes of a refusal, and of whoever is killed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from compute_core.model.aggregates import Aggregate
from compute_core.model.errors import Conflict
from tests.compute_core.cells.cloud import ADMIN, Cloud
from tests.compute_core.cells.keepers import Keeper
from tests.compute_core.cells.running import Within


@dataclass
class Poolable(Keeper):
    """Its host is in another pool ``restart_s`` after it was told so, and says so at its next heartbeat."""

    restart_s: float = 60.0
    name: str = ""
    joins: int = 0
    is_known: bool = False

    async def _name_pool(self, arguments: Mapping[str, Any]) -> None:
        self.name = arguments["name"]

    async def _has_member(self, arguments: Mapping[str, Any]) -> bool:
        others = [each for each in self.others.values() if f"uuid-{each.host}" == arguments["uuid"]]
        return any(isinstance(each, Poolable) and each.is_known for each in others)

    async def _join(self, arguments: Mapping[str, Any]) -> None:
        assert arguments["address"] == "10.1.0.1"
        self.joins += 1
        self.is_known = True
        self._later(self._move("pool-a", is_master=False))

    async def _eject(self, arguments: Mapping[str, Any]) -> None:
        assert arguments["pool"] == self.pool
        self.is_known = False
        self._later(self._move(f"pool-{self.host}", is_master=True))

    async def _move(self, pool: str, *, is_master: bool) -> None:
        await asyncio.sleep(self.restart_s)
        self.pool, self.is_master = pool, is_master


async def add_hosts(it: Cloud, *names: str) -> dict[str, Poolable]:
    hosts = {name: Poolable(it.bus, name, pool=f"pool-{name}") for name in names}
    for name, host in hosts.items():
        host.others = dict(hosts)
        it.agents[name] = host
        await host.start()
    return hosts


async def a_pool(it: Cloud, *hosts: str) -> Aggregate:
    """A pool of these hosts, which all have come."""
    made = await it.api.create_aggregate(ADMIN, "blue", None)
    await it.api.set_aggregate_metadata(ADMIN, made.id, {"hypervisor_pool": "true"})
    for host in hosts:
        await it.api.add_aggregate_host(ADMIN, made.id, host)
        await settled(it, made.id)
    return await it.api.get_aggregate(ADMIN, made.id)


async def settled(it: Cloud, number: int) -> Aggregate:
    async with asyncio.timeout(3600):
        while True:
            found = await it.api.get_aggregate(ADMIN, number)
            if not found.changing:
                return found
            await asyncio.sleep(1)


async def in_use(it: Cloud) -> dict[str, bool]:
    return {node.report.host: node.is_enabled for node in await it.api.list_hosts(ADMIN)}


def test_the_first_host_names_the_pool_and_the_next_joins_it_and_is_in_use_once_it_is_there(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_hosts(it, "a", "b")
        pool = await a_pool(it, "a")
        assert (hosts["a"].name, hosts["a"].tended, pool.hosts) == ("blue", ["name_pool"], ("a",))

        begun = await it.api.add_aggregate_host(ADMIN, pool.id, "b")

        assert (begun.hosts, begun.changing, await in_use(it)) == (("a", "b"), {"b": "join"}, {"a": True, "b": False})
        with pytest.raises(Conflict, match=r"is changing: the join of host b is under way"):
            await it.api.remove_aggregate_host(ADMIN, pool.id, "a")
        done = await settled(it, pool.id)
        assert (done.hosts, hosts["b"].joins, hosts["b"].tended) == (("a", "b"), 1, ["join"])
        assert await in_use(it) == {"a": True, "b": True}

    within(body)


def test_a_host_that_is_in_the_pool_already_only_joins_the_aggregate(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_hosts(it, "a", "b")
        hosts["b"].pool, hosts["b"].is_master = "pool-a", False
        await hosts["b"].beat()
        pool = await a_pool(it, "a", "b")
        assert (pool.hosts, hosts["b"].tended, await in_use(it)) == (("a", "b"), [], {"a": True, "b": True})

    within(body)


def test_a_refusal_reaches_who_asked_and_everything_is_as_before(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_hosts(it, "a", "b")
        pool = await a_pool(it, "a")
        hosts["b"].refused["join"] = "JOINING_HOST_CANNOT_HAVE_RUNNING_VMS []"
        with pytest.raises(Conflict) as refusal:
            await it.api.add_aggregate_host(ADMIN, pool.id, "b")
        assert refusal.value.message == (
            f"Cannot add host to aggregate {pool.id}. Reason: b: join is refused: JOINING_HOST_CANNOT_HAVE_RUNNING_VMS []"
        )
        after = await it.api.get_aggregate(ADMIN, pool.id)
        assert (after.hosts, after.changing, await in_use(it)) == (("a",), {}, {"a": True, "b": True})
        assert await it.api.list_upkeep(ADMIN) == ()

    within(body)


@pytest.mark.parametrize("killed", [False, True])
def test_what_the_master_refuses_to_say_leaves_the_host_in_use(within: Within, killed: bool) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_hosts(it, "a", "b")
        pool = await a_pool(it, "a")
        hosts["a"].refused["has_member"] = "INTERNAL_ERROR []"
        if killed:
            await hosts["a"].stop()
        asking = asyncio.create_task(it.api.add_aggregate_host(ADMIN, pool.id, "b"))
        if killed:
            await asyncio.sleep(100)
            await asking
            await hosts["a"].start()
        else:
            with pytest.raises(Conflict, match="a: has_member is refused: INTERNAL_ERROR"):
                await asking
        await settled(it, pool.id)
        assert (await it.api.list_upkeep(ADMIN), await in_use(it), hosts["b"].joins) == ((), {"a": True, "b": True}, 0)

    within(body)


def test_a_host_leaves_the_pool_when_it_has_no_servers_and_the_master_leaves_last(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_hosts(it, "a", "b")
        pool = await a_pool(it, "a", "b")
        server = await it.active(target_host="b")
        with pytest.raises(Conflict, match="Host b has 1 servers, whose disks would be lost"):
            await it.api.remove_aggregate_host(ADMIN, pool.id, "b")
        with pytest.raises(Conflict, match="a is the master, and the pool is not empty"):
            await it.api.remove_aggregate_host(ADMIN, pool.id, "a")
        assert (await it.api.get_aggregate(ADMIN, pool.id)).hosts == ("a", "b")
        await it.api.force_delete(ADMIN, server.uuid)
        await it.gone(server.uuid)
        begun = await it.api.remove_aggregate_host(ADMIN, pool.id, "b")
        assert (begun.hosts, begun.changing) == (("a", "b"), {"b": "eject"})
        done = await settled(it, pool.id)
        assert (done.hosts, hosts["b"].pool, hosts["b"].tended.count("eject")) == (("a",), "pool-b", 1)
        assert (await it.api.remove_aggregate_host(ADMIN, pool.id, "a")).hosts == ()
        assert await in_use(it) == {"a": True, "b": True}

    within(body)


@pytest.mark.parametrize("killed", ["api", "cell"])
@pytest.mark.parametrize("after_s", [0.0, 5.0])
def test_who_is_killed_while_a_host_joins_goes_on_and_it_joins_once(within: Within, killed: str, after_s: float) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_hosts(it, "a", "b")
        pool = await a_pool(it, "a")
        asking = asyncio.create_task(it.api.add_aggregate_host(ADMIN, pool.id, "b"))
        await asyncio.sleep(after_s)
        victim = it.api if killed == "api" else it.cell
        await victim.close()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(5)
        await victim.start()
        done = await settled(it, pool.id)
        assert hosts["b"].joins in ({1} if done.hosts == ("a", "b") else {0})
        await asyncio.sleep(30)
        assert await in_use(it) == {"a": True, "b": True}

    within(body)


def test_an_agent_that_does_not_answer_is_asked_again_and_what_it_has_done_is_looked_up(within: Within) -> None:
    async def body(it: Cloud) -> None:
        hosts = await add_hosts(it, "a", "b")
        pool = await a_pool(it, "a")
        await hosts["b"].stop()
        asking = asyncio.create_task(it.api.add_aggregate_host(ADMIN, pool.id, "b"))
        await asyncio.sleep(100)
        begun = await asking
        assert begun.changing == {"b": "join"}
        await hosts["b"].start()
        done = await settled(it, pool.id)
        assert (done.hosts, hosts["b"].joins) == (("a", "b"), 1)

    within(body)
