"""When a schedule is due: the maps in which XenAPI keeps the minute, hour and days of recurring work. All times are UTC.

May not know what the schedule is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fake_xapi.datamodel.failure import Failure

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a schedule: its default, and the values that it accepts."""

    default: str
    takes: Callable[[str], bool]


def _is_among(values: range, step: int = 1) -> Callable[[str], bool]:
    return lambda text: text.isascii() and text.isdigit() and int(text) in values and int(text) % step == 0


def _are_days(text: str) -> bool:
    return bool(text) and all(day in DAYS for day in text.split(","))


_MIN, _HOUR, _DAYS = Key("0", _is_among(range(60), 15)), Key("0", _is_among(range(24))), Key("Monday", _are_days)
KEYS: Mapping[str, Mapping[str, Key]] = {
    "never": {},
    "always_after_backup": {},
    "hourly": {"min": _MIN},
    "daily": {"min": _MIN, "hour": _HOUR},
    "weekly": {"min": _MIN, "hour": _HOUR, "days": _DAYS},
}
"""By frequency: the keys that its schedule has."""


def checked(field: str, frequency: str, schedule: Mapping[str, str]) -> dict[str, str]:
    """The schedule with defaults filled in. INVALID_VALUE ["field:key", value] for a value that a key does not accept."""
    keys = KEYS[frequency]
    for name, key in keys.items():
        if name in schedule and not key.takes(schedule[name]):
            raise Failure("INVALID_VALUE", f"{field}:{name}", schedule[name])
    return {name: key.default for name, key in keys.items()} | dict(schedule)


def due_after(frequency: str, schedule: Mapping[str, str], after: datetime) -> datetime | None:
    """The first moment after another at which a schedule is due; None for one that is never due by itself."""
    step = _STEPS.get(frequency)
    if step is None:
        return None
    due = after.replace(minute=int(schedule["min"]), second=0, microsecond=0)
    if "hour" in schedule and frequency != "hourly":
        due = due.replace(hour=int(schedule["hour"]))
    while due <= after or not _is_on(frequency, schedule, due):
        due += step
    return due


_STEPS: Mapping[str, timedelta] = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(days=1)}


def _is_on(frequency: str, schedule: Mapping[str, str], due: datetime) -> bool:
    return frequency != "weekly" or DAYS[due.weekday()] in schedule["days"].split(",")
