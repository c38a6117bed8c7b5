"""Reads XML-RPC requests: a regular expression for the common one, a strict parser for every other.

May not know methods or types of XenAPI: what a client wrote as ``<boolean>`` becomes a bool, whatever the method wanted.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.wire import DateTime

MAX_DEPTH = 64
"""Elements inside one another; XenAPI's own deepest request needs about twenty."""

_TEXT = r"[^<&\x00-\x08\x0b-\x1f\ufffe\uffff]*"
_SIMPLE_CALL = re.compile(
    r"""(?:<\?xml\ version=['"]1\.0['"](?:\ encoding=['"](?i:utf-8)['"])?\ ?\?>\s*)?<methodCall>\s*<methodName>([\w.:]+)</methodName>"""
    rf"\s*<params>((?:\s*<param>\s*<value>(?:<string>{_TEXT}</string>|{_TEXT})</value>\s*</param>)*)\s*</params>\s*</methodCall>\s*",
    re.VERBOSE | re.ASCII,
).fullmatch
_SIMPLE_PARAMS = re.compile(r"<value>(?:<string>)?([^<]*)<").findall


class MalformedXml(Exception):
    """The body is no XML-RPC call; the text says what is wrong with it."""


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
        return _call(_parse(body))
    except MalformedXml:
        _refuse_bad_utf8(body)
        raise


def _refuse_bad_utf8(body: bytes) -> None:
    """Raise Failure INVALID_VALUE when bytes that are no UTF-8 are all that is wrong with the request."""
    if _is_utf8(body):
        return
    _, params = _call(_parse(body.decode(errors="replace").encode()))
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


@dataclass(slots=True)
class _Element:
    tag: str
    text: list[str] = field(default_factory=list)
    children: list[_Element] = field(default_factory=list)

    def content(self) -> str:
        """The text of an element that may have no children."""
        if self.children:
            raise MalformedXml(f"<{self.tag}> holds <{self.children[0].tag}> where text belongs")
        return "".join(self.text)

    def nodes(self) -> list[_Element]:
        """The children of an element that may have no text but white space."""
        if "".join(self.text).strip(" \t\r\n"):
            raise MalformedXml(f"<{self.tag}> holds text where elements belong")
        return self.children


class _TreeBuilder:
    """Expat's events as a small tree; document types, and with them entities, are refused."""

    def __init__(self) -> None:
        self._root = _Element("")
        self._open = [self._root]

    def start(self, tag: str, _attributes: object) -> None:
        if len(self._open) > MAX_DEPTH:
            raise MalformedXml(f"more than {MAX_DEPTH} elements inside one another")
        element = _Element(tag)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _tag: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text.append(text)

    def doctype(self, *_: object) -> None:
        raise MalformedXml("a document type declaration is not accepted")

    def root(self) -> _Element:
        return self._root.children[0]


def _parse(body: bytes) -> _Element:
    builder = _TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.EntityDeclHandler = builder.doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise MalformedXml(str(error)) from None
    return builder.root()


def _call(root: _Element) -> tuple[str, list[object]]:
    """XAPI wants ``<params>`` even around no parameters."""
    name, params = _exactly(root, "methodCall", "methodName", "params")
    return name.content().strip(), [_value(_exactly(param, "param", "value")[0]) for param in params.nodes()]


def _exactly(element: _Element, tag: str, *inside: str) -> list[_Element]:
    """The children of an element that must be called ``tag`` and hold just these."""
    children = element.nodes()
    if element.tag != tag or tuple(child.tag for child in children) != inside:
        found = "".join(f"<{child.tag}>" for child in children) or "nothing"
        raise MalformedXml(f"expected <{tag}> around {' and '.join(inside)}, found <{element.tag}> around {found}")
    return children


def _value(element: _Element) -> object:
    if not element.children:
        return element.content()
    (typed, *more) = element.nodes()
    read = _READERS.get(typed.tag)
    if more or read is None:
        raise MalformedXml(f"<value> holds <{(more or [typed])[0].tag}>")
    try:
        return read(typed)
    except (ValueError, binascii.Error) as error:
        raise MalformedXml(f"<{typed.tag}>: {error}") from None


def _int(element: _Element) -> int:
    text = element.content().strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text) or not -(2**63) <= int(text) < 2**63:
        raise MalformedXml(f"<{element.tag}> holds {text[:40]!r}, which is no 64-bit int")
    return int(text)


def _base64(element: _Element) -> str:
    return base64.b64decode(element.content()).decode()


def _array(element: _Element) -> list[object]:
    (data,) = _exactly(element, "array", "data")
    return [_value(_named(child, "value")) for child in data.nodes()]


def _struct(element: _Element) -> dict[str, object]:
    members = (_exactly(child, "member", "name", "value") for child in element.nodes())
    return {name.content(): _value(value) for name, value in members}


def _named(element: _Element, tag: str) -> _Element:
    if element.tag != tag:
        raise MalformedXml(f"expected <{tag}>, found <{element.tag}>")
    return element


_READERS: Mapping[str, Callable[[_Element], object]] = {
    "string": _Element.content,
    "int": _int,
    "i4": _int,
    "i8": _int,
    "boolean": lambda element: element.content().strip() == "1",
    "double": lambda element: float(element.content()),
    "dateTime.iso8601": lambda element: DateTime(element.content().strip()),
    "base64": _base64,
    "nil": lambda _: None,
    "array": _array,
    "struct": _struct,
}
