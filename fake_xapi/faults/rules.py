"""A rule: which calls it concerns, how often, and what happens to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.names import suggestion
from fake_xapi.engine.durations import profiles
from fake_xapi.faults.effects import (
    AT_A_PHASE,
    BadRule,
    ClockSkew,
    Condition,
    Dead,
    Delay,
    Drop,
    Effect,
    FullSr,
    Hang,
    LoseReply,
    LostNetwork,
    Refuse,
    Truncate,
    check_effect,
    kind_of,
)

__all__ = [
    "BadRule", "ClockSkew", "Dead", "Delay", "Drop", "Effect", "FullSr", "Hang", "LoseReply", "LostNetwork", "Refuse", "Rule", "Truncate",
    "phases",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """``host`` and ``message`` are globs; a transfer counts as a message with the name of its action ("put_import_raw_vdi").

    ``subject`` is a glob over the objects that the call names: a ref, uuid or name_label; "" for any. ``at`` is a phase of an operation,
    as the profiles of durations name it ("VDI.copy"): the effect then happens there, in whatever call comes to it. Of the calls that
    match, the ``nth`` alone is meant (0: each of them) with ``probability``, and no more than ``count`` in all (0: no bound). Rules with
    the same ``stream`` draw from the same chance; "" is a stream of the rule's own. BadRule for a rule that could never strike: a glob
    that no message matches, an error that XenAPI does not know, a number out of range.
    """

    effect: Effect
    host: str = "*"
    message: str = "*"
    subject: str = ""
    nth: int = 0
    probability: float = 1.0
    count: int = 0
    at: str = ""
    stream: str = ""

    def __post_init__(self) -> None:
        check_effect(self.effect)
        if not any(fnmatchcase(name, self.message) for name in _messages()):
            raise BadRule(f"no message of XenAPI matches {self.message!r}; {suggestion(self.message, _messages())}")
        if not 0 <= self.probability <= 1:
            raise BadRule(f"a probability is between 0 and 1, not {self.probability}")
        if self.nth < 0 or self.count < 0:
            raise BadRule(f"nth and count are 0 or more, not {self.nth} and {self.count}")
        self._check_phase()
        self._check_aim()

    def _check_phase(self) -> None:
        if not self.at:
            return
        if not any(fnmatchcase(name, self.at) for name in phases()):
            raise BadRule(f"no phase of an operation matches {self.at!r}; {suggestion(self.at, phases())}")
        if not isinstance(self.effect, AT_A_PHASE):
            allowed = ", ".join(kind_of(effect) for effect in (Refuse("SR_FULL"), Delay(0), Hang(), Dead()))
            raise BadRule(f"{kind_of(self.effect)} strikes whole calls, not a phase of an operation; there it may be {allowed}")

    def _check_aim(self) -> None:
        """Raise BadRule for restrictions that make no sense for the effect: a dead host, for one, answers no call at all."""
        asks_for_calls = (self.message, self.nth, self.probability, self.count) != ("*", 0, 1.0, 0)
        if isinstance(self.effect, Dead) and not self.at and (asks_for_calls or self.subject):
            raise BadRule("a dead host answers nothing at all: name the host alone, no message, subject, nth, probability or count")
        if isinstance(self.effect, Condition) and asks_for_calls:
            raise BadRule(f"{kind_of(self.effect)} is about hosts, not calls: leave message, nth, probability and count out")
        if isinstance(self.effect, ClockSkew) and self.subject:
            raise BadRule("a host has one clock: name the host alone, no subject")
        if self.subject and not self.at and not isinstance(self.effect, Condition) and not self._meets_objects():
            raise BadRule(f"{self.message} is a transfer, whose object is not looked at: leave the subject out")

    def _meets_objects(self) -> bool:
        return any("." in name and fnmatchcase(name, self.message) for name in _messages())

    def is_about(self, host: str) -> bool:
        """Whether the rule concerns a host."""
        return fnmatchcase(host, self.host)

    def is_met(self, at: str) -> bool:
        """Whether it concerns a phase of that name or, without one, calls as such."""
        if isinstance(self.effect, Condition) or (isinstance(self.effect, Dead) and not self.at):
            return False
        return fnmatchcase(at, self.at) if at and self.at else at == self.at

    def covers(self, message: str, subjects: Iterable[str]) -> bool:
        """Whether it concerns a call: by the message's name with a dot, and the names of its objects."""
        if self.message != "*" and not fnmatchcase(message, self.message):
            return False
        return not self.subject or any(fnmatchcase(name, self.subject) for name in subjects)


@cache
def _messages() -> tuple[str, ...]:
    named = (message.wire_name for cls in datamodel().classes.values() for message in cls.messages)
    return (*named, *(action.name for action in datamodel().http_actions))


@cache
def phases() -> tuple[str, ...]:
    """The phases of operations at which a fault can strike."""
    return tuple(profiles()["realistic"].operations)
