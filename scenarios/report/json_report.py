"""The report as JSON: verdict, seed, servers, objectives, figures, findings. Also how any report gets to its file whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scenarios.figures import Judgement, Results, counts, figures, verdict
from scenarios.scenario import Scenario


def as_json(scenario: Scenario, seed: int, results: Results, judgements: Sequence[Judgement]) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "scenario": scenario.name,
        "verdict": verdict(judgements, results),
        "seed": seed,
        "servers": counts(results),
        "objectives": [{name: getattr(judgement, name) for name in ("name", "target", "value", "met")} for judgement in judgements],
        "figures": {name: None if value is None else round(value, 3) for name, value in figures(results).items()},
        "findings": [asdict(finding) for finding in results.findings],
        "phases": [{"name": name, "began_s": round(began, 3), "ended_s": round(ended, 3)} for name, began, ended in results.phases],
        "failures": [
            {"server": trial.uuid or trial.name, "reason": trial.reason, "expected": trial.is_doomed}
            for trial in results.servers
            if trial.active_s is None
        ],
        "smoke_failures": [asdict(trial) for trial in results.smoke if not trial.passed],
    }


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place and move it there: nobody reads half of it."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write the JSON report."""
    write_whole(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
