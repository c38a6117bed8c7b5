"""Images of servers in their container: a tar of numbered VHDs, from which servers are built again with every byte in its place."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from compute_core.dom0.chain import check
from compute_core.xenapi import disk_chains
from compute_core.xenapi.disk_chains import Chains
from compute_core.xenapi.errors import TransferFailed, XenApiFailure
from compute_core.xenapi.image_source import _link
from compute_core.xenapi.snapshot import snapshot
from tests.compute_core.rig import CONTENT, Rig, content_of, over_rig
from tests.compute_core.values import UUID, an_instance

OTHER = "6f70656e-7374-4163-8b00-696e6f766132"
WRITTEN = b"written by the guest".ljust(4096, b"!")
CALLS = [
    *("VBD.get_all_records_where", "VDI.get_all_records_where", "VDI.snapshot"),
    *("GET /export_raw_vdi", "GET /export_raw_vdi", "VDI.destroy"),
]
AT = 16 << 20


async def queued(rig: Rig, **properties: str) -> str:
    return (await rig.images.create("snapshot", "p", disk_format="vhd", container_format="ovf", properties=properties)).id


async def root_of(rig: Rig, vm: str) -> str:
    return next(
        str(vbd["VDI"]) for vbd in (await rig.session.call("VBD.get_all_records")).values() if vbd["VM"] == vm and vbd["type"] == "Disk"
    )


async def written_server(rig: Rig) -> str:
    vm = await rig.spawn(an_instance())
    write(rig, await root_of(rig, vm), AT, WRITTEN)
    rig.undisturbed()
    return vm


def write(rig: Rig, vdi: str, at: int, content: bytes) -> None:
    rig.xapi.disks.write(rig.xapi.world.find_ref(vdi), at, content)


async def bytes_of(rig: Rig, image_id: str) -> bytes:
    return b"".join([chunk async for chunk in rig.images.download(image_id)])


def unpacked(content: bytes, folder: Path) -> list[str]:
    """The names of the disks in a tar, as Python's own reader finds them; the plugin's reader finds them to be a chain."""
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
        archive.extractall(folder, filter="data")
    check([_link(folder / name) for name in names])
    return names


def test_an_image_is_what_the_server_has_written_and_the_image_that_it_was_made_from(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[list[str], bytes, bytes, list[str], list[int]]:
        vm = await written_server(rig)
        told: list[int] = []

        async def tell(percent: int) -> None:
            told.append(percent)

        await snapshot(rig.session, vm, image_id := await queued(rig), rig.images, rig.place.sr, tell)
        asked = rig.undisturbed()
        second = await rig.spawn(an_instance(OTHER, vifs=()), await rig.images.get(image_id))
        content = content_of(rig, await root_of(rig, second), AT + len(WRITTEN))
        return asked, await bytes_of(rig, image_id), content, rig.left()["VDI"], told

    asked, image, content, left, told = over_rig(tmp_path, body)

    assert asked == CALLS
    assert unpacked(image, tmp_path / "chain") == ["0.vhd", "1.vhd"]
    assert (content[: len(CONTENT)], content[AT:]) == (CONTENT, WRITTEN)
    assert left == [f"instance-{UUID}", f"instance-{OTHER}"]
    assert (told == sorted(told), told[-1]) == (True, 100)


@pytest.mark.parametrize("gone", ["image", "sr"])
def test_without_the_cached_image_it_is_one_disk(tmp_path: Path, gone: str) -> None:
    async def body(rig: Rig) -> tuple[bytes, bytes]:
        vm = await written_server(rig)
        if gone == "image":
            for ref, vdi in (await rig.session.call("VDI.get_all_records")).items():
                if vdi["name_label"] == f"image {rig.image.id}":
                    await rig.session.call("VDI.destroy", ref)
        await snapshot(rig.session, vm, image_id := await queued(rig), rig.images, rig.place.sr if gone == "image" else "")
        second = await rig.spawn(an_instance(OTHER, vifs=()), await rig.images.get(image_id))
        return await bytes_of(rig, image_id), content_of(rig, await root_of(rig, second), AT + len(WRITTEN))

    image, content = over_rig(tmp_path, body)

    assert unpacked(image, tmp_path / "chain") == ["0.vhd"]
    assert (content[: len(CONTENT)], content[AT:]) == (CONTENT, WRITTEN)


def test_a_host_that_will_not_say_what_has_changed_sends_the_whole_disk(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[bytes, list[str]]:
        vm = await written_server(rig)

        def refuse(name: str, number: int) -> None:
            if number == CALLS.index("GET /export_raw_vdi") + 1:
                raise TransferFailed("no differences")

        rig.wire.before = refuse
        await snapshot(rig.session, vm, image_id := await queued(rig), rig.images, rig.place.sr)
        rig.undisturbed()
        return await bytes_of(rig, image_id), rig.left()["VDI"]

    image, left = over_rig(tmp_path, body)

    assert (unpacked(image, tmp_path / "chain"), left) == (["0.vhd"], [f"instance-{UUID}"])


def test_the_level_of_compression_is_a_property_of_the_image(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[bytes, bytes]:
        vm = await written_server(rig)
        await snapshot(rig.session, vm, plain := await queued(rig), rig.images, rig.place.sr)
        await snapshot(rig.session, vm, packed := await queued(rig, xenapi_image_compression_level="6"), rig.images, rig.place.sr)
        second = await rig.spawn(an_instance(OTHER, vifs=()), await rig.images.get(packed))
        assert content_of(rig, await root_of(rig, second), len(CONTENT)) == CONTENT
        return await bytes_of(rig, plain), await bytes_of(rig, packed)

    plain, packed = over_rig(tmp_path, body)

    assert len(packed) < len(plain)
    assert unpacked(gzip.decompress(packed), tmp_path / "chain") == ["0.vhd", "1.vhd"]


def test_a_guest_that_is_to_be_at_rest_is_copied_by_its_vm(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[list[str], dict[str, list[str]], bytes]:
        vm = await written_server(rig)
        await has_drivers_that_quiesce(rig, vm)
        image_id = await queued(rig, os_require_quiesce="yes")
        before = rig.left()
        rig.undisturbed()
        await snapshot(rig.session, vm, image_id, rig.images, rig.place.sr)
        asked = rig.undisturbed()
        assert rig.left() == before
        second = await rig.spawn(an_instance(OTHER, vifs=()), await rig.images.get(image_id))
        return asked, before, content_of(rig, await root_of(rig, second), AT + len(WRITTEN))

    asked, before, content = over_rig(tmp_path, body, "boston")

    assert (content[: len(CONTENT)], content[AT:]) == (CONTENT, WRITTEN)
    assert before["VM"] == [f"instance-{UUID}"]
    assert ("VM.snapshot_with_quiesce" in asked, "VDI.snapshot" in asked) == (True, False)


async def has_drivers_that_quiesce(rig: Rig, vm: str) -> None:
    await asyncio.sleep(120.0)  # it boots
    world = rig.xapi.world
    metrics = world[world.find_ref(vm)]["guest_metrics"]
    with world.edit() as edit:
        edit.set(metrics, other={**world[metrics]["other"], "feature-quiesce": "1"})


@pytest.mark.parametrize(("release", "code"), [("latest", "MESSAGE_REMOVED"), ("boston", "VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED")])
def test_a_guest_that_cannot_be_brought_to_rest_is_not_copied(tmp_path: Path, release: str, code: str) -> None:
    async def body(rig: Rig) -> tuple[str, list[str], str]:
        vm = await written_server(rig)
        image_id = await queued(rig, os_require_quiesce="yes")
        with pytest.raises(XenApiFailure) as refusal:
            await snapshot(rig.session, vm, image_id, rig.images, rig.place.sr)
        return refusal.value.code, rig.left()["VDI"], (await rig.images.get(image_id)).status

    assert over_rig(tmp_path, body, release) == (code, [f"instance-{UUID}"], "queued")


def vdi(uuid: str, parent: str = "", **config: str) -> dict[str, Any]:
    return {"uuid": uuid, "sm_config": {"vhd-parent": parent} if parent else {}, "other_config": config}


def test_a_chain_is_followed_to_its_root_and_no_further() -> None:
    chains = Chains({"leaf": vdi("l", "b"), "base": vdi("b", "r"), "root": vdi("r"), "loop": vdi("x", "x")})

    assert [chains.uuids_below(each) for each in ("leaf", "base", "root", "absent")] == [("b", "r"), ("r",), (), ()]
    assert len(chains.uuids_below("loop")) == disk_chains.MOST_LINKS


def test_a_base_with_one_child_is_merged_and_one_with_two_is_not() -> None:
    alone = {"leaf": vdi("l", "b"), "base": vdi("b")}

    assert [Chains(vdis).will_coalesce("leaf") for vdis in (alone, {**alone, "other": vdi("o", "b")}, {"leaf": vdi("l")})] == [
        True,
        False,
        False,
    ]


def test_the_garbage_collector_is_waited_for_by_events_and_not_for_ever(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[float, float, list[str]]:
        vm = await written_server(rig)
        root = await root_of(rig, vm)
        copy = await rig.session.call("VDI.snapshot", root, {})
        loop = asyncio.get_running_loop()
        rig.undisturbed()

        async def relinked() -> None:
            await asyncio.sleep(12.0)
            await rig.session.call("VDI.set_sm_config", copy, {"vhd-parent": "the old one"})

        begun_s = loop.time()
        later = asyncio.create_task(relinked())
        await disk_chains.settled(rig.session, copy, ["the old one"])
        waited_s = loop.time() - begun_s
        await later
        begun_s = loop.time()
        await disk_chains.settled(rig.session, copy, ["another"])
        return waited_s, loop.time() - begun_s, sorted(set(rig.undisturbed()))

    waited_s, in_vain_s, asked = over_rig(tmp_path, body)

    assert 12.0 <= waited_s < 13.0
    assert 100.0 <= in_vain_s < 101.0
    assert asked == ["VDI.set_sm_config", "event.from"]
