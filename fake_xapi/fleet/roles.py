"""The rows of class role: seven that operators hand out, and one for each permission that they are made of.

They are the same in every pool, refs and uuids included: the golden host's are shared by all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from uuid import UUID

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.personality import Personality
from fake_xapi.state.edit import Edit


def create_roles(edit: Edit, release: Personality) -> None:
    """Make every role of a release, each with its permissions as subroles."""
    allowed = dict(_permissions(release))
    rows = {name: edit.create("role", uuid=_uuid(name), name_label=name, is_internal=True) for name in sorted(allowed)}
    for role in datamodel().roles:
        subroles = tuple(row for name, row in rows.items() if role.name_label in allowed[name])
        edit.create("role", uuid=role.uuid, name_label=role.name_label, is_internal=role.is_internal, subroles=subroles)


def _permissions(release: Personality) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The name of each permission ("vm.start") that a role can have, with the roles that have it."""
    sets = datamodel().role_sets
    for message in release.messages.values():
        name = message.wire_name.lower()
        if sets.get(message.roles):
            yield name, sets[message.roles]
        for key, roles in message.map_keys_roles.items():
            yield f"{name}/key:{key.lower()}", sets[roles]
    for action in datamodel().http_actions:
        if sets.get(action.roles):
            yield f"http/{action.name}", sets[action.roles]


def _uuid(name: str) -> str:
    """XAPI's own: the MD5 of the name."""
    return str(UUID(bytes=hashlib.md5(name.encode(), usedforsecurity=False).digest()))
