"""How long operations take, by profile."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

import fake_xapi
from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.engine.durations import INSTANT, BadProfile, Duration, Durations, durations, profiles
from fake_xapi.guest.behaviours import FROM_PROFILE

SOURCES = Path(fake_xapi.__file__).parent


def written(folder: Path, text: str) -> str:
    path = folder / "profile.json"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_instant_takes_no_time_whatever_is_moved() -> None:
    assert durations("instant") == INSTANT
    assert [INSTANT.seconds(what, 10**12, random.Random(1)) for what in profiles()["realistic"].operations] == [0.0] * len(
        profiles()["realistic"].operations
    )


def test_bytes_take_time_by_rate_and_the_operation_its_own() -> None:
    profile = Durations("here", {"VDI.copy": Duration(seconds=2.0, bytes_per_second=100.0)})
    assert profile.seconds("VDI.copy", 500, random.Random(1)) == 7.0


def test_jitter_stays_within_its_fraction_and_repeats_with_the_seed() -> None:
    start = Durations("here", {"VM.start": Duration(seconds=10.0, jitter=0.2)})
    drawn = [[start.seconds("VM.start", 0, rng) for _ in range(1_000)] for rng in (random.Random(7), random.Random(7))]
    assert drawn[0] == drawn[1]
    assert (8.0 <= min(drawn[0]) < 8.1, 11.9 < max(drawn[0]) <= 12.0) == (True, True)


def test_what_does_not_vary_draws_nothing() -> None:
    rng = random.Random(7)
    Durations("here", {"VM.start": Duration(seconds=10.0)}).seconds("VM.start", 0, rng)
    assert rng.random() == random.Random(7).random()


def test_the_realistic_profile_names_what_the_simulator_asks_for_and_nothing_else() -> None:
    actions = (action.name.partition("_")[2] for action in datamodel().http_actions if action.name.endswith("port_raw_vdi"))
    asked = {*FROM_PROFILE, *actions}
    for source in SOURCES.rglob("*.py"):
        asked |= set(re.findall(r"""(?:takes|lasts)\(\s*"([^"]+)\"""", source.read_text(encoding="utf-8")))
    assert set(profiles()["realistic"].operations) == asked


def test_a_boot_takes_about_as_long_as_on_a_host_of_that_day() -> None:
    rng, realistic = random.Random(1), durations("realistic")
    boots = [realistic.seconds("VM.start", 0, rng) + realistic.seconds("guest.boot", 0, rng) for _ in range(100)]
    assert 12 < sum(boots) / 100 < 22


def test_a_file_changes_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    path = written(tmp_path, '{"extends": "realistic", "operations": {"VM.start": {"seconds": 8}, "VDI.copy": {"bytes_per_second": 2e8}}}')
    profile, base = durations(path), durations("realistic")
    assert profile.operations == {
        **base.operations,
        "VM.start": Duration(8, base.operations["VM.start"].jitter),
        "VDI.copy": Duration(1.5, 0.2, 2e8),
    }


def test_a_file_that_extends_nothing_begins_with_instant(tmp_path: Path) -> None:
    assert durations(written(tmp_path, '{"operations": {"guest.boot": {"seconds": 3}}}')).operations == {"guest.boot": Duration(3)}


@pytest.mark.parametrize(
    ("text", "line", "cure"),
    [
        ('{\n "operations": {,}\n}', 2, "not JSON"),
        ("[]", 1, "the file is not an object"),
        ('{\n "extend": "instant"}', 2, "did you mean extends"),
        ('{\n\n "extends": "quick"}', 3, "extend one of realistic, instant"),
        ('{"operations":\n {"VM.strat": {}}}', 2, "did you mean VM.start"),
        ('{"operations":\n {"VM.start":\n {"second": 1}}}', 3, "did you mean seconds"),
        ('{"operations":\n {"VM.start":\n {"seconds": 1,\n "jitter": 1.5}}}', 4, "the fraction by which it varies, 0 to 1"),
        ('{"operations":\n {"VM.start": {"seconds": -1}}}', 2, "write a number, 0 or more"),
        ('{"operations":\n {"VM.start": {"seconds": "1"}}}', 2, "write a number, 0 or more"),
        ('{"operations":\n {"VM.start": {"seconds": NaN}}}', 2, "write a number, 0 or more"),
        ('{"operations":\n {"VM.start": {"seconds": true}}}', 2, "write a number, 0 or more"),
        ('{"operations":\n {"VM.start": 4}}', 2, "VM.start is not an object"),
    ],
)
def test_a_bad_file_is_refused_with_line_and_cure(tmp_path: Path, text: str, line: int, cure: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadProfile, match=re.escape(cure)) as caught:
        durations(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_a_name_that_is_neither_profile_nor_file_is_refused_with_the_names_that_are() -> None:
    with pytest.raises(BadProfile, match=r"no profile is called 'fast'; take one of realistic, instant, or name a JSON file"):
        durations("fast")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match=r"none\.json: cannot be read"):
        durations(str(tmp_path / "none.json"))
