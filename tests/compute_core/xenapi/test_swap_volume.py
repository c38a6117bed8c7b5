"""A volume takes another's place in a server's VM on a simulated host, with what is on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compute_core.model.volumes import BlockDevice, Connection, Target
from compute_core.xenapi import marks, swap_volume, volumes
from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.targets import Targets
from compute_core.xenapi.volumes import Disk
from fake_xapi.dom0.arrays import GIB
from tests.compute_core.rig import Rig
from tests.compute_core.simulated import loses_reply
from tests.compute_core.xenapi.test_volumes import ARRAY, IQN, PORTAL, on_server, volumes_of

NEW = Connection(Target(PORTAL, IQN, 3))
OLD_DEVICE = BlockDevice("volume-1", "attachment-1", "/dev/xvdb", target=ARRAY.target)
NEW_DEVICE = BlockDevice("volume-2", "attachment-2", "/dev/xvdb", state="replacing")
BEFORE = {"volume-1": ("1", True, "2")}
AFTER = {"volume-2": ("1", True, "3")}


def lun(rig: Rig, volume: str) -> Any:
    (vdi,) = [row["VDI"] for _, row in rig.xapi.world.rows("VBD") if row["other_config"].get(marks.VOLUME) == volume]
    return vdi


async def with_volume(rig: Rig, targets: Targets, vm: str) -> None:
    await volumes.attach(rig.session, targets, vm, Disk(OLD_DEVICE, ARRAY), plugs=True)
    rig.xapi.disks.create(lun(rig, "volume-1"), 500 * GIB)
    rig.xapi.disks.write(lun(rig, "volume-1"), 4096, b"what the guest wrote")
    rig.undisturbed()


async def swapped(rig: Rig, targets: Targets, vm: str, *, plugs: bool = True) -> None:
    await swap_volume.swap(rig.session, targets, vm, OLD_DEVICE, Disk(NEW_DEVICE, NEW), plugs=plugs)


def test_fifteen_calls_swap_a_volume_of_a_running_server(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await with_volume(rig, targets, vm)
        await swapped(rig, targets, vm)
        assert len(rig.undisturbed()) <= 15
        assert volumes_of(rig) == AFTER
        assert rig.xapi.disks.read(lun(rig, "volume-2"), 4096, 20) == b"what the guest wrote"
        assert (await rig.session.call("VM.get_power_state", vm)) == "Running"

    on_server(tmp_path, body)


def test_a_halted_server_has_the_new_one_when_it_starts(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await with_volume(rig, targets, vm)
        await rig.session.call("VM.hard_shutdown", vm)
        await swapped(rig, targets, vm, plugs=False)
        await rig.session.call("VM.start_on", vm, rig.place.host, False, False)
        assert volumes_of(rig) == AFTER

    on_server(tmp_path, body)


@pytest.mark.parametrize("method", ["VBD.unplug", "VDI.copy", "VBD.create", "VBD.plug"])
def test_what_fails_leaves_the_old_one_in_its_place(tmp_path: Path, method: str) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await with_volume(rig, targets, vm)
        refused: list[str] = []

        def refuse(name: str, _: int) -> None:
            if name == method and not refused:
                refused.append(name)
                raise XenApiFailure(("INTERNAL_ERROR", "broken"))

        rig.wire.before = refuse
        with pytest.raises(XenApiFailure):
            await swapped(rig, targets, vm)
        assert volumes_of(rig) == BEFORE

    on_server(tmp_path, body)


@pytest.mark.parametrize("at", range(1, 15))
def test_a_lost_answer_leaves_one_or_the_other(tmp_path: Path, at: int) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await with_volume(rig, targets, vm)
        rig.wire.after = loses_reply(at)
        try:
            await swapped(rig, targets, vm)
        except (XenApiFailure, Unanswered):
            rig.undisturbed()
            is_in_place = await swap_volume.is_in_place(rig.session, vm, NEW_DEVICE)
            assert volumes_of(rig) == (AFTER if is_in_place else BEFORE)
        else:
            assert volumes_of(rig) == AFTER

    on_server(tmp_path, body)


def test_a_volume_that_goes_by_another_id_is_found_by_that(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await with_volume(rig, targets, vm)
        await swap_volume.renamed(rig.session, vm, OLD_DEVICE, "volume-9")
        assert volumes_of(rig) == {"volume-9": BEFORE["volume-1"]}

    on_server(tmp_path, body)
