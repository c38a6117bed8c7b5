"""Values of the model to and from plain JSON values, for buses and stores. Unknown members of a newer sender are ignored."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def to_json(value: object) -> Any:
    """Plain dicts, lists and scalars; dates become ISO texts."""
    return msgspec.to_builtins(value)


def from_json(value: object, kind: type[T]) -> T:
    """The dataclass that ``to_json`` came from; ``msgspec.ValidationError`` names the member that does not fit."""
    return msgspec.convert(value, kind)
