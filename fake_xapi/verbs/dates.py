"""Dates as XAPI writes them, and arithmetic on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_FORM = "%Y%m%dT%H:%M:%SZ"
NEVER = "19700101T00:00:00Z"
LAST = "99991231T23:59:59Z"


def moment(text: str) -> datetime:
    """The moment that a date denotes; ValueError for a malformed one."""
    return datetime.strptime(text, _FORM).replace(tzinfo=UTC)


def date(when: datetime) -> str:
    """``20120801T00:00:00Z``."""
    return when.astimezone(UTC).strftime(_FORM)


def later(text: str, seconds: float) -> str:
    """The date that many seconds after another; the last representable date where there is none."""
    try:
        return date(moment(text) + timedelta(seconds=seconds))
    except OverflowError:
        return LAST
