"""What lies on devices, LUNs and shares: found again after it was forgotten, by this pool and by others of the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.value import Value
from fake_xapi.state.world import World
from tests.fake_xapi.engine.kit import Kit
from tests.fake_xapi.verbs.disks.test_sr_pbd_verbs import ISCSI, NFS, TARGET
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, NULL, Host, over_host

Body = Callable[[Host, Host], Awaitable[None]]
NAMES = ("name_label", "type", "read_only", "is_a_snapshot", "managed", "virtual_size", "physical_utilisation", "location")
FABRIC = {"SCSIid": "3600508b4000971ca0000a00000000000"}
SMB = {"server": "//smb.storage.example/sr", "username": "xen", "password": "smbsecret"}


def over_two_pools(body: Body) -> None:
    """Run a test's body over two pools that see the same arrays."""

    async def with_two(host: Host) -> None:
        world = World(Value.empty(), "8", host.world.personality)
        with world.edit() as edit:
            edit.create("pool")
            master = edit.create("host", name_label="other", hostname="other", enabled=True)
        kit = Kit(Xapi(world, master, host.kit.xapi.disks.empty(), host.kit.xapi.settings))
        kit.xapi.arrays = host.kit.xapi.arrays
        kit.session = await kit.raw("session.login_with_password", "root", "xenroot")
        await body(host, Host(kit, world.ref(master), NULL, NULL))
        await kit.xapi.close()

    over_host(with_two)


async def create(host: Host, kind: str, config: dict[str, str], name: str = "made") -> str:
    return str(await host.call("SR.create", host.host, config, "0", name, "", kind, "user", True, {}))


async def introduce(host: Host, uuid: str, kind: str, config: dict[str, str]) -> str:
    sr = await host.call("SR.introduce", uuid, "again", "", kind, "user", True, {})
    pbd = await host.call("PBD.create", {"SR": sr, "host": host.host, "device_config": config})
    await host.call("PBD.plug", pbd)
    return str(sr)


async def part_with(host: Host, sr: str) -> None:
    for pbd in host.row(sr)["PBDs"]:
        await host.call("PBD.unplug", host.world.ref(pbd))
    await host.call("SR.forget", sr)


def uuid_of(host: Host, ref: str) -> str:
    return host.world.uuid(host.id(ref))


def disks_of(host: Host, sr: str) -> list[str]:
    return [host.world.uuid(vdi) for vdi in host.row(sr)["VDIs"]]


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("ext", {"device": "/dev/sdb"}),
        ("lvm", {"device": "/dev/sdb"}),
        ("nfs", NFS),
        ("lvmoiscsi", ISCSI),
        ("lvmohba", FABRIC),
        ("smb", SMB),
    ],
)
def test_a_forgotten_sr_is_found_by_a_probe_and_has_its_disks_again(kind: str, config: dict[str, str]) -> None:
    async def body(host: Host) -> None:
        sr = await create(host, kind, config)
        vdi = await host.disk(4 * MIB, sr, name_label="precious")
        host.write(vdi, 0, b"kept")
        await host.call("VDI.snapshot", vdi)
        await host.call("SR.update", sr)
        uuid, disks, was = uuid_of(host, sr), set(disks_of(host, sr)), uuid_of(host, vdi)
        before = {name: host.row(vdi)[name] for name in NAMES}
        await part_with(host, sr)
        assert host.world.by_uuid("VDI", was) == 0
        assert f"<UUID>{uuid}</UUID>" in await host.call("SR.probe", host.host, config, kind, {})
        again = await introduce(host, uuid, kind, config)
        await host.call("SR.scan", again)
        assert set(disks_of(host, again)) == disks
        found = host.world.ref(host.world.by_uuid("VDI", was))
        assert host.kit.xapi.disks.read(host.id(found), 0, 4) == b"kept"
        is_named = kind.startswith("lvm")
        assert {name: host.row(found)[name] for name in NAMES} == {**before, "name_label": "precious" if is_named else ""}
        (snapshot,) = [vdi for vdi in host.row(again)["VDIs"] if host.world[vdi]["managed"] and host.world.uuid(vdi) != was]
        assert host.world[snapshot]["is_a_snapshot"] == is_named
        await host.call("SR.scan", again)
        assert set(disks_of(host, again)) == disks

    over_host(body)


def test_a_forgotten_disk_is_found_by_the_next_scan() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk(4 * MIB)
        host.write(vdi, 0, b"kept")
        uuid = uuid_of(host, vdi)
        await host.call("VDI.forget", vdi)
        assert disks_of(host, host.sr) == []
        await host.call("SR.scan", host.sr)
        (found,) = host.row(host.sr)["VDIs"]
        assert (host.world.uuid(found), host.kit.xapi.disks.read(found, 0, 4)) == (uuid, b"kept")
        await host.call("VDI.destroy", host.world.ref(found))
        await host.call("SR.scan", host.sr)
        assert disks_of(host, host.sr) == []

    over_host(body)


def test_a_destroyed_sr_is_gone_from_its_device() -> None:
    async def body(host: Host) -> None:
        sr = await create(host, "lvmoiscsi", ISCSI)
        uuid = uuid_of(host, sr)
        await host.call("PBD.unplug", host.world.ref(host.row(sr)["PBDs"][0]))
        await host.call("SR.destroy", sr)
        assert uuid not in await host.call("SR.probe", host.host, ISCSI, "lvmoiscsi", {})
        assert await host.call("SR.probe_ext", host.host, ISCSI, "lvmoiscsi", {}) == [
            {"configuration": ISCSI, "complete": True, "sr": None, "extra_info": {}}
        ]

    over_host(body)


