"""The disks that a server gets beside its root, with the real tools' file systems on them, and what else a flavor grants it."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from compute_core.images.blank_disks import parts_of
from compute_core.model.errors import BuildFailed
from compute_core.model.flavors import Flavor
from compute_core.model.instances import File
from compute_core.xenapi.guest_files import files
from tests.compute_core.rig import NOTHING, Rig, content_of, over_rig
from tests.compute_core.simulated import loses_reply
from tests.compute_core.values import UUID, a_vif, an_instance

MIB = 1 << 20
LARGE = Flavor("7", "m1.disks", 512, 1, 1, ephemeral_gb=1, swap_mb=64)
TOLD = an_instance(
    has_config_drive=True,
    metadata={"role": "web"},
    user_data="IyEvYmluL3No",
    key_name="laptop",
    key_data="ssh-rsa AAAA",
    personality=(File("/etc/motd", "aGVsbG8="),),
    reservation_id="r-1",
)


async def disks_of(rig: Rig, vm: str) -> dict[str, Mapping[str, Any]]:
    """The VBDs of a VM by their numbers."""
    vbds = await rig.session.call("VBD.get_all_records_where", f'field "VM"="{vm}"')
    return {vbd["userdevice"]: vbd for vbd in vbds.values()}


def disk_in_file(rig: Rig, vdi: str, size: int, path: Path) -> Path:
    path.write_bytes(content_of(rig, vdi, size))
    return path


def partition(path: Path) -> dict[str, Any]:
    """The only one of a disk, as sfdisk sees it."""
    told = subprocess.run(["sfdisk", "--json", str(path)], capture_output=True, check=True).stdout
    (found,) = json.loads(told)["partitiontable"]["partitions"]
    return {key: found[key] for key in ("start", "size", "type")}


def fsck(path: Path) -> int:
    """What e2fsck says of the file system in the partition."""
    return subprocess.run(["e2fsck", "-fn", f"{path}?offset={MIB}"], capture_output=True, check=False).returncode


@pytest.mark.disk_tools
def test_swap_and_ephemeral_disks_are_there_and_may_be_used_at_once(tmp_path: Path) -> None:
    async def body(rig: Rig) -> dict[str, Any]:
        disks = await disks_of(rig, await rig.spawn(an_instance(flavor=LARGE)))
        vdis = {number: await rig.session.call("VDI.get_record", vbd["VDI"]) for number, vbd in disks.items()}
        swap = disk_in_file(rig, disks["2"]["VDI"], 64 * MIB, tmp_path / "swap")
        ephemeral = disk_in_file(rig, disks["4"]["VDI"], 1 << 30, tmp_path / "ephemeral")
        return {
            "places": {number: (vbd["mode"], vbd["bootable"]) for number, vbd in disks.items()},
            "vdis": {
                number: (vdi["name_label"], vdi["virtual_size"], vdi["other_config"].get("inova-disk")) for number, vdi in vdis.items()
            },
            "partitions": (partition(swap), partition(ephemeral)),
            "is_swap": swap.read_bytes()[MIB + 4086 : MIB + 4096],
            "fsck": fsck(ephemeral),
        }

    name = f"instance-{UUID}"

    assert over_rig(tmp_path, body) == {
        "places": {"0": ("RW", True), "2": ("RW", False), "4": ("RW", False)},
        "vdis": {"0": (name, 1 << 30, "root"), "2": (name, 64 * MIB, "swap"), "4": (name, 1 << 30, "ephemeral0")},
        "partitions": ({"start": 2048, "size": 129024, "type": "82"}, {"start": 2048, "size": 2095104, "type": "83"}),
        "is_swap": b"SWAPSPACE2",
        "fsck": 0,
    }


@pytest.mark.parametrize(
    ("total", "parts"), [(0, []), (1, [1]), (2000, [2000]), (2048, [1024, 1024]), (2500, [2000, 500]), (4096, [1024] * 4)]
)
def test_ephemeral_space_comes_in_disks_of_a_size_that_tables_can_say(total: int, parts: list[int]) -> None:
    assert list(parts_of(total)) == parts


def test_the_config_drive_is_read_only_and_holds_what_the_guest_is_told(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[Any, dict[str, bytes], str]:
        disks = await disks_of(rig, await rig.spawn(TOLD))
        size = await rig.session.call("VDI.get_virtual_size", disks["3"]["VDI"])
        medium = pycdlib.PyCdlib()
        medium.open_fp(io.BytesIO(content_of(rig, disks["3"]["VDI"], size)))
        told = {name: read(medium, name) for name in files(TOLD)}
        label = medium.pvd.volume_identifier.decode().strip()
        return (disks["3"]["mode"], disks["3"]["type"], disks["3"]["bootable"]), told, label

    place, told, label = over_rig(tmp_path, body)

    assert (place, label) == (("RO", "Disk", False), "config-2")
    assert told == files(TOLD)


def read(medium: pycdlib.PyCdlib, name: str) -> bytes:
    out = io.BytesIO()
    medium.get_file_from_iso_fp(out, rr_path=f"/{name}")
    return out.getvalue()


DECODED = {
    "openstack/latest/meta_data.json": {
        "uuid": UUID,
        "name": "web",
        "hostname": "web",
        "project_id": "p",
        "launch_index": 0,
        "availability_zone": "nova",
        "meta": {"role": "web"},
        "devices": [],
        "public_keys": {"laptop": "ssh-rsa AAAA"},
        "keys": [{"name": "laptop", "type": "ssh", "data": "ssh-rsa AAAA"}],
        "admin_pass": "secret",
        "files": [{"path": "/etc/motd", "content_path": "/content/0000"}],
    },
    "openstack/latest/network_data.json": {
        "links": [
            {"id": "tapport-0", "vif_id": "port-0", "type": "bridge", "mtu": 1500, "ethernet_mac_address": "fa:16:3e:00:00:01"},
        ],
        "networks": [
            {
                "id": "network0",
                "type": "ipv4",
                "link": "tapport-0",
                "network_id": "net-1",
                "ip_address": "10.0.0.11",
                "netmask": "255.255.255.0",
                "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"}],
            }
        ],
        "services": [],
    },
    "openstack/latest/vendor_data.json": {},
    "ec2/latest/meta-data.json": {
        "ami-launch-index": 0,
        "hostname": "web",
        "local-hostname": "web",
        "instance-id": "i-6f70656e",
        "instance-type": "m1.tiny",
        "local-ipv4": "10.0.0.11",
        "placement": {"availability-zone": "nova"},
        "reservation-id": "r-1",
        "public-keys": {"0": {"openssh-key": "ssh-rsa AAAA"}},
    },
}


def test_what_a_guest_is_told_in_files() -> None:
    told = files(replace(TOLD, vifs=(a_vif(),)), admin_password="secret")
    decoded = {name: json.loads(content) for name, content in told.items() if name.endswith(".json")}

    assert {name: told[name] for name in told.keys() - decoded.keys()} == {
        "openstack/latest/user_data": b"#!/bin/sh",
        "ec2/latest/user-data": b"#!/bin/sh",
        "openstack/content/0000": b"hello",
    }
    assert decoded == DECODED


def test_a_server_that_is_told_nothing_has_the_least() -> None:
    told = files(an_instance(vifs=()))

    assert sorted(told) == [
        "ec2/latest/meta-data.json",
        "openstack/latest/meta_data.json",
        "openstack/latest/network_data.json",
        "openstack/latest/vendor_data.json",
    ]
    assert json.loads(told["openstack/latest/network_data.json"]) == {"links": [], "networks": [], "services": []}


@pytest.mark.disk_tools
def test_every_further_disk_takes_six_calls(tmp_path: Path) -> None:
    async def body(rig: Rig) -> list[str]:
        await rig.spawn(an_instance(vifs=()))
        rig.undisturbed()
        other = an_instance("6f70656e-7374-4163-8b00-696e6f766132", vifs=(), has_config_drive=True)
        await rig.spawn(other)
        return rig.undisturbed()

    asked = over_rig(tmp_path, body)

    made = ["VDI.create", "task.create", "PUT /import_raw_vdi", "task.get_record", "task.destroy"]
    assert asked[5:10] == made
    assert asked.count("VBD.create") == 2
    assert len(asked) == 8 + 6


@pytest.mark.parametrize("step", ["VDI.create", "task.create", "VBD.create"])
def test_a_lost_reply_about_a_further_disk_is_looked_up(tmp_path: Path, step: str) -> None:
    async def body(rig: Rig) -> dict[str, list[str]]:
        await rig.spawn(an_instance(vifs=()))
        rig.undisturbed()
        after_the_root = {"VDI.create": 1, "task.create": 2, "VBD.create": 8}
        rig.wire.after = loses_reply(5 + after_the_root[step])
        await rig.spawn(an_instance("6f70656e-7374-4163-8b00-696e6f766132", vifs=(), has_config_drive=True))
        return rig.left()

    left = over_rig(tmp_path, body)

    assert (len(left["VDI"]), sorted(left["VBD"]), left["task"]) == (3, ["0", "0", "3"], [])


def test_an_agent_without_the_tools_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compute_core.images.programs.shutil.which", lambda *_, **__: None)

    async def body(rig: Rig) -> tuple[str, bool, dict[str, list[str]]]:
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(flavor=LARGE))
        return failed.value.message, failed.value.is_retryable, rig.left()

    message, is_retryable, left = over_rig(tmp_path, body)

    assert message == "The agent's machine lacks sfdisk. Cure: apt-get install fdisk."
    assert (is_retryable, left) == (True, NOTHING)


# ---- what a flavor grants --------------------------------------------------------------------------------------------------------


def granted(**specs: str) -> Flavor:
    return Flavor("9", "own", 256, 1, 1, extra_specs={name.replace("__", ":"): value for name, value in specs.items()})


def test_servers_of_their_own_processors_share_none(tmp_path: Path) -> None:
    async def body(rig: Rig) -> list[Any]:
        flavor = replace(granted(hw__cpu_policy="dedicated"), vcpus=2)
        servers = [an_instance(f"{UUID[:-1]}{number}", vifs=(), flavor=flavor) for number in range(2)]
        return [(await rig.session.call("VM.get_record", await rig.spawn(server)))["VCPUs_params"] for server in servers]

    assert over_rig(tmp_path, body) == [{"weight": "256", "mask": "0,1"}, {"weight": "256", "mask": "2,3"}]


def test_devices_are_passed_to_one_server_alone(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[str, str, dict[str, int]]:
        flavor = granted(pci_passthrough__alias="nic:1")
        await rig.session.call("host.add_to_other_config", rig.place.host, "inova-pci-nic", "0000:06:00.1")
        vm = await rig.spawn(an_instance(vifs=(), flavor=flavor))
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(f"{UUID[:-1]}9", vifs=(), flavor=flavor))
        given = await rig.session.call("VM.get_other_config", vm)
        return given["pci"], failed.value.message, {cls: len(found) for cls, found in rig.left().items()}

    pci, message, left = over_rig(tmp_path, body)

    assert (pci, message) == ("0/0000:06:00.1", "1 PCI devices nic are wanted, 0 are free.")
    assert left == {"VM": 1, "VBD": 1, "VIF": 0, "VDI": 1, "task": 0}


def test_a_disks_priority_is_its_flavors(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[str, dict[str, str]]:
        flavor = granted(quota__disk_io_class="high", quota__disk_io_sched="rt")
        disks = await disks_of(rig, await rig.spawn(an_instance(vifs=(), flavor=flavor)))
        return disks["0"]["qos_algorithm_type"], disks["0"]["qos_algorithm_params"]

    assert over_rig(tmp_path, body) == ("ionice", {"sched": "rt", "class": "high"})


def test_a_host_without_graphics_cards_sends_the_server_to_another(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[str, bool, dict[str, list[str]]]:
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(vifs=(), flavor=granted(resources__VGPU="1", vgpu__type="GRID K180Q")))
        return failed.value.message, failed.value.is_retryable, rig.left()

    message, is_retryable, left = over_rig(tmp_path, body)

    assert message == "xs00001 has no virtual graphics cards of type GRID K180Q."
    assert (is_retryable, left) == (True, NOTHING)


def test_servers_of_their_own_processors_that_are_built_at_once_share_none(tmp_path: Path) -> None:
    async def body(rig: Rig) -> list[str]:
        servers = [an_instance(f"{UUID[:-1]}{number}", vifs=(), flavor=granted(hw__cpu_policy="dedicated")) for number in range(3)]
        vms = await asyncio.gather(*(rig.spawn(server) for server in servers))
        return sorted([(await rig.session.call("VM.get_record", vm))["VCPUs_params"]["mask"] for vm in vms])

    assert over_rig(tmp_path, body) == ["0", "1", "2"]
