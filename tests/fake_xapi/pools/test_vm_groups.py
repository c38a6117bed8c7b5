"""Groups of VMs that should be apart: where they start, and the alert when they are all on one host."""

from __future__ import annotations

from typing import Any

import pytest

from fake_xapi.verbs.vms.vm_groups import ALERT
from tests.fake_xapi.pools.fleets import SECOND, THIRD, Pool, over_pool
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD


async def group(pool: Pool, placement: str = "anti_affinity") -> str:
    """A group of VMs."""
    return str(await pool.call("VM_group.create", {"name_label": "apart", "name_description": "", "placement": placement}))


async def members(pool: Pool, wanted: str, count: int, **fields: Any) -> list[str]:
    """Halted VMs of a group."""
    made = [str(await pool.call("VM.create", {**VM_RECORD, **fields})) for _ in range(count)]
    for vm in made:
        await pool.call("VM.set_groups", vm, [wanted])
    return made


def alerts(pool: Pool) -> list[str]:
    """The bodies of the alerts."""
    return [row["body"] for _, row in sorted(pool.world.rows("message")) if row["name"] == ALERT]


def breach(pool: Pool, wanted: str, host: str) -> str:
    """What the alert says."""
    uuids = (pool.world.uuid(pool.id(wanted)), pool.world.uuid(pool.id(pool.host(host))))
    said = "<body><message>Breach on VM anti-affinity rules</message><VM_group>{}</VM_group><host>{}</host></body>"
    return said.format(*uuids)


def test_vms_that_should_be_apart_start_on_different_hosts() -> None:
    async def body(pool: Pool) -> list[str]:
        vms = await members(pool, await group(pool), 3)
        for vm in vms:
            await pool.call("VM.start", vm, False, False)
        return [pool.world[pool.row(vm)["resident_on"]]["name_label"] for vm in vms]

    assert len(set(over_pool(body))) == 3


def test_affinity_goes_before_and_a_plain_group_means_nothing() -> None:
    async def body(pool: Pool) -> list[str]:
        home = pool.host(SECOND)
        vms = await members(pool, await group(pool), 2, affinity=home) + await members(pool, await group(pool, "normal"), 2, affinity=home)
        for vm in vms:
            await pool.call("VM.start", vm, False, False)
        return [pool.world[pool.row(vm)["resident_on"]]["name_label"] for vm in vms]

    assert over_pool(body) == [SECOND] * 4


def test_a_vm_is_in_one_group_at_most() -> None:
    async def body(pool: Pool) -> None:
        one, other = await group(pool), await group(pool)
        [vm] = await members(pool, one, 1)
        assert await pool.refused("VM.set_groups", vm, [one, other]) == ["TOO_MANY_GROUPS"]
        await pool.call("VM.set_groups", vm, [other])
        assert (pool.row(one)["VMs"], pool.row(other)["VMs"]) == ((), (pool.id(vm),))
        await pool.call("VM.set_groups", vm, ["OpaqueRef:NULL"])
        assert (pool.row(vm)["groups"], pool.row(other)["VMs"]) == ((), ())

    over_pool(body)


def test_the_alert_comes_when_all_are_on_one_host_and_goes_when_they_are_not() -> None:
    async def body(pool: Pool) -> None:
        wanted = await group(pool)
        first, second = await members(pool, wanted, 2)
        await pool.call("VM.start_on", first, pool.host(SECOND), False, False)
        assert alerts(pool) == []
        await pool.call("VM.start_on", second, pool.host(SECOND), False, False)
        assert alerts(pool) == [breach(pool, wanted, SECOND)]
        await pool.call("VM.pool_migrate", second, pool.host(THIRD), {"live": "true"})
        assert alerts(pool) == []
        await pool.call("VM.pool_migrate", first, pool.host(THIRD), {"live": "true"})
        assert alerts(pool) == [breach(pool, wanted, THIRD)]

    over_pool(body)


@pytest.mark.parametrize(
    ("calls", "is_told"),
    [
        (["VM.hard_shutdown"], False),
        (["VM.pause"], False),
        (["VM.pause", "VM.unpause"], True),
        (["VM.set_groups"], False),
    ],
)
def test_the_alert_follows_whatever_moves_a_vm(calls: list[str], is_told: bool) -> None:
    async def body(pool: Pool) -> list[str]:
        first, second = await members(pool, await group(pool), 2)
        for vm in (first, second):
            await pool.call("VM.start_on", vm, pool.host(SECOND), False, False)
        for message in calls:
            await pool.call(message, first, *([[]] if message == "VM.set_groups" else []))
        return alerts(pool)

    assert bool(over_pool(body)) is is_told


def test_without_the_feature_there_is_neither_place_nor_alert() -> None:
    async def body(pool: Pool) -> None:
        vms = await members(pool, await group(pool), 2)
        pool.set(pool.world.ref(next(pool.world.ids("pool"))), restrictions={"restrict_vm_groups": "true"})
        for vm in vms:
            await pool.call("VM.start_on", vm, pool.host(SECOND), False, False)
        assert alerts(pool) == []

    over_pool(body)
