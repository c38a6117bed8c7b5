"""What hosts note beside the metrics themselves: when VMs ran before, and which data sources somebody switched on or off.

One row of the world's unseen class ``rrd`` per VM, host or SR, made when there is something to note.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.verbs.dates import NEVER, moment

RUNS_KEPT = 32
_DOWN = ("Halted", "Suspended")
Span = tuple[float, float]
"""From when to when something was measured, in seconds since 1970."""


class Named(Protocol):
    """A world or an edit."""

    def named(self, cls: str, label: str, /) -> tuple[Id, ...]:
        """The objects of a class with that name."""
        ...

    def get(self, identity: Id, /) -> AnyRow | None:
        """The object of an id, None when it is gone."""
        ...


def _find(rows: Named, owner: Id) -> Id:
    return next(iter(rows.named("rrd", str(owner))), NULL)


def _note(edit: Edit, owner: Id, **fields: object) -> None:
    edit.set(_find(edit, owner) or edit.create("rrd", owner=str(owner)), **fields)


def forget(edit: Edit, owner: Id) -> None:
    """The owner is gone, and its metrics."""
    row = _find(edit, owner)
    if row:
        edit.destroy(row)


# ---- runs ------------------------------------------------------------------------------------------------------------------------


def end_run(edit: Edit, vm: Id, now: str) -> None:
    """Note the run that a VM's metrics still tell of, before they tell of the next one."""
    vm_row = edit[vm]
    metrics = edit.get(vm_row["metrics"])
    if metrics is None or metrics["start_time"] == NEVER:
        return
    ended = metrics["last_updated"] if vm_row["power_state"] in _DOWN else now
    row = edit.get(_find(edit, vm))
    runs = row["runs"].split() if row is not None else []
    runs.append(f"{_seconds(metrics['start_time']):.0f}-{_seconds(ended):.0f}")
    _note(edit, vm, runs=" ".join(runs[-RUNS_KEPT:]))


def spans_of_vm(rows: Named, vm: Id, vm_row: AnyRow) -> tuple[Span, ...]:
    """When a VM ran, oldest first; the last span of one that runs has no end."""
    row, metrics = rows.get(_find(rows, vm)), rows.get(vm_row["metrics"])
    known = [_span(run) for run in row["runs"].split()] if row is not None else []
    if metrics is not None and metrics["start_time"] != NEVER:
        is_live = vm_row["power_state"] not in _DOWN
        known.append((_seconds(metrics["start_time"]), math.inf if is_live else _seconds(metrics["last_updated"])))
    return tuple(known)


def _span(run: str) -> Span:
    start, _, end = run.partition("-")
    return float(start), float(end)


def _seconds(date: str) -> float:
    return moment(date).timestamp()


# ---- data sources ----------------------------------------------------------------------------------------------------------------


def switches(rows: Named, owner: Id) -> Mapping[str, str]:
    """The data sources that somebody switched "on" or "off"."""
    row = rows.get(_find(rows, owner))
    found: Mapping[str, str] = row["sources"] if row is not None else {}
    return found


def switch(edit: Edit, owner: Id, source: str, state: str) -> None:
    """Switch a data source "on" or "off"."""
    _note(edit, owner, sources={**switches(edit, owner), source: state})
