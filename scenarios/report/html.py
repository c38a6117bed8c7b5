"""The report as one HTML page with its plots inside: it opens without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import pygal
from jinja2 import Environment
from markupsafe import Markup
from pygal.style import CleanStyle

from scenarios.figures import Judgement, Results
from scenarios.scenario import Scenario

POINTS = 200
BARS = 24


def render(scenario: Scenario, report: dict[str, Any], judgements: Sequence[Judgement], results: Results) -> str:
    """The page of a report."""
    source = resources.files("scenarios.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    plots = [Markup(plot(results)) for plot in PLOTS]  # noqa: S704  # the SVG is pygal's own; every text in it is a number or ours
    return template.render(scenario=scenario, report=report, judgements=judgements, plots=plots, faults=results.faults)


def _config(title: str, x_title: str, y_title: str) -> dict[str, Any]:
    return {
        "title": title,
        "x_title": x_title,
        "y_title": y_title,
        "js": [],
        "style": CleanStyle(font_family="sans-serif"),
        "width": 900,
        "height": 360,
        "explicit_size": True,
        "disable_xml_declaration": True,
        "no_data_text": "nothing was measured",
    }


def _text(chart: Any) -> str:
    return str(chart.render(is_unicode=True))


def _times(results: Results) -> list[float]:
    return sorted(trial.time_to_active_s for trial in results.servers if trial.time_to_active_s is not None)


def _distribution(results: Results) -> str:
    """How many servers took how long to become ACTIVE."""
    times = _times(results)
    chart = pygal.Histogram(show_legend=False, **_config("Time to ACTIVE", "seconds", "servers"))
    width = max((times[-1] if times else 1.0) / BARS, 0.001)
    bars = [(sum(n * width <= time < (n + 1) * width for time in times), n * width, (n + 1) * width) for n in range(BARS + 1)]
    chart.add("servers", bars)
    return _text(chart)


def _timeline(results: Results) -> str:
    """Servers asked for, ACTIVE and deleted over the time of the storm."""
    chart = pygal.XY(show_dots=False, **_config("The storm", "seconds since it began", "servers"))
    begun = results.storm_began_s
    series: Sequence[tuple[str, list[float | None]]] = (
        ("asked for", [trial.asked_s for trial in results.servers]),
        ("ACTIVE", [trial.active_s for trial in results.servers]),
        ("failed", [trial.failed_s for trial in results.servers]),
        ("deleted", [trial.deleted_s for trial in results.servers]),
    )
    for name, moments in series:
        chart.add(name, _steps(sorted(moment - begun for moment in moments if moment is not None)))
    return _text(chart)


def _steps(moments: list[float]) -> list[tuple[float, int]]:
    every = max(1, len(moments) // POINTS)
    return [(round(moment, 2), count) for count, moment in enumerate(moments, 1) if count % every == 0 or count == len(moments)]


def _smoke(results: Results) -> str:
    """How long the smoke test of each host took, shortest first."""
    chart = pygal.XY(show_dots=False, show_legend=False, **_config("Smoke tests", "hosts", "seconds"))
    chart.add("seconds", [(n, round(took, 2)) for n, took in enumerate(sorted(trial.took_s for trial in results.smoke), 1)])
    return _text(chart)


PLOTS: tuple[Callable[[Results], str], ...] = (_timeline, _distribution, _smoke)
