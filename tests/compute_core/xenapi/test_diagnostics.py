"""What is read of a host's measurements, in four calls."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from compute_core.xenapi.diagnostics import diagnostics
from compute_core.xenapi.power import Patience, stop
from tests.compute_core.rig import URL, Rig, over_rig
from tests.compute_core.values import an_instance


def test_a_running_server_is_told_of_in_four_calls_and_a_halted_one_in_one(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(an_instance())
        await asyncio.sleep(120)
        rig.undisturbed()
        running = await diagnostics(rig.session, rig.place, URL, vm)
        asked = rig.undisturbed()
        await stop(rig.session, vm, Patience())
        rig.undisturbed()
        return running, asked, await diagnostics(rig.session, rig.place, URL, vm), rig.undisturbed()

    running, asked, halted, once = over_rig(tmp_path, body)
    assert asked == ["VM.get_record", "host.get_servertime", "VM_metrics.get_start_time", "GET /rrd_updates"]
    assert (running.power_state, running.vcpus, 100 <= (running.uptime_s or 0) <= 130) == ("Running", 1, True)
    assert running.values["memory"] == 512 << 20
    assert {"cpu0", "vif_0_rx", "vbd_xvda_read"} <= running.values.keys()
    assert (halted.power_state, halted.uptime_s, halted.values, once) == ("Halted", None, {}, ["VM.get_record"])
