"""Every rule has a test that holds servers to it, and every test's mark names a rule."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from contract_tests.rules import RULES, UNSEEN
from tests.code.sources import ROOT

SUITE = ROOT / "contract_tests" / "suite"


def marks() -> Iterator[tuple[str, str]]:
    """(test, rule) of every mark in the suite."""
    for path in sorted(SUITE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rule":
                for rule in node.args:
                    yield f"{path.name}:{node.lineno}", ast.literal_eval(rule)


def rules() -> list[str]:
    return [rule for each in RULES.values() for rule in each]


def test_every_rule_has_a_test() -> None:
    marked = {rule for _, rule in marks()}
    assert [rule for rule in rules() if rule not in marked] == []


def test_every_mark_names_a_rule() -> None:
    known = set(rules())
    assert [(test, rule) for test, rule in marks() if rule not in known] == []


def test_a_rule_stands_once_in_the_list() -> None:
    assert [rule for rule, count in Counter([*rules(), *UNSEEN]).items() if count > 1] == []


def test_what_cannot_be_seen_has_a_reason() -> None:
    assert [rule for rule, reason in UNSEEN.items() if len(reason.split()) < 3] == []
