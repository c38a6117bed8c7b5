"""Documents that were right, with bytes changed, cut out, doubled, or put in."""

from __future__ import annotations

import random


def mutated(chance: random.Random, content: bytes) -> bytes:
    """A document with bytes changed, cut out, doubled, or put in."""
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(made) + 1)
        size = chance.choice((1, 1, 2, 4, 16, 200))
        match chance.randrange(6):
            case 0:
                made[at : at + size] = b""
            case 1:
                made[at:at] = made[at : at + size]
            case 2:
                made[at:at] = chance.choice(SNIPPETS)
            case 3:
                made[at : at + 1] = bytes([chance.randrange(256)])
            case 4:
                del made[at:]
            case _:
                made[at : at + size] = chance.choice((b"\xff", b"\x00", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\x7f\xff\xff\xff")) * (
                    size // 8 + 1
                )
    return bytes(made)


SNIPPETS = (
    b"<value>", b"</value>", b"<struct>", b"</member>", b"<name>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?pi?>", b"&amp;", b"&#0;",
    b"&#xD800;", b"&#65;", b"&#99999999999;", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"<?xml version='1.0' encoding='utf-16'?>",
    b"<?xml version='1.0' encoding='UTF-7'?>", b"<?xml version='1.1'?>", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"<int>1</int>", b"<i8/>",
    b"<double>nan</double>", b"<boolean>2</boolean>", b"<nil/>", b"<dateTime.iso8601>x</dateTime.iso8601>", b"<base64>//==</base64>",
    b"<array><data></data></array>", b"<array/>", b"<a:b xmlns:a='x'/>", b"<x y='" + b"z" * 999 + b"'/>", b'{"', b'":', b"[[[[", b"]",
    b"}", b'"\\ud800"', b"\\u0000", b"1e999", b"-", b"NaN", b"Infinity", b"null", b"true", b"9" * 40, b'"jsonrpc":"2.0",', b",",
    b'"params":{}',
)  # fmt: skip
