"""What is asked of an SR beside its disks: statefiles, copies of the database, measures, and scans that nobody asks for."""

from __future__ import annotations

import asyncio
import json

import pytest

from fake_xapi.state.storage import restore
from fake_xapi.verbs.disks import databases
from tests.fake_xapi.verbs.disks.test_media import create, introduce, over_two_pools, uuid_of
from tests.fake_xapi.verbs.disks.test_sr_pbd_verbs import ISCSI, NFS
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, add_host, over_host


def test_a_statefile_needs_a_shared_sr_that_all_hosts_see() -> None:
    async def body(host: Host) -> None:
        ask = "SR.assert_can_host_ha_statefile"
        assert await host.refused(ask, host.sr) == ["SR_NOT_SHARABLE", host.sr, host.host]
        sr = await create(host, "nfs", NFS)
        assert await host.call(ask, sr) == ""
        host.set(sr, type="lvm")
        assert await host.refused(ask, sr) == ["SR_OPERATION_NOT_SUPPORTED", sr]
        host.set(sr, type="nfs")
        add_host(host)
        assert await host.refused(ask, sr) == ["SR_HAS_NO_PBDS", sr]

    over_host(body)


@pytest.mark.parametrize("ask", ["SR.assert_supports_database_replication", "SR.enable_database_replication"])
def test_a_copy_of_the_database_needs_a_driver_with_metadata(ask: str) -> None:
    async def body(host: Host) -> None:
        assert await host.refused(ask, host.sr) == ["SR_OPERATION_NOT_SUPPORTED", host.sr]
        sr = await create(host, "lvmoiscsi", ISCSI)
        assert await host.call(ask, sr) == ""
        add_host(host)
        assert await host.refused(ask, sr) == ["SR_HAS_NO_PBDS", sr]

    over_host(body)


def test_a_copy_of_the_database_follows_its_changes() -> None:
    async def body(host: Host) -> None:
        sr = await create(host, "lvmoiscsi", ISCSI)
        for _ in range(2):
            await host.call("SR.enable_database_replication", sr)
        (vdi,) = host.row(sr)["VDIs"]
        pool = next(host.world.ids("pool"))
        row = host.world[vdi]
        facts = (row["name_label"], row["type"], row["metadata_of_pool"], row["metadata_latest"], row["virtual_size"])
        assert facts == ("Metadata for DR", "metadata", pool, True, 256 * MIB)
        vm = await host.vm()
        await asyncio.sleep(databases.FLUSH_S + 1)
        copied = databases.content(host.kit.xapi.disks, vdi)
        assert copied is not None
        known = restore(copied["state"]).get(host.id(vm))
        assert known is not None
        assert (copied["seed"], known["name_label"]) == (host.world.seed, "web")
        assert await host.call("VDI.read_database_pool_uuid", host.world.ref(vdi)) == host.world.uuid(pool)
        quiet = host.world.generation
        await asyncio.sleep(10 * databases.FLUSH_S)
        assert host.world.generation == quiet
        await host.call("SR.disable_database_replication", sr)
        assert host.row(sr)["VDIs"] == ()
        await asyncio.sleep(databases.FLUSH_S + 1)
        assert not any(isinstance(listener, databases.Replica) for listener in host.world.listeners)

    over_host(body)


def test_another_pool_reads_the_copy() -> None:
    async def body(here: Host, there: Host) -> None:
        sr = await create(here, "lvmoiscsi", ISCSI)
        await here.call("SR.enable_database_replication", sr)
        seen = await introduce(there, uuid_of(here, sr), "lvmoiscsi", ISCSI)
        await there.call("SR.scan", seen)
        (vdi,) = there.row(seen)["VDIs"]
        pool = here.world.uuid(next(here.world.ids("pool")))
        assert await there.call("VDI.read_database_pool_uuid", there.world.ref(vdi)) == pool
        assert there.world[vdi]["type"] == "metadata"

    over_two_pools(body)


def test_a_disk_without_a_database_names_no_pool() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk(4 * MIB)
        assert await host.call("VDI.read_database_pool_uuid", vdi) == ""
        host.write(vdi, 0, b"inova database 1\n\xff\xff\xff\xff\xff\xff\xff\xff")
        assert await host.call("VDI.read_database_pool_uuid", vdi) == ""
        host.write(vdi, 0, b"inova database 1\n\0\0\0\0\0\0\0\7garbage")
        assert await host.call("VDI.read_database_pool_uuid", vdi) == ""

    over_host(body)


def test_sizes_are_measured() -> None:
    async def body(host: Host) -> None:
        sources = await host.call("SR.get_data_sources", host.sr)
        assert [source["name_label"] for source in sources] == ["physical_utilisation", "size"]
        assert await host.call("SR.query_data_source", host.sr, "size") == float(200 * GIB)
        for method in ("SR.record_data_source", "SR.forget_data_source_archives"):
            assert await host.call(method, host.sr, "size") == ""

    over_host(body)


