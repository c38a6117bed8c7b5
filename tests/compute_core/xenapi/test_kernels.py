"""Servers that boot a kernel beside their disk: it is in dom0 before they start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import BuildFailed
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.spawn import spawn
from compute_core.xenapi.verdicts import as_build_failure
from tests.compute_core.dom0.simulated import Site, over_dom0
from tests.compute_core.rig import Rig, image_store, in_pieces, over_rig
from tests.compute_core.values import an_instance

KERNEL, RAMDISK = b"\x7fELF kernel" * 300_000, b"a ramdisk"


async def an_image(store: Any, content: bytes, disk_format: str, **properties: str) -> Any:
    made = await store.create("it", "p", disk_format=disk_format, container_format=disk_format, properties=properties)
    return await store.upload(made.id, in_pieces(content))


def test_kernel_and_ramdisk_are_files_of_dom0_that_the_vm_boots(tmp_path: Path) -> None:
    async def body(site: Site) -> dict[str, Any]:
        store = image_store(tmp_path)
        kernel, ramdisk = await an_image(store, KERNEL, "aki"), await an_image(store, RAMDISK, "ari")
        image = await an_image(store, b"a file system" * 100, "ami", kernel_id=kernel.id, ramdisk_id=ramdisk.id)
        cache = ImageCache(site.place, store)
        await spawn(site.session, site.place, cache, an_instance(vifs=()), image)
        site.wire.requests.clear()
        vm = await spawn(site.session, site.place, cache, an_instance("6f70656e-7374-4163-8b00-696e6f766132", vifs=()), image)
        asked = list(site.wire.requests)
        record = await site.session.call("VM.get_record", vm)
        await site.session.call("VDI.destroy", (await cache.kept(site.session, an_instance(), kernel)).vdi)
        sr = await site.session.call("SR.get_uuid", site.place.sr)
        return {
            "boots": (record["PV_kernel"], record["PV_ramdisk"], record["PV_bootloader"], record["PV_args"]),
            "wanted": (f"/boot/guest/{kernel.id}", f"/boot/guest/{ramdisk.id}", "", "root=/dev/xvda1 ro"),
            "asked": asked,
            "is_kept": await site.dom0.keep_kernel(sr, "00000000-0000-4000-8000-00000000000b", kernel.id, len(KERNEL)),
        }

    got = over_dom0(tmp_path / "plugin", body)

    assert got["boots"] == got["wanted"]
    assert got["is_kept"] == got["wanted"][0]
    assert len(got["asked"]) == 8 + 5
    assert got["asked"][:5] == [
        "SR.get_uuid",
        "VDI.get_all_records_where", "host.call_plugin",
        "VDI.get_all_records_where", "host.call_plugin",
    ]  # fmt: skip


def test_a_host_without_the_plugin_says_what_it_lacks(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[str, bool]:
        kernel = await an_image(rig.images, KERNEL, "aki")
        image = await an_image(rig.images, b"a file system", "ami", kernel_id=kernel.id)
        with pytest.raises(BuildFailed) as failed:
            await rig.spawn(an_instance(), image)
        return failed.value.message, failed.value.is_retryable

    message, is_retryable = over_rig(tmp_path, body)

    assert "Cure: inova core dom0 install" in message
    assert is_retryable is True


@pytest.mark.parametrize("disk_format", ["raw", "aki"])
def test_what_is_no_kernel_is_refused(tmp_path: Path, disk_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compute_core.xenapi.kernels.MOST_BYTES", 1000)

    async def body(rig: Rig) -> tuple[str, bool]:
        kernel = await an_image(rig.images, KERNEL, disk_format)
        image = await an_image(rig.images, b"a file system", "ami", kernel_id=kernel.id)
        with pytest.raises(BuildFailed) as failed, as_build_failure("xs1"):
            await rig.spawn(an_instance(), image)
        return failed.value.message, failed.value.is_retryable

    message, is_retryable = over_rig(tmp_path, body)

    assert message.endswith(f"is {disk_format}, active, of {len(KERNEL)} bytes: no kernel or ramdisk of 1000 bytes at most.")
    assert is_retryable is False
