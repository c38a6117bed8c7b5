"""The properties of each bond mode, by era: their valid values and their defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Era


@dataclass(frozen=True, slots=True)
class Property:
    """One property; ``default`` is None for an optional one."""

    is_valid: Callable[[str], bool]
    default: str | None = None


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda text: text in values


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


_HASHING = Property(_one_of("src_mac", "tcpudp_ports"), "tcpudp_ports")
_TIME = Property(_one_of("fast", "slow"), "slow")
_KEY = Property(_is_number)
_NO_PROPERTIES: Mapping[str, Property] = {}
_LACP: Mapping[Era, Mapping[str, Property]] = {
    "boston": _NO_PROPERTIES,
    "tampa": {"hashing_algorithm": _HASHING},
    "clearwater": {"hashing_algorithm": _HASHING, "lacp-time": _TIME, "lacp-aggregation-key": _KEY},
    "modern": {
        "hashing_algorithm": _HASHING,
        "lacp-time": _TIME,
        "lacp-aggregation-key": _KEY,
        "lacp-fallback-ab": Property(_one_of("true", "false"), "true"),
    },
}


def properties_of(mode: str, era: Era) -> Mapping[str, Property]:
    """The properties that a mode has."""
    return _LACP[era] if mode == "lacp" else _NO_PROPERTIES


def is_valid(mode: str, name: str, value: str, era: Era) -> bool:
    """Whether a bond in that mode may have that property."""
    known = properties_of(mode, era).get(name)
    return known is not None and known.is_valid(value)


def assert_valid(mode: str, properties: Mapping[str, str], era: Era) -> None:
    """Raise INVALID_VALUE ["properties", "name = value"] for the first property that a bond in that mode cannot have."""
    for name, value in properties.items():
        if not is_valid(mode, name, value, era):
            raise Failure("INVALID_VALUE", "properties", f"{name} = {value}")


def with_defaults(mode: str, properties: Mapping[str, str], era: Era) -> dict[str, str]:
    """The properties, completed with defaults."""
    usual = {name: known.default for name, known in properties_of(mode, era).items() if known.default is not None}
    return {**usual, **properties}
