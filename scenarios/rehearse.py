"""``inova rehearse``: a whole rollout, live in the terminal, with a report and an exit code that says whether it would have passed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from scenarios import prerequisites
from scenarios.figures import Judgement, Results, figures, judge
from scenarios.image import PROGRAMS
from scenarios.rehearsal import rehearse_on_sockets, rehearse_virtually
from scenarios.report.html import render
from scenarios.report.json_report import as_json, write_json, write_whole
from scenarios.report.output_file import OutputFile, told_when_unwritable
from scenarios.scenario import BadScenario, Scenario, find
from scenarios.sizing import sized

FILE = OutputFile()
MOST_HOSTS = 1_000_000


@click.command()
@click.argument("name", default="cell-rollout")
@click.option("--hosts", type=click.IntRange(1, MOST_HOSTS), help="How many hosts the cell has.  [default: the scenario's]")
@click.option("--servers", type=click.IntRange(1), help="How many servers the storm asks for.  [default: the scenario's]")
@click.option("--seed", default=0, show_default=True, help="Decides every uuid and every chance.")
@click.option("--virtual", is_flag=True, help="Run on virtual time without sockets: the same seed writes the same journal.")
@click.option("--json", "json_file", type=FILE, help="Write the report to this file as JSON.")
@click.option("--html", "html_file", type=FILE, help="Write the report to this file as a page that needs no network.")
@click.option("--log", type=FILE, help="Write what cells and agents log to this file; errors alone are shown otherwise.")
@click.option("--journal", type=FILE, help="Write a line for every event to this file.")
def rehearse(  # noqa: PLR0913  # one parameter for each option
    *,
    name: str,
    hosts: int | None,
    servers: int | None,
    seed: int,
    virtual: bool,
    json_file: Path | None,
    html_file: Path | None,
    log: Path | None,
    journal: Path | None,
) -> None:
    """Roll out a cell of simulated hosts, disturb it, and judge the result.

    NAME is a scenario of the catalogue or a .toml file of your own. Exit code 0: the rollout would have passed; 1: it would not.
    """
    scenario = sized(_scenario(name), hosts, servers, on_virtual_time=virtual)
    _require_tools()
    _send_log(log)
    began_s = time.monotonic()
    with told_when_unwritable(), _Progress(scenario) as progress:
        run = rehearse_virtually if virtual else rehearse_on_sockets
        results = run(scenario, seed, journal, progress.note)
    judgements = judge(scenario.objectives, figures(results))
    report = as_json(scenario, seed, results, judgements)
    report["wall_s"] = round(time.monotonic() - began_s, 1)
    _print(report, judgements, results)
    with told_when_unwritable():
        if json_file is not None:
            write_json(json_file, report)
        if html_file is not None:
            write_whole(html_file, render(scenario, report, judgements, results))
    raise SystemExit(0 if report["verdict"] == "pass" else 1)


def _scenario(name: str) -> Scenario:
    try:
        return find(name)
    except BadScenario as refusal:
        raise click.ClickException(str(refusal)) from refusal


def _require_tools() -> None:
    """The image is made by real tools: as root on Debian they are installed when they are missing, saying so."""
    missing = prerequisites.missing(PROGRAMS)
    if missing and prerequisites.can_install():
        click.echo(f"installing {', '.join(program.package for program in missing)} with apt-get: {missing[0].purpose}", err=True)
        prerequisites.install(missing)
    elif missing:
        raise click.ClickException(f"{', '.join(program.name for program in missing)} missing; {prerequisites.cure(missing)}")


def _send_log(file: Path | None) -> None:
    """A rehearsal is full of troubles that its cell has to cope with: they are for a file, not for the screen."""
    level = logging.ERROR if file is None else logging.INFO
    logging.basicConfig(filename=file, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


_COUNTED: Mapping[str, str] = {"host registered": "hosts registered", "smoke tested": "smoke tests"}
"""Events that advance a progress bar, with the name of the bar."""
_ANNOUNCED = frozenset({"phase begins", "fault begins", "finding"})


class _Progress:
    """Progress bars in a terminal; where there is no terminal, one line for each phase."""

    def __init__(self, scenario: Scenario) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description:>18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=self._console)
        totals = {"hosts registered": scenario.hosts, "smoke tests": scenario.hosts, "servers ACTIVE": scenario.servers}
        self._ids = {name: self._bars.add_task(name, total=total) for name, total in totals.items()}
        self._in_storm = False

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def note(self, event: str, facts: dict[str, Any]) -> None:
        """Show one event of the journal."""
        if event in _COUNTED:
            self._bars.advance(self._ids[_COUNTED[event]])
        elif event == "server" and facts["status"] == "ACTIVE" and self._in_storm:
            self._bars.advance(self._ids["servers ACTIVE"])
        elif event in _ANNOUNCED:
            self._in_storm = facts.get("phase", "storm") == "storm"
            self._console.print(f"{event}: " + ", ".join(str(value) for value in facts.values()), style="dim", highlight=False)


def _print(report: dict[str, Any], judgements: list[Judgement], results: Results) -> None:
    console = Console()
    table = Table("objective", "target", "reached", "", title=f"Rehearsal of {report['scenario']}, seed {report['seed']}")
    for judgement in judgements:
        table.add_row(judgement.name, judgement.wanted, judgement.reached, "[green]met" if judgement.met else "[red]missed")
    console.print(table)
    for finding in results.findings[:20]:
        console.print(f"[red]{finding.checker}[/]: {finding.about} {finding.problem}", highlight=False)
    console.print(_summary(report["servers"], report["wall_s"]), highlight=False)
    style = "green" if report["verdict"] == "pass" else "red"
    console.print(f"[bold {style}]The rollout would {'have passed' if report['verdict'] == 'pass' else 'not have passed'}.")


def _summary(servers: dict[str, int], wall_s: float) -> str:
    """What became of the servers, in a sentence."""
    doomed = f", {servers['doomed']} of them of a damaged image, which must fail" if servers["doomed"] else ""
    ends = ", ".join(f"{servers[name]} {name}" for name in ("active", "failed", "lost"))
    return f"{servers['requested']} servers requested{doomed}: {ends}. {wall_s:g} s."
