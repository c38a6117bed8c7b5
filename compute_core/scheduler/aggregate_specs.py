"""What flavors ask of aggregates by their extra specs: keys of one scope, and values that may begin with an operator. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from compute_core.model.aggregates import Membership

SCOPE = "aggregate_instance_extra_specs:"

Compare = Callable[[Any, Any], bool]


def _numbers(compare: Compare) -> Callable[[str, str], bool]:
    """A comparison of numbers; what is no number is refused."""

    def passes(offered: str, asked: str) -> bool:
        try:
            return compare(float(offered), float(asked))
        except ValueError:
            return False

    return passes


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "=": _numbers(operator.ge),
    "==": _numbers(operator.eq),
    "!=": _numbers(operator.ne),
    ">=": _numbers(operator.ge),
    "<=": _numbers(operator.le),
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
    "<in>": lambda offered, asked: asked in offered,
}
"""As Nova has them: the number after "=" is the least that will do, "<in>" asks for a part of the text."""

ONE_OF, ALL_IN = "<or>", "<all-in>"


def specs_of(extra_specs: Mapping[str, str]) -> dict[str, str]:
    """The extra specs that are about aggregates, without their scope."""
    return {key.removeprefix(SCOPE): value for key, value in extra_specs.items() if key.startswith(SCOPE)}


def values_of(memberships: Iterable[Membership], key: str) -> frozenset[str]:
    """What the host's aggregates say of a key; one text may list several values with commas."""
    said = (membership.metadata[key] for membership in memberships if key in membership.metadata)
    return frozenset(value.strip() for text in said for value in text.split(","))


def fits(offered: str, asked: str) -> bool:
    """Whether a value is what an extra spec asks for."""
    operation, *words = asked.split() or [""]
    if operation == ONE_OF:
        return offered in words[::2]
    if operation == ALL_IN:
        return bool(words) and all(word in offered for word in words)
    if operation in OPERATORS:
        return bool(words) and OPERATORS[operation](offered, words[0])
    return offered == asked
