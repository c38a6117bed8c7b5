"""The behaviours of guests, as data: stages with a delay and its jitter, what they tell and print, and which stages may follow.

``of`` and ``part`` take the delay from the duration profile, so that a profile speeds up guests like everything else; ``delay_s`` is
in seconds, whatever the profile. One of the stages in ``next`` is drawn by ``weight``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from fake_xapi.guest.prints import PRINTS
from fake_xapi.guest.tells import TELLS

EXITS = ("halt", "reboot", "crash")
FROM_PROFILE = ("guest.boot", "guest.agent")


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a guest's life. It ``prints``, ``tells`` and ``does`` things when its delay is over."""

    name: str
    of: str = ""
    part: float = 0.0
    delay_s: float = 0.0
    jitter: float = 0.0
    weight: float = 1.0
    prints: tuple[str, ...] = ()
    tells: tuple[str, ...] = ()
    does: str = ""
    next: tuple[str, ...] = ()

    def delay(self, profile_s: float, chance: random.Random) -> float:
        """How many seconds it takes this time; ``profile_s`` is what the profile says about ``of``."""
        own = self.delay_s * (1.0 + self.jitter * (2.0 * chance.random() - 1.0)) if self.delay_s and self.jitter else self.delay_s
        return profile_s * self.part + own


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Stages by name, and the first of them."""

    first: str
    stages: Mapping[str, Stage]

    def follower(self, stage: Stage, chance: random.Random) -> Stage | None:
        """The next stage, drawn by weight; None after the last."""
        following = [self.stages[name] for name in stage.next]
        if len(following) < 2:
            return following[0] if following else None
        return chance.choices(following, [each.weight for each in following])[0]


class BadBehaviour(ValueError):
    """A malformed behaviour; the message says where and why."""


@cache
def behaviours() -> Mapping[str, Behaviour]:
    """The behaviours that come with the product, by name."""
    content = json.loads(resources.files("fake_xapi.guest").joinpath("behaviours.json").read_text(encoding="utf-8"))
    return {name: _behaviour(given) for name, given in content.items()}


@lru_cache(maxsize=256)
def behaviour(name_or_json: str) -> Behaviour:
    """The behaviour with that name, or one described by a JSON text; BadBehaviour for neither."""
    known = behaviours().get(name_or_json)
    if known is not None:
        return known
    if not name_or_json.startswith("{"):
        raise BadBehaviour(f"no behaviour is called {name_or_json!r}; there is {', '.join(behaviours())}")
    try:
        return _behaviour(json.loads(name_or_json))
    except ValueError as error:
        raise BadBehaviour(f"not a behaviour: {error}") from error


def _behaviour(given: Any) -> Behaviour:
    if not isinstance(given, dict) or set(given) != {"first", "stages"} or not isinstance(given["stages"], dict):
        raise BadBehaviour('a behaviour is {"first": NAME, "stages": {NAME: {...}}}')
    stages = {name: _stage(name, stage) for name, stage in given["stages"].items()}
    for name in (given["first"], *(name for stage in stages.values() for name in stage.next)):
        if name not in stages:
            raise BadBehaviour(f"no stage is called {name!r}")
    return Behaviour(given["first"], stages)


_FIELDS = frozenset(field.name for field in fields(Stage)) - {"name"}
_NUMBERS = ("part", "delay_s", "jitter", "weight")
_WORDS: Mapping[str, tuple[str, ...]] = {"of": ("", *FROM_PROFILE), "does": ("", *EXITS)}
_LISTS: Mapping[str, frozenset[str] | None] = {"prints": frozenset(PRINTS), "tells": frozenset(TELLS), "next": None}


def _stage(name: str, given: Any) -> Stage:
    if not isinstance(given, dict) or not set(given) <= _FIELDS:
        raise BadBehaviour(f"stage {name}: an object with some of {', '.join(sorted(_FIELDS))}")
    for key, value in given.items():
        _check(f"stage {name}: {key}", key, value)
    values: dict[str, Any] = {key: tuple(value) if key in _LISTS else value for key, value in given.items()}
    return Stage(name, **values)


def _check(where: str, key: str, value: Any) -> None:
    if key in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf")):
        raise BadBehaviour(f"{where} is {value!r}, not a number from 0 on")
    if key in _WORDS and value not in _WORDS[key]:
        raise BadBehaviour(f"{where} is {value!r}, none of {', '.join(filter(None, _WORDS[key]))}")
    if key in _LISTS and not (isinstance(value, list) and all(_may_stand(key, member) for member in value)):
        raise BadBehaviour(f"{where} is {value!r}, not a list of {', '.join(sorted(_LISTS[key] or ('names of stages',)))}")


def _may_stand(key: str, member: Any) -> bool:
    known = _LISTS[key]
    return isinstance(member, str) and (known is None or member in known)
