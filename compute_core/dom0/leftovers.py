"""What calls that were broken off have left in dom0: folders in SRs in which images and disks were being laid, halves of kernels.

Nothing of it is looked at by XAPI, and nothing of it is mounted: this plugin mounts nothing. A folder that a call is working in is held.
"""

import os
import re
import shutil
from typing import Any, Dict, Iterator, List, Tuple

from compute_core.dom0 import arguments, chain, kernels, transfer
from compute_core.dom0.machine import SR_MOUNTS, Machine
from compute_core.dom0.refusal import Arguments

_HALF_KERNEL = re.compile(kernels.NAME.pattern + r"\.\d+")


def listed(machine: Machine, given: Arguments) -> List[Dict[str, Any]]:
    """``{"path", "size", "idle_s"}`` of each, the last one since something in it was changed."""
    del given
    return [_described(machine, path) for path in _paths(machine)]


def remove(machine: Machine, given: Arguments) -> List[str]:
    """Remove those of ``paths`` that are leftovers, and in which nothing was changed within the last ``idle_s`` seconds; their paths."""
    idle_s, wanted = arguments.number(given, "idle_s"), given.get("paths")
    if not isinstance(wanted, list):
        raise arguments.bad("paths", f"is no list: {wanted!r}")
    gone = [
        path for path in _paths(machine) if path in wanted and _described(machine, path)["idle_s"] >= idle_s and _is_free(machine, path)
    ]
    for path in gone:
        here = machine.path(path)
        if os.path.isdir(here) and not os.path.islink(here):
            shutil.rmtree(here, ignore_errors=True)
        else:
            os.unlink(here)
    return gone


def _paths(machine: Machine) -> List[str]:
    return sorted(_in_srs(machine)) + sorted(_half_kernels(machine))


def _in_srs(machine: Machine) -> Iterator[str]:
    top = machine.path(SR_MOUNTS)
    for sr in os.listdir(top) if os.path.isdir(top) else ():
        for folder in (chain.STAGING, transfer.INCOMING):
            path = os.path.join(SR_MOUNTS, sr, folder)
            yield from (os.path.join(path, name) for name in _names(machine, path))


def _half_kernels(machine: Machine) -> Iterator[str]:
    return (os.path.join(kernels.FOLDER, name) for name in _names(machine, kernels.FOLDER) if _HALF_KERNEL.fullmatch(name))


def _names(machine: Machine, folder: str) -> List[str]:
    here = machine.path(folder)
    return os.listdir(here) if os.path.isdir(here) else []


def _described(machine: Machine, path: str) -> Dict[str, Any]:
    size = _summed(machine.path(path))[0]
    newest = max(_summed(machine.path(each))[1] for each in _travelling_with(machine, path))
    return {"path": path, "size": size, "idle_s": max(machine.now_s() - newest, 0.0)}


def _travelling_with(machine: Machine, path: str) -> List[str]:
    """A folder, and those of the other disks of its VM: what has come waits for what has yet to come."""
    folder, name = os.path.split(path)
    mark = name.rpartition("-")[0]
    if os.path.basename(folder) != transfer.INCOMING or not mark:
        return [path]
    return [path] + [os.path.join(folder, other) for other in _names(machine, folder) if other.rpartition("-")[0] == mark]


def _summed(here: str) -> Tuple[int, float]:
    size, newest = _weighed(here)
    for folder, _, names in os.walk(here):
        for name in names:
            inner = _weighed(os.path.join(folder, name))
            size, newest = size + inner[0], max(newest, inner[1])
    return size, newest


def _weighed(path: str) -> Tuple[int, float]:
    """What a file takes, and when it was changed; a folder weighs nothing, and neither does what has just gone."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return 0, 0.0
    return 0 if os.path.isdir(path) else status.st_blocks * 512, status.st_mtime


def _is_free(machine: Machine, path: str) -> bool:
    here = machine.path(path)
    return not os.path.isdir(here) or chain.is_free(here)
