"""Regular expressions that callers write, matched in a time that grows with the text and never with the cunning of the pattern.

RE2's syntax: no back-references, no look-around. PostgreSQL has its own matcher, and gets only what RE2 takes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from compute_core.model.errors import Invalid

LONGEST = 255
_QUIET = re2.Options()
_QUIET.log_errors = False


@lru_cache(maxsize=64)
def compiled(pattern: str) -> Any:
    """The matcher of a pattern; ``re2.error`` when it is none."""
    return re2.compile(pattern, _QUIET)


def checked(name: str, pattern: str) -> str:
    """The pattern of the filter ``name``; Invalid when it is none, or too long."""
    if len(pattern) > LONGEST:
        raise Invalid(f"{name}: a pattern has at most {LONGEST} characters.")
    try:
        compiled(pattern)
    except re2.error as problem:
        words = problem.args[0]
        raise Invalid(
            f"{name}: {pattern!r} is no regular expression: {words.decode() if isinstance(words, bytes) else words}."
        ) from problem
    return pattern


def matches(pattern: str, text: str | None) -> bool:
    """SQLite's REGEXP: whether a pattern is found anywhere in a text; NULL has none."""
    return text is not None and compiled(pattern).search(text) is not None
