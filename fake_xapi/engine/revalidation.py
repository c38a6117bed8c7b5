"""Whether a user of the directory may stay logged in: checked about every half hour, and when external authentication is disabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.access.directory import Directory

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi


def is_still_welcome(xapi: Xapi, session: Row) -> bool:
    """Whether the user of an external session is known, not suspended, and admitted by the pool."""
    directory, world = xapi.settings.directory, xapi.world
    if directory is None or not world[xapi.host]["external_auth_type"]:
        return False
    entry = directory.entry(session["auth_user_sid"])
    return entry is not None and not entry.is_suspended and bool(subjects_of(world, directory, entry.identifier))


def subjects_of(world: World, directory: Directory, identifier: str) -> list[Id]:
    """The pool's subjects that are the user, or groups that contain the user, oldest first."""
    closure = {identifier, *directory.groups(identifier)}
    return sorted(subject for subject, row in world.rows("subject") if row["subject_identifier"] in closure)
