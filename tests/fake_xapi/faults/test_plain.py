"""Rules over the wire: there and back, and each mistake with its cure."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fake_xapi.faults.effects import EFFECTS
from fake_xapi.faults.fist import FIST_POINTS, NO_FAULTS
from fake_xapi.faults.plain import plain_rule, rule_from
from fake_xapi.faults.rules import (
    BadRule,
    ClockSkew,
    Dead,
    Delay,
    Drop,
    Effect,
    FullSr,
    Hang,
    LoseReply,
    LostNetwork,
    Refuse,
    Rule,
    Truncate,
)

RULES = [
    Rule(Refuse("SR_FULL", ("1", "0")), host="xs*", message="VDI.*", subject="d", nth=2, count=3, at="VDI.copy", stream="s"),
    Rule(Delay(0.5), probability=0.25),
    Rule(LoseReply()),
    Rule(Drop()),
    Rule(Truncate(0.75)),
    Rule(Hang()),
    Rule(Dead()),
    Rule(FullSr(), subject="Local storage"),
    Rule(LostNetwork(), subject="eth1"),
    Rule(ClockSkew(-3.0)),
]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_comes_back_as_it_went(rule: Rule) -> None:
    assert rule_from(plain_rule(rule)) == rule


def test_every_effect_has_a_form() -> None:
    assert {type(rule.effect) for rule in RULES} == set(EFFECTS.values())


def test_what_a_rule_leaves_open_is_left_out() -> None:
    assert plain_rule(Rule(Delay(3.0), host="xs00001")) == {"host": "xs00001", "effect": {"kind": "delay", "seconds": 3.0}}


@pytest.mark.parametrize(
    ("plain", "refusal"),
    [
        ({}, "a rule needs an effect; add"),
        ({"effect": "drop"}, "an effect is {"),
        ({"effect": {"kind": "dead-host"}}, "no effect is called 'dead-host'; did you mean dead"),
        ({"effect": {"kind": "delay"}}, "the effect delay needs seconds; add it"),
        ({"effect": {"kind": "drop", "seconds": 1}}, "the effect drop has no 'seconds'; leave it out"),
        ({"effect": {"kind": "delay", "second": 1}}, "the effect delay has no 'second'; did you mean seconds"),
        ({"effect": {"kind": "delay", "seconds": "1"}}, "seconds of the effect delay is int or float, not '1'"),
        ({"effect": {"kind": "refuse", "code": "SR_FULL", "params": "x"}}, "params of an error are a list of texts, not 'x'"),
        ({"effect": {"kind": 3}}, "kind is a text, not 3"),
        ({"effect": {"kind": "drop"}, "hosts": "x"}, "a rule has no 'hosts'; did you mean host"),
        ({"effect": {"kind": "drop"}, "nth": True}, "nth of a rule is int, not True"),
        ({"fist": "pause_storage_migrat"}, "no FIST point is called 'pause_storage_migrat'; did you mean pause_storage_migrate"),
        ({"fist": "allow_vlan_on_vlan"}, "the FIST point allow_vlan_on_vlan is no fault: it lifts a check that is not made here"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_cure(plain: dict[str, Any], refusal: str) -> None:
    with pytest.raises(BadRule, match=re.escape(refusal)):
        rule_from(plain)


@pytest.mark.parametrize("name", FIST_POINTS)
def test_every_fist_point_is_a_rule_that_can_strike(name: str) -> None:
    rule = rule_from({"fist": f"FIST_{name}", "host": "xs00001"})
    assert isinstance(rule.effect, Effect)
    assert rule.host == "xs00001"


def test_a_fist_point_is_a_fault_or_none() -> None:
    assert set(FIST_POINTS) & set(NO_FAULTS) == set()


def test_what_a_rule_says_itself_goes_before_its_fist_point() -> None:
    rule = rule_from({"fist": "simulate_vbd_unplug_failure", "count": 5, "effect": {"kind": "hang"}})
    assert (rule.message, rule.count, rule.effect) == ("VBD.unplug", 5, Hang())
