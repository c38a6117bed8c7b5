"""The literal registries against the schema: every name in them exists, and every verb fits the message that it answers."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping

import pytest

from fake_xapi.datamodel.model import Message
from fake_xapi.datamodel.personality import Personality, personality
from fake_xapi.engine.routes import ENGINE_VERBS
from fake_xapi.lifecycle.registry import LIFECYCLES, OPERATIONS
from fake_xapi.verbs.call import Verb
from fake_xapi.verbs.registry import VERBS
from tests.code.sources import sources

RELEASES = ("boston", "tampa", "clearwater", "creedence", "dundee", "stockholm", "latest")
ALL_VERBS = {**VERBS, **ENGINE_VERBS}
READERS = {"field_getter", "get_record", "get_by_uuid", "get_by_name_label", "get_all", "get_all_where", "get_all_records"}

UNLISTED: Mapping[str, str] = {
    "HOSTS_FAILED_TO_ENABLE_CACHING": "raised by pool.enable_local_storage_caching; XAPI declares no parameters of it",
    "VBD_MISSING": "raised by VDI.pool_migrate; XAPI declares no parameters of it",
    "VDI_CONTENT_ID_MISSING": "raised by /import_metadata; as above",
    "Fault": "XAPI's answer to Async. before a message that has no such form",
    "UNKNOWN_XENAPI_PLUGIN_FUNCTION": "raised by the plugins in dom0, not by XAPI",
    "XENAPI_PLUGIN_EXCEPTION": "as above",
    "VM_MEMORY_TARGET_WAIT_TIMEOUT": "XAPI raises it without declaring it",
}
"""Codes that the catalogue lacks though they travel; those of storage managers are numbered from SR_BACKEND_FAILURE_1 on."""


def personalities() -> list[Personality]:
    return [personality(name) for name in RELEASES]


def messages(name: str) -> list[Message]:
    """The message as each release that has it knows it."""
    return [one.messages[name] for one in personalities() if name in one.messages]


def test_no_verb_is_written_twice() -> None:
    written = [name for verbs in verb_modules() for name in verbs]
    assert sorted(written) == sorted(ALL_VERBS)


def verb_modules() -> Iterator[list[str]]:
    """The keys of each literal called VERBS in a module that writes verbs, as the file spells them."""
    for source in sources(("fake_xapi",)):
        if source.path.endswith(("/registry.py", "/routes.py")):
            continue
        for node in source.tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict) and ast.unparse(node.target) == "VERBS":
                yield [ast.literal_eval(key) for key in node.value.keys if key is not None]


@pytest.mark.parametrize("name", ALL_VERBS)
def test_a_verb_answers_a_message_of_some_release_in_every_form_that_it_had(name: str) -> None:
    forms = messages(name)
    assert forms, "no release has this message"
    assert [message.params for message in forms if not fits(ALL_VERBS[name], message)] == []


def fits(verb: Verb, message: Message) -> bool:
    """Whether the verb can be called with the call and all parameters of the message."""
    try:
        inspect.signature(verb).bind(None, *message.params)
    except TypeError:
        return False
    return True


def test_no_verb_replaces_what_reads_a_field() -> None:
    assert [name for name in ALL_VERBS if any(message.kind in READERS for message in messages(name))] == []


def test_every_marked_operation_is_one_of_its_class() -> None:
    unknown = [f"{name}: {operation}" for name, operation in OPERATIONS.items() if operation not in operations_of(name.split(".")[0])]
    assert unknown == []


def operations_of(cls: str) -> set[str]:
    """What the class's allowed_operations may hold, in any release."""
    found: set[str] = set()
    for one in personalities():
        for field in one.classes[cls].fields if cls in one.classes else ():
            if field.name == "allowed_operations":
                found |= set(one.enums[field.type.element.name])
    return found


def test_every_message_that_marks_an_operation_takes_the_object_first() -> None:
    marking = [message for name in OPERATIONS for message in messages(name)]
    assert {name for name in OPERATIONS if not messages(name)} == set()
    assert [message.wire_name for message in marking if not message.params or message.params[0].type.name != message.cls] == []


def test_every_class_that_marks_operations_has_a_lifecycle() -> None:
    assert {name.split(".")[0] for name in OPERATIONS} <= set(LIFECYCLES)


def failures() -> Iterator[tuple[str, ast.Call]]:
    """Every ``Failure("CODE", …)`` of the simulator."""
    for source in sources(("fake_xapi",)):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Failure" and node.args and isinstance(node.args[0], ast.Constant):
                yield f"{source.path}:{node.lineno}", node


def test_every_failure_has_a_code_of_the_catalogue() -> None:
    known = {code for one in personalities() for code in one.errors} | set(UNLISTED)
    codes = [(where, str(ast.literal_eval(node.args[0]))) for where, node in failures()]
    unknown = [(where, code) for where, code in codes if code not in known and not code.startswith("SR_BACKEND_FAILURE_")]
    assert unknown == []
