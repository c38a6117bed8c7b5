"""Parses the XML that XML-RPC uses for values: in requests, in answers and in the metadata of archives.

Strict, and limited in depth. May not know methods or types of XenAPI: a ``<boolean>`` becomes a bool.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from fake_xapi.datamodel.wire import DateTime

MAX_DEPTH = 64
"""The deepest nesting of elements; XenAPI's own deepest request needs about twenty."""


class MalformedXml(Exception):
    """Not XML, or not the XML that was expected; the text says what is wrong."""


def read_value(document: bytes) -> object:
    """The value in a document that consists of one ``<value>``; MalformedXml."""
    root = parse(document)
    if root.tag != "value":
        raise MalformedXml(f"expected <value>, found <{root.tag}>")
    return value_of(root)


@dataclass(slots=True)
class Element:
    """One element with its text and its children."""

    tag: str
    text: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)

    def content(self) -> str:
        """The text of an element that may not have children."""
        if self.children:
            raise MalformedXml(f"<{self.tag}> holds <{self.children[0].tag}> where text belongs")
        return "".join(self.text)

    def nodes(self) -> list[Element]:
        """The children of an element that may not have text other than white space."""
        if "".join(self.text).strip(" \t\r\n"):
            raise MalformedXml(f"<{self.tag}> holds text where elements belong")
        return self.children


class _TreeBuilder:
    """Builds a small tree from Expat's events; document types, and with them entities, are refused."""

    def __init__(self) -> None:
        self._root = Element("")
        self._open = [self._root]

    def start(self, tag: str, _attributes: object) -> None:
        if len(self._open) > MAX_DEPTH:
            raise MalformedXml(f"more than {MAX_DEPTH} elements inside one another")
        element = Element(tag)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _tag: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text.append(text)

    def doctype(self, *_: object) -> None:
        raise MalformedXml("a document type declaration is not accepted")

    def root(self) -> Element:
        return self._root.children[0]


def parse(body: bytes) -> Element:
    """The root of a document; MalformedXml for malformed XML or a document type: entities are never expanded."""
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


def exactly(element: Element, tag: str, *inside: str) -> list[Element]:
    """The children of an element that must be called ``tag`` and contain just these."""
    children = element.nodes()
    if element.tag != tag or tuple(child.tag for child in children) != inside:
        found = "".join(f"<{child.tag}>" for child in children) or "nothing"
        raise MalformedXml(f"expected <{tag}> around {' and '.join(inside)}, found <{element.tag}> around {found}")
    return children


def value_of(element: Element) -> object:
    """The content of a ``<value>``."""
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


def _int(element: Element) -> int:
    text = element.content().strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text) or not -(2**63) <= int(text) < 2**63:
        raise MalformedXml(f"<{element.tag}> holds {text[:40]!r}, which is no 64-bit int")
    return int(text)


def _base64(element: Element) -> str:
    """A text: UTF-8 where the bytes are valid, otherwise a character per byte, as is needed where a client sends a pickle."""
    raw = base64.b64decode(element.content())
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _array(element: Element) -> list[object]:
    (data,) = exactly(element, "array", "data")
    return [value_of(_named(child, "value")) for child in data.nodes()]


def _struct(element: Element) -> dict[str, object]:
    members = (exactly(child, "member", "name", "value") for child in element.nodes())
    return {name.content(): value_of(value) for name, value in members}


def _named(element: Element, tag: str) -> Element:
    if element.tag != tag:
        raise MalformedXml(f"expected <{tag}>, found <{element.tag}>")
    return element


_READERS: Mapping[str, Callable[[Element], object]] = {
    "string": Element.content,
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
