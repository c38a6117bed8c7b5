"""Priorities of disks: from weights, at creation, and while the guest runs, by the plugin in a simulated dom0."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import NotFound
from compute_core.model.flavors import Flavor
from compute_core.xenapi.errors import ReplyLost, XenApiFailure
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.io_weight import DiskPriority, priorities, prioritise
from compute_core.xenapi.plugins import PluginMissing
from compute_core.xenapi.power import Patience, stop
from compute_core.xenapi.quotas import NO_PRIORITY, IoPriority, io_priority, level_of, weighted
from compute_core.xenapi.spawn import spawn
from fake_xapi.dom0.ionice import STATE
from fake_xapi.verbs.hosts import dom0_files
from tests.compute_core.dom0.simulated import Site, over_dom0
from tests.compute_core.rig import CONTENT, Rig, fixed_vhd, image_store, over_rig, stored
from tests.compute_core.simulated import loses_reply, refuses
from tests.compute_core.values import an_instance

FLAVOR = Flavor("1", "m1.tiny", 512, 1, 1, swap_mb=64)


@pytest.mark.parametrize(("weight", "level"), [(100, "7"), (212, "7"), (213, "6"), (500, "4"), (889, "0"), (888, "1"), (1000, "0")])
def test_a_weight_is_one_of_eight_levels(weight: int, level: str) -> None:
    assert level_of(weight) == level


@pytest.mark.parametrize(
    ("specs", "priority"),
    [
        ({}, NO_PRIORITY),
        ({"quota:disk_io_weight": "1000"}, IoPriority("ionice", {"class": "0"})),
        ({"quota:disk_io_weight": "1000", "quota:disk_io_class": "low"}, IoPriority("ionice", {"class": "low"})),
        ({"quota:disk_io_weight": "100", "quota:disk_io_sched": "rt"}, IoPriority("ionice", {"sched": "rt", "class": "7"})),
    ],
)
def test_a_flavor_says_it_in_either_way(specs: dict[str, str], priority: IoPriority) -> None:
    assert io_priority(replace(FLAVOR, extra_specs=specs)) == priority


async def server(site: Site, folder: Path, **members: Any) -> str:
    store = image_store(folder)
    cache = ImageCache(site.place, store)
    vm = await spawn(
        site.session, site.place, cache, an_instance(vifs=(), flavor=FLAVOR, **members), await stored(store, fixed_vhd(CONTENT))
    )
    site.wire.requests.clear()
    return vm


def reniced(site: Site) -> dict[str, Any]:
    world = site.xapi.world
    told = dom0_files.read(world, STATE, world.find_ref(site.place.host))
    return {} if told is None else json.loads(told)


def test_a_running_guests_disks_have_another_weight_at_once_and_at_the_next_boot(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        vm = await server(site, tmp_path)
        one = await prioritise(site.session, site.place, vm, weighted(1000), ["0"])
        asked, dom0 = list(site.wire.requests), reniced(site)
        every = await prioritise(site.session, site.place, vm, weighted(1000))
        return one, asked, dom0, every, reniced(site), await priorities(site.session, vm)

    one, asked, dom0, every, all_of_dom0, told = over_dom0(tmp_path / "plugin", body)
    assert (one, every) == (["0"], ["0", "2"])
    assert asked == [
        "VBD.get_all_records_where",
        "VBD.set_qos_algorithm_type",
        "VBD.set_qos_algorithm_params",
        "VM.get_domid",
        "host.call_plugin",
    ]
    assert (list(dom0.values()), list(all_of_dom0.values())) == ([["2", "0"]], [["2", "0"], ["2", "0"]])
    assert told == [DiskPriority("0", "", "0"), DiskPriority("2", "", "0")]


def test_a_halted_guest_is_told_at_its_next_boot_and_a_missing_disk_is_said_to_be(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        vm = await server(site, tmp_path)
        await stop(site.session, vm, Patience())
        await prioritise(site.session, site.place, vm, weighted(100))
        with pytest.raises(NotFound, match=r"The server has no disk 7\."):
            await prioritise(site.session, site.place, vm, weighted(100), ["0", "7"])
        return reniced(site), await priorities(site.session, vm)

    assert over_dom0(tmp_path / "plugin", body) == ({}, [DiskPriority("0", "", "7"), DiskPriority("2", "", "7")])


def test_what_dom0_does_not_follow_is_taken_back(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(an_instance(flavor=FLAVOR))
        with pytest.raises(PluginMissing):
            await prioritise(rig.session, rig.place, vm, weighted(1000))
        return await priorities(rig.session, vm)

    assert over_rig(tmp_path, body) == [DiskPriority("0"), DiskPriority("2")]


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("is_lost", [True, False])
def test_all_disks_have_the_new_weight_or_none_whatever_goes_wrong(tmp_path: Path, at: int, is_lost: bool) -> None:
    async def body(site: Site) -> Any:
        vm = await server(site, tmp_path)
        if is_lost:
            site.wire.after = loses_reply(at)
        else:
            site.wire.before = refuses(at, "INTERNAL_ERROR", "by the test")
        with suppress(XenApiFailure, ReplyLost):
            await prioritise(site.session, site.place, vm, weighted(1000))
        site.wire.before = site.wire.after = None
        return {disk.level for disk in await priorities(site.session, vm)}

    levels = over_dom0(tmp_path / "plugin", body)
    assert levels in ({"0"}, {""})