# ---- scans in the background -----------------------------------------------------------------------------------------------------


def _stale(host: Host) -> None:
    """Let a scan have something to put right."""
    host.set(host.sr, virtual_allocation=7)


@pytest.mark.parametrize("other_config", [{"auto-scan": "true"}, {"dirty": ""}])
def test_an_sr_that_asks_for_it_is_scanned_every_half_minute(other_config: dict[str, str]) -> None:
    async def body(host: Host) -> list[int]:
        await host.call("SR.set_other_config", host.sr, other_config)
        seen = []
        for seconds in (29, 2, 28, 3):
            _stale(host)
            await asyncio.sleep(seconds)
            seen.append(host.row(host.sr)["virtual_allocation"])
        return seen

    assert over_host(body) == ([7, 0, 7, 0] if "auto-scan" in other_config else [7, 0, 7, 7])


def test_the_host_says_how_often_and_the_sr_when_it_is_enough() -> None:
    async def body(host: Host) -> list[int]:
        host.set(host.host, other_config={"auto-scan-interval": "5"})
        await host.call("SR.add_to_other_config", host.sr, "auto-scan", "true")
        refusal = await host.refused("SR.add_to_other_config", host.sr, "auto-scan", "false")
        assert refusal == ["MAP_DUPLICATE_KEY", "SR", "other_config", host.sr, "auto-scan"]
        seen = []
        for _ in range(2):
            _stale(host)
            await asyncio.sleep(6)
            seen.append(host.row(host.sr)["virtual_allocation"])
            await host.call("SR.remove_from_other_config", host.sr, "auto-scan")
            await asyncio.sleep(20)
        return seen

    assert over_host(body) == [0, 7]


def test_a_busy_or_failing_sr_is_left_alone() -> None:
    async def body(host: Host) -> None:
        sr = await introduce(host, "", "iscsi", {"target": "10.255.0.20", "targetIQN": "iqn.2012-08.example.storage:array1"})
        pool = host.world.ref(next(host.world.ids("pool")))
        await host.call("SR.add_to_other_config", sr, "auto-scan", "true")
        host.set(pool, other_config={"sim.storage": "{}"})
        text = "The SR scan failed  [opterr=Unable to connect to ISCSI service on target]"
        assert await host.refused("SR.scan", sr) == ["SR_BACKEND_FAILURE_40", "", text, ""]
        before = host.row(sr)["VDIs"]
        await asyncio.sleep(40)
        host.set(pool, other_config={})
        host.set(sr, current_operations={"OpaqueRef:x": "plug"}, virtual_allocation=7)
        await asyncio.sleep(40)
        assert (host.row(sr)["VDIs"], host.row(sr)["virtual_allocation"]) == (before, 7)

    over_host(body)


def test_a_scan_of_a_library_follows_its_folder() -> None:
    async def body(host: Host) -> None:
        config = {"location": "10.255.0.10:/exports/iso"}
        sr = await introduce(host, "", "iso", config)
        names = ["debian-squeeze-netinst.iso", "memtest86.iso"]
        assert [host.world[vdi]["location"] for vdi in host.row(sr)["VDIs"]] == names
        assert {host.world[vdi]["read_only"] for vdi in host.row(sr)["VDIs"]} == {True}
        mine = await host.disk(4 * MIB, sr, name_label="made")
        pool = host.world.ref(next(host.world.ids("pool")))
        host.set(pool, other_config={"sim.storage": '{"folders": {"10.255.0.10:/exports/iso": {"new.iso": 5}}}'})
        await host.call("SR.scan", sr)
        found = {host.world[vdi]["name_label"]: host.world[vdi]["virtual_size"] for vdi in host.row(sr)["VDIs"]}
        assert found == {"made": 4 * MIB, "new.iso": 5}
        assert host.row(mine)["SR"] == host.id(sr)

    over_host(body)


def test_a_scan_finds_that_a_lun_has_grown() -> None:
    def array(size: int) -> str:
        return json.dumps({"targets": [{"iqn": "iqn.one", "portals": ["192.0.2.8"], "luns": [{"scsi_id": "36000", "size": size}]}]})

    async def body(host: Host) -> None:
        pool = host.world.ref(next(host.world.ids("pool")))
        host.set(pool, other_config={"sim.storage": array(GIB)})
        config = {"target": "192.0.2.8", "targetIQN": "iqn.one"}
        sr = await host.call("SR.create", host.host, config, "0", "made", "", "iscsi", "user", False, {})
        (vdi,) = await host.call("SR.get_VDIs", sr)
        host.set(pool, other_config={"sim.storage": array(2 * GIB)})
        assert await host.call("VDI.get_virtual_size", vdi) == GIB
        await host.call("SR.scan", sr)
        assert [await host.call(f"VDI.get_{field}", vdi) for field in ("virtual_size", "physical_utilisation")] == [2 * GIB] * 2

    over_host(body)
