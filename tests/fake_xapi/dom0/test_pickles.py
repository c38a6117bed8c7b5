"""Pickles: plain data of every protocol come in, and nothing else; what goes out every Python can read."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_xapi.dom0.pickles import MOST_BYTES, BadPickle, dump, load

PLAIN: dict[str, Any] = {
    "args": ["a", 1, None, True, False, 1.5, -3, 2**70, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {"é漢😀": ["x"] * 300}],
    "kwargs": {"same": [], "again": []},
}


class _Evil:
    """Calls a function when it is read."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        function, *arguments = self.call
        return function, tuple(arguments)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol_are_read(protocol: int) -> None:
    assert load(pickle.dumps(PLAIN, protocol=protocol)) == PLAIN


@pytest.mark.parametrize("protocol", range(3, pickle.HIGHEST_PROTOCOL + 1))
def test_bytes_are_plain_data_since_they_have_opcodes(protocol: int) -> None:
    assert load(pickle.dumps([b"a\xff", b"x" * 300], protocol=protocol)) == [b"a\xff", b"x" * 300]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"S'abc'\n.", "abc"),
        (b"U\x03abc.", "abc"),
        (b"T\x02\0\0\0\xc3\xa9.", "é"),
        (b"U\x01\xff.", "ÿ"),
        (b"(lp0\nI1\naI01\na.", [1, True]),
        (b"(dp0\nS'k'\nL5L\ns.", {"k": 5}),
        (b"(I1\nI2\nd.", {1: 2}),
        (b"(I1\nI2\nl.", [1, 2]),
        (b"]q\x00h\x00\x86.", ([], [])),
        (b"I7\n2\x86.", (7, 7)),
        (b"I7\nI8\n0.", 7),
    ],
)
def test_what_python_2_wrote_is_read(raw: bytes, value: Any) -> None:
    assert load(raw) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "evil",
    [_Evil(os.system, "exit 7"), _Evil(eval, "1/0"), OrderedDict(a=1), {1, 2}, complex(1, 2), test_plain_data_of_every_protocol_are_read],
)
def test_nothing_is_looked_up_and_nothing_called(evil: Any, protocol: int) -> None:
    with pytest.raises(BadPickle):
        load(pickle.dumps([evil], protocol=protocol))


@pytest.mark.parametrize(
    "name", ["GLOBAL", "REDUCE", "INST", "OBJ", "NEWOBJ", "BUILD", "EXT1", "PERSID", "STACK_GLOBAL", "NEXT_BUFFER", "BYTEARRAY8"]
)
def test_an_opcode_of_anything_else_is_refused(name: str) -> None:
    written = {
        "GLOBAL": b"cos\nsystem\n.", "REDUCE": b"N)R.", "INST": b"(ios\nsystem\n.", "OBJ": b"(N)o.", "NEWOBJ": b"N)\x81.", "BUILD": b"N}b.",
        "EXT1": b"\x82\x01.", "PERSID": b"Pid\n.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "NEXT_BUFFER": b"\x80\x05\x97.",
        "BYTEARRAY8": b"\x80\x05\x96\x01\0\0\0\0\0\0\0a.",
    }  # fmt: skip
    with pytest.raises(BadPickle, match=f"{name} has no place in plain data"):
        load(written[name])


def _inside_itself() -> bytes:
    value: list[Any] = []
    value.append(value)
    return pickle.dumps(value)


def _laughs() -> bytes:
    value: list[Any] = ["lol"]
    for _ in range(40):
        value = [value, value]
    return pickle.dumps(value)


def _deep() -> bytes:
    return b"(" * 5000 + b"l" * 5000 + b"."


@pytest.mark.parametrize(
    "raw",
    [b"", b".", b"N", b"NN.", b"(.", b"I1\ns.", b"I1\na.", b"I1\nI2\ne.", b"h\x05.", b"j\xff\xff\xff\xff.", b"(I1\nd.", b"\x86.", b"0.",
     b"u.", b"cx\\udrive\nx\n.",
     b"N" * (MOST_BYTES + 1), b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", b"\xff", _inside_itself(), _laughs(), _deep()],
)  # fmt: skip
def test_what_is_no_pickle_is_refused(raw: bytes) -> None:
    with pytest.raises(BadPickle):
        load(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        value = load(raw)
    except BadPickle:
        return
    dump(value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_ascii_and_comes_back(value: Any) -> None:
    text = dump(value)
    assert text.isascii()
    assert pickle.loads(text.encode()) == value
    assert load(text.encode()) == value
