"""A rehearsal described: how large, in which order, what goes wrong, and what counts as good enough. Read from a TOML file.

May not know how any of it is done.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

FaultKind = Literal["dead-host", "slow-host", "lost-replies", "corrupt-image", "full-sr"]
Figure = Literal[
    "success_rate", "time_to_active_p50_s", "time_to_active_p95_s", "time_to_active_p99_s", "smoke_success_rate", "servers_lost",
    "register_s",
]  # fmt: skip


DAY_S = 86_400.0
BOUNDS: Mapping[str, tuple[float, float]] = {
    "hosts": (1, 1_000_000),
    "servers": (1, 10_000_000),
    "builds_per_second": (0.001, 1_000_000),
    "delete_fraction": (0, 1),
    "smoke_concurrency": (1, 1_000_000),
    "register_limit_s": (1, DAY_S),
    "build_limit_s": (1, DAY_S),
    "at_s": (0, DAY_S),
    "lasts_s": (0, DAY_S),
    "latency_s": (0, DAY_S),
    "probability": (0, 1),
}
"""The least and the most that a number of a scenario or of its faults may be: beyond it a rehearsal would never end, or never begin."""


class BadScenario(ValueError):
    """A scenario that cannot be meant; the message names file, line and cure."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One thing that goes wrong in the storm, ``at_s`` seconds after its first build, for ``lasts_s`` seconds."""

    kind: FaultKind
    at_s: float = 0.0
    lasts_s: float = 60.0
    hosts: int = 1
    servers: int = 5
    latency_s: float = 1.0
    probability: float = 0.1
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Objective:
    """A figure and its bound: exactly one of ``at_least`` and ``at_most``."""

    name: str
    figure: Figure
    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether a figure is good enough."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    @property
    def target(self) -> float:
        """The bound."""
        return self.at_least if self.at_least is not None else self.at_most or 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole rehearsal. Durations of simulated operations come from ``profile``; rates are per second of the loop's time."""

    name: str
    summary: str
    hosts: int = 200
    servers: int = 1000
    personality: str = "clearwater"
    profile: str = "realistic"
    flavor: str = "1"
    builds_per_second: float = 20.0
    delete_fraction: float = 0.3
    smoke_concurrency: int = 32
    register_limit_s: float = 300.0
    build_limit_s: float = 900.0
    faults: tuple[FaultPlan, ...] = ()
    objectives: tuple[Objective, ...] = field(default=())


def names() -> list[str]:
    """The scenarios that come with the product."""
    return sorted(entry.name.removesuffix(".toml") for entry in _catalogue().iterdir() if entry.name.endswith(".toml"))


def find(name: str) -> Scenario:
    """A scenario by its name in the catalogue, or by the path of a file; BadScenario names what would fit."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise BadScenario(f"{name}: no such file; give the path of a scenario file, or one of the names {', '.join(names())}")
        return parse(path.read_text(encoding="utf-8"), name)
    if name not in names():
        close = difflib.get_close_matches(name, names(), n=1, cutoff=0.3) or names()
        raise BadScenario(f"no scenario is called {name!r}; did you mean {close[0]!r}? A file of your own ends in .toml")
    return parse((_catalogue() / f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml")


def _catalogue() -> Any:
    return resources.files("scenarios").joinpath("catalogue")


def parse(text: str, source: str) -> Scenario:
    """The scenario of a TOML text; BadScenario with ``source`` and the line when it is none."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(f"{source}: {error}; correct the TOML there") from error
    reader = _Reader(text.splitlines(), source)
    plain = {key: value for key, value in table.items() if key not in ("faults", "objectives")}
    scenario = reader.value(Scenario, plain, "")
    faults = tuple(reader.value(FaultPlan, row, "[[faults]]") for row in table.get("faults", ()))
    objectives = tuple(reader.objective(row) for row in table.get("objectives", ()))
    return _checked(reader, Scenario(**{**_as_dict(scenario), "faults": faults, "objectives": objectives}))


def _as_dict(value: Any) -> dict[str, Any]:
    return {part.name: getattr(value, part.name) for part in fields(value)}


class _Reader:
    """Turns tables into values and remembers where they stand."""

    def __init__(self, lines: Sequence[str], source: str) -> None:
        self._lines = lines
        self._source = source

    def bad(self, key: str, problem: str) -> BadScenario:
        """The refusal of a key, with the line where it stands."""
        line = next((n for n, text in enumerate(self._lines, 1) if text.split("=")[0].strip() == key), 1)
        return BadScenario(f"{self._source}, line {line}: {problem}")

    def value(self, kind: type[Any], table: Mapping[str, Any], where: str) -> Any:
        """A dataclass from a table whose keys are its fields."""
        hints = get_type_hints(kind)
        known = {part.name: part for part in fields(kind)}
        for key in table:
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1) or sorted(known)
                raise self.bad(key, f"{where} has no {key!r}; did you mean {close[0]!r}?".strip())
        missing = [part.name for part in known.values() if part.default is MISSING and part.name not in table]
        if missing:
            raise self.bad("", f"{where} lacks {missing[0]!r}; add it".strip())
        return kind(**{key: self._typed(key, value, hints[key]) for key, value in table.items()})

    def objective(self, table: Mapping[str, Any]) -> Objective:
        """An objective with exactly one bound."""
        made: Objective = self.value(Objective, table, "[[objectives]]")
        if (made.at_least is None) == (made.at_most is None):
            raise self.bad("name", f"objective {made.name!r} needs exactly one of at_least and at_most")
        return made

    def _typed(self, key: str, value: Any, hint: Any) -> Any:
        if get_args(hint) and isinstance(get_args(hint)[0], str):
            if value not in get_args(hint):
                raise self.bad(key, f"{key} = {value!r} is none of {', '.join(get_args(hint))}")
            return value
        if hint in (float, float | None):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self.bad(key, f"{key} must be a number, not {value!r}")
            return float(value)
        return self._exact(key, value, hint)

    def _exact(self, key: str, value: Any, hint: Any) -> Any:
        if hint == tuple[str, ...]:
            if not isinstance(value, list) or not all(isinstance(member, str) for member in value):
                raise self.bad(key, f"{key} must be a list of texts, not {value!r}")
            return tuple(value)
        if type(value) is not hint:
            raise self.bad(key, f"{key} must be of type {hint.__name__}, not {value!r}")
        return value


def _checked(reader: _Reader, scenario: Scenario) -> Scenario:
    """The scenario, once its numbers make sense."""
    for part in (scenario, *scenario.faults):
        for name, (least, most) in BOUNDS.items():
            value = getattr(part, name, least)
            if not least <= value <= most:
                raise reader.bad(name, f"{name} = {value:g} must be between {least:g} and {most:g}")
    return scenario
