"""The journal of a move: what it keeps through crashes, and what follows from its lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from compute_core.firstgen.journal import Event, Held, Line, State, Story, opened, read
from compute_core.firstgen.report import downtime_s, row_of
from compute_core.model.clock import Clock
from fake_xapi.engine.virtual_time import run_virtual

T = TypeVar("T")
EPOCH = datetime(2012, 8, 1, tzinfo=UTC)
AT = "2012-08-01T00:00:00+00:00"


def at_time(body: Callable[[Clock], T]) -> T:
    async def main() -> T:
        return body(Clock.starting(EPOCH))

    return run_virtual(main())


def test_each_line_is_in_the_file_when_it_is_told(tmp_path: Path) -> None:
    path, seen = tmp_path / "xen01/web.jsonl", list[tuple[Line, str]]()

    def body(clock: Clock) -> None:
        with opened(path, clock, lambda line: seen.append((line, path.read_text(encoding="utf-8")))) as journal:
            journal.write("pick", "begun")
            journal.write("pick", "done", destination="xs1")

    at_time(body)
    lines = [Line("pick", "begun", AT), Line("pick", "done", AT, {"destination": "xs1"})]
    texts = [
        '{"step": "pick", "event": "begun", "at": "%s", "facts": {}}\n',
        '{"step": "pick", "event": "done", "at": "%s", "facts": %s}\n',
    ]
    first, second = texts[0] % AT, texts[1] % (AT, json.dumps({"destination": "xs1"}))
    assert seen == [(lines[0], first), (lines[1], first + second)]
    assert read(path) == Story(tuple(lines))


@pytest.mark.parametrize("kept", range(0, 60, 7))
def test_a_line_that_a_crash_has_torn_did_not_happen_and_the_next_one_is_whole(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "web.jsonl"

    def body(clock: Clock) -> Story:
        with opened(path, clock) as journal:
            journal.write("pick", "begun")
        whole = path.read_bytes()
        path.write_bytes(whole + whole[:kept])
        assert read(path).lines == (Line("pick", "begun", AT),)
        with opened(path, clock) as journal:
            journal.write("pick", "failed", problem="x")
        return read(path)

    assert at_time(body).lines == (Line("pick", "begun", AT), Line("pick", "failed", AT, {"problem": "x"}))


def test_one_process_at_a_time_works_on_a_move(tmp_path: Path) -> None:
    path = tmp_path / "web.jsonl"

    def body(clock: Clock) -> None:
        with opened(path, clock), pytest.raises(Held, match=r"Another process works on this move \(.*web.jsonl\)"), opened(path, clock):
            pass

    at_time(body)


STATES: list[tuple[list[tuple[str, Event]], State]] = [
    ([], "moving"),
    ([("pick", "begun")], "moving"),
    ([("pick", "begun"), ("pick", "failed")], "failed"),
    ([("pick", "failed"), ("pick", "begun")], "moving"),
    ([("start", "begun"), ("start", "noted")], "moving"),
    ([("start", "begun"), ("start", "done")], "arrived"),
    ([("start", "done"), ("confirm", "begun")], "confirming"),
    ([("start", "done"), ("confirm", "begun"), ("confirm", "failed")], "confirming"),
    ([("start", "done"), ("confirm", "begun"), ("confirm", "done")], "confirmed"),
    ([("start", "done"), ("abandon", "begun"), ("start", "undone")], "abandoning"),
    ([("pick", "done"), ("abandon", "begun"), ("abandon", "failed")], "abandoning"),
    ([("pick", "done"), ("abandon", "begun"), ("pick", "undone"), ("abandon", "done")], "abandoned"),
]


@pytest.mark.parametrize(("events", "state"), STATES)
def test_the_state_follows_from_the_lines(events: list[tuple[str, Event]], state: State) -> None:
    assert Story(tuple(Line(step, event, AT) for step, event in events)).state == state


def test_what_is_to_be_done_and_what_is_to_be_undone_follow_from_the_lines() -> None:
    events: list[tuple[str, Event]] = [
        ("a", "begun"),
        ("a", "done"),
        ("a", "noted"),
        ("b", "begun"),
        ("c", "done"),
        ("c", "undone"),
        ("d", "noted"),
    ]
    story = Story(tuple(Line(step, event, AT) for step, event in events))
    assert {step: (story.is_done(step), story.has_begun(step)) for step in "abcde"} == {
        "a": (True, True),
        "b": (False, True),
        "c": (False, False),
        "d": (False, False),
        "e": (False, False),
    }


def test_the_downtime_is_from_the_first_power_off_to_the_first_time_the_copy_ran() -> None:
    def at(second: int, step: str, **facts: object) -> Line:
        return Line(step, "noted", f"2012-08-01T00:00:{second:02d}+00:00", facts)

    moved = [at(10, "stop", powers_off=True), at(13, "stop", powers_off=True), at(40, "start", runs=True), at(50, "start", runs=True)]
    assert downtime_s(Story(moved)) == 30.0
    assert downtime_s(Story(moved[:2])) is None
    assert downtime_s(Story([at(10, "stop", powers_off=False), at(40, "start", runs=False)])) is None


def test_a_move_that_has_hardly_begun_has_a_row_too() -> None:
    row = row_of("xen01", "web", Story((Line("pick", "failed", AT, {"problem": "gone"}),)))
    assert (row.state, row.step, row.destination, row.was_running, row.downtime_s, row.moved_bytes, row.problem) == (
        ("failed", "pick", "", None, None, 0, "gone")
    )
