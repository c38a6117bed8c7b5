"""Background scans: every half minute, of plugged SRs whose other_config says ``auto-scan=true`` or ``dirty``.

No timer is set while no SR asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fake_xapi.datamodel.digits import whole
from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.vdi import any_plugged_pbd
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import sr_scan

INTERVAL_S = 30.0


def wake(call: Call, sr: Id) -> None:
    """Begin to scan an SR if it asks for it; the first scan comes one interval later."""
    if _asks(call, sr):
        call.spawn(f"auto-scan {sr}", _go_on(call, sr))


def follow_all(call: Call) -> None:
    """Resume the scans of a database that was loaded or rolled back."""
    for sr in list(call.world.ids("SR")):
        wake(call, sr)


def _asks(call: Call, sr: Id) -> bool:
    row = call.world.get(sr)
    if row is None or not any_plugged_pbd(call.world, row):
        return False
    return row["other_config"].get("auto-scan") == "true" or "dirty" in row["other_config"]


async def _go_on(call: Call, sr: Id) -> None:
    while _asks(call, sr):
        await asyncio.sleep(_interval_s(call))
        if _asks(call, sr):
            _scan(call, sr)


def _scan(call: Call, sr: Id) -> None:
    """Scan an SR; a failed scan is retried in the next round, as in XAPI."""
    if call.world[sr]["current_operations"]:
        return
    try:
        sr_scan.scan(call, sr)
    except Failure:
        return


def _interval_s(call: Call) -> float:
    """The interval: half a minute, unless the host's other_config says otherwise."""
    wish = whole(call.world[call.host]["other_config"].get("auto-scan-interval", ""))
    return float(wish) if wish else INTERVAL_S


def set_other_config(call: Call, sr: Id, value: dict[str, str]) -> None:
    """Replace the other_config of an SR, which may switch its background scan on or off."""
    with call.world.edit() as edit:
        edit.set(sr, other_config=value)
    wake(call, sr)


def add_to_other_config(call: Call, sr: Id, key: str, value: str) -> None:
    """Add a key. Failure MAP_DUPLICATE_KEY when it is there."""
    known = call.world[sr]["other_config"]
    if key in known:
        raise Failure("MAP_DUPLICATE_KEY", "SR", "other_config", Handle(sr), key)
    set_other_config(call, sr, {**known, key: value})


VERBS: Mapping[str, Verb] = {"SR.set_other_config": set_other_config, "SR.add_to_other_config": add_to_other_config}
