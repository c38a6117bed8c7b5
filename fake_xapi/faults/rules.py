"""A rule: which calls, how often, and what happens to them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from fake_xapi.datamodel.catalogue import datamodel


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call is refused before it does anything."""

    code: str
    params: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delay:
    """The call begins so many seconds late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class LoseReply:
    """The call does its work, and its caller never hears of it: the connection ends."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends before the call has done anything."""


@dataclass(frozen=True, slots=True)
class Truncate:
    """The call does its work; ``fraction`` of the reply is sent, then the connection ends."""

    fraction: float = 0.5


@dataclass(frozen=True, slots=True)
class Hang:
    """The call waits until the rule is removed."""


@dataclass(frozen=True, slots=True)
class Dead:
    """The host is dead: its connections end, new ones are refused."""


Effect = Refuse | Delay | LoseReply | Drop | Truncate | Hang | Dead


@dataclass(frozen=True, slots=True)
class Rule:
    """``host`` and ``message`` are globs; ``subject`` is the ref of the object that the call is about, "" for any.

    Of the calls that match, the ``nth`` alone is meant (0: each of them) with ``probability``, and no more than ``count`` in all (0: no
    bound). ValueError for a glob that no message matches, or for an error that XenAPI does not know.
    """

    effect: Effect
    host: str = "*"
    message: str = "*"
    subject: str = ""
    nth: int = 0
    probability: float = 1.0
    count: int = 0

    def __post_init__(self) -> None:
        if not any(fnmatchcase(name, self.message) for name in _messages()):
            raise ValueError(f"no message of XenAPI matches {self.message!r}; {_suggestion(self.message, _messages())}")
        if isinstance(self.effect, Refuse) and self.effect.code not in datamodel().errors:
            raise ValueError(f"XenAPI has no error {self.effect.code!r}; {_suggestion(self.effect.code, tuple(datamodel().errors))}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability is between 0 and 1, not {self.probability}")

    def is_about(self, host: str) -> bool:
        """Whether a host is meant."""
        return fnmatchcase(host, self.host)

    def covers(self, message: str, subject: object) -> bool:
        """Whether a call is meant: its message's name with a dot, and its first parameter after the session."""
        return (self.message == "*" or fnmatchcase(message, self.message)) and (not self.subject or self.subject == subject)


@cache
def _messages() -> tuple[str, ...]:
    return tuple(message.wire_name for cls in datamodel().classes.values() for message in cls.messages)


def _suggestion(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else "see `system.listMethods`"
