"""XML documents as files of dom0 hold them: small, and without anything that could grow when it is read.

May not know what a document is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

MOST_BYTES = 4 << 20
"""No document of a patch or repository is longer."""


class BadDocument(ValueError):
    """Bytes that are no document, or one that must not be read."""


@dataclass(slots=True)
class Element:
    """One element: ``text`` is all that stands directly in it."""

    name: str
    attributes: Mapping[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> Iterator[Element]:
        """The children of that name."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> Element | None:
        """The first child of that name."""
        return next(self.all(name), None)

    def text_of(self, name: str, default: str = "") -> str:
        """What the first child of that name says."""
        child = self.first(name)
        return default if child is None else child.text.strip()


def read_document(content: bytes) -> Element:
    """The root of a document; BadDocument for what is none, is too long, or declares types or entities."""
    if len(content) > MOST_BYTES:
        raise BadDocument(f"longer than {MOST_BYTES} bytes")
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BadDocument(str(error)) from error
    if reader.root is None:
        raise BadDocument("no element found")
    return reader.root


class _Reader:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].text += text

    def _refuse(self, *_declared: object) -> None:
        raise BadDocument("a document type is declared")
