"""The verbs of SR and PBD."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.verbs.pbd import SIZE_OF_UNKNOWN_BYTES
from tests.fake_xapi.verbs.hosts import GIB, MIB, Host, add_host, over_host

ISCSI = {"target": "10.0.0.9", "targetIQN": "iqn.x", "SCSIid": "36"}


async def _create(host: Host, kind: str, config: dict[str, str], *, size: int = 50 * GIB, shared: bool = False) -> str:
    return str(await host.call("SR.create", host.host, config, str(size), "made", "", kind, "user", shared, {}))


def test_a_new_sr_is_connected_to_its_host_or_when_shared_to_all() -> None:
    async def body(host: Host) -> None:
        add_host(host)
        local = await _create(host, "ext", {"device": "/dev/sdb"})
        shared = await _create(host, "nfs", {"server": "s", "serverpath": "/p"}, shared=True)
        assert [len(host.row(sr)["PBDs"]) for sr in (local, shared)] == [1, 2]
        pbd = host.world[host.row(local)["PBDs"][0]]
        assert (pbd["host"], pbd["device_config"], pbd["currently_attached"]) == (host.id(host.host), {"device": "/dev/sdb"}, True)
        row = host.row(local)
        assert (row["physical_size"], row["physical_utilisation"], row["virtual_allocation"]) == (50 * GIB, 0, 0)

    over_host(body)


@pytest.mark.parametrize(
    ("kind", "config", "refusal"),
    [
        ("cslg", {}, ["SR_UNKNOWN_DRIVER", "cslg"]),
        ("nfs", {"server": "s"}, ["SR_BACKEND_FAILURE_90", "", "The request is missing the serverpath parameter", ""]),
        (
            "lvmoiscsi",
            {"target": "t"},
            [
                "SR_BACKEND_FAILURE_96",
                "",
                "The request is missing or has an incorrect target IQN parameter",
                '<?xml version="1.0" ?><iscsi-target-iqns/>',
            ],
        ),
        (
            "lvmoiscsi",
            {"target": "t", "targetIQN": "i"},
            ["SR_BACKEND_FAILURE_107", "", "The SCSIid parameter is missing or incorrect", '<?xml version="1.0" ?><iscsi-target/>'],
        ),
    ],
)
@pytest.mark.parametrize("method", ["SR.create", "SR.probe"])
def test_what_a_driver_misses_is_said(method: str, kind: str, config: dict[str, str], refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        if method == "SR.probe":
            return await host.refused(method, host.host, config, kind, {})
        return await host.refused(method, host.host, config, "0", "x", "", kind, "user", False, {})

    assert over_host(body) == refusal


def test_a_probe_finds_the_srs_on_a_device() -> None:
    async def body(host: Host) -> None:
        sr = await _create(host, "lvmoiscsi", ISCSI)
        found = await host.call("SR.probe", host.host, ISCSI, "lvmoiscsi", {})
        assert found == f'<?xml version="1.0" ?><SRlist><SR><UUID>{host.world.uuid(host.id(sr))}</UUID></SR></SRlist>'
        assert "<SR>" not in await host.call("SR.probe", host.host, {**ISCSI, "SCSIid": "37"}, "lvmoiscsi", {})

    over_host(body)


def test_types_of_srs() -> None:
    async def body(host: Host) -> list[str]:
        return list(await host.call("SR.get_supported_types"))

    assert set(over_host(body)) - set(over_host(body, "tampa")) == {"smb"}


def test_an_introduced_sr_gets_its_size_when_it_is_plugged() -> None:
    async def body(host: Host) -> None:
        uuid = "5d6f2c9e-0000-4000-8000-000000000001"
        sr = await host.call("SR.introduce", uuid, "vol", "", "lvmoiscsi", "", True, {})
        row = host.row(sr)
        assert (row["physical_size"], row["physical_utilisation"], row["virtual_allocation"], row["PBDs"]) == (-1, -1, 0, ())
        assert await host.refused("SR.introduce", uuid, "vol", "", "lvmoiscsi", "", True, {}) == ["SR_UUID_EXISTS", uuid]
        pbd = await host.call("PBD.create", {"SR": sr, "host": host.host, "device_config": ISCSI})
        assert await host.refused("SR.scan", sr) == ["SR_HAS_NO_PBDS", sr]
        await host.call("PBD.plug", pbd)
        await host.call("PBD.plug", pbd)
        row = host.row(sr)
        assert (row["physical_size"], row["physical_utilisation"]) == (SIZE_OF_UNKNOWN_BYTES, 0)
        assert host.row(pbd)["currently_attached"]

    over_host(body)


def test_a_pbd_is_unique_and_leaves_only_when_unplugged() -> None:
    async def body(host: Host) -> None:
        pbd = host.world.ref(host.row(host.sr)["PBDs"][0])
        record: dict[str, Any] = {"SR": host.sr, "host": host.host, "device_config": {}}
        assert await host.refused("PBD.create", record) == ["PBD_EXISTS", host.sr, host.host, pbd]
        second = add_host(host)
        reserved = {"SR": host.sr, "host": second, "device_config": {"SRmaster": "true"}}
        assert (await host.refused("PBD.create", reserved))[:3] == ["VALUE_NOT_SUPPORTED", "PBD.device_config", "SRmaster"]
        other = await host.call("PBD.create", {**record, "host": second})
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
        sr = await _create(host, "nfs", {"server": "s", "serverpath": "/p"}, shared=True)
        pbds = [host.world.ref(pbd) for pbd in host.row(sr)["PBDs"]]
        assert await host.refused("SR.set_shared", sr, False) == ["SR_HAS_MULTIPLE_PBDS", *pbds]
        assert set(await host.call("SR.get_live_hosts", sr)) == {host.world.ref(h) for h in host.world.ids("host")}
        await host.call("SR.set_shared", host.sr, True)
        await host.call("SR.set_name_label", host.sr, "renamed")
        assert (host.row(host.sr)["shared"], host.row(host.sr)["name_label"]) == (True, "renamed")
        assert await host.call("SR.get_data_sources", sr) == []
        await host.call("SR.update", sr)

    over_host(body)
