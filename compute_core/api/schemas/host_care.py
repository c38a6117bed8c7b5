"""What may be asked about hosts beyond Nova's own API, and of what projects have used."""

from __future__ import annotations

from compute_core.api.schemas.types import NUMBER, TEXTS, UUID, Member, Schema, closed, of_version, only

IMAGES_AHEAD: Schema = only(
    "cache", {"type": "array", "items": only("id", UUID), "minItems": 1, "maxItems": 100, "uniqueItems": True}
)  # fmt: skip
EVICT: Schema = only("evict", closed((), images={"type": ["array", "null"], "items": UUID}))
_IDS = {"type": ["array", "null"], "items": {"type": "string", "maxLength": 4096}}
CLEAN: Schema = only("clean", closed((), ids=_IDS, older_than_s={"type": "number", "minimum": 0}))
IO_WEIGHT: Schema = only(
    "io_weight",
    closed(
        ("weight",),
        weight={"type": "integer", "minimum": 100, "maximum": 1000},
        devices={"type": ["array", "null"], "items": {"type": "string", "pattern": "^[0-9]{1,3}$"}, "minItems": 1},
    ),
)
USAGES: Schema = closed((), host=TEXTS)

_TENANT_USAGE = (
    Member("start", TEXTS),
    Member("end", TEXTS),
    Member("detailed", TEXTS),
    Member("limit", NUMBER, since=40),
    Member("marker", TEXTS, since=40),
)


def tenant_usage(minor: int) -> Schema:
    """The query of ``GET /os-simple-tenant-usage``."""
    return of_version(_TENANT_USAGE, minor, is_closed=minor >= 75)
