"""The verbs of SR and PBD."""

from __future__ import annotations

import asyncio
from typing import Any

from fake_xapi.verbs.disks.sr_drivers import UNKNOWN_BYTES
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, add_host, over_host

TARGET = {"target": "10.255.0.20", "targetIQN": "iqn.2012-08.example.storage:array1"}
ISCSI = {**TARGET, "SCSIid": "360a98000534b4f4e46704f76692d6d00"}
NFS = {"server": "10.255.0.10", "serverpath": "/exports/sr1"}


async def _create(host: Host, kind: str, config: dict[str, str], *, size: int = 50 * GIB, shared: bool = False) -> str:
    return str(await host.call("SR.create", host.host, config, str(size), "made", "", kind, "user", shared, {}))


def test_a_new_sr_is_connected_to_its_host_or_when_shared_to_all() -> None:
    async def body(host: Host) -> None:
        add_host(host)
        local = await _create(host, "ext", {"device": "/dev/sdb"})
        shared = await _create(host, "nfs", NFS, shared=True)
        assert [len(host.row(sr)["PBDs"]) for sr in (local, shared)] == [1, 2]
        pbd = host.world[host.row(local)["PBDs"][0]]
        assert (pbd["host"], pbd["device_config"], pbd["currently_attached"]) == (host.id(host.host), {"device": "/dev/sdb"}, True)
        row = host.row(local)
        assert (row["physical_size"], row["physical_utilisation"], row["virtual_allocation"]) == (1 << 40, 0, 0)

    over_host(body)


def test_an_sr_that_another_host_has_made_is_introduced() -> None:
    async def body(host: Host) -> None:
        uuid = "5d6f2c9e-0000-4000-8000-000000000001"
        sr = await host.call("SR.introduce", uuid, "vol", "", "lvmoiscsi", "", True, {})
        row = host.row(sr)
        assert (row["physical_size"], row["physical_utilisation"], row["virtual_allocation"], row["PBDs"]) == (-1, -1, 0, ())
        assert await host.refused("SR.introduce", uuid, "vol", "", "lvmoiscsi", "", True, {}) == ["SR_UUID_EXISTS", uuid]
        assert await host.refused("SR.introduce", "", "vol", "", "frobfs", "", True, {}) == ["SR_UNKNOWN_DRIVER", "frobfs"]
        pbd = await host.call("PBD.create", {"SR": sr, "host": host.host, "device_config": ISCSI})
        assert await host.refused("SR.scan", sr) == ["SR_HAS_NO_PBDS", sr]
        nothing = f"The SR is not available [opterr=no such volume group: VG_XenStorage-{uuid}]"
        assert await host.refused("PBD.plug", pbd) == ["SR_BACKEND_FAILURE_47", "", nothing, ""]
        assert not host.row(pbd)["currently_attached"]

    over_host(body)


def test_an_sr_that_only_the_database_knows_is_believed() -> None:
    async def body(host: Host) -> None:
        sr = host.kit.make("SR", name_label="old", type="nfs", physical_size=GIB)
        pbd = await host.call("PBD.create", {"SR": sr, "host": host.host, "device_config": {"server": "gone"}})
        await host.call("PBD.plug", pbd)
        await host.call("PBD.plug", pbd)
        assert (host.row(pbd)["currently_attached"], host.row(sr)["physical_size"]) == (True, GIB)

    over_host(body)


def test_a_folder_is_as_large_as_said_or_as_nobody_knows() -> None:
    async def body(host: Host) -> list[int]:
        made = [await _create(host, "file", {"location": f"/sr/{size}"}, size=size) for size in (5 * GIB, 0)]
        return [host.row(sr)["physical_size"] for sr in made]

    assert over_host(body) == [5 * GIB, UNKNOWN_BYTES]


