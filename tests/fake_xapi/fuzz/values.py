"""Values that no honest client sends: of the wrong type, at the edge of the right one, and made to hurt whoever takes them as they come.

Made from the types of the datamodel and from what is in a world, so that a good part of them is nearly right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.types import Type
from fake_xapi.datamodel.wire import DateTime
from fake_xapi.state.world import World

HOSTILE_TEXTS = (
    "", " ", "\n", "\t", "x", "x" * 300, "x" * 20_000, "0", "-1", "1", "4096", "1_000", "\u0661\u0662", "\u00b2", "9" * 30, "9" * 5000,
    "0x", "0x_", "0x7fffffffffffffff", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "1e400", "nan", "inf",
    "-inf", "-0.0", "OpaqueRef:NULL", "OpaqueRef:", "OpaqueRef:00000000-0000-0000-0000-000000000000",
    "00000000-0000-0000-0000-000000000000", "NULL", "name\r\nSet-Cookie: a=b\r\n\r\n<html>", "first\nSep 12 00:00:00 forged entry",
    "<script>alert(1)</script>", "&lt;&amp;&bogus;", "]]>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "<?xml version='1.0'?><value><struct><member>", "<value><array><data/></array></value>", "<restore_config>", "../../../../etc/passwd",
    "/etc/passwd", "//", "..", "\\..\\", "file:///etc/passwd", "http://169.254.169.254/latest", "http://127.0.0.1:1/x", "http://[::1]/",
    "http://[", "https://user:secret@127.0.0.1:99999/", "ftp://x", "gopher://127.0.0.1/", "%s%n%d", "%", "{0}", "{", "{0.__class__}",
    "${jndi:x}", "$(reboot)", "'; DROP TABLE VM; --", "(" * 500, "[" * 500, "{" * 500, "*" * 40, "(a+)+$", "field", 'field "',
    'field "name__label" = "x', 'true and', "not " * 200 + "true", "\u202e\u0000abc", "\ufffe", "\U0001f4a9", "e\u0301", "\x7f\x1b[2J",
    "true", "false", "True", "1.5", "127.0.0.1", "999.1.1.1", "10.0.0.1/33", "::1", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "xvda",
    "hda", "autodetect", "255", "20120801T00:00:00Z", "20129999T99:99:99Z", "00000000T00:00:00Z", "2012-08-01T00:00:00+99:99",
    "99991231T23:59:59Z", "{}", "[]", "null", "{\"a\":", "gASVAAAA", "cos\nsystem\n(S'id'\ntR.", "(dp1\nS'a'\np2\nS'b'\np3\ns.",
    "\x80\x02}q\x00.", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "*", "vm", "class/ref", "host/", "disk_0.rrd",
    "sha256", "en_US.UTF-8",
)  # fmt: skip
INTS = (0, 1, -1, 2, 7, 4096, 1 << 20, 1 << 30, 1 << 40, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, -(1 << 63))
FLOATS = (0.0, -0.0, 1.5, -1.0, 1e300, 5e-324, 0.05, float("nan"), float("inf"), float("-inf"))
DATES = (
    "19700101T00:00:00Z",
    "20120801T12:00:00Z",
    "99991231T23:59:59Z",
    "20129999T99:99:99Z",
    "00000000T00:00:00Z",
    "x",
    "2012-08-01T00:00:00+14:00",
)


class Values:
    """Draws values for one world with one generator; what it draws follows from both alone."""

    def __init__(self, chance: random.Random, world: World) -> None:
        self._chance = chance
        self._world = world
        self.refs: dict[str, list[str]] = {}
        self.texts: list[str] = []
        self.dead: list[str] = ["OpaqueRef:00000000-0000-0000-0000-000000000001"]
        self.look()

    def look(self) -> None:
        """Learn which objects are there now, and which texts they hold; what is gone since is remembered as dead."""
        world, gone = self._world, {ref for refs in self.refs.values() for ref in refs}
        self.refs = {cls: [world.ref(identity) for identity in world.ids(cls)] for cls in world.personality.classes if world.count(cls)}
        gone -= {ref for refs in self.refs.values() for ref in refs}
        self.dead = [*self.dead, *sorted(gone)][-100:]
        found: set[str] = set()
        for cls in self.refs:
            for _, row in list(world.rows(cls))[:8]:
                found.update(text for value in row.values for text in _texts_of(value) if len(text) < 200)
            found.update(world.uuid(identity) for identity in list(world.ids(cls))[:8])
        self.texts = sorted(found)

    def of(self, kind: Type, depth: int = 0) -> Any:
        """A value for a parameter of a type; one of ten is of another type."""
        if depth < 5 and self._chance.random() < 0.1:
            return self.any(depth + 1)
        return self._makers()[kind.kind](kind, depth)

    def any(self, depth: int = 0) -> Any:
        """A value of any type."""
        chance = self._chance
        if depth < 4 and chance.random() < 0.35:
            if chance.random() < 0.5:
                return [self.any(depth + 1) for _ in range(chance.choice((0, 1, 2, 40 if depth < 2 else 3)))]
            return {self.text(): self.any(depth + 1) for _ in range(chance.choice((0, 1, 2, 5)))}
        simple: tuple[Callable[[], Any], ...] = (
            self.text,
            self.integer,
            lambda: chance.choice(FLOATS),
            lambda: chance.random() < 0.5,
            lambda: None,
            lambda: DateTime(chance.choice(DATES)),
        )
        return chance.choice(simple)()

    def text(self) -> str:
        """A text: of this world, hostile, or noise."""
        draw = self._chance.random()
        if draw < 0.45 and self.texts:
            return self._chance.choice(self.texts)
        if draw < 0.55:
            return self.ref(self._chance.choice(sorted(self.refs)))
        if draw < 0.96:
            return self._chance.choice(HOSTILE_TEXTS)
        return "".join(
            chr(self._chance.choice((self._chance.randrange(32, 127), self._chance.randrange(0xD800))))
            for _ in range(self._chance.randrange(40))
        )

    def integer(self) -> Any:
        """An int as clients send it: mostly as a text."""
        value = self._chance.choice(INTS) if self._chance.random() < 0.7 else self._chance.randrange(64)
        return str(value) if self._chance.random() < 0.8 else value

    def ref(self, cls: str) -> str:
        """A ref of a class; sometimes of another one, a dead one, or none."""
        draw = self._chance.random()
        if draw < 0.05:
            return "OpaqueRef:NULL"
        if draw < 0.09:
            return self._chance.choice(self.dead)
        if draw < 0.13:
            cls = self._chance.choice(sorted(self.refs))
        return self._chance.choice(self.refs.get(cls) or self.dead)

    def record(self, cls: str, depth: int) -> dict[str, Any]:
        """The record of an object that is there, changed here and there, or one made of the fields."""
        model = self._world.personality.classes.get(cls)
        if model is None:
            return {}
        record = {field.name: self.of(field.type, depth + 2) for field in model.fields if depth < 3 and self._chance.random() < 0.9}
        if self._chance.random() < 0.1:
            record[self.text()] = self.any(depth + 1)
        return record

    def _enum(self, name: str) -> str:
        if self._chance.random() < 0.1:
            return self.text()
        return self._chance.choice(datamodel().enums.get(name) or ("",))

    def _map(self, kind: Type, depth: int) -> dict[str, Any]:
        size = self._chance.choice((0, 0, 1, 1, 2, 3, 300 if depth == 0 and self._chance.random() < 0.02 else 1))
        return {self._key(kind.key, number if size > 9 else 0): self.of(kind.element, depth + 1) for number in range(size)}

    def _key(self, kind: Type | None, number: int) -> str:
        if kind is not None and kind.is_ref:
            return self.ref(kind.name)
        return f"key {number}" if number else self.text()

    def _makers(self) -> Mapping[str, Callable[[Type, int], Any]]:
        chance = self._chance
        return {
            "string": lambda _, __: self.text(),
            "int": lambda _, __: self.integer(),
            "float": lambda _, __: chance.choice(FLOATS),
            "bool": lambda _, __: chance.random() < 0.5,
            "datetime": lambda _, __: DateTime(chance.choice(DATES)),
            "void": lambda _, __: "",
            "enum": lambda kind, _: self._enum(kind.name),
            "ref": lambda kind, _: self.ref(kind.name),
            "record": lambda kind, depth: self.record(kind.name, depth),
            "set": lambda kind, depth: [self.of(kind.element, depth + 1) for _ in range(chance.choice((0, 1, 1, 2, 5)))],
            "map": self._map,
            "option": lambda kind, depth: None if chance.random() < 0.5 else self.of(kind.element, depth),
        }


def _texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for pair in value.items() for part in pair for text in _texts_of(part)]
    if isinstance(value, tuple | list):
        return [text for member in value for text in _texts_of(member)]
    return []
