"""When schedules are due, and what they may say."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.verbs.dates import date, moment
from fake_xapi.verbs.vms.schedules import checked, due_after


@pytest.mark.parametrize(
    ("frequency", "schedule", "due"),
    [
        ("hourly", {"min": "0"}, "20120801T13:00:00Z"),
        ("hourly", {"min": "45"}, "20120801T12:45:00Z"),
        ("hourly", {"min": "30"}, "20120801T13:30:00Z"),
        ("daily", {"min": "15", "hour": "23"}, "20120801T23:15:00Z"),
        ("daily", {"min": "15", "hour": "3"}, "20120802T03:15:00Z"),
        ("daily", {"min": "30", "hour": "12"}, "20120802T12:30:00Z"),
        ("weekly", {"min": "0", "hour": "1", "days": "Monday,Friday"}, "20120803T01:00:00Z"),
        ("weekly", {"min": "0", "hour": "1", "days": "Wednesday"}, "20120808T01:00:00Z"),
        ("weekly", {"min": "45", "hour": "12", "days": "Wednesday"}, "20120801T12:45:00Z"),
    ],
)
def test_the_next_time_is_the_first_one_after_now(frequency: str, schedule: dict[str, str], due: str) -> None:
    found = due_after(frequency, schedule, moment("20120801T12:30:00Z"))
    assert found is not None
    assert date(found) == due


@pytest.mark.parametrize("frequency", ["never", "always_after_backup"])
def test_some_are_never_due_by_themselves(frequency: str) -> None:
    assert due_after(frequency, {}, moment("20120801T12:30:00Z")) is None


@pytest.mark.parametrize(
    ("frequency", "given", "whole"),
    [
        ("hourly", {}, {"min": "0"}),
        ("daily", {"hour": "7"}, {"min": "0", "hour": "7"}),
        ("weekly", {"days": "Sunday"}, {"min": "0", "hour": "0", "days": "Sunday"}),
    ],
)
def test_what_is_left_out_is_filled_in(frequency: str, given: dict[str, str], whole: dict[str, str]) -> None:
    assert checked("schedule", frequency, given) == whole


@pytest.mark.parametrize(
    ("frequency", "key", "value"),
    [
        ("hourly", "min", "7"),
        ("hourly", "min", "60"),
        ("daily", "hour", "24"),
        ("daily", "hour", "-1"),
        ("daily", "hour", "noon"),
        ("weekly", "days", "Someday"),
        ("weekly", "days", ""),
    ],
)
def test_what_a_key_does_not_take_is_refused_by_its_name(frequency: str, key: str, value: str) -> None:
    with pytest.raises(Failure) as refusal:
        checked("schedule", frequency, {key: value})
    assert refusal.value.details == ["INVALID_VALUE", f"schedule:{key}", value]