def test_a_pbd_is_unique_and_leaves_only_when_unplugged() -> None:
    async def body(host: Host) -> None:
        pbd = host.world.ref(host.row(host.sr)["PBDs"][0])
        record: dict[str, Any] = {"SR": host.sr, "host": host.host, "device_config": {}}
        assert await host.refused("PBD.create", record) == ["PBD_EXISTS", host.sr, host.host, pbd]
        second = add_host(host)
        reserved = {"SR": host.sr, "host": second, "device_config": {"SRmaster": "true"}}
        assert (await host.refused("PBD.create", reserved))[:3] == ["VALUE_NOT_SUPPORTED", "PBD.device_config", "SRmaster"]
        other = await host.call("PBD.create", {**record, "host": second, "device_config": {"device": "/dev/sdb"}})
        assert await host.refused("PBD.plug", other) == ["SR_NOT_SHARABLE", host.sr, host.host]
        assert await host.refused("PBD.destroy", pbd) == ["OPERATION_NOT_ALLOWED", "PBD is currently attached"]
        await host.call("PBD.unplug", pbd)
        await host.call("PBD.unplug", pbd)
        await host.call("PBD.plug", other)
        await host.call("PBD.destroy", pbd)
        assert host.row(host.sr)["PBDs"] == (host.id(other),)

    over_host(body)


def test_an_sr_is_not_unplugged_under_a_running_vm() -> None:
    async def body(host: Host) -> None:
        vm, vdi, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        pbd = host.world.ref(host.row(host.sr)["PBDs"][0])
        assert await host.refused("PBD.unplug", pbd) == ["VDI_IN_USE", vdi]
        await host.call("VM.hard_shutdown", vm)
        await host.call("PBD.unplug", pbd)

    over_host(body)


def test_a_scan_sums_what_is_there_and_lets_the_collector_look() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        host.write(vdi, 0, b"x" * MIB)
        snapshot = await host.call("VDI.snapshot", vdi)
        with host.world.edit() as edit:
            edit.destroy(host.id(snapshot))
            edit.set(host.id(host.sr), physical_utilisation=7, virtual_allocation=7, other_config={"dirty": "", "auto-scan": "true"})
        await host.call("SR.scan", host.sr)
        await asyncio.sleep(1)
        row = host.row(host.sr)
        assert row["VDIs"] == (host.id(vdi),)
        assert (row["physical_utilisation"], row["virtual_allocation"]) == (host.row(vdi)["physical_utilisation"], 10 * GIB)
        assert row["other_config"] == {"auto-scan": "true"}

    over_host(body)


def test_an_sr_is_destroyed_when_it_is_empty_and_unplugged() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        pbd = host.world.ref(host.row(host.sr)["PBDs"][0])
        for method in ("SR.destroy", "SR.forget"):
            assert await host.refused(method, host.sr) == ["SR_HAS_PBD", host.sr]
        await host.call("VDI.destroy", vdi)
        await host.call("PBD.unplug", pbd)
        host.set(host.sr, other_config={"indestructible": "true"})
        assert await host.refused("SR.destroy", host.sr) == ["SR_INDESTRUCTIBLE", host.sr]
        host.set(host.sr, other_config={})
        host.set(host.host, local_cache_sr=host.id(host.sr))
        assert await host.refused("SR.destroy", host.sr) == ["SR_IS_CACHE_SR", host.host]
        host.set(host.host, local_cache_sr=0)
        await host.call("SR.destroy", host.sr)
        assert (host.world.count("SR"), host.world.count("PBD")) == (0, 0)

    over_host(body)


def test_a_forgotten_sr_takes_its_rows_along() -> None:
    async def body(host: Host) -> None:
        _, _, vbd, _ = await host.server()
        await host.call("PBD.unplug", host.world.ref(host.row(host.sr)["PBDs"][0]))
        await host.call("SR.forget", host.sr)
        assert [host.world.count(cls) for cls in ("SR", "PBD", "VDI", "VBD")] == [0, 0, 0, 1]
        assert host.row(vbd)["VDI"] == 0

    over_host(body)


def test_an_sr_of_many_connections_stays_shared() -> None:
    async def body(host: Host) -> None:
        add_host(host)
        sr = await _create(host, "nfs", NFS, shared=True)
        pbds = [host.world.ref(pbd) for pbd in host.row(sr)["PBDs"]]
        assert await host.refused("SR.set_shared", sr, False) == ["SR_HAS_MULTIPLE_PBDS", *pbds]
        assert set(await host.call("SR.get_live_hosts", sr)) == {host.world.ref(h) for h in host.world.ids("host")}
        await host.call("SR.set_shared", host.sr, True)
        await host.call("SR.set_name_label", host.sr, "renamed")
        assert (host.row(host.sr)["shared"], host.row(host.sr)["name_label"]) == (True, "renamed")
        await host.call("SR.update", sr)

    over_host(body)
