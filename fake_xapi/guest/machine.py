"""What a guest keeps that no field of XenAPI tells: its console, its files, its password, and what xenstore holds beyond the database.

One row of the world's unseen class ``guest`` per VM, made when there is something to keep; saved and forked with the world.
"""

from __future__ import annotations

from typing import Any, Protocol

from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id

CONSOLE_KEPT = 65_536
"""So many characters of the console are kept, the newest."""


class Named(Protocol):
    """A world or an edit."""

    def named(self, cls: str, label: str, /) -> tuple[Id, ...]:
        """The objects of a class with that name."""
        ...

    def get(self, identity: Id, /) -> AnyRow | None:
        """The object of an id, None when it is gone."""
        ...


def machine(rows: Named, vm: Id) -> AnyRow | None:
    """What the guest keeps; None when it has kept nothing yet."""
    return rows.get(_find(rows, vm))


def _find(rows: Named, vm: Id) -> Id:
    return next(iter(rows.named("guest", str(vm))), NULL)


def keep(edit: Edit, vm: Id, **fields: Any) -> None:
    """Write fields of a VM's guest. What was of a domain before the present one is forgotten."""
    row, domid = _find(edit, vm) or edit.create("guest", vm=str(vm)), edit[vm]["domid"]
    if domid >= 0 and edit[row]["domid"] != domid:
        edit.set(row, domid=domid, xenstore={}, key="")
    edit.set(row, **fields)


def begin_boot(edit: Edit, vm: Id) -> None:
    """Another boot: nothing has happened yet, and the console is empty."""
    if machine(edit, vm) is not None:
        keep(edit, vm, stage="", console="")


def prints(edit: Edit, vm: Id, text: str) -> None:
    """Add to what the guest's console shows."""
    row = machine(edit, vm)
    before: str = row["console"] if row is not None else ""
    keep(edit, vm, console=(before + text)[-CONSOLE_KEPT:])


def stage_reached(rows: Named, vm: Id, vm_row: AnyRow) -> str:
    """The stage that the guest came to, "" when it begins anew: a domain that was resumed goes on where the one before it was."""
    row = machine(rows, vm)
    if row is None or (row["domid"] != vm_row["domid"] and not rows.get(vm_row["guest_metrics"])):
        return ""
    return str(row["stage"])


def forget(edit: Edit, vm: Id) -> None:
    """The VM is gone, and all that its guest kept."""
    row = _find(edit, vm)
    if row:
        edit.destroy(row)
