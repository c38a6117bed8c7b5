"""Servers go to another host by rsync from dom0 to dom0, as in 2012: what their disks are made on first, while they run."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

import pytest

from compute_core.model.instances import RUNNING, SHUTDOWN
from tests.compute_core.faults.digest import world_rows
from tests.compute_core.faults.life import Life
from tests.compute_core.faults.scene import Scene
from tests.compute_core.moves.disks import root_vdi
from tests.compute_core.moves.hosts import GIB, migrate, on_hosts, resize, root_disk, web, word
from tests.compute_core.rig import CONTENT

pytestmark = pytest.mark.ssh
PLUGIN = "host.call_plugin"


@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_disk_comes_along_whole_and_grows_to_the_flavors_size(tmp_path: Path, pool_size: int) -> None:
    async def body(there: Scene) -> None:
        moved = await resize(there)
        assert (moved.vm_state, moved.power_state, moved.fault) == ("resized", RUNNING, None)
        assert root_disk(there, moved) == (20 * GIB, CONTENT)
        assert "PUT /import_raw_vdi" not in there.tape.requests
        assert "VDI.copy" not in there.tape.requests
        done = await word(there, "confirm_resize")
        assert (done.vm_state, done.flavor.id) == ("active", "2")
        assert len(there.tape.requests) <= 40

    on_hosts(tmp_path, body, by_rsync=True, pool_size=pool_size)


def test_what_a_disk_is_made_on_goes_while_the_guest_runs_and_then_what_was_written_since(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        server = await web(there)
        xapi, vdi = root_vdi(there, server)
        xapi.disks.write(vdi, 4096, b"before" * 100)

        def guest_writes(_: Life, name: str, __: int) -> Awaitable[None] | None:
            if name == "VDI.snapshot":
                xapi.disks.write(vdi, 8192, b"meanwhile" * 100)
            return None

        there.tape.always = guest_writes
        moved = await migrate(there)
        calls = [name for name in there.tape.requests if name in {"VDI.snapshot", PLUGIN, "VM.clean_shutdown", "VDI.destroy"}]
        assert calls == [PLUGIN, "VDI.snapshot", PLUGIN, "VM.clean_shutdown", PLUGIN, "VDI.destroy", PLUGIN]
        _, content = root_disk(there, moved)
        assert (content[4096:4102], content[8192:8201]) == (b"before", b"meanwhile")

    on_hosts(tmp_path, body, by_rsync=True)


def test_a_halted_servers_disks_go_at_once(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await word(there, "stop")
        there.tape.rewind()
        moved = await migrate(there)
        assert (moved.power_state, root_disk(there, moved)) == (SHUTDOWN, (GIB, CONTENT))
        assert "VDI.snapshot" not in there.tape.requests
        await word(there, "confirm_resize")

    on_hosts(tmp_path, body, by_rsync=True)


def test_a_revert_leaves_nothing_of_the_new_disk_nor_of_the_way_there(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        worlds = [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()]
        await migrate(there)
        back = await word(there, "revert_resize")
        assert (back.vm_state, back.power_state, root_disk(there, back)) == ("active", RUNNING, (GIB, CONTENT))
        assert [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()] == worlds

    on_hosts(tmp_path, body, by_rsync=True)
