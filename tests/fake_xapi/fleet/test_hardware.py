"""Hardware: as people write it, and as a fresh host shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fake_xapi.fleet.golden import golden
from fake_xapi.fleet.gpus import GPUS
from fake_xapi.fleet.hardware import GIB, STANDARD, Hardware
from fake_xapi.fleet.hardware_file import KEYS, BadHardware, read_hardware
from fake_xapi.state.world import World
from fake_xapi.verbs.devices.usb_devices import plugged
from fake_xapi.verbs.networks import nics


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hardware.json"
    path.write_text(text)
    return path


def test_what_a_file_does_not_name_is_usual(tmp_path: Path) -> None:
    text = '{"cpus": 32, "memory_gib": 256, "nics": 4, "gpus": 2, "gpu_model": "Tesla M60", "usb_devices": 1, "storage_gib": 0.5e3}'
    assert read_hardware(written(tmp_path, text)) == Hardware(
        cpus=32, memory_bytes=256 * GIB, nics=4, gpus=2, gpu_model="Tesla M60", usb_devices=1, storage_bytes=500 * GIB
    )
    assert read_hardware(written(tmp_path, "{}")) == STANDARD


GOOD = {
    "cpus": 8, "sockets": 1, "cpu_model": "x", "cpu_mhz": 3000, "memory_gib": 8, "control_domain_gib": 1, "storage_gib": 100,
    "sr_type": "lvm", "nics": 1, "nic_functions": 4, "gpus": 1, "gpu_model": "GRID K1", "usb_devices": 0,
    "dvd_drives": 1,
}  # fmt: skip


def test_every_key_is_read(tmp_path: Path) -> None:
    assert GOOD.keys() == KEYS.keys()
    text = str(GOOD).replace("'", '"')
    made = read_hardware(written(tmp_path, text))
    assert {field: getattr(made, field) for field in ("cpus", "sr_type", "nic_functions", "memory_bytes", "cpu_model")} == {
        "cpus": 8,
        "sr_type": "lvm",
        "nic_functions": 4,
        "memory_bytes": 8 * GIB,
        "cpu_model": "x",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{\n  cpus", ":2: no JSON ("),
        ("[1]", ":1: not an object; write one such as {"),
        ('{\n "cpus": 8,\n "cpu": 9}', ":3: unknown key 'cpu'; did you mean cpus?"),
        ('{"frob": 1}', ":1: unknown key 'frob'; there are cpus, sockets,"),
        ('{\n"cpus": 0}', ":2: cpus is a whole number from 1 to 4096, not 0"),
        ('{"nics": true}', ":1: nics is a whole number from 1 to 16, not true"),
        ('{"nics": "2"}', ':1: nics is a whole number from 1 to 16, not "2"'),
        ('{"memory_gib": 0.5}', ":1: memory_gib is a number of GiB from 1 to 65536, not 0.5"),
        ('{"sr_type": "nfs"}', ':1: sr_type is one of ext, lvm, not "nfs"'),
        ('{"gpu_model": "Voodoo"}', ':1: gpu_model is one of GRID K1, Tesla M60, FirePro S7150, not "Voodoo"'),
        ('{"cpu_model": ""}', ':1: cpu_model is a text, not ""'),
        ('{\n"memory_gib": 2}', ":2: the control domain has all the memory of its host; raise memory_gib or lower control_domain_gib"),
        ('{"cpus": 2,\n "sockets": 4}', ":2: 4 sockets need as many cpus, not 2; raise cpus or lower sockets"),
        ('{"cpus": 1}', ":1: 2 sockets need as many cpus, not 1; raise cpus or lower sockets"),
    ],
)
def test_what_is_no_machine_is_told_with_its_line_and_the_cure(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadHardware) as told:
        read_hardware(path)
    assert str(told.value).startswith(f"{path}{said}")


def _rows(world: World, cls: str, *fields: str) -> list[tuple[object, ...]]:
    return [tuple(world[identity][field] for field in fields) for identity in sorted(world.ids(cls))]


def test_a_usual_host_has_pci_devices_for_its_nics_and_disks_and_nothing_to_give_away() -> None:
    made = golden("latest")
    assert _rows(made.world, "PCI", "pci_id", "class_id") == [
        ("0000:04:00.0", "0200"),
        ("0000:04:00.1", "0200"),
        ("0000:00:1f.2", "0106"),
    ]
    assert [made.world[pif]["PCI"] for pif in made.pifs] == sorted(made.world.ids("PCI"))[:2]
    assert [made.world[pif]["capabilities"] for pif in made.pifs] == [(), ()]
    assert [made.world.count(cls) for cls in ("PGPU", "GPU_group", "VGPU_type", "PUSB", "USB_group")] == [0] * 5
    assert made.world[made.host]["chipset_info"] == {"iommu": "true"}


@pytest.mark.parametrize("model", sorted(GPUS))
def test_cards_offer_what_their_model_can_be(model: str) -> None:
    made = golden("latest", Hardware(gpus=2, gpu_model=model))
    world, (group,) = made.world, list(made.world.ids("GPU_group"))
    first, second = sorted(world[group]["PGPUs"])
    names = [world[kind]["model_name"] for kind in world[first]["supported_VGPU_types"]]
    assert names == ["passthrough", *(kind.model for kind in GPUS[model].types)]
    for field in ("supported_VGPU_types", "enabled_VGPU_types"):
        assert world[first][field] == world[second][field] == world[group][field]
    sizes = {world[kind]["model_name"]: size for kind, size in world[first]["supported_VGPU_max_capacities"].items()}
    assert sizes == {"passthrough": 1, **{kind.model: kind.per_card for kind in GPUS[model].types}}
    assert world[group]["GPU_types"] == (f"{GPUS[model].vendor_id}/{GPUS[model].device_id}",)


def test_cards_of_a_pool_are_one_group() -> None:
    world = golden("latest", Hardware(gpus=1), 3).world
    assert [world.count(cls) for cls in ("PGPU", "GPU_group", "VGPU_type")] == [3, 1, 6]


def test_drives_are_disks_of_their_repository() -> None:
    world = golden("latest", Hardware(dvd_drives=2)).world
    rows = [row for _, row in world.rows("VDI") if world[row["SR"]]["name_label"] == "DVD drives"]
    assert [(row["name_label"], row["location"], row["virtual_size"], row["read_only"]) for row in rows] == [
        ("SCSI 0:0:0:0", "/dev/xapi/cd/sr0", 1_073_741_312, True),
        ("SCSI 1:0:0:0", "/dev/xapi/cd/sr1", 1_073_741_312, True),
    ]


def test_nics_with_functions_and_sticks_are_what_dom0_sees() -> None:
    made = golden("latest", Hardware(nic_functions=8, usb_devices=2))
    assert [made.world[pif]["capabilities"] for pif in made.pifs] == [("sriov",), ("sriov",)]
    assert [nics.virtual_functions(made.world, made.host, device) for device in ("eth0", "eth1")] == [8, 8]
    assert [stick.path for stick in plugged(made.world, made.host)] == ["2-1", "2-2"]
    assert _rows(made.world, "PUSB", "path", "speed") == [("2-1", 5000.0), ("2-2", 5000.0)]
