"""What is said of single interfaces and volumes of a server, so that news of one never unmakes another. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compute_core.cells.outcomes import NOTHING, with_changes
from compute_core.model.errors import Conflict, NotFound
from compute_core.model.instances import Instance
from compute_core.model.json import to_json

KEYS: Mapping[str, str] = {"vifs": "id", "block_devices": "volume_id"}
"""The members of an instance that have parts, and what these are told apart by."""


def parts(member: str, *, added: Sequence[Any] = (), changed: Mapping[str, Mapping[str, Any]] = NOTHING) -> Mapping[str, Any]:
    """What ``with_parts`` takes, in its JSON form: new parts of a member of KEYS, and what is different in others, by their keys."""
    return {member: {"added": to_json(tuple(added)), "changed": {key: dict(change) for key, change in changed.items()}}}


def with_parts(instance: Instance, told: Mapping[str, Any]) -> Instance:
    """The instance with other parts. NotFound: one to change is gone; Conflict: a new one is there, or another is where it is to be."""
    return with_changes(instance, {member: _with(instance, member, **news) for member, news in told.items()})


def _with(instance: Instance, member: str, added: Sequence[Any], changed: Mapping[str, Any]) -> list[Any]:
    key = KEYS[member]
    rows: dict[str, Any] = {row[key]: row for row in to_json(getattr(instance, member))}
    for which, change in changed.items():
        if which not in rows:
            raise NotFound(f"Instance {instance.uuid} has no {which} any more.")
        rows[which] = {**rows[which], **change}
    taken = {row["device"] for which, row in rows.items() if which not in changed}
    for row in added:
        if row[key] in rows or row["device"] in taken:
            raise Conflict(f"Instance {instance.uuid} has been changed meanwhile. Cure: look, and ask again.")
        rows[row[key]] = row
    return list(rows.values())
