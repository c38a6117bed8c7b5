"""What each driver makes of a device_config: every check of every type, where the SR lies, and what a probe answers."""

from __future__ import annotations

import json

import pytest

from fake_xapi.datamodel.personality import Era
from fake_xapi.dom0.arrays import GIB, STANDARD, TIB
from fake_xapi.lifecycle.storage_types import supported_types
from fake_xapi.verbs.disks import sr_drivers
from fake_xapi.verbs.disks.sm_errors import TEXTS
from fake_xapi.verbs.disks.sr_drivers import Place, Wanted
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

Config = dict[str, str]
PORTAL = "10.255.0.20"
IQN = "iqn.2012-08.example.storage:array1"
SECRET_IQN = "iqn.2012-08.example.storage:secret"
LUN = "360a98000534b4f4e46704f76692d6d00"
TARGET = {"target": PORTAL, "targetIQN": IQN}
CHAP = {"target": PORTAL, "targetIQN": SECRET_IQN, "SCSIid": "360a98000534b4f4e46704f76692d7300"}
SMB = {"server": "\\\\10.255.0.12\\sr", "username": "xen", "password": "smbsecret"}
FILER = {"target": "10.255.0.30", "username": "root", "password": "filersecret"}
GROUP = {"target": "10.255.0.40", "username": "grpadmin", "password": "groupsecret"}
GATEWAY = {"target": "10.255.0.50", "username": "admin", "password": "gatesecret"}

FOUND: list[tuple[str, Config, Place]] = [
    ("ext", {"device": "/dev/sdb"}, Place("host /dev/sdb", TIB)),
    ("lvm", {"device": "/dev/sdb,/dev/sdc"}, Place("host /dev/sdb,/dev/sdc", 2 * TIB)),
    ("lvm", {"device": "/dev/sda3"}, Place("host /dev/sda3", sr_drivers.UNKNOWN_BYTES)),
    ("file", {"location": "/sr"}, Place("host /sr", sr_drivers.UNKNOWN_BYTES)),
    ("udev", {"location": "/dev/xapi/cd"}, Place("host /dev/xapi/cd", 0)),
    ("dummy", {}, Place("host dummy", sr_drivers.UNKNOWN_BYTES)),
    ("nfs", {"server": "nfs.storage.example", "serverpath": "/exports/sr1"}, Place("nfs 10.255.0.10:/exports/sr1", TIB)),
    ("smb", SMB, Place("smb 10.255.0.12/sr", TIB)),
    ("iso", {"location": "10.255.0.10:/exports/iso"}, Place("iso 10.255.0.10:/exports/iso", sr_drivers.UNKNOWN_BYTES)),
    ("iso", {"location": "\\\\10.255.0.12\\iso", "type": "cifs"}, Place("iso //10.255.0.12/iso", sr_drivers.UNKNOWN_BYTES)),
    (
        "iso",
        {"location": "/var/opt/xen/iso_import", "legacy_mode": "true"},
        Place("host iso /var/opt/xen/iso_import", sr_drivers.UNKNOWN_BYTES),
    ),
    ("lvmoiscsi", {**TARGET, "SCSIid": LUN}, Place(f"lun {LUN}", 500 * GIB)),
    ("lvmoiscsi", {"target": f"10.0.0.9,{PORTAL}", "targetIQN": "*", "SCSIid": LUN, "port": "3260"}, Place(f"lun {LUN}", 500 * GIB)),
    ("lvmoiscsi", {**CHAP, "chapuser": "chap", "chappassword": "chapsecret"}, Place(f"lun {CHAP['SCSIid']}", 500 * GIB)),
    ("lvmohba", {"SCSIid": "3600508b4000971ca0000a00000000001"}, Place("lun 3600508b4000971ca0000a00000000001", TIB)),
    ("iscsi", TARGET, Place(f"target {IQN}", 2000 * GIB)),
    ("hba", {}, Place("fabric", 2 * TIB)),
    ("netapp", {**FILER, "aggregate": "aggr1"}, Place("netapp 10.255.0.30 aggr1", TIB)),
    ("equal", {**GROUP, "storagepool": "default"}, Place("equal 10.255.0.40 default", TIB)),
    ("cslg", GATEWAY, Place("cslg 10.255.0.50 lun0", TIB)),
]

