"""Automatic disk configuration on a host: by way of a stream, and by a device of the agent's own VM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import BuildFailed
from compute_core.model.flavors import Flavor
from compute_core.model.images import Image
from compute_core.xenapi.auto_disk import Plugged, Streamed
from compute_core.xenapi.image_cache import ImageCache
from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.engine.xapi import Xapi
from tests.compute_core.images.partitioned import BEGIN, FILES, MIB, file_system, make, table
from tests.compute_core.rig import NOTHING, Rig, in_pieces, over_rig
from tests.compute_core.simulated import Wire, refuses, session_over
from tests.compute_core.values import UUID, an_instance

pytestmark = pytest.mark.disk_tools
AUTO = an_instance(disk_config="AUTO", vifs=())
ROOT_SECTORS = (1 << 30) // 512 - BEGIN


def write_disk(xapi: Xapi, vdi: int, path: Path) -> None:
    """A VDI's content in a file with holes."""
    disk = xapi.disks[vdi]
    with path.open("wb") as file:
        for number in disk.numbers():
            file.seek(number * BLOCK_BYTES)
            file.write(xapi.disks.block(disk, number))
        file.truncate(disk.size)


@dataclass
class Domain(Wire):
    """What the hypervisor does and the simulator does not: what is plugged into a VM is a file among its devices."""

    devices: Path = Path()

    async def call(self, method: str, params: list[Any]) -> Any:
        if method == "VBD.unplug":
            self._put_back(params[1])
        answer = await super().call(method, params)
        if method == "VBD.plug":
            vdi, path = self._device(params[1])
            write_disk(self.world, vdi, path)
        return answer

    @property
    def world(self) -> Xapi:
        assert isinstance(self.xapi, Xapi)
        return self.xapi

    def _device(self, ref: str) -> tuple[int, Path]:
        row = self.world.world[self.world.world.find_ref(ref)]
        return row["VDI"], self.devices / row["device"]

    def _put_back(self, ref: str) -> None:
        vdi, path = self._device(ref)
        writer = self.world.disks.writer(vdi)
        with path.open("rb") as file:
            for number in range(self.world.disks[vdi].size // BLOCK_BYTES):
                block = file.read(BLOCK_BYTES)
                if block.count(0) < len(block) or number in set(self.world.disks[vdi].numbers()):
                    writer.write(number * BLOCK_BYTES, block)
        writer.flush()
        path.unlink()


async def stored(rig: Rig, content: bytes) -> Image:
    image = await rig.images.create("it", "p", disk_format="raw", container_format="bare")
    return await rig.images.upload(image.id, in_pieces(content))


async def root_of(rig: Rig, vm: str, folder: Path) -> Path:
    """The root disk of a VM in a file."""
    (vbd,) = (await rig.session.call("VBD.get_all_records_where", f'field "VM"="{vm}"')).values()
    write_disk(rig.xapi, rig.xapi.world.find_ref(vbd["VDI"]), folder / "root")
    return folder / "root"


async def built(rig: Rig, folder: Path, image: bytes) -> dict[str, Any]:
    vm = await rig.spawn(AUTO, await stored(rig, image))
    asked = rig.undisturbed()
    root = await root_of(rig, vm, folder)
    note = (await rig.session.call("VM.get_other_config", vm)).get("inova-note", "")
    return {"root": root, "note": note, "left": rig.left(), "asked": asked}


ONE_SERVER = {"VM": [f"instance-{UUID}"], "VBD": ["0"], "VIF": [], "VDI": [f"instance-{UUID}"], "task": []}


def test_a_root_disk_goes_through_a_file_when_the_agent_runs_outside_of_the_pool(tmp_path: Path) -> None:
    image = make(tmp_path / "image", 24 * MIB).read_bytes()

    async def body(rig: Rig) -> dict[str, Any]:
        rig.cache = ImageCache(rig.place, rig.images, fitting=Streamed())
        return await built(rig, tmp_path, image)

    got = over_rig(tmp_path, body)

    assert (table(got["root"]), file_system(got["root"])) == ([(BEGIN, ROOT_SECTORS)], ((1 << 30) - MIB, FILES))
    assert (got["left"], got["note"]) == (ONE_SERVER, "")
    assert len(got["asked"]) == 15 + 7


def test_a_root_disk_is_a_device_of_the_agents_own_vm_when_it_has_one(tmp_path: Path) -> None:
    image = make(tmp_path / "image", 24 * MIB).read_bytes()
    (tmp_path / "dev").mkdir()

    async def body(rig: Rig) -> dict[str, Any]:
        own = await rig.session.call("VM.get_all_records_where", 'field "is_control_domain"="true"')
        (record,) = own.values()
        domain = Domain(rig.xapi, rig.wire.requests, devices=tmp_path / "dev")
        rig.session = session_over(domain)
        rig.cache = ImageCache(rig.place, rig.images, fitting=Plugged(record["uuid"], tmp_path / "dev"))
        return await built(rig, tmp_path, image)

    got = over_rig(tmp_path, body)

    assert (table(got["root"]), file_system(got["root"])) == ([(BEGIN, ROOT_SECTORS)], ((1 << 30) - MIB, FILES))
    assert (got["left"], got["note"], list((tmp_path / "dev").iterdir())) == (ONE_SERVER, "", [])


def test_a_disk_of_another_kind_is_left_alone_and_why_is_noted(tmp_path: Path) -> None:
    image = make(tmp_path / "image", 24 * MIB, "", f"{BEGIN},16384,83\n,,83\n").read_bytes()

    async def body(rig: Rig) -> dict[str, Any]:
        rig.cache = ImageCache(rig.place, rig.images, fitting=Streamed())
        return await built(rig, tmp_path, image)

    got = over_rig(tmp_path, body)

    assert got["note"] == "The root disk is left as the image has it: it has 2 partitions."
    assert (len(table(got["root"])), got["left"], len(got["asked"])) == (2, ONE_SERVER, 15 + 1)


@pytest.mark.parametrize("changes", [{"disk_config": "MANUAL"}, {"flavor": Flavor("0", "own", 512, 1, 0)}])
def test_a_disk_that_is_not_to_be_fitted_or_fits_is_not_looked_at(tmp_path: Path, changes: dict[str, Any]) -> None:
    async def body(rig: Rig) -> list[str]:
        rig.cache = ImageCache(rig.place, rig.images, fitting=Streamed())
        await rig.spawn(replace(AUTO, **changes))
        return rig.undisturbed()

    assert "GET /export_raw_vdi" not in over_rig(tmp_path, body)


@pytest.mark.parametrize("at", range(13, 23))
def test_a_refusal_on_the_way_leaves_nothing(tmp_path: Path, at: int) -> None:
    image = make(tmp_path / "image", 24 * MIB).read_bytes()

    async def body(rig: Rig) -> dict[str, list[str]]:
        rig.cache = ImageCache(rig.place, rig.images, fitting=Streamed())
        stored_image = await stored(rig, image)
        rig.wire.before = refuses(at, "INTERNAL_ERROR", "told to")
        with pytest.raises(BuildFailed, match="told to"):
            await rig.spawn(AUTO, stored_image)
        return {cls: found for cls, found in rig.left().items() if cls != "task"}

    assert over_rig(tmp_path, body) == {cls: [] for cls in NOTHING if cls != "task"}
