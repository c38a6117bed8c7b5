"""The schemas' building blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
SchemaOf = Schema | Callable[[int], Schema]
"""A schema, or a function from the minor version to one."""

LAST = 10**6
"""A version that never comes."""

NAME = {"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}
DESCRIPTION = {"type": ["string", "null"], "maxLength": 255}
BOOLEAN = {"enum": [True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t",
                    False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f"]}  # fmt: skip
UUID = {"type": "string", "format": "uuid"}
ANY: Schema = {}
HOSTNAME = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-._]*$"}
METADATA = {
    "type": "object",
    "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
TAG = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
TAGS = {"type": "array", "items": TAG, "maxItems": 50}

TEXTS = {"type": "array", "items": {"type": "string"}}
NUMBER = {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{1,18}$"}}
DIRECTION = {"type": "array", "items": {"enum": ["asc", "desc"]}}
"""Of queries: each parameter is the list of its values."""


def whole(minimum: int, maximum: int = 0x7FFFFFFF) -> Schema:
    """A whole number, also written as a text, as Nova takes it."""
    pattern = "^[0-9]{1,9}$" if minimum == 0 else "^[1-9][0-9]{0,8}$"
    return {"type": ["integer", "string"], "pattern": pattern, "minimum": minimum, "maximum": maximum}


def closed(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object with these members and no others."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def only(name: str, schema: Schema) -> Schema:
    """An object with exactly this one member."""
    return closed((name,), **{name: schema})


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object that exists from one minor version to another."""

    name: str
    schema: Schema
    since: int = 1
    until: int = LAST
    required_since: int = LAST


def of_version(members: tuple[Member, ...], minor: int, *, is_closed: bool = True) -> Schema:
    """The object as it is at a minor version."""
    present = [member for member in members if member.since <= minor <= member.until]
    return {
        "type": "object",
        "properties": {member.name: member.schema for member in present},
        "required": [member.name for member in present if member.required_since <= minor],
        "additionalProperties": not is_closed,
    }
