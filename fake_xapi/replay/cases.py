"""Cases for the contract, made from a recording: calls, and the shapes of their answers, to which any other server can be held.

Refs, uuids and tokens that a call takes from an earlier answer become names, bound where they first appeared. Each case is plain
JSON; ``contract_tests.cases``, which knows nothing of this module, runs them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from fake_xapi.datamodel.model import Message
from fake_xapi.datamodel.types import NULL_REF, Type
from fake_xapi.faults.names import message_name
from fake_xapi.replay.recording import Call
from fake_xapi.replay.secrets import HIDDEN, STAND_IN, known_messages
from fake_xapi.replay.shapes import error_shape, shape_of

FORMAT = "inova cases 1"
Plain = dict[str, Any]
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_READING_KINDS = frozenset({
    "field_getter", "get_record", "get_by_uuid", "get_by_name_label", "get_all", "get_all_where", "get_all_records",
    "get_all_records_where",
})  # fmt: skip
_READING_VERBS = ("get_", "assert_", "query_")
_READING = frozenset({"event.from", "event.next", "system.listMethods"})
_TELLING = (
    *("uuid", "name_label", "power_state", "is_control_domain", "is_a_template", "is_a_snapshot", "type", "content_type", "shared"),
    *("managed", "currently_attached", "device", "physical", "management", "enabled", "status"),
)
_NO_HANDLE = frozenset({"HANDLE_INVALID", "UUID_INVALID"})
_NO_CASES = ("session.", "event.register", "event.unregister")
"""Messages left to the runner, which manages its own session and events."""


@dataclass(slots=True)
class _Names:
    """Names for values that calls take from earlier answers.

    ``wanted`` is everything that some call takes, and what kind of thing it is there. ``bound`` is what an answer has given already: True
    when it was the key of a record, by which another server's object is found that is like it.
    """

    wanted: Mapping[str, str]
    given: dict[str, str] = field(default_factory=dict)
    bound: dict[str, bool] = field(default_factory=dict)
    count: Counter[str] = field(default_factory=Counter)

    def give(self, text: str) -> str:
        """The name of a wanted text, made now if it has none."""
        if text not in self.given:
            kind = self.wanted[text]
            self.count[kind] += 1
            self.given[text] = f"${kind}.{self.count[kind]}"
        return self.given[text]


def cases(calls: Iterable[Call]) -> list[Plain]:
    """The cases in a recording, in its order; repeated reads with equal answers are one case."""
    asked = [call for call in calls if not call.lost and not message_name(call.method).startswith(_NO_CASES)]
    names = _Names(_wanted(asked))
    made: dict[bytes, Plain] = {}
    for call in asked:
        case = _case(call, names)
        said = (case["method"], case["params"], case["expects"])
        key = orjson.dumps([*said, len(made)] if case["changes"] or case["binds"] else said)
        made.setdefault(key, case)
    return [{"name": f"{number:04d} {case['method']}", **case} for number, case in enumerate(made.values(), start=1)]


def _wanted(calls: Iterable[Call]) -> dict[str, str]:
    """Every handle that a call takes, with its class according to the first message that says so."""
    found: dict[str, str] = {}
    for call in calls:
        message = known_messages().get(message_name(call.method))
        for place, param in enumerate(call.params):
            for text in filter(_is_handle, _texts(param)):
                kind = _kind_of(text, _param_type(message, place))
                found[text] = kind if found.get(text, "ref") == "ref" else found[text]
    return found


def _case(call: Call, names: _Names) -> Plain:
    message = known_messages().get(message_name(call.method))
    is_async = call.method.startswith(("Async.", "InternalAsync."))
    kind = Type("ref", name="task") if is_async else message.result if message is not None else None
    params = [_named(value, names, call.error) for value in call.params]
    if call.error:
        expects: Plain = {"error": call.error[0], "params": error_shape(call.error[1:])}
    else:
        expects = {"result": shape_of(kind, call.result)}
    binds = dict(_bound(call.result, names, [])) if call.is_answered else {}
    return {
        "method": call.method, "params": params, "has_session": bool(call.session), "changes": changes(call.method, message),
        "binds": binds, "expects": expects, "took_s": call.took_s,
    }  # fmt: skip


def changes(method: str, message: Message | None) -> bool:
    """Whether a call may change something: an unknown message may."""
    name = message_name(method)
    if name in _READING:
        return False
    return message is None or not (message.kind in _READING_KINDS or name.partition(".")[2].startswith(_READING_VERBS))


def _param_type(message: Message | None, place: int) -> Type | None:
    return message.params[place].type if message is not None and place < len(message.params) else None


# ---- names -----------------------------------------------------------------------------------------------------------------------


def _is_handle(text: str) -> bool:
    """Whether a text may refer to something: a ref, a uuid, or an event token."""
    is_ref = text.startswith("OpaqueRef:") and text != NULL_REF and not text.startswith(STAND_IN)
    return is_ref or _UUID(text) is not None or _is_token(text)


def _is_token(text: str) -> bool:
    return re.fullmatch(r"\d[\d,]*\d", text) is not None and "," in text


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for member in value:
                yield from _texts(member)
        case dict():
            for key, member in value.items():
                yield from (key, *_texts(member))


def _named(value: Any, names: _Names, error: tuple[str, ...]) -> Any:
    """A parameter with names in the place of handles; a text that looks like a name gets a second dollar.

    A handle that the server refused as one stays what it is: no other server knows it either.
    """
    match value:
        case str() if _is_handle(value) and not (error and error[0] in _NO_HANDLE and value in error and value not in names.bound):
            return names.give(value)
        case str():
            return f"${value}" if value.startswith("$") else value
        case list():
            return [_named(member, names, error) for member in value]
        case dict():
            return {_named(key, names, error): _named(member, names, error) for key, member in value.items()}
    return value


def _kind_of(text: str, kind: Type | None) -> str:
    if text.startswith("OpaqueRef:"):
        return kind.name if kind is not None and kind.kind == "ref" else "ref"
    return "uuid" if _UUID(text) else "token"


def _bound(value: Any, names: _Names, path: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The places in an answer of the handles that a later call takes and no earlier answer had.

    A step is ``["at", n]`` (the n-th member of a list or map), ``["in", name]`` or ``["key", n, fields]`` (the n-th key of a map, or rather
    that of the record which is most like these fields).
    """
    if isinstance(value, str):
        if value in names.wanted and value not in names.bound:
            names.bound[value] = False
            yield names.give(value), path
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from _bound(member, names, [*path, ["at", place]])
    elif isinstance(value, dict):
        yield from _bound_in_struct(value, names, path)