REFUSED: list[tuple[str, Config, int, str]] = [
    ("ext", {}, 90, ""),
    ("lvm", {"device": "sdb"}, 91, "path is sdb"),
    ("lvm", {"device": "/dev/sda"}, 105, "Device /dev/sda contains core system files, please use another device"),
    ("ext", {"device": "/dev/sdz"}, 19, "Device /dev/sdz does not exist"),
    ("file", {}, 94, ""),
    ("file", {"location": "sr"}, 91, "path is sr"),
    ("udev", {}, 94, ""),
    ("nfs", {}, 102, ""),
    ("nfs", {"server": "nowhere.invalid"}, 140, ""),
    ("nfs", {"server": "10.9.9.9"}, 108, ""),
    ("nfs", {"server": "10.255.0.10", "serverpath": "exports"}, 103, ""),
    ("nfs", {"server": "10.255.0.10", "serverpath": "/none"}, 73, "mount failed with return code 32"),
    ("smb", {}, 102, ""),
    ("smb", {"server": "//nowhere.invalid/sr"}, 140, ""),
    ("smb", {"server": "//10.9.9.9/sr"}, 111, ""),
    ("smb", {**SMB, "server": "//10.255.0.12/none"}, 111, "mount failed with return code 32"),
    ("smb", {**SMB, "password": "wrong"}, 111, "mount failed with return code 32"),
    ("iso", {}, 220, ""),
    ("iso", {"location": "/isos"}, 225, ""),
    ("iso", {"location": "10.255.0.10:/none"}, 222, ""),
    ("iso", {"location": "/none", "legacy_mode": "true"}, 226, ""),
    ("lvmoiscsi", {}, 95, ""),
    ("lvmoiscsi", {"target": "nowhere.invalid"}, 140, ""),
    ("lvmoiscsi", {"target": "10.9.9.9"}, 141, ""),
    ("lvmoiscsi", {"target": PORTAL, "port": "x"}, 142, ""),
    ("lvmoiscsi", {"target": PORTAL, "port": "65536"}, 142, ""),
    ("lvmoiscsi", {"target": PORTAL, "port": "3261"}, 141, ""),
    ("lvmoiscsi", CHAP, 68, ""),
    ("iscsi", {}, 95, ""),
    ("netapp", {}, 120, ""),
    ("netapp", {"target": "10.255.0.30"}, 121, ""),
    ("netapp", {"target": "10.255.0.30", "username": "root"}, 122, ""),
    ("netapp", {**FILER, "target": "10.9.9.9"}, 124, ""),
    ("netapp", {**FILER, "password": "wrong"}, 125, ""),
    ("equal", {}, 160, ""),
    ("equal", {"target": "10.255.0.40"}, 161, ""),
    ("equal", {"target": "10.255.0.40", "username": "grpadmin"}, 162, ""),
    ("equal", {**GROUP, "target": "10.9.9.9"}, 173, ""),
    ("equal", {**GROUP, "password": "wrong"}, 169, ""),
    ("equal", {**GROUP, "storagepool": "none"}, 172, ""),
    ("cslg", {}, 115, ""),
    ("cslg", {**GATEWAY, "target": "10.9.9.9"}, 140, ""),
    ("cslg", {**GATEWAY, "password": "wrong"}, 125, ""),
    ("cslg", {**GATEWAY, "SCSIid": "none"}, 107, ""),
]

