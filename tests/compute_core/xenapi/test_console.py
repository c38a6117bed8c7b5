"""The console log: how much of it, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from compute_core.model.errors import Conflict
from compute_core.xenapi.console import console_log
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.power import Patience, stop
from tests.compute_core.rig import Rig, over_rig
from tests.compute_core.simulated import refuses
from tests.compute_core.values import an_instance
from tests.compute_core.world import HOST


def test_the_end_of_the_log_is_as_long_as_was_asked_for(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[list[str], list[str], list[str], list[str]]:
        vm = await rig.spawn(an_instance())
        rig.undisturbed()
        whole = (await console_log(rig.session, rig.place, vm, None)).splitlines()
        asked = rig.undisturbed()
        end = (await console_log(rig.session, rig.place, vm, 1)).splitlines()
        return asked, whole, end, (await console_log(rig.session, rig.place, vm, 0)).splitlines()

    asked, whole, end, nothing = over_rig(tmp_path, body)

    assert asked == ["VM.get_record", "host.call_plugin"]
    assert (end, nothing) == (whole[-1:], [])
    assert whole


def _refusal(tmp_path: Path, code: str = "", *, is_running: bool = True) -> str:
    async def body(rig: Rig) -> str:
        vm = await rig.spawn(an_instance())
        if not is_running:
            await stop(rig.session, vm, Patience())
        rig.undisturbed()
        rig.wire.before = refuses(2, code, "console")
        with pytest.raises((Conflict, XenApiFailure)) as refused:
            await console_log(rig.session, rig.place, vm, None)
        return str(refused.value)

    return over_rig(tmp_path, body)


def test_a_host_without_the_plugin_says_what_to_install(tmp_path: Path) -> None:
    assert _refusal(tmp_path, "XENAPI_MISSING_PLUGIN") == f"{HOST} has no plugin console. Cure: install inova's dom0 plugins on it."


def test_any_other_refusal_stays_xapis_own(tmp_path: Path) -> None:
    assert _refusal(tmp_path, "XENAPI_PLUGIN_FAILURE") == "XENAPI_PLUGIN_FAILURE [console]"


def test_a_halted_server_of_which_nothing_is_known_has_no_console(tmp_path: Path) -> None:
    words = "The server is not running, and nobody knows its last domain: there is no console to read. Cure: start it."
    assert _refusal(tmp_path, is_running=False) == words


@pytest.mark.parametrize("is_noted", [True, False], ids=["noted by its driver", "known to the agent"])
def test_the_console_of_a_halted_server_is_that_of_its_last_domain(tmp_path: Path, *, is_noted: bool) -> None:
    async def body(rig: Rig) -> tuple[list[str], list[str]]:
        vm = await rig.spawn(an_instance())
        running = (await console_log(rig.session, rig.place, vm, None)).splitlines()
        domid = await rig.session.call("VM.get_domid", vm)
        if is_noted:
            await rig.session.call("VM.add_to_other_config", vm, "last_dom_id", str(domid))
        await stop(rig.session, vm, Patience())
        return running, (await console_log(rig.session, rig.place, vm, None, -1 if is_noted else domid)).splitlines()

    running, halted = over_rig(tmp_path, body)
    assert running
    assert halted[-1].endswith("reboot: Power down")
