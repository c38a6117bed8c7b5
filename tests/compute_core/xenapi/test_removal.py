"""The recipe that removes a server and all that it had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.power import Patience, stop
from compute_core.xenapi.removal import remove
from tests.compute_core.rig import NOTHING, Rig, over_rig
from tests.compute_core.simulated import Disturbance, is_dead, loses_reply, refuses
from tests.compute_core.values import UUID, an_instance

LABEL = f"instance-{UUID}"
CALLS = [
    "VM.get_all_records_where",
    "VM.hard_shutdown",
    "VDI.get_all_records_where",
    "VDI.destroy",
    "VM.destroy",
]
STEPS = [pytest.param(number, id=f"{number}-{name}") for number, name in enumerate(CALLS, start=1)]


def test_a_running_server_goes_in_five_calls_and_nothing_stays(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[list[str], Any]:
        await rig.spawn(an_instance())
        rig.undisturbed()
        await remove(rig.session, UUID, LABEL)
        return rig.undisturbed(), rig.left()

    assert over_rig(tmp_path, body) == (CALLS, NOTHING)


def test_a_halted_server_needs_no_shutdown(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[list[str], Any]:
        await stop(rig.session, await rig.spawn(an_instance()), Patience())
        rig.undisturbed()
        await remove(rig.session, UUID, LABEL)
        return rig.undisturbed(), rig.left()

    assert over_rig(tmp_path, body) == ([CALLS[0], *CALLS[2:]], NOTHING)


def test_an_absent_server_is_gone_already(tmp_path: Path) -> None:
    async def body(rig: Rig) -> list[str]:
        await remove(rig.session, UUID, LABEL)
        return rig.undisturbed()

    assert over_rig(tmp_path, body) == ["VM.get_all_records_where", "VDI.get_all_records_where"]


def test_a_vm_of_that_name_that_is_not_ours_stays(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(an_instance())
        await rig.session.call("VM.remove_from_other_config", vm, "inova-instance-uuid")
        await remove(rig.session, UUID, LABEL)
        return rig.left()["VM"]

    assert over_rig(tmp_path, body) == [LABEL]


def test_a_disk_that_another_vm_uses_as_well_stays(tmp_path: Path) -> None:
    other = "6f70656e-7374-4163-8b00-696e6f766132"

    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(an_instance())
        vdi = (await rig.session.call("VBD.get_record", (await rig.session.call("VM.get_VBDs", vm))[0]))["VDI"]
        vm2 = await rig.spawn(an_instance(other, vifs=()))
        await stop(rig.session, vm2, Patience())
        record = {"VM": vm2, "VDI": vdi, "userdevice": "1", "bootable": False, "mode": "RO", "type": "Disk", "empty": False}
        await rig.session.call("VBD.create", {**record, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
        await remove(rig.session, UUID, LABEL)
        return rig.left()["VDI"]

    assert sorted(over_rig(tmp_path, body)) == [LABEL, f"instance-{other}"]


@pytest.mark.parametrize("at", STEPS)
def test_a_lost_reply_does_not_stop_the_removal(tmp_path: Path, at: int) -> None:
    async def body(rig: Rig) -> Any:
        await rig.spawn(an_instance())
        rig.undisturbed()
        rig.wire.after = loses_reply(at)
        await remove(rig.session, UUID, LABEL)
        return rig.left()

    assert over_rig(tmp_path, body) == NOTHING


@pytest.mark.parametrize("at", STEPS)
@pytest.mark.parametrize("disturbance", [is_dead, lambda at: refuses(at, "INTERNAL_ERROR", "told to")], ids=["dead host", "refusal"])
def test_a_removal_that_was_broken_off_anywhere_is_finished_by_the_next(
    tmp_path: Path, disturbance: Callable[[int], Disturbance], at: int
) -> None:
    async def body(rig: Rig) -> Any:
        await rig.spawn(an_instance())
        rig.undisturbed()
        rig.wire.before = disturbance(at)
        with pytest.raises((Unanswered, XenApiFailure)):
            await remove(rig.session, UUID, LABEL)
        rig.undisturbed()
        await remove(rig.session, UUID, LABEL)
        return rig.left()

    assert over_rig(tmp_path, body) == NOTHING
