"""Dates as XAPI writes them, and what is so many seconds later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_FORM = "%Y%m%dT%H:%M:%SZ"
NEVER = "19700101T00:00:00Z"
LAST = "99991231T23:59:59Z"


def moment(text: str) -> datetime:
    """The moment that a date means; ValueError when it is none."""
    return datetime.strptime(text, _FORM).replace(tzinfo=UTC)


def date(when: datetime) -> str:
    """``20120801T00:00:00Z``."""
    return when.astimezone(UTC).strftime(_FORM)


def later(text: str, seconds: float) -> str:
    """The date so many seconds after another; the last of all dates where there is none."""
    try:
        return date(moment(text) + timedelta(seconds=seconds))
    except OverflowError:
        return LAST
