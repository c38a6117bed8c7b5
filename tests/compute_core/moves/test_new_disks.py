"""A new size brings a swap disk of its own and as many ephemeral disks as it has; those that are there are kept, and grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compute_core.model.flavors import Flavor
from compute_core.model.instances import Instance
from fake_xapi.engine.xapi import Xapi
from tests.compute_core.faults.digest import world_rows
from tests.compute_core.faults.scene import ADMIN, Scene
from tests.compute_core.moves.hosts import GIB, on_hosts, resize, web, word

pytestmark = pytest.mark.disk_tools
MIB = 1 << 20
PLAIN = Flavor("plain", "own.plain", 512, 1, 1)
SWAPS = Flavor("swaps", "own.swaps", 512, 1, 1, swap_mb=64)
ROOMY = Flavor("roomy", "own.roomy", 512, 1, 1, swap_mb=128, ephemeral_gb=1)
ROOMIER = Flavor("roomier", "own.roomier", 512, 1, 2, swap_mb=128, ephemeral_gb=2)
SIGNATURE = b"SWAPSPACE2"
AT = 12345 * 512
"""Where a guest has written into its ephemeral disk."""


async def ordered(there: Scene) -> None:
    for flavor in (PLAIN, SWAPS, ROOMY, ROOMIER):
        await there.cloud.api_cell.create_flavor(ADMIN, flavor)
    await there.order(flavor_id="swaps")


def disks(there: Scene, server: Instance) -> dict[str, tuple[int, str]]:
    """The disks of the server's VM by their numbers: size in bytes, and what they are."""
    xapi: Any = there.fleet.hosts[server.host or ""]
    (vm,) = xapi.world.named("VM", server.domain_name)
    found = {}
    for vbd in xapi.world[vm]["VBDs"]:
        vdi = xapi.world[xapi.world[vbd]["VDI"]]
        found[xapi.world[vbd]["userdevice"]] = (vdi["virtual_size"], vdi["other_config"].get("inova-disk", ""))
    return found


def disk(there: Scene, server: Instance, number: str) -> tuple[Xapi, int]:
    xapi: Any = there.fleet.hosts[server.host or ""]
    (vm,) = xapi.world.named("VM", server.domain_name)
    (vdi,) = [xapi.world[vbd]["VDI"] for vbd in xapi.world[vm]["VBDs"] if xapi.world[vbd]["userdevice"] == number]
    return xapi, vdi


@pytest.mark.parametrize(("hosts", "pool_size"), [(1, 1), (2, 1), (2, 2)])
def test_disks_come_and_grow_with_the_size_and_are_the_old_ones_after_a_revert(tmp_path: Path, hosts: int, pool_size: int) -> None:
    async def body(there: Scene) -> None:
        assert disks(there, await web(there)) == {"0": (GIB, "root"), "2": (64 * MIB, "swap")}
        roomy = await resize(there, "roomy")
        assert roomy.fault is None
        assert disks(there, roomy) == {"0": (GIB, "root"), "2": (128 * MIB, "swap"), "4": (GIB, "ephemeral0")}
        xapi, swap = disk(there, roomy, "2")
        assert xapi.disks.read(swap, 2048 * 512 + 4096 - len(SIGNATURE), len(SIGNATURE)) == SIGNATURE
        await word(there, "confirm_resize")
        xapi, ephemeral = disk(there, await web(there), "4")
        xapi.disks.write(ephemeral, AT, b"kept")
        worlds = [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()]
        roomier = await resize(there, "roomier")
        assert disks(there, roomier) == {"0": (2 * GIB, "root"), "2": (128 * MIB, "swap"), "4": (2 * GIB, "ephemeral0")}
        xapi, ephemeral = disk(there, roomier, "4")
        assert xapi.disks.read(ephemeral, AT, 4) == b"kept"
        back = await word(there, "revert_resize")
        assert disks(there, back) == {"0": (GIB, "root"), "2": (128 * MIB, "swap"), "4": (GIB, "ephemeral0")}
        assert [sorted(world_rows(xapi.world)) for xapi in there.fleet.hosts.values()] == worlds

    on_hosts(tmp_path, body, hosts, ordered=ordered, pool_size=pool_size)


def test_a_size_without_swap_has_none(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        assert disks(there, await resize(there, "plain")) == {"0": (GIB, "root")}
        done = await word(there, "confirm_resize")
        rows = [row for xapi in there.fleet.hosts.values() for row in world_rows(xapi.world) if done.uuid in row and row.startswith("VDI")]
        assert len(rows) == 1

    on_hosts(tmp_path, body, ordered=ordered)
