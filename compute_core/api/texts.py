"""Readings of the loose values that the API takes: truths and numbers written as texts."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

from compute_core.model.errors import Invalid

_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no"})


def is_true(value: object) -> bool:
    """A truth of a body that fits its schema."""
    return str(value).lower() in _TRUE


def truth(name: str, value: str) -> bool:
    """A truth of a query; Invalid when it is neither."""
    folded = value.lower()
    if folded not in _TRUE | _FALSE:
        raise Invalid(f"Invalid value '{value}' for {name}: true or false is meant.")
    return folded in _TRUE


def exact_date(name: str, value: str) -> str:
    """A date of a query, UTC, to the microsecond and without a zone; Invalid when it is none."""
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        raise Invalid(f"Invalid filter value for {name}: {value} is no date.") from None
    return date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def address(text: str) -> str:
    """An address, or nothing, in the one form that RFC 5952 has for it."""
    return str(ipaddress.ip_address(text)) if text else ""


def number(name: str, value: str) -> int:
    """A number of a query; Invalid when it is none."""
    try:
        return int(value)
    except ValueError:
        raise Invalid(f"Invalid value '{value}' for {name}: a number is meant.") from None