def test_a_new_sr_wipes_what_was_on_its_lun_and_none_on_a_share() -> None:
    async def body(host: Host) -> None:
        for kind, config, count in (("lvmoiscsi", ISCSI, 1), ("nfs", NFS, 2)):
            await part_with(host, await create(host, kind, config, "old"))
            sr = await create(host, kind, config, "new")
            found = await host.call("SR.probe", host.host, config, kind, {})
            assert (found.count("<UUID>"), uuid_of(host, sr) in found) == (count, True)

    over_host(body)


def test_a_probe_says_where_and_how_large() -> None:
    async def body(host: Host) -> None:
        sr = await create(host, "lvmoiscsi", ISCSI)
        device = f"/dev/disk/by-id/scsi-{ISCSI['SCSIid']}"
        size = 500 * GIB
        assert await host.call("SR.probe", host.host, ISCSI, "lvmoiscsi", {}) == (
            f'<?xml version="1.0" ?>\n<SRlist>\n\t<SR>\n\t\t<UUID>{uuid_of(host, sr)}</UUID>\n'
            f"\t\t<Devlist>{device}</Devlist>\n\t\t<size>{size}</size>\n\t</SR>\n</SRlist>\n"
        )
        (found,) = await host.call("SR.probe_ext", host.host, ISCSI, "lvmoiscsi", {})
        stat = {"uuid": uuid_of(host, sr), "name_label": "made", "name_description": "", "clustered": False, "health": "healthy"}
        assert found["sr"] == {**stat, "free_space": size, "total_space": size}

    over_host(body)


def test_another_sr_on_the_lun_is_not_mistaken_for_the_one_wanted() -> None:
    async def body(host: Host) -> None:
        sr = await create(host, "lvmoiscsi", ISCSI)
        uuid = uuid_of(host, sr)
        await part_with(host, sr)
        other = {**ISCSI, "SCSIid": "360a98000534b4f4e46704f76692d6d01"}
        again = await host.call("SR.introduce", uuid, "again", "", "lvmoiscsi", "user", True, {})
        pbd = await host.call("PBD.create", {"SR": again, "host": host.host, "device_config": other})
        assert (await host.refused("PBD.plug", pbd))[0] == "SR_BACKEND_FAILURE_47"
        nfs = await host.call("SR.introduce", "", "again", "", "nfs", "user", True, {})
        pbd = await host.call("PBD.create", {"SR": nfs, "host": host.host, "device_config": NFS})
        refusal = ["SR_BACKEND_FAILURE_73", "", "NFS mount error [opterr=mount failed with return code 32]", ""]
        assert await host.refused("PBD.plug", pbd) == refusal

    over_host(body)


# ---- two pools -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "config"), [("lvmoiscsi", ISCSI), ("nfs", NFS)])
def test_two_pools_find_the_same_sr_with_its_disks(kind: str, config: dict[str, str]) -> None:
    async def body(here: Host, there: Host) -> None:
        sr = await create(here, kind, config)
        vdi = await here.disk(4 * MIB, sr, name_label="shared")
        here.write(vdi, 0, b"first")
        await here.call("VDI.update", vdi)
        uuid = uuid_of(here, sr)
        assert uuid in await there.call("SR.probe", there.host, config, kind, {})
        seen = await introduce(there, uuid, kind, config)
        assert disks_of(there, seen) == []
        await there.call("SR.scan", seen)
        assert disks_of(there, seen) == [uuid_of(here, vdi)]
        (copy,) = there.row(seen)["VDIs"]
        assert there.kit.xapi.disks.read(copy, 0, 5) == b"first"
        made = await here.disk(2 * MIB, sr)
        await here.call("VDI.destroy", vdi)
        await there.call("SR.scan", seen)
        assert disks_of(there, seen) == [uuid_of(here, made)]
        await there.call("VDI.destroy", there.world.ref(there.row(seen)["VDIs"][0]))
        await here.call("SR.scan", sr)
        assert disks_of(here, sr) == []

    over_two_pools(body)


def test_local_disks_are_nobody_else_s() -> None:
    async def body(here: Host, there: Host) -> None:
        config = {"device": "/dev/sdb"}
        await create(here, "ext", config)
        assert "<UUID>" not in await there.call("SR.probe", there.host, config, "ext", {})

    over_two_pools(body)


def test_the_luns_of_a_target_are_disks_whose_bytes_stay_on_the_array() -> None:
    async def body(here: Host, there: Host) -> None:
        sr = await introduce(here, "", "iscsi", TARGET)
        luns = [here.world[vdi] for vdi in here.row(sr)["VDIs"]]
        assert [(lun["sm_config"]["LUNid"], lun["virtual_size"], lun["managed"]) for lun in luns] == [
            (str(number), 500 * GIB, True) for number in range(4)
        ]
        vdi = here.row(sr)["VDIs"][0]
        uuid = here.world.uuid(vdi)
        here.kit.xapi.disks.create(vdi, 500 * GIB)
        here.kit.xapi.disks.write(vdi, 0, b"volume")
        await part_with(here, sr)
        other = await introduce(there, "", "iscsi", {**TARGET, "LUNid": "0"})
        (found,) = there.row(other)["VDIs"]
        assert there.world.uuid(found) == uuid
        assert there.kit.xapi.disks.read(found, 0, 6) == b"volume"

    over_two_pools(body)


def test_a_fabric_shows_its_luns() -> None:
    async def body(host: Host) -> None:
        sr = await introduce(host, "", "hba", {})
        assert [host.world[vdi]["sm_config"]["LUNid"] for vdi in host.row(sr)["VDIs"]] == ["0", "1"]

    over_host(body)
