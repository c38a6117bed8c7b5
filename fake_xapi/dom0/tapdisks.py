"""The processes of dom0 that serve guests' disks: which there are, and what xenstore tells of them."""

from __future__ import annotations

from collections.abc import Iterator

from fake_xapi.datamodel.digits import whole
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

FIRST_PID = 2000
_MANY_DISKS = 16


def disk_number(place: int) -> int:
    """Xen's number of the disk xvda, xvdb, ...: beyond the sixteenth it has another form."""
    return 202 << 8 | place << 4 if place < _MANY_DISKS else 1 << 28 | place << 8


def pid_of(vbd: Id) -> int:
    """The process that serves a disk."""
    return FIRST_PID + vbd


def served(rows: World | Edit, host: Id) -> Iterator[tuple[Id, int, int]]:
    """The disks of guests on a host: the VBD, the domain, Xen's number of the disk."""
    for vm in rows[host]["resident_VMs"]:
        guest = rows[vm]
        if guest["is_control_domain"] or guest["domid"] < 0:
            continue
        for vbd in guest["VBDs"]:
            row = rows[vbd]
            place = whole(row["userdevice"])
            if row["currently_attached"] and row["type"] == "Disk" and place is not None:
                yield vbd, guest["domid"], disk_number(place)


def back_ends(rows: World | Edit, host: Id, era: str) -> dict[str, str]:
    """What dom0's part of xenstore tells of them."""
    kind = "vbd" if era == "boston" else "vbd3"
    found: dict[str, str] = {}
    for vbd, domid, number in served(rows, host):
        path = f"backend/{kind}/{domid}/{number}"
        found |= {f"{path}/frontend-id": str(domid), f"{path}/state": "4", f"{path}/kthread-pid": str(pid_of(vbd))}
    return found
