"""Reads XML-RPC requests: a regular expression for the common one, a strict parser for every other.

May not know methods or types of XenAPI: what a client wrote as ``<boolean>`` becomes a bool, whatever the method wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.xml_values import Element, MalformedXml, exactly, parse, value_of

_TEXT = r"[^<&\x00-\x08\x0b-\x1f\ufffe\uffff]*"
_SIMPLE_CALL = re.compile(
    r"""(?:<\?xml\ version=['"]1\.0['"](?:\ encoding=['"](?i:utf-8)['"])?\ ?\?>\s*)?<methodCall>\s*<methodName>([\w.:]+)</methodName>"""
    rf"\s*<params>((?:\s*<param>\s*<value>(?:<string>{_TEXT}</string>|{_TEXT})</value>\s*</param>)*)\s*</params>\s*</methodCall>\s*",
    re.VERBOSE | re.ASCII,
).fullmatch
_SIMPLE_PARAMS = re.compile(r"<value>(?:<string>)?([^<]*)<").findall


def read_call(body: bytes) -> tuple[str, list[object]]:
    """The method and parameters of a request.

    Raises MalformedXml for what is no call, Failure INVALID_VALUE for a call whose strings are not UTF-8.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _read_strictly(body)
    found = _SIMPLE_CALL(text)
    if found is None:
        return _read_strictly(body)
    return found[1], _SIMPLE_PARAMS(found[2])


def _read_strictly(body: bytes) -> tuple[str, list[object]]:
    try:
        return _call(parse(body))
    except MalformedXml:
        _refuse_bad_utf8(body)
        raise


def _refuse_bad_utf8(body: bytes) -> None:
    """Raise Failure INVALID_VALUE when bytes that are no UTF-8 are all that is wrong with the request."""
    if _is_utf8(body):
        return
    _, params = _call(parse(body.decode(errors="replace").encode()))
    broken = next((text for text in _strings(params) if "\ufffd" in text), "")
    raise Failure("INVALID_VALUE", "Invalid UTF-8 string in parameter", f"S({broken})")


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for element in value:
                yield from _strings(element)
        case dict():
            for name, member in value.items():
                yield name
                yield from _strings(member)


def _call(root: Element) -> tuple[str, list[object]]:
    """XAPI wants ``<params>`` even around no parameters."""
    name, params = exactly(root, "methodCall", "methodName", "params")
    return name.content().strip(), [value_of(exactly(param, "param", "value")[0]) for param in params.nodes()]
