"""The recipes that put a rescue VM in a server's place, and take it away again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import BuildFailed
from compute_core.model.instances import RUNNING, SHUTDOWN
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.power import Patience, start, stop
from compute_core.xenapi.removal import remove
from compute_core.xenapi.rescue import remove_rescue, rescue, unrescue
from tests.compute_core.rig import CONTENT, NOTHING, Rig, content_of, fixed_vhd, over_rig, stored
from tests.compute_core.simulated import Disturbance, is_dead, loses_reply, refuses
from tests.compute_core.values import UUID, an_instance

SERVER = an_instance(power_state=RUNNING)
LABEL = f"instance-{UUID}"
CALLS = [
    "VDI.get_all_records_where",
    "VDI.create",
    "task.create",
    "PUT /import_raw_vdi",
    "task.get_record",
    "task.destroy",
    "VDI.get_record",
    "VDI.set_other_config",
    "VDI.clone",
    "VDI.set_name_label",
    "VDI.set_other_config",
    "VBD.get_all_records_where",
    "VM.create",
    "VBD.create",
    "VIF.create",
    "VM.hard_shutdown",
    "VM.set_blocked_operations",
    "VBD.create",
    "VM.start_on",
]
CACHED = [CALLS[0], *CALLS[8:]]
BACK = [
    "VM.get_all_records_where",
    "VM.hard_shutdown",
    "VM.set_blocked_operations",
    "VM.start_on",
    "VM.get_all_records_where",
    "VDI.get_all_records_where",
    "VDI.destroy",
    "VM.destroy",
]
WITH_SERVER = {"VM": [LABEL], "VBD": ["0"], "VIF": [SERVER.vifs[0].mac], "VDI": [LABEL], "task": []}


def steps(calls: list[str]) -> list[Any]:
    return [pytest.param(number, id=f"{number}-{name}") for number, name in enumerate(calls, start=1)]


async def rescued(rig: Rig, vm: str, image: Any = None) -> str:
    return await rescue(rig.session, rig.place, rig.cache, vm, SERVER, image or rig.image)


async def back(rig: Rig, vm: str) -> None:
    await unrescue(rig.session, rig.place, vm, SERVER)
    await remove_rescue(rig.session, UUID)


async def state(rig: Rig, vm: str) -> tuple[str, dict[str, str]]:
    record = await rig.session.call("VM.get_record", vm)
    return record["power_state"], record["blocked_operations"]


def test_a_rescue_from_an_image_that_is_not_cached_takes_nineteen_calls(tmp_path: Path) -> None:
    async def body(rig: Rig) -> list[str]:
        vm = await rig.spawn(SERVER)
        other = await stored(rig.images, fixed_vhd(CONTENT[::-1]))
        rig.undisturbed()
        await rescued(rig, vm, other)
        return rig.undisturbed()

    asked = over_rig(tmp_path, body)
    assert asked == CALLS
    assert len(asked) <= 20


def test_the_rescue_vm_runs_the_rescue_image_beside_the_servers_disk(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(SERVER)
        other = await stored(rig.images, fixed_vhd(CONTENT[::-1]))
        helper = await rescued(rig, vm, other)
        record = await rig.session.call("VM.get_record", helper)
        vbds = [await rig.session.call("VBD.get_record", vbd) for vbd in record["VBDs"]]
        disks = {vbd["userdevice"]: (vbd["bootable"], content_of(rig, vbd["VDI"], 4096)) for vbd in vbds}
        macs = [(await rig.session.call("VIF.get_record", vif))["MAC"] for vif in record["VIFs"]]
        assert record["xenstore_data"]["vm-data/hostname"] == "RESCUE-web"
        return await state(rig, vm), record["power_state"], disks, macs

    server, rescue_state, disks, macs = over_rig(tmp_path, body)
    why = "the server is being rescued"
    assert server == ("Halted", {"start": why, "start_on": why})
    assert (rescue_state, macs) == ("Running", [SERVER.vifs[0].mac])
    assert disks == {"0": (True, CONTENT[::-1][:4096]), "1": (False, CONTENT[:4096])}


def test_nobody_starts_a_server_while_it_is_rescued(tmp_path: Path) -> None:
    async def body(rig: Rig) -> str:
        vm = await rig.spawn(SERVER)
        await rescued(rig, vm)
        with pytest.raises(XenApiFailure) as refusal:
            await start(rig.session, rig.place, vm)
        return refusal.value.code

    assert over_rig(tmp_path, body) == "OPERATION_BLOCKED"


def test_the_way_back_takes_eight_calls_and_nothing_of_the_rescue_stays(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(SERVER)
        await rescued(rig, vm)
        rig.undisturbed()
        await back(rig, vm)
        return rig.undisturbed(), await state(rig, vm), rig.left()

    assert over_rig(tmp_path, body) == (BACK, ("Running", {}), WITH_SERVER)


@pytest.mark.parametrize("at", steps(CACHED))
@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
def test_a_rescue_that_is_refused_anywhere_leaves_the_server_as_it_was(tmp_path: Path, at: int, *, is_running: bool) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(SERVER)
        if not is_running:
            await stop(rig.session, vm, Patience())
        rig.undisturbed()
        rig.wire.before = refuses(at, "INTERNAL_ERROR", "told to")
        there = an_instance(power_state=RUNNING if is_running else SHUTDOWN)
        with pytest.raises((XenApiFailure, TransferFailed, BuildFailed)):
            await rescue(rig.session, rig.place, rig.cache, vm, there, rig.image)
        rig.undisturbed()
        return await state(rig, vm), rig.left()

    assert over_rig(tmp_path, body) == (("Running" if is_running else "Halted", {}), WITH_SERVER)


@pytest.mark.parametrize("at", steps(CACHED))
def test_a_lost_reply_does_not_stop_a_rescue(tmp_path: Path, at: int) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(SERVER)
        rig.undisturbed()
        rig.wire.after = loses_reply(at)
        helper = await rescued(rig, vm)
        rig.undisturbed()
        return (await state(rig, helper))[0], (await state(rig, vm))[0], len(rig.left()["VBD"])

    assert over_rig(tmp_path, body) == ("Running", "Halted", 3)


@pytest.mark.parametrize("at", steps(BACK))
@pytest.mark.parametrize("disturbance", [is_dead, lambda at: refuses(at, "INTERNAL_ERROR", "told to")], ids=["dead host", "refusal"])
def test_a_way_back_that_was_broken_off_anywhere_is_finished_by_the_next(
    tmp_path: Path, disturbance: Callable[[int], Disturbance], at: int
) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(SERVER)
        await rescued(rig, vm)
        rig.undisturbed()
        rig.wire.before = disturbance(at)
        with pytest.raises((Unanswered, XenApiFailure)):
            await back(rig, vm)
        rig.undisturbed()
        await back(rig, vm)
        return await state(rig, vm), rig.left()

    assert over_rig(tmp_path, body) == (("Running", {}), WITH_SERVER)


def test_a_rescued_server_goes_with_its_rescue_vm_in_eight_calls(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(SERVER)
        await rescued(rig, vm)
        rig.undisturbed()
        await remove(rig.session, UUID, LABEL)
        return len(rig.undisturbed()), rig.left()

    count, left = over_rig(tmp_path, body)
    assert (count, left) == (7, NOTHING)
    assert count <= 8


def test_a_server_without_a_root_disk_is_not_rescued(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(SERVER)
        await stop(rig.session, vm, Patience())
        vbd = (await rig.session.call("VM.get_VBDs", vm))[0]
        await rig.session.call("VBD.destroy", vbd)
        with pytest.raises(TransferFailed, match="no root disk"):
            await rescued(rig, vm)
        return rig.left()["VDI"]

    assert over_rig(tmp_path, body) == [LABEL]
