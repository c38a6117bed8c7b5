"""What follows from an edit before it is committed: ``allowed_operations`` of every object that it may affect."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import compress
from operator import is_not

from fake_xapi.lifecycle.registry import LIFECYCLES, dependents
from fake_xapi.state.edit import Edit, Pending
from fake_xapi.state.ids import Id, class_of
from fake_xapi.state.layout import layouts

UNSEEN: Mapping[str, tuple[str, ...]] = {
    "VM": (
        "allowed_operations", "name_label", "name_description", "resident_on", "scheduled_to_be_resident_on", "consoles", "children",
        "snapshots", "last_booted_record", "last_boot_CPU_flags", "memory_target", "memory_overhead", "xenstore_data", "tags",
    ),
    "host": ("allowed_operations", "resident_VMs", "name_label", "name_description", "other_config", "tags"),
    "VBD": ("allowed_operations", "device", "metrics", "userdevice", "qos_algorithm_type", "qos_algorithm_params"),
    "VIF": ("allowed_operations", "metrics", "MAC", "qos_algorithm_type", "qos_algorithm_params"),
    "VDI": ("allowed_operations", "physical_utilisation", "name_label", "name_description", "tags"),
    "SR": ("allowed_operations", "physical_utilisation", "virtual_allocation", "name_label", "name_description", "tags"),
}  # fmt: skip
"""Fields on which no rule depends: an object in which nothing else changed is skipped."""


def derive(edit: Edit) -> None:
    """Update ``allowed_operations`` of every object that was touched, and of those whose rules depend on it."""
    concerned: dict[Id, None] = {}
    for identity in edit.touched():
        pending = edit.pending(identity)
        changed = _seen_changes(pending)
        if changed is not None:
            concerned[identity] = None
            for other in dependents(edit, identity, is_mark=changed == _mark(pending.cls)):
                concerned[other] = None
    for identity in concerned:
        lifecycle = LIFECYCLES.get(class_of(identity))
        if lifecycle is not None and edit.get(identity) is not None:
            edit.set(identity, allowed_operations=lifecycle.allowed(edit, identity))


def _seen_changes(pending: Pending) -> list[int] | None:
    """The positions of changed fields on which rules depend, [] when that may be any of them; None when there are none.

    An object that was opened but not changed is to be checked again.
    """
    old = pending.old
    if old is None:
        return []
    unseen = _unseen(pending.cls)
    values, before = pending.values, old.values
    others = compress(range(len(before)), map(is_not, values, before))
    changed = [place for place in others if values[place] != before[place]]
    seen = [place for place in changed if place not in unseen]
    return seen if seen or not changed else None


@cache
def _mark(cls: str) -> list[int]:
    """The position of ``current_operations`` alone."""
    place = layouts()[cls].index.get("current_operations")
    return [-1] if place is None else [place]


@cache
def _unseen(cls: str) -> frozenset[int]:
    return frozenset(layouts()[cls].index[field] for field in UNSEEN.get(cls, ()))
