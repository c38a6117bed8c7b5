"""get_all_records_where and get_all_where: the grammar of query expressions."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.made import Made
from contract_tests.refusals import refusal


@pytest.fixture(scope="module")
def three(shared: Made) -> dict[str, str]:
    """Three VMs that differ in name and VCPUs."""
    return {
        "small": shared.vm(name_description=shared.name()),
        "large": shared.vm(VCPUs_max="4", VCPUs_at_startup="2"),
        "template": shared.vm(is_a_template=True),
    }


@pytest.fixture
def chosen(xapi: Any, three: dict[str, str]) -> Any:
    """Which of the three an expression chooses."""

    def ask(expression: str) -> set[str]:
        found = set(xapi.VM.get_all_records_where(expression))
        return {name for name, vm in three.items() if vm in found}

    return ask


EVERYTHING = {"small", "large", "template"}


@pytest.mark.rule("query expressions")
def test_an_expression_chooses_by_name(xapi: Any, three: dict[str, str]) -> None:
    """Columns are spelt with two underscores; the answer has whole records."""
    name = xapi.VM.get_name_label(three["small"])
    vm = three["small"]
    assert xapi.VM.get_all_records_where(f'field "name__label" = "{name}"') == {vm: xapi.VM.get_record(vm)}


@pytest.mark.rule("query expressions")
def test_the_sides_and_the_quotes_may_be_swapped(xapi: Any, three: dict[str, str]) -> None:
    """Either side may be the field, and quotes may be single."""
    name = xapi.VM.get_name_label(three["small"])
    assert list(xapi.VM.get_all_records_where(f"'{name}' = field 'name__label'")) == [three["small"]]


@pytest.mark.rule("query expressions")
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", EVERYTHING),
        ("false", set()),
        ("not true", set()),
        ('field "is_a_template" = "true"', {"template"}),
        ('not field "is_a_template" = "true"', {"small", "large"}),
        ('field "VCPUs__max" = "4"', {"large"}),
        ('field "VCPUs__max" = "1" and field "is_a_template" = "false"', {"small"}),
        ('(field "VCPUs__max" = "4") or (field "is_a_template" = "true")', {"large", "template"}),
        ('(not (field "VCPUs__max" = "4")) and (true)', {"small", "template"}),
        ('field "resident_on" = "OpaqueRef:NULL"', EVERYTHING),
        ('field "VCPUs__max" = field "VCPUs__at_startup"', {"small", "template"}),
        ('"a" = "b"', set()),
    ],
)
def test_an_expression_chooses(chosen: Any, expression: str, expected: set[str]) -> None:
    """Literals, comparisons, not, and, or and parentheses; values compare as the database's text."""
    assert chosen(expression) == expected


@pytest.mark.rule("query text form")
def test_an_empty_set_is_a_pair_of_parentheses(chosen: Any, xapi: Any, three: dict[str, str]) -> None:
    """The text of an empty set is "()"."""
    xapi.VM.set_tags(three["large"], ["tagged"])
    assert chosen('field "tags" = "()"') == {"small", "template"}
    xapi.VM.set_tags(three["large"], [])


@pytest.mark.rule("query expressions")
def test_references_can_be_chosen_by(xapi: Any, made: Made) -> None:
    """A reference compares as its text: the devices of one VM in one call."""
    vm = made.vm()
    vbd = made.vbd(vm)
    assert list(xapi.VBD.get_all_records_where(f'field "VM" = "{vm}"')) == [vbd]


def test_the_short_form_answers_references(xapi: Any, three: dict[str, str]) -> None:
    """get_all_where answers what get_all_records_where has as keys."""
    name = xapi.VM.get_name_label(three["large"])
    assert xapi.VM.get_all_where(f'field "name__label" = "{name}"') == [three["large"]]


@pytest.mark.rule("query refused")
@pytest.mark.parametrize("text", ["frobnicate", 'field "name__label" =', "(true", 'field name__label = "a"'])
def test_a_bad_expression_is_refused(xapi: Any, text: str) -> None:
    """INVALID_VALUE [expression, why]."""
    details = refusal(xapi.VM.get_all_records_where, text)
    assert details[:2] == ["INVALID_VALUE", text]
    assert len(details) == 3
