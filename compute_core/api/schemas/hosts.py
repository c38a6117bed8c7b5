"""What may be sent to tend hosts."""

from __future__ import annotations

from compute_core.api.schemas.types import Schema, closed

UPDATE: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
"""``PUT /os-hosts/{host}``: the handler refuses in Nova's words what it does not know."""

_NOTHING = {"anyOf": [{"type": "null"}, closed()]}
_REASON = {"type": "string", "minLength": 1, "maxLength": 255}
_BOOLEAN = {"type": "boolean"}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [{"type": "null"}, schema]}


_DOWN = _nullable(closed((), clearing={"enum": ["move", "stop"]}, may_halt=_BOOLEAN))
ACTION: Schema = {
    **closed(
        (),
        disable=_nullable(closed((), reason=_REASON, on_host=_BOOLEAN)),
        enable=_nullable(closed((), on_host=_BOOLEAN)),
        maintenance=_nullable(closed((), reason=_REASON, may_halt=_BOOLEAN)),
        end_maintenance=_NOTHING,
        reboot=_DOWN,
        shutdown=_DOWN,
        power_on=_NOTHING,
    ),
    "minProperties": 1,
    "maxProperties": 1,
}
"""``POST /operator/v1/hosts/{host}/action``."""
