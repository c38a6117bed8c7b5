"""The rows of class role: those that operators assign, and one for each permission of which they consist.

They are the same in every pool, refs and uuids included: the golden host's are shared by all.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

from fake_xapi.datamodel.personality import Personality
from fake_xapi.engine.rbac import permissions, roles_of
from fake_xapi.state.edit import Edit


def create_roles(edit: Edit, release: Personality) -> None:
    """Create every role of a release, each with its permissions as subroles."""
    allowed = permissions(release.name)
    rows = {name: edit.create("role", uuid=_uuid(name), name_label=name, is_internal=True) for name in sorted(allowed)}
    for role in roles_of(release).values():
        subroles = tuple(row for name, row in rows.items() if role.name_label in allowed[name])
        edit.create("role", uuid=role.uuid, name_label=role.name_label, is_internal=role.is_internal, subroles=subroles)


def _uuid(name: str) -> str:
    """XAPI's own uuids: the MD5 of the name."""
    return str(UUID(bytes=hashlib.md5(name.encode(), usedforsecurity=False).digest()))
