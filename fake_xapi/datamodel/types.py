"""The type grammar of XenAPI's datamodel, e.g. ``(VDI ref -> SR ref) map``.

May not know the form of values on the wire or in a world.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["string", "int", "float", "bool", "datetime", "void", "enum", "ref", "record", "set", "map", "option"]

PRIMITIVES: frozenset[str] = frozenset({"string", "int", "float", "bool", "datetime", "void"})
NULL_REF = "OpaqueRef:NULL"
NEVER = "19700101T00:00:00Z"
"""The wire value for a date that has not come."""


@dataclass(frozen=True, slots=True)
class Type:
    """One type: ``name`` is the class of a ref or record, or the enum; ``of`` the element, value or optional type."""

    kind: Kind
    name: str = ""
    key: Type | None = None
    of: Type | None = None

    @property
    def element(self) -> Type:
        """The type of a set's elements, a map's values or an option's content."""
        if self.of is None:
            raise TypeError(f"{self} has no elements")
        return self.of

    @property
    def is_ref(self) -> bool:
        """Whether a value is one reference."""
        return self.kind == "ref"

    @property
    def is_ref_set(self) -> bool:
        """Whether a value is a set of references."""
        return self.kind == "set" and self.element.kind == "ref"


STRING = Type("string")
VOID = Type("void")


@cache
def parse_type(text: str) -> Type:
    """Parse the datamodel's spelling of a type; ValueError for a malformed one."""
    if text in PRIMITIVES:
        return Type(text)  # type: ignore[arg-type]  # the membership test above is what the Literal says
    mapping = re.fullmatch(r"\((.*?) -> (.*)\) map", text)
    if mapping:
        return Type("map", key=parse_type(mapping[1]), of=parse_type(mapping[2]))
    if text.startswith("enum ") and text.count(" ") == 1:
        return Type("enum", name=text[5:])
    stem, _, suffix = text.rpartition(" ")
    return _suffixed(stem, suffix, text)


def _suffixed(stem: str, suffix: str, text: str) -> Type:
    match suffix:
        case "ref":
            return Type("ref", name=stem)
        case "record":
            return Type("record", name=stem)
        case "set":
            return Type("set", of=parse_type(stem))
        case "option":
            return Type("option", of=parse_type(stem))
        case _:
            raise ValueError(f"not a XenAPI type: {text!r}")


def zero(kind: Type) -> object:
    """The state value that a field of this type has before anybody sets it (refs are ids, 0 is NULL)."""
    return _ZEROS[kind.kind]


_ZEROS: dict[str, object] = {
    "string": "",
    "int": 0,
    "float": 0.0,
    "bool": False,
    "datetime": NEVER,
    "void": "",
    "enum": "",
    "ref": 0,
    "set": (),
    "map": {},
    "option": None,
    "record": {},
}
