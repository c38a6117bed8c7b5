"""Volumes on a simulated host: its SRs of targets, the VBDs of a server's VM, and what is left of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from compute_core.model.volumes import BlockDevice, Connection, Target
from compute_core.xenapi import marks, volumes
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.targets import Targets, secret_uuid, sr_uuid
from compute_core.xenapi.volumes import Disk
from fake_xapi.dom0.arrays import GIB
from tests.compute_core.rig import Rig, over_rig
from tests.compute_core.simulated import is_dead, loses_reply
from tests.compute_core.values import an_instance

T = TypeVar("T")
PORTAL, IQN = "10.255.0.20", "iqn.2012-08.example.storage:array1"
ARRAY = Connection(Target(PORTAL, IQN, 2))
SECRET = Connection(Target(PORTAL, "iqn.2012-08.example.storage:secret", 0, asks_login=True), "chap", "chapsecret")
PROBLEMS = (XenApiFailure, Unanswered, TransferFailed)


def device(volume: str = "volume-1", letter: str = "b", **changes: Any) -> BlockDevice:
    return BlockDevice(volume, f"attachment of {volume}", f"/dev/xvd{letter}", **changes)


def disk(connection: Connection = ARRAY, **changes: Any) -> Disk:
    return Disk(device(**changes), connection)


def on_server(folder: Path, body: Callable[[Rig, Targets, str], Awaitable[T]]) -> T:
    """With a running server."""

    async def main(rig: Rig) -> T:
        vm = await rig.spawn(an_instance())
        rig.undisturbed()
        return await body(rig, Targets(rig.place.host), vm)

    return over_rig(folder, main)


def rows(rig: Rig, cls: str) -> list[Any]:
    return [row for _, row in rig.xapi.world.rows(cls)]


def targets_on(rig: Rig) -> dict[str, list[bool]]:
    """The SRs of targets, by uuid, and whether each of their PBDs is plugged."""
    world = rig.xapi.world
    srs = {world.uuid(each): row for each, row in world.rows("SR") if row["type"] == "iscsi"}
    return {uuid: [world[pbd]["currently_attached"] for pbd in row["PBDs"]] for uuid, row in srs.items()}


def volumes_of(rig: Rig) -> dict[str, tuple[str, bool, str]]:
    """By volume: the device, whether it is plugged, and the LUN."""
    world = rig.xapi.world
    vbds: list[Any] = [row for _, row in world.rows("VBD") if row["other_config"].get(marks.VOLUME)]
    return {marks.volume_of(row): (row["userdevice"], row["currently_attached"], world[row["VDI"]]["sm_config"]["LUNid"]) for row in vbds}


NOTHING: tuple[Any, ...] = ({}, {}, 0)


def left(rig: Rig) -> tuple[Any, ...]:
    return targets_on(rig), volumes_of(rig), len(rows(rig, "secret"))


def test_six_calls_attach_a_volume_to_a_running_server(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await volumes.attach(rig.session, targets, vm, disk(), plugs=True)
        assert rig.undisturbed() == [
            "SR.introduce", "PBD.create", "PBD.plug", "VDI.get_all_records_where", "VBD.create", "VBD.plug",
        ]  # fmt: skip
        assert left(rig) == ({sr_uuid(ARRAY.target): [True]}, {"volume-1": ("1", True, "2")}, 0)

    on_server(tmp_path, body)


def test_eight_calls_detach_it_and_forget_its_target(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await volumes.attach(rig.session, targets, vm, disk(), plugs=True)
        rig.undisturbed()
        await volumes.detach(rig.session, targets, vm, device(target=ARRAY.target))
        assert len(rig.undisturbed()) == 8
        assert left(rig) == NOTHING

    on_server(tmp_path, body)


def test_a_target_that_wants_a_login_gets_it_from_a_secret(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await volumes.attach(rig.session, targets, vm, disk(SECRET), plugs=True)
        assert len(rig.undisturbed()) == 7
        (pbd,) = [row for row in rows(rig, "PBD") if row["device_config"].get("chapuser")]
        assert pbd["device_config"] == {
            "target": PORTAL, "port": "3260", "targetIQN": SECRET.target.iqn, "chapuser": "chap",
            "chappassword_secret": secret_uuid(SECRET.target),
        }  # fmt: skip
        await volumes.detach(rig.session, targets, vm, device(target=SECRET.target))
        assert left(rig) == NOTHING

    on_server(tmp_path, body)


def test_a_wrong_password_leaves_nothing(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        wrong = Connection(SECRET.target, "chap", "guessed")
        with pytest.raises(XenApiFailure) as refusal:
            await volumes.attach(rig.session, targets, vm, disk(wrong), plugs=True)
        assert refusal.value.code == "SR_BACKEND_FAILURE_68"
        assert left(rig) == NOTHING

    on_server(tmp_path, body)


def test_a_lun_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        with pytest.raises(TransferFailed, match=f"target {IQN} at {PORTAL} has no LUN 9"):
            await volumes.attach(rig.session, targets, vm, disk(Connection(Target(PORTAL, IQN, 9))), plugs=True)
        assert left(rig) == NOTHING

    on_server(tmp_path, body)


def test_volumes_of_one_target_share_its_sr_until_the_last_one_goes(tmp_path: Path) -> None:
    other = Target(PORTAL, IQN, 3)

    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await volumes.attach(rig.session, targets, vm, disk(), plugs=True)
        await volumes.attach(rig.session, targets, vm, disk(Connection(other), volume="volume-2", letter="c"), plugs=True)
        assert left(rig) == ({sr_uuid(other): [True]}, {"volume-1": ("1", True, "2"), "volume-2": ("2", True, "3")}, 0)
        await volumes.detach(rig.session, targets, vm, device(target=ARRAY.target))
        assert left(rig) == ({sr_uuid(other): [True]}, {"volume-2": ("2", True, "3")}, 0)
        await volumes.detach(rig.session, targets, vm, device("volume-2", target=other))
        assert left(rig) == NOTHING

    on_server(tmp_path, body)


def test_attaching_and_detaching_again_changes_nothing(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await volumes.attach(rig.session, targets, vm, disk(SECRET), plugs=True)
        once = left(rig)
        await volumes.attach(rig.session, targets, vm, disk(SECRET), plugs=True)
        assert left(rig) == once
        for _ in range(2):
            await volumes.detach(rig.session, targets, vm, device(target=SECRET.target))
            assert left(rig) == NOTHING

    on_server(tmp_path, body)


def test_a_halted_server_has_its_volume_when_it_starts(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await rig.session.call("VM.hard_shutdown", vm)
        await volumes.attach(rig.session, targets, vm, disk(), plugs=False)
        assert volumes_of(rig) == {"volume-1": ("1", False, "2")}
        await rig.session.call("VM.start_on", vm, rig.place.host, False, False)
        assert volumes_of(rig) == {"volume-1": ("1", True, "2")}
        await rig.session.call("VM.hard_reboot", vm)
        assert volumes_of(rig) == {"volume-1": ("1", True, "2")}

    on_server(tmp_path, body)


def test_two_servers_share_a_volume_that_may_be_shared(tmp_path: Path) -> None:
    shared = Connection(ARRAY.target, is_shared=True)

    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        second = await rig.spawn(an_instance("6f70656e-7374-4163-8b00-696e6f766132", vifs=()))
        for each in (vm, second):
            await volumes.attach(rig.session, targets, each, disk(shared), plugs=True)
        vbds = [row for row in rows(rig, "VBD") if marks.volume_of(row)]
        assert [row["currently_attached"] for row in vbds] == [True, True]
        assert len({row["VDI"] for row in vbds}) == 1
        await volumes.detach(rig.session, targets, vm, device(target=ARRAY.target))
        assert left(rig) == ({sr_uuid(ARRAY.target): [True]}, {"volume-1": ("1", True, "2")}, 0)
        await volumes.detach(rig.session, targets, second, device(target=ARRAY.target))
        assert left(rig) == NOTHING

    on_server(tmp_path, body)


@pytest.mark.parametrize("at", range(1, 8))
def test_a_lost_answer_is_looked_up(tmp_path: Path, at: int) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        rig.wire.after = loses_reply(at)
        try:
            await volumes.attach(rig.session, targets, vm, disk(SECRET), plugs=True)
        except PROBLEMS:  # it must have been taken back
            assert left(rig) == NOTHING
        else:
            assert left(rig) == ({sr_uuid(SECRET.target): [True]}, {"volume-1": ("1", True, "0")}, 1)

    on_server(tmp_path, body)


@pytest.mark.parametrize("since", range(1, 9))
def test_what_a_dead_host_was_left_with_is_taken_away_later(tmp_path: Path, since: int) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        rig.wire.before = is_dead(since)
        try:
            await volumes.attach(rig.session, targets, vm, disk(SECRET), plugs=True)
        except PROBLEMS:
            assert since < 8
        rig.undisturbed()
        await volumes.detach(rig.session, targets, vm, device(target=SECRET.target))
        assert left(rig) == NOTHING

    on_server(tmp_path, body)


def storage(*luns: tuple[int, int]) -> str:
    """The array's setting, with the LUNs of these numbers and sizes in GiB."""
    listed = [{"scsi_id": f"360a98000534b4f4e46704f76692d6d{number:02d}", "size": size * GIB, "number": number} for number, size in luns]
    return json.dumps({"targets": [{"iqn": IQN, "portals": [PORTAL], "luns": listed}]})


