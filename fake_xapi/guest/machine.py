"""The state of a guest that no field of XenAPI shows: its console, files and password, and the xenstore keys beyond the database.

One row per VM of the world's unseen class ``guest``, created when there is something to keep; saved and forked with the world.
"""

from __future__ import annotations

from typing import Any, Protocol

from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id

CONSOLE_KEPT = 65_536
"""How many characters of the console are kept: the newest ones."""


class Named(Protocol):
    """A world or an edit."""

    def named(self, cls: str, label: str, /) -> tuple[Id, ...]:
        """The objects of a class with that name."""
        ...

    def get(self, identity: Id, /) -> AnyRow | None:
        """The object of an id, None when it is gone."""
        ...


def machine(rows: Named, vm: Id) -> AnyRow | None:
    """The state of the guest; None when there is none yet."""
    return rows.get(_find(rows, vm))


def _find(rows: Named, vm: Id) -> Id:
    return next(iter(rows.named("guest", str(vm))), NULL)


def keep(edit: Edit, vm: Id, **fields: Any) -> None:
    """Write fields of a VM's guest. Whatever belonged to an earlier domain is dropped."""
    row, domid = _find(edit, vm) or edit.create("guest", vm=str(vm)), edit[vm]["domid"]
    if domid >= 0 and edit[row]["domid"] != domid:
        edit.set(row, domid=domid, xenstore={}, key="")
    edit.set(row, **fields)


def begin_boot(edit: Edit, vm: Id) -> None:
    """Begin another boot, with an empty console."""
    if machine(edit, vm) is not None:
        keep(edit, vm, stage="", console="")


def prints(edit: Edit, vm: Id, text: str) -> None:
    """Append to the guest's console."""
    row = machine(edit, vm)
    before: str = row["console"] if row is not None else ""
    keep(edit, vm, console=(before + text)[-CONSOLE_KEPT:])


def stage_reached(rows: Named, vm: Id, vm_row: AnyRow) -> str:
    """The stage that the guest has reached, "" when it starts anew: a resumed domain continues where the previous one was."""
    row = machine(rows, vm)
    if row is None or (row["domid"] != vm_row["domid"] and not rows.get(vm_row["guest_metrics"])):
        return ""
    return str(row["stage"])


def forget(edit: Edit, vm: Id) -> None:
    """Drop everything that the guest of a destroyed VM kept."""
    row = _find(edit, vm)
    if row:
        edit.destroy(row)
