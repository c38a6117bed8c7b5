"""Reads pickles of plain data and nothing else: no class is looked up, no function called, whatever the bytes say.

The opcodes of plain data are a table; any other is refused. A value that refers to itself, or would be huge when written out, is none.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

MOST_BYTES = 1 << 20
MOST_VALUES = 100_000
MOST_DEPTH = 64


class BadPickle(ValueError):
    """Bytes that are no pickle of plain data."""


class _Mark:
    """Where a list of values begins on the stack."""


_MARK = _Mark()
_Stack = list[Any]
_MemoKey = int


def load(raw: bytes) -> Any:
    """The value: None, bool, int, float, str, bytes, and lists, tuples and dicts of them. BadPickle."""
    if len(raw) > MOST_BYTES:
        raise BadPickle(f"more than {MOST_BYTES} bytes")
    reader = _Reader()
    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of escapes that no text should have
            for opcode, argument, _ in pickletools.genops(io.BytesIO(raw)):
                reader.step(opcode.name, argument)
        [value] = reader.stack
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadPickle(f"not a pickle of plain data: {error}") from error
    _check_size(value)
    return value


def dump(value: Any) -> str:
    """A pickle that every Python since the first can read, in ASCII."""
    text = pickle.dumps(value, protocol=0).decode("latin-1")
    return text if text.isascii() else "".join(char if char < "\x80" else f"\\u{ord(char):04x}" for char in text)


class _Reader:
    def __init__(self) -> None:
        self.stack: _Stack = []
        self._memo: dict[_MemoKey, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _IGNORED:
            return
        if name in _PUSHES:
            self.stack.append(_PUSHES[name](argument))
        elif name in _MEMO_OPS:
            _MEMO_OPS[name](self.stack, self._memo, argument)
        elif name in _BUILDS:
            _BUILDS[name](self.stack)
        else:
            raise BadPickle(f"{name} has no place in plain data")


def _same(argument: Any) -> Any:
    return argument


def _text(argument: Any) -> str:
    """Python 2's byte strings are texts: UTF-8 where they are, else a character per byte."""
    raw = argument.encode("latin-1") if isinstance(argument, str) else bytes(argument)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _bytes(argument: Any) -> bytes:
    return argument.encode("latin-1") if isinstance(argument, str) else bytes(argument)


_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_UNICODES = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_STRINGS = ("STRING", "BINSTRING", "SHORT_BINSTRING")
_PUSHES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys((*_NUMBERS, *_UNICODES), _same),
    **dict.fromkeys(_STRINGS, _text),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _bytes),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: _MARK,
}


def _put(stack: _Stack, memo: dict[_MemoKey, Any], argument: Any) -> None:
    memo[len(memo) if argument is None else int(argument)] = stack[-1]


def _get(stack: _Stack, memo: dict[_MemoKey, Any], argument: Any) -> None:
    stack.append(memo[int(argument)])


_MEMO_OPS: Mapping[str, Callable[[_Stack, dict[_MemoKey, Any], Any], None]] = {
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
}


def _since_mark(stack: _Stack) -> list[Any]:
    """Take what is above the last mark, and the mark."""
    place = next((place for place in range(len(stack) - 1, -1, -1) if stack[place] is _MARK), -1)
    if place < 0:
        raise BadPickle("values without a beginning")
    taken = stack[place + 1 :]
    del stack[place:]
    return taken


def _pairs(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise BadPickle("a key without a value")
    return dict(zip(values[::2], values[1::2], strict=True))


def _set_item(stack: _Stack) -> None:
    value, key = stack.pop(), stack.pop()
    _dict(stack[-1])[key] = value


def _set_items(stack: _Stack) -> None:
    values = _since_mark(stack)
    _dict(stack[-1]).update(_pairs(values))


def _append(stack: _Stack) -> None:
    value = stack.pop()
    _list(stack[-1]).append(value)


def _appends(stack: _Stack) -> None:
    values = _since_mark(stack)
    _list(stack[-1]).extend(values)


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise BadPickle("something is appended to what is no list")
    return value


def _dict(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise BadPickle("something is put into what is no dict")
    return value


def _tuple_of(count: int) -> Callable[[_Stack], None]:
    def build(stack: _Stack) -> None:
        taken = tuple(stack[-count:])
        if len(taken) < count:
            raise BadPickle("too few values for a tuple")
        stack[-count:] = [taken]

    return build


_BUILDS: Mapping[str, Callable[[_Stack], None]] = {
    "LIST": lambda stack: stack.append(_since_mark(stack)),
    "DICT": lambda stack: stack.append(_pairs(_since_mark(stack))),
    "TUPLE": lambda stack: stack.append(tuple(_since_mark(stack))),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "POP": lambda stack: stack.__delitem__(-1),
    "POP_MARK": lambda stack: _since_mark(stack).clear(),
    "DUP": lambda stack: stack.append(stack[-1]),
}


def _check_size(value: Any) -> None:
    """Count the values as if they were written out: shared ones count each time, and one inside itself never ends."""
    waiting, seen = [(value, 0)], 0
    while waiting:
        current, depth = waiting.pop()
        seen += 1
        if seen > MOST_VALUES or depth > MOST_DEPTH or current is _MARK:
            raise BadPickle("too large, too deep, or unfinished")
        if isinstance(current, dict):
            waiting += [(key, depth + 1) for key in current] + [(member, depth + 1) for member in current.values()]
        elif isinstance(current, list | tuple):
            waiting += [(member, depth + 1) for member in current]
