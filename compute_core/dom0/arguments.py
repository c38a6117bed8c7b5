"""The arguments of a call, checked one by one: they come from another machine, and end in paths and commands."""

import re
from typing import Any, Dict, List, Optional

from compute_core.dom0.refusal import BAD_ARGUMENTS, Arguments, Refusal

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}")


def bad(name: str, what: str) -> Refusal:
    """The refusal of an argument."""
    return Refusal(BAD_ARGUMENTS, f"argument {name!r} {what}")


def text(arguments: Arguments, name: str, default: Optional[str] = None) -> str:
    """A text."""
    value = arguments.get(name, default)
    if not isinstance(value, str):
        raise bad(name, f"is no text: {value!r}")
    return value


def number(arguments: Arguments, name: str, default: Optional[int] = None) -> int:
    """A whole number from 0 up."""
    value = arguments.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad(name, f"is no number from 0 up: {value!r}")
    return value


def seconds(arguments: Arguments, name: str, default: float) -> float:
    """A time of more than nothing and at most a day."""
    value = arguments.get(name, default)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value <= 86400:
        raise bad(name, f"is no number of seconds up to a day: {value!r}")
    return float(value)


def is_set(arguments: Arguments, name: str) -> bool:
    """A switch, off unless it is given."""
    value = arguments.get(name, False)
    if not isinstance(value, bool):
        raise bad(name, f"is neither true nor false: {value!r}")
    return value


def uuid(arguments: Arguments, name: str) -> str:
    """A uuid, as it is part of a file's name."""
    value = text(arguments, name)
    if not _UUID.fullmatch(value):
        raise bad(name, f"is no uuid: {value!r}")
    return value


def uuids(arguments: Arguments, name: str) -> List[str]:
    """Some uuids that differ."""
    values = arguments.get(name)
    if not isinstance(values, list) or not values:
        raise bad(name, f"is no list of uuids: {values!r}")
    found = [uuid({name: value}, name) for value in values]
    if len(set(found)) < len(found):
        raise bad(name, "names one uuid twice")
    return found


def label(arguments: Arguments, name: str) -> str:
    """A name of letters, digits and dashes, as it is part of a path."""
    value = text(arguments, name)
    if not _LABEL.fullmatch(value):
        raise bad(name, f"is no name of up to 64 letters, digits and dashes: {value!r}")
    return value


def host(arguments: Arguments, name: str) -> str:
    """A host's name or address."""
    value = text(arguments, name)
    if not _HOST.fullmatch(value):
        raise bad(name, f"is no host: {value!r}")
    return value


def texts(arguments: Arguments, name: str) -> Dict[str, str]:
    """A map of texts, empty when it is not given."""
    value = arguments.get(name, {})
    if not isinstance(value, dict) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise bad(name, "is no map of texts")
    return value


def maps(arguments: Arguments, name: str) -> List[Dict[str, Any]]:
    """A list of maps, with one at least."""
    value = arguments.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        raise bad(name, "is no list of maps")
    return value
