"""Disks on an SR that both pools have under the same uuid: raw LUNs, which nobody sends when their VM goes to the other pool."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.failure import Failure
from tests.fake_xapi.verbs.kit.hosts import Host
from tests.fake_xapi.verbs.kit.pools import Pools, over_pools, running

UUID = "6e6f7661-2d74-5573-8465-6d7053522d31"
CONFIG = {"target": "10.255.0.20", "targetIQN": "iqn.2012-08.example.storage:array1"}


async def introduced(host: Host, uuid: str = UUID) -> str:
    """The SR of a target."""
    sr = str(await host.call("SR.introduce", uuid, "target", "", "iscsi", "", True, {}))
    pbd = await host.call("PBD.create", {"host": host.host, "SR": sr, "device_config": CONFIG, "other_config": {}})
    await host.call("PBD.plug", pbd)
    return sr


async def with_lun(pools: Pools) -> tuple[str, str, str]:
    """A running VM with a LUN: its ref, the LUN's VDI, and the VDI's uuid."""
    here = pools.here
    vm, _ = await running(here)
    sr = await introduced(here)
    vdi = (await here.call("SR.get_VDIs", sr))[0]
    record = {"VM": vm, "VDI": vdi, "userdevice": "5", "bootable": False, "mode": "RW", "type": "Disk", "empty": False}
    vbd = await here.call("VBD.create", {**record, "other_config": {"a": "b"}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    await here.call("VBD.plug", vbd)
    return vm, vdi, await here.call("VDI.get_uuid", vdi)


async def send(pools: Pools, vm: str, vdi: str, sr: str) -> str:
    vdis, vifs = pools.maps(vm)
    return str(await pools.here.call("VM.migrate_send", vm, await pools.dest(), True, {**vdis, vdi: sr}, vifs, {}))


def test_a_lun_stays_where_it_is_and_is_plugged_there() -> None:
    async def body(pools: Pools) -> None:
        vm, vdi, uuid = await with_lun(pools)
        made = await send(pools, vm, vdi, await introduced(pools.there))
        there = pools.there
        (vbd,) = [there.world[each] for each in there.row(made)["VBDs"] if there.world[each]["userdevice"] == "5"]
        assert (there.world.uuid(vbd["VDI"]), vbd["currently_attached"], vbd["other_config"]) == (uuid, True, {"a": "b"})
        assert await pools.here.call("VDI.get_VBDs", vdi) == []

    over_pools(body)


def test_the_other_pool_looks_for_a_lun_once_and_without_it_nothing_moves() -> None:
    async def body(pools: Pools) -> None:
        vm, vdi, _ = await with_lun(pools)
        sr = await introduced(pools.there)
        for known in await pools.there.call("SR.get_VDIs", sr):
            await pools.there.call("VDI.forget", known)
        await pools.there.call("PBD.unplug", (await pools.there.call("SR.get_PBDs", sr))[0])
        with pytest.raises(Failure):
            await send(pools, vm, vdi, sr)
        assert pools.here.row(vm)["power_state"] == "Running"
        assert list(pools.there.world.ids("VM")) == []

    over_pools(body)


def test_an_sr_of_another_uuid_would_have_to_take_the_lun_and_cannot() -> None:
    async def body(pools: Pools) -> None:
        vm, vdi, _ = await with_lun(pools)
        with pytest.raises(Failure, match="SR_DOES_NOT_SUPPORT_MIGRATION"):
            await send(pools, vm, vdi, await introduced(pools.there, "6e6f7661-2d74-5573-8465-6d7053522d32"))

    over_pools(body)


def test_releases_of_2012_know_of_no_such_thing() -> None:
    async def body(pools: Pools) -> None:
        vm, vdi, _ = await with_lun(pools)
        with pytest.raises(Failure, match="SR_DOES_NOT_SUPPORT_MIGRATION"):
            await send(pools, vm, vdi, await introduced(pools.there))

    over_pools(body, "tampa")
