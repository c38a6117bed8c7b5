"""Values as the texts of XAPI's database, there and back."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.types import parse_type
from fake_xapi.state.database_text import pairs_in, read_list, text_of, value_of
from tests.fake_xapi.state.worlds import empty_world

TEXTS = [
    ("bool", True, "true"),
    ("bool", False, "false"),
    ("int", -3, "-3"),
    ("float", 1.0, "1"),
    ("float", 0.1, "0.100000000000000006"),
    ("string", "it's", "it's"),
    ("datetime", "20120801T00:00:00Z", "20120801T00:00:00Z"),
    ("enum vm_power_state", "Halted", "Halted"),
    ("string set", (), "()"),
    ("string set", ("a b", "'", '"', "\\"), r"""('a b' '\'' '\"' '\\')"""),
    ("(string -> string) map", {}, "()"),
    ("(string -> string) map", {"k": "v", "l": ""}, "(('k' 'v') ('l' ''))"),
    ("(string -> string set) map", {"k": ("v",)}, "(('k' ('v')))"),
    ("VM ref", 0, "OpaqueRef:NULL"),
]


@pytest.mark.parametrize(("kind", "value", "text"), TEXTS)
def test_a_value_is_kept_as_a_text_and_read_again(kind: str, value: object, text: str) -> None:
    world = empty_world()
    assert text_of(world, parse_type(kind), value) == text
    assert value_of(world, parse_type(kind), text) == value


def test_refs_are_read_as_long_as_they_lead_somewhere() -> None:
    world = empty_world()
    with world.edit() as edit:
        vm, gone, host = edit.create("VM"), edit.create("VM"), edit.create("host")
    text = text_of(world, parse_type("VM ref set"), (vm, gone))
    assert text == f"('{world.ref(vm)}' '{world.ref(gone)}')"
    with world.edit() as edit:
        edit.destroy(gone)
    assert value_of(world, parse_type("VM ref set"), text) == (vm,)
    assert value_of(world, parse_type("VM ref"), world.ref(gone)) == 0
    assert value_of(world, parse_type("VM ref"), world.ref(host)) == 0


def test_what_is_not_there_has_no_text() -> None:
    assert text_of(empty_world(), parse_type("VM ref option"), None) == ""
    assert text_of(empty_world(), parse_type("int option"), 3) == "3"


@pytest.mark.parametrize("text", ["", "x", "'a'", "(", "('a'", "('a'))", "('a') ('b')", "(a)", "('a)"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="list"):
        read_list(text)


@pytest.mark.parametrize("text", ["('ab')", "(('a'))", "(('a' 'b' 'c'))", "((('a') 'b'))"])
def test_what_is_no_list_of_pairs_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a list of two"):
        list(pairs_in(read_list(text)))
