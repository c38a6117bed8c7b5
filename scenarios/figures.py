"""The measurements of a rehearsal, and the functions that turn them into figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scenarios.scenario import Objective


@dataclass(slots=True)
class ServerTrial:
    """One requested server: when it was requested, what became of it, and whether it could be expected to work."""

    name: str
    asked_s: float
    is_doomed: bool = False
    uuid: str = ""
    active_s: float | None = None
    failed_s: float | None = None
    deleted_s: float | None = None
    reason: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether its fate is unknown."""
        return self.active_s is None and self.failed_s is None

    @property
    def time_to_active_s(self) -> float | None:
        """How long its owner waited."""
        return None if self.active_s is None else self.active_s - self.asked_s


@dataclass(slots=True)
class SmokeTrial:
    """The smoke test of one host."""

    host: str
    passed: bool = False
    took_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem that a checker found."""

    checker: str
    about: str
    problem: str


@dataclass(slots=True)
class Results:
    """Everything that the phases measured."""

    hosts: int = 0
    registered_s: float = 0.0
    storm_began_s: float = 0.0
    storm_ended_s: float = 0.0
    smoke: list[SmokeTrial] = field(default_factory=list)
    servers: list[ServerTrial] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    faults: list[tuple[float, str, str]] = field(default_factory=list)
    phases: list[tuple[str, float, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One objective and the figure reached, both in ``unit``; ``value`` is None where nothing could be measured, which counts as missed."""

    name: str
    target: float
    value: float | None
    unit: str
    met: bool

    @property
    def reached(self) -> str:
        """The figure, for people."""
        return "nothing measured" if self.value is None else f"{self.value:.4g} {self.unit}".rstrip()

    @property
    def wanted(self) -> str:
        """The target, for people."""
        return f"{self.target:g} {self.unit}".rstrip()


def percentile(values: Sequence[float], fraction: float) -> float | None:
    """The smallest value that at least this fraction of the values do not exceed; None for none."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * fraction // 1))
    return ordered[int(rank) - 1]


def counts(results: Results) -> dict[str, int]:
    """How many servers were requested, and what became of them. Doomed ones do not count as failed."""
    sound = [trial for trial in results.servers if not trial.is_doomed]
    return {
        "requested": len(results.servers),
        "active": sum(trial.active_s is not None for trial in sound),
        "failed": sum(trial.failed_s is not None and trial.active_s is None for trial in sound),
        "lost": sum(trial.is_lost for trial in results.servers),
        "doomed": len(results.servers) - len(sound),
    }


def figures(results: Results) -> dict[str, float | None]:
    """Every figure that an objective may name, and a few more for the report."""
    sound = [trial for trial in results.servers if not trial.is_doomed]
    times = [trial.time_to_active_s for trial in sound if trial.time_to_active_s is not None]
    return {
        "hosts": float(results.hosts),
        "register_s": results.registered_s,
        "smoke_success_rate": _rate([trial.passed for trial in results.smoke]),
        "smoke_p50_s": percentile([trial.took_s for trial in results.smoke if trial.passed], 0.5),
        "success_rate": _rate([trial.active_s is not None for trial in sound]),
        "time_to_active_p50_s": percentile(times, 0.5),
        "time_to_active_p95_s": percentile(times, 0.95),
        "time_to_active_p99_s": percentile(times, 0.99),
        "servers_lost": float(counts(results)["lost"]),
        "storm_s": results.storm_ended_s - results.storm_began_s,
        "findings": float(len(results.findings)),
    }


def _rate(outcomes: Sequence[bool]) -> float:
    return sum(outcomes) / len(outcomes) if outcomes else 1.0


def judge(objectives: Sequence[Objective], values: Mapping[str, float | None]) -> list[Judgement]:
    """Each objective against its figure."""
    return [_judged(one, values[one.figure]) for one in objectives]


def _judged(one: Objective, value: float | None) -> Judgement:
    return Judgement(one.name, one.target, value, "s" if one.figure.endswith("_s") else "", value is not None and one.is_met(value))


def verdict(judgements: Sequence[Judgement], results: Results) -> str:
    """``pass`` when every objective is met and no checker found anything."""
    return "pass" if all(judgement.met for judgement in judgements) and not results.findings else "fail"
