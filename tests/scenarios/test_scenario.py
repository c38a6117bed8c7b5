"""Scenario files: what they may say, and how a bad one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.scenario import BadScenario, FaultPlan, Objective, find, names, parse

WHOLE = """
name = "mine"
summary = "One."
hosts = 3
[[faults]]
kind = "dead-host"
at_s = 1
[[objectives]]
name = "good"
figure = "success_rate"
at_least = 0.5
"""


def test_a_file_says_what_differs_from_the_defaults() -> None:
    scenario = parse(WHOLE, "mine.toml")
    assert (scenario.name, scenario.hosts, scenario.servers) == ("mine", 3, 1000)
    assert scenario.faults == (FaultPlan("dead-host", at_s=1.0),)
    assert scenario.objectives == (Objective("good", "success_rate", at_least=0.5),)


@pytest.mark.parametrize("name", names())
def test_every_scenario_of_the_catalogue_can_be_read_and_has_objectives(name: str) -> None:
    assert find(name).objectives


@pytest.mark.parametrize(
    ("wrong", "right", "refusal"),
    [
        ("hosts = 3", "hosts = 'three'", "mine.toml, line 4: hosts must be of type int, not 'three'"),
        ("hosts = 3", "hosts = 0", "mine.toml, line 4: hosts = 0 must be between 1 and 1e+06"),
        ("hosts = 3", "hotss = 3", "mine.toml, line 4: has no 'hotss'; did you mean 'hosts'?"),
        ("hosts = 3", "builds_per_second = 0", "mine.toml, line 4: builds_per_second = 0 must be between 0.001 and 1e+06"),
        ("hosts = 3", "delete_fraction = 1.5", "mine.toml, line 4: delete_fraction = 1.5 must be between 0 and 1"),
        ('name = "mine"', "", "mine.toml, line 1: lacks 'name'; add it"),
        ('"dead-host"', '"dead-hots"', "line 6: kind = 'dead-hots' is none of dead-host, slow-host, lost-replies, corrupt-image, full-sr"),
        ("at_s = 1", "at_s = true", "line 7: at_s must be a number, not True"),
        ("at_s = 1", "messages = [1]", "line 7: messages must be a list of texts, not [1]"),
        ("at_s = 1", "lasts_s = 1e308", "line 7: lasts_s = 1e+308 must be between 0 and 86400"),
        ("at_s = 1", "latency_s = -1", "line 7: latency_s = -1 must be between 0 and 86400"),
        ("at_s = 1", "at_s = nan", "line 7: at_s = nan must be between 0 and 86400"),
        ("at_s = 1", "probability = 2", "line 7: probability = 2 must be between 0 and 1"),
        ("at_s = 1", "hosts = -1", "hosts = -1 must be between 1 and 1e+06"),
        ("at_least = 0.5", "", "objective 'good' needs exactly one of at_least and at_most"),
        ("hosts = 3", "hosts =", "mine.toml: Invalid value (at line 4, column 8); correct the TOML there"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_the_cure(wrong: str, right: str, refusal: str) -> None:
    with pytest.raises(BadScenario) as caught:
        parse(WHOLE.replace(wrong, right, 1), "mine.toml")
    assert refusal in str(caught.value)


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(BadScenario, match="did you mean 'cell-rollout'"):
        find("cell-rolout")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match="no such file"):
        find(str(tmp_path / "none.toml"))
