"""Which host of a pool a VM gets, and why not another."""

from __future__ import annotations

from typing import Any

from fake_xapi.lifecycle.rules import POOL
from tests.fake_xapi.pools.fleets import MASTER, SECOND, THIRD, Pool, over_pool
from tests.fake_xapi.pools.test_ha import SIZES, shared_sr
from tests.fake_xapi.pools.test_host_life import made_running
from tests.fake_xapi.verbs.kit.hosts import GIB, NULL, QOS, VM_RECORD


async def made(pool: Pool, **fields: Any) -> str:
    """A halted VM."""
    return str(await pool.call("VM.create", {**VM_RECORD, "name_label": "vm", **fields}))


async def home(pool: Pool, vm: str) -> str:
    """Start a VM; the name of the host that it gets."""
    await pool.call("VM.start", vm, False, False)
    return str(pool.world[pool.row(vm)["resident_on"]]["name_label"])


def storage_of(pool: Pool, name: str) -> str:
    """The local storage of a host."""
    pbds = (pool.world[pbd] for pbd in pool.row(pool.host(name))["PBDs"])
    return next(pool.world.ref(pbd["SR"]) for pbd in pbds if pool.world[pbd["SR"]]["name_label"] == "Local storage")


async def disk(pool: Pool, vm: str, sr: str) -> None:
    """A disk of a VM."""
    record = {"name_label": "d", "name_description": "", "SR": sr, "virtual_size": str(GIB), "type": "user", "sharable": False}
    vdi = await pool.call("VDI.create", {**record, "read_only": False, "other_config": {}})
    vbd = {"VM": vm, "VDI": vdi, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False, "unpluggable": True}
    await pool.call("VBD.create", {**vbd, **QOS})


def test_vms_are_spread_over_the_members_and_the_master_comes_last() -> None:
    async def body(pool: Pool) -> None:
        homes = {await home(pool, await made(pool)) for _ in range(12)}
        assert homes == {SECOND, THIRD}
        for name in (SECOND, THIRD):
            await pool.call("host.disable", pool.host(name))
        assert await home(pool, await made(pool)) == MASTER

    over_pool(body)


def test_the_affinity_is_followed_while_it_can_be() -> None:
    async def body(pool: Pool) -> None:
        vm = await made(pool, affinity=pool.host(MASTER))
        assert await home(pool, vm) == MASTER
        await pool.call("VM.hard_shutdown", vm)
        await pool.call("host.disable", pool.host(MASTER))
        assert await home(pool, vm) in (SECOND, THIRD)

    over_pool(body)


def test_a_vm_goes_where_its_disks_are() -> None:
    async def body(pool: Pool) -> None:
        vm = await made(pool)
        await disk(pool, vm, storage_of(pool, THIRD))
        assert await pool.call("VM.get_possible_hosts", vm) == [pool.host(THIRD)]
        sr, second = storage_of(pool, THIRD), pool.host(SECOND)
        assert await pool.refused("VM.start_on", vm, second, False, False) == ["VM_REQUIRES_SR", vm, sr]
        assert await pool.refused("VM.assert_can_boot_here", vm, second) == ["VM_REQUIRES_SR", vm, sr]
        assert await home(pool, vm) == THIRD

    over_pool(body)


def test_a_shared_disk_is_everywhere_that_it_is_plugged() -> None:
    async def body(pool: Pool) -> None:
        vm = await made(pool)
        await disk(pool, vm, shared_sr(pool, SECOND))
        assert set(await pool.call("VM.get_possible_hosts", vm)) == {pool.host(MASTER), pool.host(THIRD)}

    over_pool(body)


def test_a_network_is_where_it_has_an_interface() -> None:
    async def body(pool: Pool) -> None:
        with pool.world.edit() as edit:
            network = edit.create("network", name_label="rack 2", bridge="xenbr7", managed=True)
            edit.create("PIF", network=network, host=pool.id(pool.host(SECOND)), device="eth7", physical=True, VLAN=-1)
        vm, ref = await made(pool), pool.world.ref(network)
        await pool.call("VIF.create", {"VM": vm, "network": ref, "device": "0", "MAC": "", "MTU": "1500", **QOS})
        assert await pool.call("VM.get_possible_hosts", vm) == [pool.host(SECOND)]
        assert await pool.refused("VM.start_on", vm, pool.host(THIRD), False, False) == ["VM_REQUIRES_NETWORK", vm, ref]

    over_pool(body)


def test_a_host_that_is_not_alive_or_not_enabled_is_passed_over() -> None:
    async def body(pool: Pool) -> None:
        vm, second, third = await made(pool), pool.host(SECOND), pool.host(THIRD)
        pool.set(third, enabled=False)
        with pool.world.edit() as edit:
            edit.set(pool.row(second)["metrics"], live=False)
        assert await pool.refused("VM.start_on", vm, second, False, False) == ["HOST_NOT_LIVE"]
        assert await pool.refused("VM.start_on", vm, third, False, False) == ["HOST_DISABLED", third]
        assert await home(pool, vm) == MASTER

    over_pool(body)


def test_memory_decides_last_and_its_lack_is_told_by_numbers() -> None:
    async def body(pool: Pool) -> None:
        for name in (MASTER, SECOND):
            made_running(pool, pool.host(name), **dict.fromkeys(SIZES, 80 * GIB))
        large = await made(pool, **dict.fromkeys(SIZES[1:], str(50 * GIB)))
        assert await home(pool, large) == THIRD
        other = await made(pool, **dict.fromkeys(SIZES[1:], str(60 * GIB)))
        code, needed, free = await pool.refused("VM.start", other, False, False)
        assert (code, int(needed) > 60 * GIB, int(free) < 50 * GIB) == ("HOST_NOT_ENOUGH_FREE_MEMORY", True, True)

    over_pool(body)


def test_a_host_that_died_unnoticed_cannot_be_contacted() -> None:
    async def body(pool: Pool) -> None:
        vm, second = await made(pool), pool.host(SECOND)
        for name in (MASTER, THIRD):
            pool.set(pool.host(name), enabled=False)
        pool.kill(SECOND)
        assert await pool.refused("VM.start", vm, False, False) == ["CANNOT_CONTACT_HOST", second]
        assert await pool.refused("VM.start_on", vm, second, False, False) == ["CANNOT_CONTACT_HOST", second]
        assert pool.row(vm)["power_state"] == "Halted"

    over_pool(body)


def test_with_no_host_left_there_is_none() -> None:
    async def body(pool: Pool) -> list[str]:
        vm = await made(pool, affinity=NULL)
        for name in (MASTER, SECOND, THIRD):
            pool.set(pool.host(name), enabled=False)
        assert pool.pool is pool.world[POOL]
        return await pool.refused("VM.start", vm, False, False)

    assert over_pool(body) == ["NO_HOSTS_AVAILABLE"]
