"""Files in the hosts' control domains that verbs keep between calls: certificates, revocation lists, state of daemons.

A file of the pool is on every host; a file of a host is that host's own. Texts only: the bytes of disks and patches are in ``Call.disks``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World


def find(world: World, path: str, host: Id = NULL) -> Id:
    """The file with that path on a host, or of the pool; NULL when there is none."""
    return next((file for file in world.named("dom0_file", path) if world[file]["host"] == host), NULL)


def read(world: World, path: str, host: Id = NULL) -> str | None:
    """The content of a file; None when there is none."""
    file = find(world, path, host)
    return str(world[file]["content"]) if file else None


def write(world: World, edit: Edit, path: str, content: str, host: Id = NULL) -> None:
    """Create a file, or replace its content."""
    file = find(world, path, host)
    if file:
        edit.set(file, content=content)
    else:
        edit.create("dom0_file", path=path, host=host, content=content)


def remove(world: World, edit: Edit, path: str, host: Id = NULL) -> None:
    """Delete a file, if it exists."""
    file = find(world, path, host)
    if file:
        edit.destroy(file)


def listed(world: World, folder: str, host: Id = NULL) -> Iterator[tuple[str, str]]:
    """The files in a folder: names and contents, in the order of their names."""
    inside = [(row["path"], row["content"]) for _, row in world.rows("dom0_file") if row["host"] == host]
    return ((path.removeprefix(folder), content) for path, content in sorted(inside) if path.startswith(folder))
