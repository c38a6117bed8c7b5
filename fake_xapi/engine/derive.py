"""What follows from an edit before it is committed: ``allowed_operations`` of all that it may concern."""

from __future__ import annotations

from fake_xapi.lifecycle.registry import LIFECYCLES, dependents
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id, class_of


def derive(edit: Edit) -> None:
    """Write ``allowed_operations`` of every object that was touched, and of those whose rules look at it."""
    concerned: dict[Id, None] = {}
    for identity in edit.touched():
        concerned[identity] = None
        for other in dependents(edit, identity):
            concerned[other] = None
    for identity in concerned:
        lifecycle = LIFECYCLES.get(class_of(identity))
        if lifecycle is not None and edit.get(identity) is not None:
            edit.set(identity, allowed_operations=lifecycle.allowed(edit, identity))
