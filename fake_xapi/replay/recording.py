"""A recording: a file of JSON lines, the first of which says what it is, each other one a call or a transfer with what came of it.

Every line is written whole and at once: who is killed leaves at most one torn line, which is cut off before the recording goes on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

FORMAT = "inova recording 1"
MOST_BYTES = 1 << 30


class BadRecording(ValueError):
    """A file that is no recording, or not one that may be written; the message names the cure."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a recording. ``session`` is a stand-in, "" when the call had none; it is no parameter.

    ``error`` is XAPI's, with its parameters; ``lost`` says why no answer is here. Neither: ``result`` is the answer.
    """

    at: str
    method: str
    params: list[Any]
    session: str = ""
    wire: str = "xmlrpc"
    took_s: float = 0.0
    result: Any = None
    error: tuple[str, ...] = ()
    lost: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether it came to a result."""
        return not self.error and not self.lost


class Recorder:
    """Writes a recording: ``with Recorder.create(...) as recorder``. When it is full, what comes is only counted."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self.lines = 0
        self.left_out = 0
        """How many lines had no room."""
        self._most_bytes = most_bytes
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size

    @classmethod
    def create(cls, path: Path, head: Mapping[str, Any], most_bytes: int = MOST_BYTES) -> Self:
        """Begin a recording; BadRecording when the file is there already, OSError when it cannot be made."""
        if path.exists():
            raise BadRecording(f"{path} is there already; go on with it by --resume, or name another file")
        made = cls(path, most_bytes)
        made.write({"format": FORMAT, **head})
        return made

    @classmethod
    def resume(cls, path: Path, head: Mapping[str, Any], most_bytes: int = MOST_BYTES) -> Self:
        """Go on with a recording of the same server, or begin it; BadRecording when the file is something else."""
        if not path.exists():
            return cls.create(path, head, most_bytes)
        before = read_head(path)
        if before.get("upstream") != head.get("upstream"):
            raise BadRecording(f"{path} is a recording of {before.get('upstream')}, not of {head.get('upstream')}; name another file")
        _cut_torn_line(path)
        return cls(path, most_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def write(self, line: Mapping[str, Any]) -> None:
        """Write one line, if there is room for it. OSError when the disk is full."""
        content = orjson.dumps(line) + b"\n"
        if self._size + len(content) > self._most_bytes:
            self.left_out += 1
            return
        try:
            written = os.write(self._file, content)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        if written < len(content):
            os.ftruncate(self._file, self._size)
            raise OSError(28, os.strerror(28), str(self.path))
        self._size += written
        self.lines += 1

    def close(self) -> None:
        """Bring what was written to the disk."""
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def read_head(path: Path) -> dict[str, Any]:
    """What the first line says; BadRecording when the file is none. OSError when it cannot be read."""
    with path.open("rb") as file:
        try:
            head = orjson.loads(file.readline(1 << 16))
        except orjson.JSONDecodeError:
            head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise BadRecording(f"{path} is no recording of the format {FORMAT!r}; make one with inova sim record")
    return head


def read_calls(path: Path) -> Iterator[Call]:
    """The calls in the order in which they ended; BadRecording names a line that is none. A torn last line is passed over."""
    read_head(path)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number > 1 and line.endswith(b"\n"):
                found = _call(path, number, line)
                if found is not None:
                    yield found


def _call(path: Path, number: int, line: bytes) -> Call | None:
    """The call of a line; None when it tells of something else."""
    try:
        plain = orjson.loads(line)
        if plain["kind"] != "call":
            return None
        return Call(
            plain["at"], plain["method"], list(plain["params"]), plain["session"], plain["wire"], float(plain["took_s"]),
            plain.get("result"), tuple(plain.get("error", ())), plain.get("lost", ""),
        )  # fmt: skip
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadRecording(f"{path}: line {number} is damaged ({error!r}); remove the line, or record anew") from error
