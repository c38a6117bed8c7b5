"""The effects of faults: on one call, on one phase of an operation, or on a host for as long as they are in force."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.names import suggestion


class BadRule(ValueError):
    """A malformed rule, or one that could never strike; the message names the cure."""


_DRIVER_ERROR = re.compile(r"SR_BACKEND_FAILURE_\d{1,4}")
"""Storage drivers append their own number to the code; all have the same three parameters."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call is refused before it does anything; at a phase of an operation, the operation fails there."""

    code: str
    params: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delay:
    """The call, or the phase, begins that many seconds late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class LoseReply:
    """The call does its work, but its caller never learns of it: the connection ends."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends before the call has done anything."""


@dataclass(frozen=True, slots=True)
class Truncate:
    """The call does its work; a ``fraction`` of the reply is sent, then the connection ends."""

    fraction: float = 0.5


@dataclass(frozen=True, slots=True)
class Hang:
    """The call, or the phase, waits until it is released or the rule is removed."""


@dataclass(frozen=True, slots=True)
class Dead:
    """The host is dead: its connections end, new ones are refused. At a phase of an operation, the host dies there."""


@dataclass(frozen=True, slots=True)
class FullSr:
    """An SR has no room left: it shrinks to its content. Without a subject this is the pool's default SR."""


@dataclass(frozen=True, slots=True)
class LostNetwork:
    """Interfaces have no carrier; a host whose management interface is among them answers when it has one again.

    The subject names the interfaces: by device, ref or uuid, or by the name_label of their network. Without one, all are meant.
    """


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """The host's clock is that many seconds ahead of all others; below 0 it is behind."""

    seconds: float


Condition = FullSr | LostNetwork | ClockSkew
"""Effects on a host while the rule is in force, whatever calls it gets."""
Effect = Refuse | Delay | LoseReply | Drop | Truncate | Hang | Dead | Condition

EFFECTS: Mapping[str, type[Effect]] = {
    "refuse": Refuse,
    "delay": Delay,
    "lose-reply": LoseReply,
    "drop": Drop,
    "truncate": Truncate,
    "hang": Hang,
    "dead": Dead,
    "full-sr": FullSr,
    "lost-network": LostNetwork,
    "clock-skew": ClockSkew,
}
"""Every effect, by the name that people write."""

AT_A_PHASE: tuple[type[Effect], ...] = (Refuse, Delay, Hang, Dead)
"""Effects that can strike in the middle of an operation."""


def kind_of(effect: Effect) -> str:
    """The name of an effect, as people write it."""
    return next(name for name, made in EFFECTS.items() if made is type(effect))


def check_effect(effect: Effect) -> None:
    """Raise BadRule for an error that XenAPI does not know, or a number out of range."""
    match effect:
        case Refuse(code, params):
            _check_error(code, params)
        case Delay(seconds) if not 0 <= seconds < inf:
            raise BadRule(f"a delay takes 0 seconds or more, not {seconds}")
        case Truncate(fraction) if not 0 <= fraction < 1:
            raise BadRule(f"a reply is cut at a fraction from 0 to less than 1, not {fraction}")
        case ClockSkew(seconds) if not -_CENTURY_S < seconds < _CENTURY_S:
            raise BadRule(f"a clock is wrong by less than a century, not by {seconds} seconds")


_CENTURY_S = 100 * 365.25 * 86400


def _check_error(code: str, params: tuple[str, ...]) -> None:
    errors = datamodel().errors
    known = errors.get("SR_BACKEND_FAILURE" if _DRIVER_ERROR.fullmatch(code) else code)
    if known is None:
        raise BadRule(f"XenAPI has no error {code!r}; {suggestion(code, tuple(errors))}")
    if len(params) != len(known):
        wanted = f"parameters {', '.join(known)}" if known else "no parameters"
        raise BadRule(f"{code} has {wanted}: give {len(known)}, not {len(params)}")
