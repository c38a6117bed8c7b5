"""Expressions of get_all_records_where."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.query import matching
from fake_xapi.state.world import World
from tests.fake_xapi.state.worlds import empty_world


def _world() -> World:
    world = empty_world()
    with world.edit() as edit:
        host = edit.create("host")
        edit.create("VM", name_label="web", is_a_template=False, resident_on=host, VCPUs_max=2, tags=("a", "b"))
        edit.create("VM", name_label='say "db"', is_a_template=True)
    return world


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("true", ["web", 'say "db"']),
        ("false", []),
        ('field "name__label" = "web"', ["web"]),
        ('"web" = field "name__label"', ["web"]),
        ("field 'name__label' = 'web'", ["web"]),
        ('field "name__label" = "say \\"db\\""', ['say "db"']),
        ('not field "is_a_template" = "true"', ["web"]),
        ('field "is_a_template" = "false" and field "VCPUs__max" = "2"', ["web"]),
        ('field "name__label" = "web" or field "is_a_template" = "true"', ["web", 'say "db"']),
        ('false and true or field "name__label" = "web"', ["web"]),
        ("(true or false) and (field \"tags\" = \"('a' 'b')\")", ["web"]),
        ('field "tags" = "()"', ['say "db"']),
        ('field "resident_on" = "OpaqueRef:NULL"', ['say "db"']),
        ('field "HVM__shadow_multiplier" = "1"', ["web", 'say "db"']),
        ('field "no_such_field" = "x"', []),
    ],
)
def test_an_expression_describes_these_vms(expression: str, names: list[str]) -> None:
    world = _world()
    assert [world[identity]["name_label"] for identity in sorted(matching(world, "VM", expression))] == names


def test_a_ref_and_a_uuid_can_be_asked_for() -> None:
    world = _world()
    vm = world.named("VM", "web")[0]
    assert matching(world, "VM", f'field "uuid" = "{world.uuid(vm)}"') == [vm]
    assert matching(world, "VM", f'field "_ref" = "{world.ref(vm)}"') == [vm]


@pytest.mark.parametrize("expression", ["", "field", 'field "x"', "tru", '"a" = ', "(true", 'field name = "x"', "true true", "%"])
def test_a_text_that_is_no_expression_is_refused_with_itself(expression: str) -> None:
    with pytest.raises(Failure) as caught:
        matching(_world(), "VM", expression)
    assert (caught.value.code, caught.value.params[0]) == ("INVALID_VALUE", expression)
