"""The durations of operations: profiles as data, with seeded jitter.

In ``instant`` nothing takes time; ``realistic`` has the figures of a XenServer host of 2012 with local disks. A user's own profile
extends one of these and changes what it names:

    {"extends": "realistic", "operations": {"VM.start": {"seconds": 8, "jitter": 0.1}, "VDI.copy": {"bytes_per_second": 2e8}}}

May not know what an operation does, nor which clock is used.
"""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Duration:
    """``seconds`` for the operation itself, plus the time for the bytes that it moves (rate 0: none).

    ``jitter`` is the fraction by which it may be shorter or longer, uniformly distributed.
    """

    seconds: float = 0.0
    jitter: float = 0.0
    bytes_per_second: float = 0.0

    def drawn(self, bytes_moved: int, rng: random.Random) -> float:
        """One duration, in seconds; chance is not used where nothing varies."""
        base = self.seconds + (bytes_moved / self.bytes_per_second if self.bytes_per_second else 0.0)
        return base * (1.0 + self.jitter * (2.0 * rng.random() - 1.0)) if base and self.jitter else base


NO_TIME = Duration()


@dataclass(frozen=True, slots=True)
class Durations:
    """One profile: the operations ("VM.start", "VDI.copy", "guest.boot") that take time. All others take none."""

    name: str
    operations: Mapping[str, Duration] = field(default_factory=dict)

    def seconds(self, what: str, bytes_moved: int, rng: random.Random) -> float:
        """How long an operation takes this time."""
        return self.operations.get(what, NO_TIME).drawn(bytes_moved, rng)


INSTANT = Durations("instant")


class BadProfile(ValueError):
    """A malformed profile; the message names file, line and cure."""


@cache
def profiles() -> Mapping[str, Durations]:
    """The profiles that come with the product, by name."""
    content = json.loads(resources.files("fake_xapi.engine").joinpath("durations.json").read_text(encoding="utf-8"))
    return {name: Durations(name, {what: Duration(**given) for what, given in rows.items()}) for name, rows in content.items()}


def durations(name_or_file: str) -> Durations:
    """The profile with that name ("realistic"), or in that JSON file; BadProfile for neither."""
    known = profiles().get(name_or_file)
    if known is not None:
        return known
    path = Path(name_or_file)
    if path.suffix != ".json" and not path.exists():
        raise BadProfile(f"no profile is called {name_or_file!r}; take one of {_list(profiles())}, or name a JSON file")
    return _Reader(path).profile()


class _Reader:
    """Reads one file and reports errors at their lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadProfile(f"{path}: cannot be read ({error}); name a JSON file, or one of {_list(profiles())}") from error

    def profile(self) -> Durations:
        content = self._object(self._parsed(), "the file")
        self._check_keys(content, ("extends", "operations"), "")
        base = self._base(content.get("extends", "instant"))
        rows = self._object(content.get("operations", {}), "operations")
        self._check_keys(rows, tuple(profiles()["realistic"].operations), "operations")
        changed = {what: self._changed(what, row, base.operations.get(what, NO_TIME)) for what, row in rows.items()}
        return Durations(str(self._path), {**base.operations, **changed})

    def _parsed(self) -> Any:
        try:
            return json.loads(self._text)
        except json.JSONDecodeError as error:
            raise BadProfile(f"{self._path}:{error.lineno}: not JSON: {error.msg}; correct that line") from error

    def _base(self, name: Any) -> Durations:
        if not isinstance(name, str) or name not in profiles():
            raise self._bad("extends", f"no profile is called {name!r}; extend one of {_list(profiles())}")
        return profiles()[name]

    def _changed(self, what: str, row: Any, base: Duration) -> Duration:
        given = self._object(row, what)
        self._check_keys(given, ("seconds", "jitter", "bytes_per_second"), what)
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise self._bad(what, f"{name} of {what} is {value!r}; write a number, 0 or more", name)
        if given.get("jitter", 0) > 1:
            raise self._bad(what, f"jitter of {what} is {given['jitter']!r}; write the fraction by which it varies, 0 to 1", "jitter")
        return replace(base, **given)

    def _object(self, value: Any, name: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._bad(name, f"{name} is not an object; write {{...}} with names and values")
        return value

    def _check_keys(self, given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or known
                raise self._bad(where, f"nothing is called {name!r} here; did you mean {_list(close)}?", name)

    def _bad(self, where: str, message: str, name: str = "") -> BadProfile:
        """The error, at the line of the key ``name`` after the key ``where``."""
        at = max(self._text.find(f'"{where}"'), 0)
        if name:
            at = max(self._text.find(f'"{name}"', at), at)
        return BadProfile(f"{self._path}:{self._text.count(chr(10), 0, at) + 1}: {message}")


def _list(names: Any) -> str:
    return ", ".join(names)
