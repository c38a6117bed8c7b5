"""Servers from images of every format, and from those that are not what they say: refused with the reason, and no VDI is left of them."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import BuildFailed
from compute_core.model.flavors import Flavor
from compute_core.model.images import Image
from compute_core.xenapi import image_source
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.rescue import rescue
from tests.compute_core.dom0.vhds import BASE, SEEN, archived, chain, differencing, numbered, pattern
from tests.compute_core.images.vhds import dynamic, fixed
from tests.compute_core.rig import NOTHING, Rig, content_of, in_pieces, over_rig
from tests.compute_core.values import UUID as SERVER
from tests.compute_core.values import an_instance
from tests.compute_core.xenapi.wrong_images import WRONG, as_large_as

MIB = 1 << 20
OTHER = "6f70656e-7374-4163-8b00-696e6f766132"


async def an_image_of(rig: Rig, content: bytes, disk_format: str, container_format: str = "bare", **properties: str) -> Image:
    image = await rig.images.create("it", "p", disk_format=disk_format, container_format=container_format, properties=properties)
    return await rig.images.upload(image.id, in_pieces(content))


async def disks_of(rig: Rig, vm: str) -> dict[str, Mapping[str, Any]]:
    """The VBDs of a VM by their numbers."""
    vbds = await rig.session.call("VBD.get_all_records_where", f'field "VM"="{vm}"')
    return {vbd["userdevice"]: vbd for vbd in vbds.values()}


def root_content(folder: Path, content: bytes, disk_format: str, container_format: str, length: int) -> bytes:
    """What is on the root disk of a server that was built from it."""

    async def body(rig: Rig) -> bytes:
        vm = await rig.spawn(an_instance(), await an_image_of(rig, content, disk_format, container_format))
        return content_of(rig, (await disks_of(rig, vm))["0"]["VDI"], length)

    return over_rig(folder, body)


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_chain_of_vhds_becomes_the_disk_that_it_amounts_to(tmp_path: Path, *, is_packed: bool) -> None:
    content = archived(numbered(chain()), is_packed=is_packed)

    assert root_content(tmp_path, content, "vhd", "ovf", len(SEEN)) == SEEN


def test_the_order_of_the_files_in_a_tar_does_not_matter_nor_does_an_ovf_beside_them(tmp_path: Path) -> None:
    files = dict(reversed(numbered(chain()).items())) | {"image.ovf": b"<Envelope/>", "image.mf": b"SHA1"}

    assert root_content(tmp_path, archived(files), "vhd", "ovf", len(SEEN)) == SEEN


@pytest.mark.parametrize(
    "vhd",
    [
        differencing(BASE, None, {1: pattern(1)}),
        dynamic({1: pattern(1)}),
        fixed(bytes(2 * MIB) + pattern(1) + bytes(4 * MIB)),
    ],
    ids=["by the simulator", "dynamic", "fixed"],
)
def test_one_vhd_in_a_tar_or_packed_alone_is_as_good(tmp_path: Path, vhd: bytes) -> None:
    wanted = bytes(2 * MIB) + pattern(1) + bytes(4 * MIB)

    contents = [archived({"0.vhd": vhd}), gzip.compress(vhd, 1)]

    assert [root_content(tmp_path / str(number), content, "vhd", "ovf", 8 * MIB) for number, content in enumerate(contents)] == [wanted] * 2


def test_a_raw_image_is_the_disk_itself(tmp_path: Path) -> None:
    content = pattern(1) + bytes(3 * MIB) + pattern(2) + b"tail"

    assert root_content(tmp_path, content, "raw", "bare", len(content)) == content


def test_a_file_system_without_a_table_gets_one(tmp_path: Path) -> None:
    disk = root_content(tmp_path, pattern(7), "ami", "ami", 64 * 512 + len(pattern(7)))

    status, kind, begin, sectors = struct.unpack("<B3xB3xII", disk[446:462])
    assert (status, kind, begin, sectors, disk[510:512]) == (0x80, 0x83, 63, len(pattern(7)) // 512, b"\x55\xaa")
    assert disk[63 * 512 : 63 * 512 + len(pattern(7))] == pattern(7)


def test_a_server_is_installed_from_a_medium_that_all_share(tmp_path: Path) -> None:
    async def body(rig: Rig) -> dict[str, Any]:
        image = await an_image_of(rig, b"CD001" + pattern(3), "iso")
        servers = [await rig.spawn(an_instance(), image)]
        asked = [rig.undisturbed()]
        servers.append(await rig.spawn(an_instance(OTHER, vifs=()), image))
        asked.append(rig.undisturbed())
        first, second = [await disks_of(rig, vm) for vm in servers]
        vm = await rig.session.call("VM.get_record", first["0"]["VM"])
        return {
            "places": {number: (vbd["type"], vbd["mode"], vbd["bootable"]) for number, vbd in first.items()},
            "is_shared": first["1"]["VDI"] == second["1"]["VDI"],
            "root_bytes": await rig.session.call("VDI.get_virtual_size", first["0"]["VDI"]),
            "medium": content_of(rig, first["1"]["VDI"], 5),
            "boots": (vm["HVM_boot_policy"], vm["HVM_boot_params"]["order"]),
            "calls": [len(calls) for calls in asked],
            "disks": rig.left()["VDI"],
        }

    assert over_rig(tmp_path, body) == {
        "places": {"0": ("Disk", "RW", True), "1": ("CD", "RO", True)},
        "is_shared": True,
        "root_bytes": 1 << 30,
        "medium": b"CD001",
        "boots": ("BIOS order", "dc"),
        "calls": [14, 6],
        "disks": [f"instance-{SERVER}", f"instance-{OTHER}"],
    }


def test_a_medium_is_taken_from_an_sr_of_disks_since_dundee(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[str, str, bytes]:
        vm = await rig.spawn(an_instance(), await an_image_of(rig, b"CD001" + pattern(3), "iso"))
        drive = (await disks_of(rig, vm))["1"]
        return await rig.session.call("VM.get_power_state", vm), drive["type"], content_of(rig, drive["VDI"], 5)

    assert over_rig(tmp_path, body, "dundee") == ("Running", "CD", b"CD001")


@pytest.mark.parametrize(("release", "version"), [("boston", "6.0.0"), ("tampa", "6.1.0"), ("clearwater", "6.2.0")])
def test_releases_that_want_an_sr_of_media_are_not_even_asked(tmp_path: Path, release: str, version: str) -> None:
    async def body(rig: Rig) -> tuple[str, bool, list[str]]:
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(), await an_image_of(rig, b"CD001" + pattern(3), "iso"))
        return failed.value.message, failed.value.is_retryable, rig.undisturbed()

    words = f"No XenServer {version} takes media from an SR of disks: give the image as a disk, or a host of a newer release."
    assert over_rig(tmp_path, body, release) == (words, True, [])


@pytest.mark.parametrize(
    ("copies_whole", "said", "call"),
    [(False, "", "VDI.clone"), (True, "", "VDI.copy"), (False, "full", "VDI.copy"), (True, "cow", "VDI.clone"), (True, "?", "VDI.copy")],
)
def test_disks_are_copied_on_write_or_whole_as_the_agent_or_the_image_says(
    tmp_path: Path, copies_whole: bool, said: str, call: str
) -> None:  # fmt: skip
    async def body(rig: Rig) -> tuple[list[str], bool, dict[str, list[str]]]:
        rig.cache = ImageCache(rig.place, rig.images, copies_whole=copies_whole)
        image = await an_image_of(rig, archived(numbered(chain())), "vhd", "ovf", disk_copy=said)
        vm = await rig.spawn(an_instance(), image)
        content = content_of(rig, (await disks_of(rig, vm))["0"]["VDI"], len(SEEN))
        return [name for name in rig.undisturbed() if name in ("VDI.clone", "VDI.copy")], content == SEEN, rig.left()

    asked, is_whole, left = over_rig(tmp_path, body)

    assert (asked, is_whole, left["VDI"]) == ([call], True, [f"instance-{SERVER}"])


def test_a_rescue_may_boot_from_a_chain(tmp_path: Path) -> None:
    async def body(rig: Rig) -> bytes:
        vm = await rig.spawn(an_instance())
        image = await an_image_of(rig, archived(numbered(chain())), "vhd", "ovf")
        helper = await rescue(rig.session, rig.place, rig.cache, vm, an_instance(power_state=1), image)
        return content_of(rig, (await disks_of(rig, helper))["0"]["VDI"], len(SEEN))

    assert over_rig(tmp_path, body) == SEEN


# ---- what is refused -------------------------------------------------------------------------------------------------------------


def failure(
    folder: Path, content: bytes, disk_format: str = "vhd", container: str = "ovf", **changes: Any
) -> tuple[str, bool, object, list[str]]:
    """How a build from an image fails, what is left of it, and what was asked of the host."""

    async def body(rig: Rig) -> tuple[str, bool, object, list[str]]:
        image = await an_image_of(rig, content, disk_format, container)
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(**changes), image)
        return failed.value.message, failed.value.is_retryable, rig.left(), rig.undisturbed()

    return over_rig(folder, body)


@pytest.mark.parametrize("name", WRONG)
def test_an_image_that_is_not_what_it_says_is_refused_before_the_host_sees_it(tmp_path: Path, name: str) -> None:
    content, reason = WRONG[name]

    message, is_retryable, left, asked = failure(tmp_path, content)

    assert reason in message
    assert (message.startswith("Image 0000"), is_retryable, left) == (True, False, NOTHING)
    assert asked == ["VDI.get_all_records_where"]


@pytest.mark.parametrize("byte", [0, 1])
def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path, byte: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_source, "BEYOND_DISK_BYTES", 16 * MIB)
    out = io.BytesIO()
    told = tarfile.TarInfo("0.vhd")
    told.size = 1 << 30
    with gzip.open(out, "wb", 1) as packed:
        packed.write(told.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(96):
            packed.write(bytes([byte]) * MIB)

    flavor = Flavor("9", "own", 512, 1, 0)
    monkeypatch.setattr(image_source, "MOST_UNPACKED_BYTES", 64 * MIB)
    message, is_retryable, left, _ = failure(tmp_path, out.getvalue(), flavor=flavor)

    assert "the image holds more than 67108864 bytes once it is unpacked" in message
    assert (len(out.getvalue()) < MIB, is_retryable, left) == (True, False, NOTHING)


@pytest.mark.parametrize("size", [8 << 30, 1 << 50])
def test_a_file_that_claims_to_be_larger_than_its_disk_may_be_is_not_even_begun(tmp_path: Path, size: int) -> None:
    told = tarfile.TarInfo("0.vhd")
    told.size = size

    message, _, left, _ = failure(tmp_path, told.tobuf(tarfile.GNU_FORMAT) + bytes(10240))

    assert f"0.vhd has {size} bytes, too many for a disk of 1073741824" in message
    assert left == NOTHING


@pytest.mark.parametrize("disk_format", ["raw", "ami", "vhd"])
def test_a_damaged_file_is_refused_whatever_its_format(tmp_path: Path, disk_format: str) -> None:
    async def body(rig: Rig) -> tuple[str, object, list[str]]:
        image = await an_image_of(rig, archived(numbered(chain())), disk_format, "ovf")
        path = rig.images.path(image.id)
        assert path is not None
        path.write_bytes(path.read_bytes()[:-7] + b"changed")
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(), image)
        return failed.value.message, rig.left(), rig.undisturbed()

    message, left, asked = over_rig(tmp_path, body)

    assert "is damaged: its MD5 is" in message
    assert (left, asked) == (NOTHING, ["VDI.get_all_records_where"])


def test_a_raw_image_beyond_the_flavor_is_not_fetched(tmp_path: Path) -> None:
    flavor = Flavor("9", "own", 512, 1, 1)

    async def body(rig: Rig) -> tuple[str, list[str]]:
        image = await rig.images.update((await an_image_of(rig, b"x", "raw")).id, virtual_size_bytes=(1 << 30) + 1)
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(flavor=flavor), image)
        return failed.value.message, rig.undisturbed()

    message, asked = over_rig(tmp_path, body)

    assert message.endswith("holds a disk of 1073741825 bytes, the flavor's root has 1073741824.")
    assert asked == []


def test_a_cached_image_is_too_large_for_a_smaller_flavor(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[str, object]:
        image = await an_image_of(rig, archived({"0.vhd": as_large_as(2 << 30)}), "vhd", "ovf")
        await rig.cache.prepare(rig.session, an_instance(flavor=Flavor("2", "m1.small", 512, 1, 20)), image)
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(), image)
        return failed.value.message, rig.left()

    message, left = over_rig(tmp_path, body)

    assert (message.partition(" holds ")[2], left) == ("a disk of 2147483648 bytes, the flavor's root has 1073741824.", NOTHING)


def test_an_agent_without_room_fails_the_build_for_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("compute_core.dom0.images.unpack", full)

    message, is_retryable, left, _ = failure(tmp_path, archived(numbered(chain())))

    assert "No space left on device" in message
    assert (is_retryable, left) == (True, NOTHING)
