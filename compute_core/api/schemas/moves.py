"""What may be sent to take a server to another size or host, and what may be asked of migrations."""

from __future__ import annotations

from compute_core.api.schemas.types import BOOLEAN, HOSTNAME, NUMBER, TEXTS, Member, Schema, of_version, only

_HOST = {**HOSTNAME, "type": ["string", "null"]}
_DISK_CONFIG = {"type": "string", "enum": ["AUTO", "MANUAL"]}
_FLAVOR = {"type": ["string", "integer"], "minLength": 1}
_AUTO = {"enum": [*BOOLEAN["enum"], "auto"]}

RESIZE: Schema = {
    "type": "object",
    "properties": {"flavorRef": _FLAVOR, "OS-DCF:diskConfig": _DISK_CONFIG},
    "required": ["flavorRef"],
    "additionalProperties": False,
}


def migrate(minor: int) -> Schema:
    """``migrate``: since 2.56 with a host."""
    return {"type": ["object", "null"], "properties": {"host": _HOST}, "additionalProperties": False} if minor >= 56 else {}


_LIVE = (
    Member("host", _HOST, required_since=1),
    Member("block_migration", BOOLEAN, until=24, required_since=1),
    Member("block_migration", _AUTO, since=25, required_since=25),
    Member("disk_over_commit", BOOLEAN, until=24, required_since=1),
    Member("force", BOOLEAN, since=30, until=67),
)
_EVACUATE = (
    Member("host", _HOST),
    Member("adminPass", {"type": "string"}),
    Member("onSharedStorage", BOOLEAN, until=13, required_since=1),
    Member("force", BOOLEAN, since=29, until=67),
)


def live_migrate(minor: int) -> Schema:
    """``os-migrateLive``."""
    return of_version(_LIVE, minor)


def evacuate(minor: int) -> Schema:
    """``evacuate``."""
    return of_version(_EVACUATE, minor)


_FILTERS = (
    *(Member(name, TEXTS) for name in ("hidden", "host", "instance_uuid", "source_compute", "status", "migration_type")),
    Member("limit", NUMBER, since=59),
    *(Member(name, TEXTS, since=59) for name in ("marker", "changes-since")),
    Member("changes-before", TEXTS, since=66),
    *(Member(name, TEXTS, since=80) for name in ("user_id", "project_id")),
)


def migrations(minor: int) -> Schema:
    """The query of ``GET /os-migrations``; before 2.59 what it does not know is passed over."""
    return of_version(_FILTERS, minor, is_closed=minor >= 59)


FORCE_COMPLETE = only("force_complete", {"type": "null"})
