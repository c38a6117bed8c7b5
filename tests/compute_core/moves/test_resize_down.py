"""Root disks become smaller: what their file systems hold comes along, the old disk is there for a revert, or nothing has happened."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from compute_core.images.contents import RawContent
from compute_core.model.errors import Invalid
from compute_core.model.flavors import Flavor
from compute_core.model.instances import RUNNING, Instance
from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.ids import Id
from tests.compute_core.faults.digest import world_rows
from tests.compute_core.faults.scene import ADMIN, Scene
from tests.compute_core.images.partitioned import BEGIN, FILES, file_system, make, run, table
from tests.compute_core.moves.disks import root_vdi
from tests.compute_core.moves.hosts import GIB, on_hosts, resize, web, word
from tests.compute_core.xenapi.test_auto_disk import write_disk

pytestmark = pytest.mark.disk_tools
FLAVORS = (Flavor("one", "own.1", 512, 1, 1), Flavor("two", "own.2", 512, 1, 2), Flavor("none", "own.0", 512, 1, 0))
WIDE = Flavor("wide", "own.wide", 512, 1, 2, ephemeral_gb=1)


async def with_files(there: Scene) -> None:
    """A server of the larger flavor is there, whose root disk has one partition with files."""
    await with_disk(there)


async def with_disk(there: Scene, kind: str = "ext4", disk_config: str = "AUTO", used_blocks: int = 0) -> None:
    for flavor in FLAVORS:
        await there.cloud.api_cell.create_flavor(ADMIN, flavor)
    await there.order(flavor_id="two", disk_config=disk_config)
    await there.quiet()
    with tempfile.TemporaryDirectory() as folder:
        disk = make(Path(folder, "disk"), 2 * GIB, kind)
        if used_blocks:
            run("debugfs", "-w", "-R", "write /dev/null /large", f"{disk}?offset={BEGIN * 512}")
            run("debugfs", "-w", "-R", f"fallocate /large 0 {used_blocks}", f"{disk}?offset={BEGIN * 512}")
        put_disk(*root_vdi(there, await web(there)), disk)


def put_disk(xapi: Xapi, vdi: Id, disk: Path) -> None:
    """A VDI holds what a file does."""
    writer, content = xapi.disks.writer(vdi), RawContent.of(disk)
    for number in content.numbers():
        writer.write(number * BLOCK_BYTES, content.block(number))
    writer.flush()


def files_of(there: Scene, server: Instance) -> tuple[int, list[tuple[int, int]], dict[str, bytes]]:
    """The size of a root disk, its partitions, and the files in the first of them, which is found sound."""
    xapi, vdi = root_vdi(there, server)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "root")
        write_disk(xapi, vdi, path)
        return xapi.world[vdi]["virtual_size"], table(path), file_system(path)[1]


def as_large_as(size_bytes: int) -> tuple[int, list[tuple[int, int]], dict[str, bytes]]:
    return size_bytes, [(BEGIN, size_bytes // 512 - BEGIN)], FILES


@pytest.mark.parametrize(("hosts", "pool_size"), [(1, 1), (2, 1), (2, 2)])
def test_a_smaller_root_disk_has_all_files_and_a_revert_brings_the_old_one_back(tmp_path: Path, hosts: int, pool_size: int) -> None:
    async def body(there: Scene) -> None:
        worlds = [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()]
        there.tape.rewind()
        small = await resize(there, "one")
        assert (small.vm_state, small.power_state, small.fault) == ("resized", RUNNING, None)
        assert len(there.tape.requests) <= 20
        assert files_of(there, small) == as_large_as(GIB)
        back = await word(there, "revert_resize")
        assert (back.vm_state, back.flavor.id, files_of(there, back)) == ("active", "two", as_large_as(2 * GIB))
        assert [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()] == worlds

    on_hosts(tmp_path, body, hosts, ordered=with_files, pool_size=pool_size)


def test_a_confirmed_smaller_disk_is_the_only_one_left(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await resize(there, "one")
        done = await word(there, "confirm_resize")
        assert (done.vm_state, done.flavor.id, files_of(there, done)) == ("active", "one", as_large_as(GIB))
        disks = [row for xapi in there.fleet.hosts.values() for row in world_rows(xapi.world) if done.uuid in row and "VDI" in row]
        assert len(disks) == 1

    on_hosts(tmp_path, body, ordered=with_files)


async def refused(there: Scene, flavor: str = "one") -> str:
    """Why a resize is refused; the server then runs as before, and nothing is left of it."""
    worlds = [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()]
    server = await resize(there, flavor)
    assert (server.vm_state, server.power_state, server.flavor.root_gb) == ("active", RUNNING, 2)
    assert [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()] == worlds
    assert server.fault is not None
    return server.fault.message


def test_files_that_do_not_fit_keep_the_server_in_its_size(tmp_path: Path) -> None:
    async def with_large_file(there: Scene) -> None:
        await with_disk(there, used_blocks=300_000)

    async def body(there: Scene) -> None:
        assert await refused(there) == (
            "resize failed: Resize error: Shrinking the filesystem down with resize2fs has failed, "
            "please check if you have enough free space on your disk."
        )
        assert files_of(there, await web(there)) == as_large_as(2 * GIB)

    on_hosts(tmp_path, body, ordered=with_large_file)


def test_a_disk_without_an_ext_file_system_is_not_touched(tmp_path: Path) -> None:
    async def with_nothing(there: Scene) -> None:
        await with_disk(there, kind="")

    async def body(there: Scene) -> None:
        assert await refused(there) == (
            "resize failed: Server disk was unable to be resized because: its partition has no ext2, ext3 or ext4 file system."
        )

    on_hosts(tmp_path, body, ordered=with_nothing)


def test_a_disk_that_its_guest_partitions_is_not_touched_and_the_guest_never_stops(tmp_path: Path) -> None:
    async def with_manual(there: Scene) -> None:
        await with_disk(there, disk_config="MANUAL")

    async def body(there: Scene) -> None:
        assert await refused(there) == "resize failed: Resize error: Resize down not allowed without auto_disk_config"
        assert "VM.clean_shutdown" not in there.tape.requests

    on_hosts(tmp_path, body, ordered=with_manual)


def test_ephemeral_disks_do_not_become_smaller(tmp_path: Path) -> None:
    async def with_ephemeral(there: Scene) -> None:
        for flavor in (*FLAVORS, WIDE):
            await there.cloud.api_cell.create_flavor(ADMIN, flavor)
        await there.order(flavor_id="wide")

    async def body(there: Scene) -> None:
        assert await refused(there, "two") == "resize failed: Resize error: Can't resize down ephemeral disks."

    on_hosts(tmp_path, body, ordered=with_ephemeral)


def test_no_root_disk_is_resized_to_nothing(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        with pytest.raises(Invalid, match="because: Resize to zero disk flavor is not allowed"):
            await resize(there, "none")

    on_hosts(tmp_path, body, ordered=with_files)
