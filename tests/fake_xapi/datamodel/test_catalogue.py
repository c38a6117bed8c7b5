"""The data file: canonical, consistent in itself, and read into immutable values."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources
from pathlib import Path

import pytest

from fake_xapi.datamodel import distil
from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.model import Relation

TEXT = resources.files("fake_xapi.datamodel").joinpath("xenapi.json").read_text(encoding="utf-8")

DUMP = {
    "meta": {"api_version": [2, 23]},
    "releases": [
        {"code_name": "rio", "api": [1, 1], "branding": "XenServer 4.0"},
        {"code_name": None, "api": [1, 4], "branding": "Unreleased"},
    ],
    "numbered_releases": ["24.0.0"],
    "role_sets": {">=read-only": ["read-only"]},
    "roles": [{"name_label": "read-only", "uuid": "u", "is_internal": False}],
    "enums": {"mode": ["RO", "RW"]},
    "errors": {"VM_BAD_POWER_STATE": ["vm", "expected", "actual"]},
    "relations": [{"from_class": "VBD", "from_field": "VM", "to_class": "VM", "to_field": "VBDs"}],
    "emergency_calls": ["host.reboot"],
    "slave_whitelist": ["session.login"],
    "alert_messages": [{"name": "VM_STARTED", "priority": 5}],
    "http_actions": [{"name": "get_services", "method": "GET", "uri": "/services", "roles": None}],
    "historical_models": {},
    "classes": {
        "VBD": {
            "release": "rio",
            **dict.fromkeys(distil.CLASS_FLAGS, False),
            "in_database": True,
            "roles": None,
            "implicit_roles": ">=read-only",
            "fields": [
                {
                    "name": "VM",
                    "type": "VM ref",
                    "qualifier": "StaticRO",
                    "release": "rio",
                    "doc": "a sentence",
                    "reader_roles": None,
                    "writer_roles": None,
                    "persistent": False,
                    "required_in_create": True,
                }
            ],
            "messages": [
                {"name": "get_VM", "kind": "field_getter"},
                {
                    "name": "plug",
                    "kind": "custom",
                    "params": [{"name": "self", "type": "VBD ref", "release": "rio"}],
                    "min_params": 1,
                    "result": "void",
                    "release": "rio",
                    "roles": None,
                    "session": True,
                    "async": True,
                    "errors": ["VM_BAD_POWER_STATE"],
                    "doc": "a sentence",
                },
            ],
        }
    },
}


def test_the_data_file_is_in_its_canonical_form() -> None:
    assert "\n".join(distil.lines(json.loads(TEXT))) + "\n" == TEXT


def test_distilling_keeps_facts_and_drops_prose_and_what_is_derived(tmp_path: Path) -> None:
    (tmp_path / "dump.json").write_text(json.dumps(DUMP), encoding="utf-8")
    distil.main([str(tmp_path / "dump.json"), str(tmp_path / "out.json")])
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    assert json.loads(text)["classes"] == {
        "VBD": {
            "release": "rio",
            "flags": ["in_database"],
            "roles": "",
            "implicit_roles": ">=read-only",
            "fields": [["VM", "VM ref", "StaticRO", "rio", "", "", {"required_in_create": True, "volatile": True}]],
            "messages": [["plug", [["self", "VBD ref", "rio"]], "void", "rio", "", ["async"]]],
        }
    }
    assert json.loads(text)["declared_errors"] == {"VBD.plug": ["VM_BAD_POWER_STATE"]}
    assert "a sentence" not in text
    assert json.loads(text)["releases"] == [["rio", [1, 1], "XenServer 4.0"], ["", [1, 4], "Unreleased"], ["24.0.0", [2, 23], ""]]


def test_the_file_holds_no_prose() -> None:
    """A description has a sentence's length; the longest fact is the label of a parameter or a default."""
    strings: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            strings.append(value)
        elif isinstance(value, list):
            for item in value:
                collect(item)
        elif isinstance(value, dict):
            collect(list(value.values()))

    collect(json.loads(TEXT))
    assert [text for text in strings if text.count(" ") > 6 and not text.endswith(" map")] == []


def test_both_ends_of_every_relation_are_fields_that_refer_to_each_other() -> None:
    classes = {cls.name: {field.name: field.type for field in cls.fields} for cls in datamodel().classes.values()}
    role_of_itself = Relation("subject", "roles", "subject", "roles")
    assert role_of_itself in datamodel().relations, "XAPI's own oddity: it lists the subjects' roles as a relation that mirrors itself"
    for r in set(datamodel().relations) - {role_of_itself}:
        many, one = classes[r.from_class][r.from_field], classes[r.to_class][r.to_field]
        target = many.element if many.is_ref_set else many
        assert (target.kind, target.name) == ("ref", r.to_class), r
        assert (one.kind, one.element.kind, one.element.name) == ("set", "ref", r.from_class), r


def test_every_right_is_a_known_set_of_roles() -> None:
    model = datamodel()
    used = {message.roles for cls in model.classes.values() for message in cls.messages}
    used |= {right for cls in model.classes.values() for field in cls.fields for right in (field.reader_roles, field.writer_roles)}
    roles = {role.name_label for role in model.roles}
    assert used - {""} <= set(model.role_sets)
    assert {role for members in model.role_sets.values() for role in members} <= roles | {"_R_LOCAL_ROOT_ONLY"}


def test_enum_defaults_are_members_of_their_enum() -> None:
    model = datamodel()
    wrong = [
        f"{cls.name}.{field.name}"
        for cls in model.classes.values()
        for field in cls.fields
        if field.type.kind == "enum" and field.has_default and field.default not in model.enums[field.type.name]
    ]
    assert wrong == []


def test_the_model_is_read_once_and_cannot_be_changed() -> None:
    vm = datamodel().classes["VM"]
    assert datamodel() is datamodel()
    with pytest.raises(dataclasses.FrozenInstanceError):
        vm.name = "other"  # type: ignore[misc]  # that this is refused is the point


def test_a_failure_is_its_code_and_its_parameters() -> None:
    failure = Failure("VM_BAD_POWER_STATE", Handle(7), "halted", "running")
    assert (failure.code, failure.params) == ("VM_BAD_POWER_STATE", (7, "halted", "running"))
    assert isinstance(failure.params[0], Handle)
    assert Failure("SESSION_INVALID", "OpaqueRef:x").details == ["SESSION_INVALID", "OpaqueRef:x"]
