"""What servers really use: measured with three requests, and every byte of the SR counted once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from compute_core.model.flavors import Flavor
from compute_core.model.instances import Instance
from compute_core.model.usage import DiskUsage, Rates
from compute_core.xenapi.disk_usage import Account, Accounts, accounts, disk_usage
from compute_core.xenapi.usage import measure
from tests.compute_core.rig import URL, Rig, over_rig
from tests.compute_core.values import an_instance

SMALL = Flavor("1", "m1.nano", 64, 1, 1)


def vdi(uuid: str, size: int, parent: str = "", *, managed: bool = True, **marks: str) -> dict[str, Any]:
    config = {name.replace("_", "-"): value for name, value in marks.items()}
    sm_config = {"vhd-parent": parent} if parent else {}
    return {
        "uuid": uuid, "physical_utilisation": size, "virtual_size": 100, "managed": managed, "other_config": config, "sm_config": sm_config,
    }  # fmt: skip


VDIS = {
    "base": vdi("base", 50, managed=False),
    "cached": vdi("cached", 1, "base", inova_image_id="i", inova_image_vdi="cached"),
    "web": vdi("web", 7, "own", inova_instance_uuid="web"),
    "own": vdi("own", 9, "base", managed=False),
    "snapshot": vdi("snapshot", 2, "own", inova_instance_uuid="web"),
    "db": vdi("db", 20, "base"),
    "lonely image": vdi("lonely", 30, inova_image_id="j", inova_image_vdi="lonely"),
    "somebody's": vdi("x", 4),
    "garbage": vdi("garbage", 5, "loop", managed=False),
    "loop": vdi("loop", 6, "loop", inova_instance_uuid="elsewhere"),
}


def test_what_several_need_is_counted_once_and_the_rest_is_somebodys_own() -> None:
    found = accounts(VDIS, {"db": "db"})

    assert found == Accounts(
        {
            "cache": Account(31, 50),
            "web": Account(18, 50),
            "db": Account(20, 50, 100),
            "other": Account(9),
            "elsewhere": Account(6),
        },
        50,
    )
    usage = disk_usage(found, {"physical_size": 1000, "physical_utilisation": 140}, {"web": 1, "db": 1})
    assert usage == DiskUsage(1000, 140, servers_bytes=38, base_bytes=50, cache_bytes=31, other_bytes=15)
    parts = usage.servers_bytes + usage.base_bytes + usage.cache_bytes + usage.other_bytes
    assert parts == sum(each["physical_utilisation"] for each in VDIS.values())


def _servers(count: int) -> list[Instance]:
    return [an_instance(f"00000000-0000-4000-8000-{number:012d}", vifs=(), flavor=SMALL) for number in range(count)]


async def _measured(rig: Rig, count: int) -> Any:
    instances = _servers(count)
    vms = {instance.uuid: await rig.spawn(instance) for instance in instances}
    await asyncio.sleep(120)
    rig.undisturbed()
    found = await measure(rig.session, rig.place, URL, "xs1", vms)
    return found, rig.undisturbed()


def test_two_servers_share_the_base_of_their_image_and_have_their_disks_for_themselves(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        found, asked = await _measured(rig, 2)
        return found, asked, rig.xapi.world

    found, asked, world = over_rig(tmp_path, body)
    usage, disk = found.usage, found.usage.disk
    assert asked == ["event.from", "host.get_servertime", "GET /rrd_updates"]
    assert (usage.host, usage.at, usage.memory_bytes) == ("xs1", found.at.strftime("%Y-%m-%dT%H:%M:%SZ"), usage.memory_bytes)
    assert 0 < usage.free_memory_bytes < usage.memory_bytes
    assert usage.cpu > 0
    one, two = usage.servers
    assert (one.power_state, one.vcpus, one.memory_bytes, one.virtual_disk_bytes) == ("Running", 1, 64 << 20, 1 << 30)
    assert one.base_disk_bytes == two.base_disk_bytes == disk.base_bytes > 0
    assert disk.servers_bytes == one.own_disk_bytes + two.own_disk_bytes > 0
    sr = [row for _, row in world.rows("VDI") if row["SR"] == world.find_ref(_sr(world))]
    assert disk.servers_bytes + disk.base_bytes + disk.cache_bytes + disk.other_bytes == sum(row["physical_utilisation"] for row in sr)
    assert one.rates != Rates()
    assert one.rates.received >= 0


def _sr(world: Any) -> str:
    pool = next(row for _, row in world.rows("pool"))
    return str(world.ref(pool["default_SR"]))


def test_two_hundred_servers_are_measured_with_three_requests(tmp_path: Path) -> None:
    found, asked = over_rig(tmp_path, lambda rig: _measured(rig, 200))
    assert (len(found.usage.servers), len(asked)) == (200, 3)
