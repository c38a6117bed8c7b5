"""Parses calls and answers from the wire: XML-RPC, JSON-RPC, and the JSON inside XML of the oldest releases.

May not know connections, nor what a call means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.wire import escape, xml_value
from fake_xapi.datamodel.xml_values import Element, MalformedXml, exactly, parse, value_of
from fake_xapi.transports.xml_read import read_call

RPC_PATHS = frozenset({"/", "/RPC2", "/xmlrpc", "/json", "/jsonrpc"})
"""The paths where calls are answered."""


class Unreadable(ValueError):
    """A body that is not a call, or not an answer to one; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as its client sent it; the session, if it has one, is the first parameter."""

    method: str
    params: list[Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The outcome of a call: a result, or an error with its parameters."""

    result: Any = None
    error: tuple[str, ...] = ()


def wire_of(path: str) -> str:
    """The format spoken at a path: "xmlrpc", "json" (JSON inside XML) or "jsonrpc"; "" where no calls are answered."""
    return {"/jsonrpc": "jsonrpc", "/json": "json"}.get(path, "xmlrpc") if path in RPC_PATHS else ""


def read_asked(wire: str, body: bytes) -> Asked:
    """The call in a request's body; Unreadable."""
    return _ASKED[wire](body)


def read_answered(wire: str, body: bytes) -> Answered:
    """The answer in a reply's body; Unreadable."""
    return _ANSWERED[wire](body)


def written(method: str, *params: Any) -> bytes:
    """The XML-RPC body of a call."""
    inside = "".join(f"<param>{xml_value(param)}</param>" for param in params)
    return f"<?xml version='1.0'?><methodCall><methodName>{escape(method)}</methodName><params>{inside}</params></methodCall>".encode()


def _asked_in_xml(body: bytes) -> Asked:
    try:
        return Asked(*read_call(body))
    except (MalformedXml, Failure) as error:
        raise Unreadable(str(error)) from None


def _asked_in_json(body: bytes) -> Asked:
    call = _object(body)
    params = call.get("params", [])
    if not isinstance(call.get("method"), str) or not isinstance(params, list):
        raise Unreadable("no method, or no list of parameters")
    return Asked(call["method"], params)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(str(error)) from None
    if not isinstance(found, dict):
        raise Unreadable("no object")
    return found


def _answered_in_xml(body: bytes) -> Answered:
    try:
        root = parse(body)
        if [child.tag for child in root.nodes()] == ["fault"]:
            return _fault(root)
        [params] = exactly(root, "methodResponse", "params")
        [param] = exactly(params, "params", "param")
        return _status(value_of(exactly(param, "param", "value")[0]))
    except MalformedXml as error:
        raise Unreadable(str(error)) from None


def _fault(root: Element) -> Answered:
    fault = value_of(exactly(root.children[0], "fault", "value")[0])
    text = fault.get("faultString", "") if isinstance(fault, dict) else ""
    return Answered(error=("Fault", str(text)))


def _status(value: Any) -> Answered:
    """The status and its companion; an answer without a status, such as the list of methods, is a bare value."""
    if not isinstance(value, dict) or "Status" not in value:
        return Answered(value)
    if value["Status"] == "Success":
        return Answered(value.get("Value"))
    return Answered(error=tuple(map(str, value.get("ErrorDescription", ()))) or ("INTERNAL_ERROR",))


def _answered_with_json_inside(body: bytes) -> Answered:
    """The releases of 2011 and 2012 put the value into the XML as JSON; later ones answer as everywhere else."""
    found = _answered_in_xml(body)
    if not isinstance(found.result, str):
        return found
    try:
        return Answered(orjson.loads(found.result), found.error)
    except orjson.JSONDecodeError:
        return found


def _answered_in_json(body: bytes) -> Answered:
    answer = _object(body)
    error = answer.get("error")
    if isinstance(error, dict):
        return Answered(error=(str(error.get("message", "")), *map(str, error.get("data") or ())))
    if isinstance(error, list) and error:
        return Answered(error=tuple(map(str, error)))
    return Answered(answer.get("result"))


_ASKED: Mapping[str, Callable[[bytes], Asked]] = {"xmlrpc": _asked_in_xml, "json": _asked_in_xml, "jsonrpc": _asked_in_json}
_ANSWERED: Mapping[str, Callable[[bytes], Answered]] = {
    "xmlrpc": _answered_in_xml,
    "json": _answered_with_json_inside,
    "jsonrpc": _answered_in_json,
}