async def set_array(rig: Rig, *luns: tuple[int, int]) -> None:
    (pool,) = await rig.session.call("pool.get_all")
    await rig.session.call("pool.set_other_config", pool, {"sim.storage": storage(*luns)})


def test_a_lun_that_has_grown_is_seen_in_its_new_size(tmp_path: Path) -> None:
    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await set_array(rig, (2, 10))
        await volumes.attach(rig.session, targets, vm, disk(), plugs=True)
        with pytest.raises(TransferFailed, match=f"LUN 2 of {IQN} has {10 * GIB} bytes, not {20 * GIB}"):
            await volumes.see_size(rig.session, ARRAY.target, 20 * GIB)
        await set_array(rig, (2, 20))
        rig.undisturbed()
        await volumes.see_size(rig.session, ARRAY.target, 20 * GIB)
        assert len(rig.undisturbed()) == 3

    on_server(tmp_path, body)


def test_a_volume_that_its_array_does_not_give_any_more_is_found_and_dropped(tmp_path: Path) -> None:
    gone = Target("10.255.0.99", "iqn.gone", 0)
    known = [device(target=ARRAY.target), device("volume-2", "c", target=gone)]

    async def body(rig: Rig, targets: Targets, vm: str) -> None:
        await volumes.attach(rig.session, targets, vm, disk(), plugs=True)
        assert await volumes.bad_volumes(rig.session, vm, known) == ()
        await rig.session.call("VM.hard_shutdown", vm)
        (pool,) = await rig.session.call("pool.get_all")
        await rig.session.call("pool.set_other_config", pool, {"sim.storage": "{}"})
        assert await volumes.bad_volumes(rig.session, vm, known) == (known[0],)
        await volumes.drop(rig.session, targets, vm, known[:1])
        assert left(rig) == NOTHING

    on_server(tmp_path, body)
