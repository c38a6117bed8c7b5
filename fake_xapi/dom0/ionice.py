"""``ionice`` of a simulated dom0: the priority that the processes of guests' disks have at the disks below.

XAPI gives a disk its priority when it is plugged, by VBD.qos_algorithm_params; whoever runs ``ionice`` later changes it until the domain
ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fake_xapi.dom0.plugins.place import Dom0, PluginError
from fake_xapi.dom0.tapdisks import pid_of, served
from fake_xapi.state.ids import Id

STATE = "/var/run/nonpersistent/ionice.json"
LEVELS: Mapping[str, int] = {"highest": 0, "high": 2, "normal": 4, "low": 6, "lowest": 7}
CLASSES: Mapping[str, tuple[str, str]] = {"rt": ("1", "realtime"), "": ("2", "best-effort"), "idle": ("3", "idle")}
"""By ``sched`` of the parameters: ionice's number and its name."""
_NAMES = dict(CLASSES.values())
_SET = re.compile(r"-c ?([123])(?: -n ?([0-7]))? -p ?(\d+)")
_GET = re.compile(r"-p ?(\d+)")


def ionice(dom0: Dom0, words: list[str]) -> str:
    """``ionice -p PID`` shows the priority of a process, ``ionice -c CLASS [-n LEVEL] -p PID`` changes it."""
    line = " ".join(words)
    if (setting := _SET.fullmatch(line)) is not None:
        number, level, pid = setting[1], setting[2] or "4", setting[3]
        key = _key(dom0, int(pid))
        dom0.write(STATE, json.dumps({**dom0.read_json(STATE), key: [number, level]}))
        return ""
    if (getting := _GET.fullmatch(line)) is not None:
        return _shown(dom0, int(getting[1]))
    raise PluginError(f"ionice: bad usage: {line}")


def _served_by(dom0: Dom0, pid: int) -> tuple[Id, int]:
    found = next(((vbd, domid) for vbd, domid, _ in served(dom0.world, dom0.host) if pid_of(vbd) == pid), None)
    if found is None:
        raise PluginError("ionice: ioprio_get failed: No such process")
    return found


def _key(dom0: Dom0, pid: int) -> str:
    """A process by its number and its domain: another domain has another process."""
    _, domid = _served_by(dom0, pid)
    return f"{pid} {domid}"


def _shown(dom0: Dom0, pid: int) -> str:
    vbd, domid = _served_by(dom0, pid)
    number, level = dom0.read_json(STATE).get(f"{pid} {domid}", _as_plugged(dom0.world[vbd]))
    name = _NAMES[number]
    return f"{name}\n" if name == "idle" else f"{name}: prio {level}\n"


def _as_plugged(vbd: Any) -> tuple[str, str]:
    """What XAPI makes of the VBD's parameters."""
    params = vbd["qos_algorithm_params"] if vbd["qos_algorithm_type"] == "ionice" else {}
    level = params.get("class", "normal")
    return CLASSES.get(params.get("sched", ""), CLASSES[""])[0], str(LEVELS.get(level, level))
