"""A rule: which calls, how often, and what happens to them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from math import inf

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
    """``host`` and ``message`` are globs; a transfer counts as a message of its action's name ("put_import_raw_vdi").

    ``subject`` is a glob over the object that the call is about: its ref, uuid or name_label; "" for any. Of the calls that match, the
    ``nth`` alone is meant (0: each of them) with ``probability``, and no more than ``count`` in all (0: no bound). ValueError for a rule
    that could never strike: a glob that no message matches, an error that XenAPI does not know, a number out of range.
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
            raise ValueError(f"no message of XenAPI matches {self.message!r}; {suggestion(self.message, _messages())}")
        if isinstance(self.effect, Refuse) and self.effect.code not in datamodel().errors:
            raise ValueError(f"XenAPI has no error {self.effect.code!r}; {suggestion(self.effect.code, tuple(datamodel().errors))}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability is between 0 and 1, not {self.probability}")
        if self.nth < 0 or self.count < 0:
            raise ValueError(f"nth and count are 0 or more, not {self.nth} and {self.count}")
        _check_effect(self)

    def is_about(self, host: str) -> bool:
        """Whether a host is meant."""
        return fnmatchcase(host, self.host)

    def covers(self, message: str, subjects: Iterable[str]) -> bool:
        """Whether a call is meant: its message's name with a dot, and the names of the object that it is about."""
        if self.message != "*" and not fnmatchcase(message, self.message):
            return False
        return not self.subject or any(fnmatchcase(name, self.subject) for name in subjects)


def _check_effect(rule: Rule) -> None:
    match rule.effect:
        case Delay(seconds) if not 0 <= seconds < inf:
            raise ValueError(f"a delay takes 0 seconds or more, not {seconds}")
        case Truncate(fraction) if not 0 <= fraction < 1:
            raise ValueError(f"a reply is cut at a fraction from 0 to less than 1, not {fraction}")
        case Dead() if (rule.message, rule.subject, rule.nth, rule.probability, rule.count) != ("*", "", 0, 1.0, 0):
            raise ValueError("a dead host answers nothing at all: name the host alone, no message, subject, nth, probability or count")


@cache
def _messages() -> tuple[str, ...]:
    named = (message.wire_name for cls in datamodel().classes.values() for message in cls.messages)
    return (*named, *(action.name for action in datamodel().http_actions))


def suggestion(name: str, known: Sequence[str]) -> str:
    """What a mistaken name may have meant."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"there is, for example, {known[0]}"
