"""The type grammar: every spelling of the datamodel, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.types import PRIMITIVES, STRING, Type, parse_type, zero

VM_REF = Type("ref", name="VM")


@pytest.mark.parametrize(
    ("spelling", "meaning"),
    [
        ("string", STRING),
        ("int", Type("int")),
        ("VM ref", VM_REF),
        ("VM record", Type("record", name="VM")),
        ("VM ref set", Type("set", of=VM_REF)),
        ("string set set", Type("set", of=Type("set", of=STRING))),
        ("enum vm_power_state", Type("enum", name="vm_power_state")),
        ("enum vm_operations set", Type("set", of=Type("enum", name="vm_operations"))),
        ("(string -> string) map", Type("map", key=STRING, of=STRING)),
        ("(VDI ref -> SR ref) map", Type("map", key=Type("ref", name="VDI"), of=Type("ref", name="SR"))),
        ("(VM ref -> string set) map", Type("map", key=VM_REF, of=Type("set", of=STRING))),
        ("(string -> (string -> string) map) map", Type("map", key=STRING, of=Type("map", key=STRING, of=STRING))),
        ("(VM ref -> VM record) map", Type("map", key=VM_REF, of=Type("record", name="VM"))),
        ("string option", Type("option", of=STRING)),
    ],
)
def test_a_spelling_means_a_type(spelling: str, meaning: Type) -> None:
    assert parse_type(spelling) == meaning


@pytest.mark.parametrize("spelling", ["", "strings", "VM", "enum", "set", "(string) map", "string map", "(string -> ) map"])
def test_what_is_no_type_is_refused(spelling: str) -> None:
    with pytest.raises(ValueError, match="not a XenAPI type"):
        parse_type(spelling)


def spell(kind: Type) -> str:
    """The datamodel's spelling of a type: the inverse of the parser."""
    match kind.kind:
        case "map":
            assert kind.key is not None
            return f"({spell(kind.key)} -> {spell(kind.element)}) map"
        case "set" | "option":
            return f"{spell(kind.element)} {kind.kind}"
        case "ref" | "record":
            return f"{kind.name} {kind.kind}"
        case "enum":
            return f"enum {kind.name}"
    return kind.kind


PLAIN = st.sampled_from([*map(parse_type, sorted(PRIMITIVES)), VM_REF, Type("record", name="SR"), Type("enum", name="vdi_type")])
TYPES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.builds(lambda of: Type("set", of=of), inner),
        st.builds(lambda of: Type("option", of=of), inner),
        st.builds(lambda key, of: Type("map", key=key, of=of), PLAIN, inner),
    ),
    max_leaves=4,
)


@given(TYPES)
def test_parsing_is_the_inverse_of_spelling(kind: Type) -> None:
    assert parse_type(spell(kind)) == kind


def test_every_type_of_the_datamodel_refers_to_known_classes_and_enums() -> None:
    model = datamodel()
    known = {"ref": set(model.classes), "record": set(model.classes), "enum": set(model.enums)}
    used = [field.type for cls in model.classes.values() for field in cls.fields]
    for cls in model.classes.values():
        used += [kind for message in cls.messages for kind in (message.result, *(param.type for param in message.params))]
    unknown = {spell(kind) for kind in used for part in parts(kind) if part.kind in known and part.name not in known[part.kind]}
    assert unknown == {"<class> record"}, "the snapshot of an event is a record of whichever class the event is about"


def parts(kind: Type) -> list[Type]:
    inner = [part for part in (kind.key, kind.of) if part is not None]
    return [kind, *(deep for part in inner for deep in parts(part))]


@pytest.mark.parametrize(
    ("spelling", "value"),
    [("string", ""), ("int", 0), ("float", 0.0), ("bool", False), ("VM ref", 0), ("VM ref set", ()), ("datetime", "19700101T00:00:00Z")],
)
def test_an_unset_field_has_the_zero_of_its_type(spelling: str, value: object) -> None:
    assert zero(parse_type(spelling)) == value


def test_only_sets_maps_and_options_have_elements() -> None:
    with pytest.raises(TypeError, match="has no elements"):
        _ = STRING.element
