"""Rules as plain values, as they are sent over the wire, and back; errors come with their cure.

{"host": "xs00001", "message": "VM.*", "effect": {"kind": "delay", "seconds": 3}}
{"fist": "pause_storage_migrate", "host": "xs00001"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from fake_xapi.datamodel.names import suggestion
from fake_xapi.faults.effects import EFFECTS, BadRule, Effect, kind_of
from fake_xapi.faults.fist import fist_rule
from fake_xapi.faults.rules import Rule

_NUMBER = (int, float)
KINDS: Mapping[str, tuple[type, ...]] = {
    "host": (str,),
    "message": (str,),
    "subject": (str,),
    "at": (str,),
    "stream": (str,),
    "nth": (int,),
    "count": (int,),
    "probability": _NUMBER,
    "seconds": _NUMBER,
    "fraction": _NUMBER,
    "code": (str,),
}
"""The types of the plain values of rules and effects, by their names."""


def rule_from(plain: Mapping[str, Any]) -> Rule:
    """The rule that plain values describe; BadRule for a malformed one, or one that could never strike."""
    given = dict(plain)
    template = fist_rule(_text(given.pop("fist"), "fist")) if "fist" in given else {}
    if "effect" in given:
        template = {**template, "effect": _effect(given.pop("effect"))}
    known = {part.name for part in fields(Rule)} - {"effect"}
    _check(given, known, "a rule")
    if "effect" not in template:
        raise BadRule(f'a rule needs an effect; add "effect": {{"kind": ...}} with one of {", ".join(EFFECTS)}, or "fist" with a name')
    return Rule(**{**template, **given})


def plain_rule(rule: Rule) -> dict[str, Any]:
    """A rule as plain values; defaults are left out."""
    defaults = {part.name: part.default for part in fields(Rule)}
    parts = {name: value for name, value in asdict(rule).items() if name != "effect" and value != defaults[name]}
    return {**parts, "effect": {"kind": kind_of(rule.effect), **_plain_effect(rule.effect)}}


def _plain_effect(effect: Effect) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(effect).items()}


def _effect(plain: object) -> Effect:
    if not isinstance(plain, dict):
        raise BadRule(f'an effect is {{"kind": ...}} and what belongs to it, not {plain!r}')
    given = dict(plain)
    kind = _text(given.pop("kind", ""), "kind")
    made = EFFECTS.get(kind)
    if made is None:
        raise BadRule(f"no effect is called {kind!r}; {suggestion(kind, tuple(EFFECTS))}")
    params = given.pop("params", None) if kind == "refuse" else None
    _check(given, {part.name for part in fields(made)}, f"the effect {kind}")
    if params is not None:
        given["params"] = _texts(params)
    try:
        return made(**given)
    except TypeError:
        missing = [part.name for part in fields(made) if part.name not in given]
        raise BadRule(f"the effect {kind} needs {missing[0]}; add it") from None


def _check(given: Mapping[str, Any], known: set[str], what: str) -> None:
    for name, value in given.items():
        if name not in known:
            cure = suggestion(name, sorted(known)) if known else "leave it out"
            raise BadRule(f"{what} has no {name!r}; {cure}")
        if isinstance(value, bool) or not isinstance(value, KINDS[name]):
            raise BadRule(f"{name} of {what} is {' or '.join(kind.__name__ for kind in KINDS[name])}, not {value!r}")


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise BadRule(f"{name} is a text, not {value!r}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(member, str) for member in value):
        raise BadRule(f"params of an error are a list of texts, not {value!r}")
    return tuple(value)