ASKED: list[tuple[str, Config, int, str]] = [
    (
        "nfs",
        {"server": "10.255.0.10"},
        101,
        "<nfs-exports>|\t<Export>|\t\t<Target>10.255.0.10</Target>|\t\t<Path>/exports/sr1</Path>|\t\t<Accesslist>*</Accesslist>|\t</Export>",
    ),
    (
        "lvmoiscsi",
        {"target": "iscsi.storage.example"},
        96,
        f"<iscsi-target-iqns>|\t<TGT>|\t\t<Index>0</Index>|\t\t<IPAddress>iscsi.storage.example</IPAddress>|\t\t<TargetIQN>{IQN}</TargetIQN>",
    ),
    ("lvmoiscsi", {"target": PORTAL, "targetIQN": "iqn.none"}, 96, "<iscsi-target-iqns>|\t<TGT>|\t\t<Index>0</Index>"),
    (
        "lvmoiscsi",
        TARGET,
        107,
        "<iscsi-target>|\t<LUN>|\t\t<vendor>SIMARRAY</vendor>|\t\t<serial>4f76692d6d00</serial>|\t\t<LUNid>0</LUNid>|\t\t<size>536870912000</size>",
    ),
    ("lvmohba", {}, 107, "<Devlist>|\t<BlockDevice>|\t\t<path>/dev/disk/by-id/scsi-3600508b4000971ca0000a00000000000</path>"),
    ("netapp", FILER, 123, "<Aggrlist>|\t<Aggr>|\t\t<Name>aggr0</Name>|\t\t<Size>1099511627776</Size>|\t</Aggr>"),
    ("equal", GROUP, 163, "<StoragePools>|\t<StoragePool>|\t\t<Name>default</Name>|\t\t<Capacity>1099511627776</Capacity>"),
]


def wanted(config: Config, era: Era = "modern") -> Wanted:
    return Wanted(config, STANDARD, "host", era)


@pytest.mark.parametrize(("sr_type", "config", "place"), FOUND)
def test_a_complete_device_config_leads_to_a_place(sr_type: str, config: Config, place: Place) -> None:
    assert sr_drivers.locate(sr_type, wanted(config)) == place


def test_every_type_of_every_release_has_been_found() -> None:
    assert {sr_type for sr_type, *_ in FOUND} == {*supported_types("modern"), *supported_types("tampa")}


def _detailed(number: int, detail: str) -> str:
    return TEXTS[number] + (f" [opterr={detail}]" if detail else "")


@pytest.mark.parametrize("method", ["SR.create", "SR.probe"])
@pytest.mark.parametrize(("sr_type", "config", "number", "detail"), REFUSED)
def test_a_device_config_that_leads_nowhere_is_refused(method: str, sr_type: str, config: Config, number: int, detail: str) -> None:
    async def body(host: Host) -> list[str]:
        return await _tried(host, method, sr_type, config)

    release = "latest" if sr_type in supported_types("modern") else "tampa"
    expected = [f"SR_BACKEND_FAILURE_{number}", "", _detailed(number, detail), ""]
    if method == "SR.probe" and sr_type in ("iso", "udev"):
        expected = ["SR_BACKEND_FAILURE_38", "", TEXTS[38], ""]
    assert over_host(body, release) == expected


async def _tried(host: Host, method: str, sr_type: str, config: Config) -> list[str]:
    if method == "SR.probe":
        return await host.refused(method, host.host, config, sr_type, {})
    refusal = await host.refused(method, host.host, config, "0", "x", "", sr_type, "user", False, {})
    assert [row["name_label"] for _, row in host.world.rows("SR")] == ["Local storage"]
    return refusal


@pytest.mark.parametrize("method", ["SR.create", "SR.probe"])
@pytest.mark.parametrize(("sr_type", "config", "number", "begins"), ASKED)
def test_what_is_missing_is_asked_for_with_a_list(method: str, sr_type: str, config: Config, number: int, begins: str) -> None:
    async def body(host: Host) -> None:
        code, stdout, text, document = await _tried(host, method, sr_type, config)
        assert (code, stdout, text) == (f"SR_BACKEND_FAILURE_{number}", "", TEXTS[number])
        if host.world.personality.era == "modern":
            assert document.startswith('<?xml version="1.0" ?>\n' + begins.replace("|", "\n"))

    over_host(body, "latest" if sr_type in supported_types("modern") else "tampa")


