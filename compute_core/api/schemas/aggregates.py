"""What may be sent to make, change and fill aggregates."""

from __future__ import annotations

from compute_core.api.schemas.types import NAME, Schema, closed, only

_ZONE = {"type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": "^[^:]*$", "format": "name"}
_HOST = only("host", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-._]*$"})
_ITEMS = {
    "type": "object",
    "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": ["string", "null"], "maxLength": 255}},
    "additionalProperties": False,
}

CREATE: Schema = only("aggregate", closed(("name",), name=NAME, availability_zone=_ZONE))
UPDATE: Schema = only("aggregate", {**closed((), name=NAME, availability_zone=_ZONE), "anyOf": [
    {"required": ["name"]}, {"required": ["availability_zone"]},
]})  # fmt: skip
ACTION: Schema = {
    **closed((), add_host=_HOST, remove_host=_HOST, set_metadata=only("metadata", _ITEMS)),
    "minProperties": 1,
    "maxProperties": 1,
}
