"""The messages that follow from a class and its fields: which there are, with which parameters, and for whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.derive import ClassFacts, implied_messages
from fake_xapi.datamodel.model import Field, Message, Qualifier
from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.types import parse_type, zero

BARE = ClassFacts("VM", 0, is_in_database=True, exposes_get_all=False, has_default_create_destroy=False, roles="rw", implicit_roles="ro")


def field(name: str, spelling: str, qualifier: Qualifier = "RW", column: str = "", **changes: object) -> Field:
    kind = parse_type(spelling)
    plain = Field(name, kind, qualifier, 3, column or name, zero(kind), False, False, True, False, "readers", "writers")
    return replace(plain, **changes)  # type: ignore[arg-type]  # a test names the fields that it changes


def signature(message: Message) -> str:
    params = ", ".join(f"{param.name}: {param.type.kind}" for param in message.params)
    return f"{message.name}({params}) -> {message.result.kind}"


def signatures(facts: ClassFacts, *fields: Field, mirrored: frozenset[str] = frozenset()) -> list[str]:
    return [signature(message) for message in implied_messages(facts, fields, mirrored)]


OF_EVERY_OBJECT = ["get_record(self: ref) -> record", "get_by_uuid(uuid: string) -> ref"]


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ([field("memory", "int", "DynamicRO")], ["get_memory(self: ref) -> int"]),
        ([field("memory", "int", "StaticRO")], ["get_memory(self: ref) -> int"]),
        ([field("memory", "int")], ["get_memory(self: ref) -> int", "set_memory(self: ref, value: int) -> void"]),
        (
            [field("tags", "string set")],
            [
                "get_tags(self: ref) -> set",
                "set_tags(self: ref, value: set) -> void",
                "add_tags(self: ref, value: string) -> void",
                "remove_tags(self: ref, value: string) -> void",
            ],
        ),
        (
            [field("other_config", "(string -> string) map")],
            [
                "get_other_config(self: ref) -> map",
                "set_other_config(self: ref, value: map) -> void",
                "add_to_other_config(self: ref, key: string, value: string) -> void",
                "remove_from_other_config(self: ref, key: string) -> void",
            ],
        ),
        ([field("secret", "string", is_internal=True)], []),
    ],
)
def test_a_field_implies_its_accessors(fields: list[Field], messages: list[str]) -> None:
    assert signatures(BARE, *fields) == OF_EVERY_OBJECT + messages


def test_a_set_that_another_class_keeps_cannot_be_added_to() -> None:
    found = signatures(BARE, field("VBDs", "VBD ref set"), mirrored=frozenset({"VBDs"}))
    assert found == [*OF_EVERY_OBJECT, "get_VBDs(self: ref) -> set", "set_VBDs(self: ref, value: set) -> void"]


def test_a_class_outside_the_database_implies_nothing() -> None:
    assert signatures(replace(BARE, is_in_database=False), field("memory", "int")) == []


def test_a_class_that_lists_its_objects_has_the_four_get_alls() -> None:
    assert signatures(replace(BARE, exposes_get_all=True)) == [
        *OF_EVERY_OBJECT,
        "get_all() -> set",
        "get_all_where(expr: string) -> set",
        "get_all_records() -> map",
        "get_all_records_where(expr: string) -> map",
    ]


def test_a_class_that_anybody_may_create_has_create_and_destroy_with_async_forms() -> None:
    made = [m for m in implied_messages(replace(BARE, has_default_create_destroy=True), [], frozenset()) if m.kind in ("create", "destroy")]
    assert [(signature(m), m.is_async, m.roles) for m in made] == [
        ("create(args: record) -> ref", True, "rw"),
        ("destroy(self: ref) -> void", True, "rw"),
    ]


def test_a_named_class_is_found_by_its_name() -> None:
    found = signatures(BARE, field("name_label", "string", "DynamicRO", column="name__label"))
    assert "get_by_name_label(label: string) -> set" in found


def test_readers_and_writers_of_a_field_have_the_rights_that_the_field_names() -> None:
    keys = {"pci": "admins"}
    messages = implied_messages(BARE, [field("other_config", "(string -> string) map", map_keys_roles=keys)], frozenset())
    assert {m.name: (m.roles, m.map_keys_roles, m.release) for m in messages if m.field} == {
        "get_other_config": ("readers", {}, 3),
        "set_other_config": ("writers", {}, 3),
        "add_to_other_config": ("writers", keys, 3),
        "remove_from_other_config": ("writers", keys, 3),
    }


def test_no_message_is_both_written_and_derived() -> None:
    for name in ("latest", "boston", "tampa", "clearwater"):
        for cls in personality(name).classes.values():
            names = [message.name for message in cls.messages]
            assert len(names) == len(set(names)), (name, cls.name)


def test_derived_names_are_those_of_the_reference() -> None:
    secret = datamodel().classes["secret"]
    assert [message.name for message in secret.messages] == [
        *("get_record", "get_by_uuid", "create", "destroy", "get_all", "get_all_where", "get_all_records", "get_all_records_where"),
        *("get_uuid", "get_value", "set_value"),
        *("get_other_config", "set_other_config", "add_to_other_config", "remove_from_other_config", "introduce"),
    ]