def test_old_drivers_print_texts_on_lines_of_their_own() -> None:
    async def body(host: Host) -> str:
        return (await host.refused("SR.probe", host.host, {"target": "10.255.0.21"}, "lvmoiscsi", {}))[3]

    listed = "\n".join(
        f"\t<TGT>\n\t\t<Index>\n\t\t\t{place}\n\t\t</Index>\n\t\t<IPAddress>\n\t\t\t10.255.0.21\n\t\t</IPAddress>\n"
        f"\t\t<TargetIQN>\n\t\t\t{iqn}\n\t\t</TargetIQN>\n\t</TGT>"
        for place, iqn in enumerate((IQN, "*"))
    )
    assert over_host(body, "tampa") == f'<?xml version="1.0" ?>\n<iscsi-target-iqns>\n{listed}\n</iscsi-target-iqns>\n'


@pytest.mark.parametrize("release", ["tampa", "latest"])
def test_types_that_a_release_does_not_know(release: str) -> None:
    async def body(host: Host) -> None:
        types = await host.call("SR.get_supported_types")
        other = "smb" if release == "tampa" else "netapp"
        assert ("smb" in types, "netapp" in types, "dummy" in types) == (release == "latest", release == "tampa", True)
        for method in ("SR.create", "SR.probe"):
            assert await _tried(host, method, other, {}) == ["SR_UNKNOWN_DRIVER", other]

    over_host(body, release)


def test_a_device_that_an_sr_has_is_not_given_away() -> None:
    async def body(host: Host) -> None:
        config = {"device": "/dev/sdb"}
        await host.call("SR.create", host.host, config, "0", "x", "", "ext", "user", False, {})
        refusal = await host.refused("SR.create", host.host, config, "0", "y", "", "lvm", "user", False, {})
        text = f"{TEXTS[16]} [opterr=Device /dev/sdb in use, please check your existing SR instantiations]"
        assert refusal == ["SR_BACKEND_FAILURE_16", "", text, ""]
        assert await host.call("SR.create", host.host, {"device": "/dev/sdc"}, "0", "y", "", "lvm", "user", False, {})

    over_host(body)


def test_passwords_may_be_kept_as_secrets() -> None:
    async def body(host: Host) -> None:
        secret = host.kit.make("secret", value="smbsecret")
        config = {**SMB, "password_secret": host.world.uuid(host.id(secret))}
        del config["password"]
        sr = await host.call("SR.create", host.host, config, "0", "x", "", "smb", "user", True, {})
        assert host.world[host.row(sr)["PBDs"][0]]["device_config"] == config
        bad = {**config, "password_secret": "none"}
        assert await _tried(host, "SR.probe", "smb", bad) == ["SR_BACKEND_FAILURE_20", "", "No such secret.", ""]

    over_host(body)


def test_a_pool_may_have_a_storage_network_of_its_own() -> None:
    async def body(host: Host) -> None:
        mine = {"nfs": [{"names": ["filer"], "shares": {"/vol": GIB}}]}
        pool = host.world.ref(next(host.world.ids("pool")))
        config = {"server": "filer", "serverpath": "/vol"}
        assert (await _tried(host, "SR.create", "nfs", config))[0] == "SR_BACKEND_FAILURE_140"
        host.set(pool, other_config={"sim.storage": json.dumps(mine)})
        sr = await host.call("SR.create", host.host, config, "0", "x", "", "nfs", "user", True, {})
        assert host.row(sr)["physical_size"] == GIB
        assert (await host.refused("SR.probe", host.host, {"server": "10.255.0.10"}, "nfs", {}))[0] == "SR_BACKEND_FAILURE_108"
        host.set(pool, other_config={"sim.storage": "no JSON"})
        assert (await host.refused("SR.probe", host.host, {"server": "10.255.0.10"}, "nfs", {}))[0] == "SR_BACKEND_FAILURE_101"

    over_host(body)
