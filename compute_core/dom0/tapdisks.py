"""The processes of dom0 that serve guests' disks, and how much they may have of the disks below: ``ionice``, while the guest runs.

XAPI itself gives a disk its priority only when it is plugged; what is changed of the VBD later has no effect until then.
"""

from typing import Any, Dict, List

from compute_core.dom0 import arguments, xenstore
from compute_core.dom0.machine import Machine
from compute_core.dom0.refusal import NOT_FOUND, Arguments, Refusal

BACK_ENDS = ("vbd3", "vbd")
"""Of tapdisks since XenServer 6.5, and of the kernel's own threads before."""
SCHEDULERS = {"rt": "1", "": "2", "idle": "3"}
LEVELS = {"highest": "0", "high": "2", "normal": "4", "low": "6", "lowest": "7"}
"""As XAPI reads a VBD's ``qos_algorithm_params``."""
_FIRST, _MANY = 202 << 8, 16
_IDE = (768, 832, 5632, 5696)
"""What the first disks of emulated guests were called by some releases."""


def prioritise(machine: Machine, given: Arguments) -> List[int]:
    """Give the disks of the domain ``domid`` a priority: ``disks`` are maps of ``device``, its number, ``sched`` and ``class``.

    The numbers of their processes. Refusal NOT_FOUND for a disk that nobody serves.
    """
    domid, wanted = arguments.number(given, "domid"), [_checked(disk) for disk in arguments.maps(given, "disks")]
    pids = [_process(machine, domid, disk["device"]) for disk in wanted]
    for disk, pid in zip(wanted, pids):
        scheduler = SCHEDULERS[disk["sched"]]
        level = [] if scheduler == "3" else ["-n", disk["level"]]
        machine.run("ionice", "-c", scheduler, *level, "-p", str(pid))
    return pids


def _checked(disk: Arguments) -> Dict[str, Any]:
    scheduler, level = arguments.text(disk, "sched", ""), arguments.text(disk, "class", "normal")
    if scheduler not in SCHEDULERS:
        raise arguments.bad("sched", f"is none of rt, idle and nothing: {scheduler!r}")
    if level not in LEVELS and level not in list("01234567"):
        raise arguments.bad("class", f"is no level: {level!r}")
    return {"device": arguments.number(disk, "device"), "sched": scheduler, "level": LEVELS.get(level, level)}


def _process(machine: Machine, domid: int, device: int) -> int:
    for number in _numbers(device):
        for back_end in BACK_ENDS:
            found = xenstore.value_at(machine, f"/local/domain/0/backend/{back_end}/{domid}/{number}/kthread-pid")
            if found is not None and found.isdigit():
                return int(found)
    raise Refusal(NOT_FOUND, f"nobody serves the disk {device} of domain {domid}")


def _numbers(device: int) -> List[int]:
    """What Xen may call a disk: xvda and so on, or hda and so on."""
    own = _FIRST | device << 4 if device < _MANY else 1 << 28 | device << 8
    return [own, *_IDE[device : device + 1]]