def _bound_in_struct(value: dict[str, Any], names: _Names, path: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    is_map = any(_is_handle(key) for key in value)
    for place, (key, member) in enumerate(value.items()):
        if is_map and key in names.wanted and not names.bound.get(key, False):
            names.bound[key] = isinstance(member, dict)
            yield names.give(key), [*path, ["key", place, _telling(member)]]
        yield from _bound(member, names, [*path, ["at", place] if is_map else ["in", key]])


def _telling(record: Any) -> Plain:
    """The fields that identify another server's counterpart of a recorded object."""
    return {name: record[name] for name in _TELLING if name in record} if isinstance(record, dict) else {}


def has_secret(case: Plain) -> bool:
    """Whether a secret was removed from a case's parameters, so that it cannot be repeated."""
    return any(HIDDEN in text or STAND_IN in text for text in _texts(case["params"]))


# ---- files ---------------------------------------------------------------------------------------------------------------------


def document(found: list[Plain], source: str) -> Plain:
    """The file's content: the cases, without those that cannot be repeated, and the number of those."""
    kept = [case for case in found if not has_secret(case)]
    return {"format": FORMAT, "source": source, "left_out": len(found) - len(kept), "cases": kept}


def as_json(content: Plain) -> str:
    """The file for ``inova contract --cases``."""
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n"


def as_python(content: Plain) -> str:
    """A module for pytest with the cases as tests."""
    lines = ",\n".join(f"    {case!r}" for case in content["cases"])
    return _MODULE.format(source=content["source"], format=content["format"], lines=f"{lines},\n" if lines else "")


_MODULE = '''"""Cases made of {source} by `inova sim cases`: run by pytest with --xapi-url, --xapi-user and --xapi-password."""

import pytest

from contract_tests.cases import Case, Replayer, cases_of

CASES = {{"format": "{format}", "cases": [
{lines}]}}


@pytest.mark.parametrize("case", cases_of(CASES), ids=str)
def test_a_recorded_case(case: Case, replayer: Replayer) -> None:
    replayer.hold(case)
'''
