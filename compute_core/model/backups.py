"""Backups of servers as images: what their properties say, and which of them rotation lets go. Pure.

A full backup is an image like any other. A point is one that may hold no more than what has changed since another point, its parent: with
its ancestors it is the whole disk. Points are written down nowhere but in the image service, beside their bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from compute_core.model.images import Image

BACKUP, POINT = "backup", "increment"
"""Values of the property ``image_type``."""
KIND = "backup_type"
"""The user's own name for a series of full backups."""
ROTATION = "backup_rotation"
"""How many of them, or of the server's points, are to be left; so it can still be done when an agent was killed."""
PARENT = "backup_parent"
"""The image that holds the point before this one, "" for a point that holds everything."""
SEQUENCE = "backup_sequence"
"""The number of a point among those of its server."""
MOVED, WHOLE = "backup_moved_bytes", "backup_whole_bytes"
"""How many bytes the host has sent for a point, and how many it would have sent for everything."""
HOW = "backup_method"
"""How a point was made: ``full``, ``delta``."""
OWN_PROPERTIES = frozenset({KIND, ROTATION, PARENT, SEQUENCE, MOVED, WHOLE, HOW, "image_type", "instance_uuid"})
"""What an image of a server that was built from a backup does not take over from it."""

MOST_IN_CHAIN = 7
"""After so many points that need one another there is one that needs none: who restores reads them all."""


def expired_backups(backups: Sequence[Image], rotation: int) -> list[Image]:
    """Those of one series beyond the newest ``rotation``, the oldest first. Only whole ones count, and only whole ones go."""
    whole = sorted((image for image in backups if image.status == "active"), key=lambda image: image.created_at)
    return whole[: max(len(whole) - rotation, 0)]


def sequence_of(point: Image) -> int:
    """Its number; 0 when somebody has meddled with it."""
    text = point.properties.get(SEQUENCE, "")
    return int(text) if text.isdecimal() else 0


def in_order(points: Sequence[Image]) -> list[Image]:
    """Whole points of a server, the oldest first."""
    return sorted((point for point in points if point.status == "active"), key=sequence_of)


def ancestry(point: Image, points: Mapping[str, Image]) -> Iterator[Image]:
    """A point and all that it needs, as far as they are there; ``points`` by id."""
    seen: set[str] = set()
    current: Image | None = point
    while current is not None and current.id not in seen:
        seen.add(current.id)
        yield current
        current = points.get(current.properties.get(PARENT, ""))


def is_complete(point: Image, points: Mapping[str, Image]) -> bool:
    """Whether everything that it needs is there."""
    return [*ancestry(point, points)][-1].properties.get(PARENT, "") == ""


def expired_points(points: Sequence[Image], rotation: int) -> list[Image]:
    """Points beyond the newest ``rotation`` that none of these needs, in an order in which none goes before one that needs it."""
    ordered = in_order(points)
    by_id = {point.id: point for point in ordered}
    kept = ordered[max(len(ordered) - rotation, 0) :]
    needed = {each.id for point in kept for each in ancestry(point, by_id)}
    return [point for point in reversed(ordered) if point.id not in needed]
