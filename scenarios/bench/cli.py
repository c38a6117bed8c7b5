"""``inova bench``: the benchmarks by name, and the table of what they found."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from scenarios.bench.row import Row
from scenarios.report.json_report import write_whole

BENCHMARKS: Mapping[str, str] = {
    "fleet": "scenarios.bench.fleet_start",
    "http": "scenarios.bench.http_calls",
    "memory": "scenarios.bench.vm_memory",
    "power": "scenarios.bench.power_operations",
    "events": "scenarios.bench.event_waiters",
    "spawn": "scenarios.bench.spawn_calls",
    "rehearsal": "scenarios.bench.rehearsals",
}
"""Modules with ``measure() -> Iterator[Row]``, quick ones first."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the rows to this file as JSON.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the table to this file as Markdown.")
def bench(names: tuple[str, ...], json_file: Path | None, markdown: Path | None) -> None:
    """Measure the product against its targets and its peers; exit 1 when a row misses its target.

    Without a name all run, which takes some minutes.
    """
    rows = []
    for row in _measured(names or tuple(BENCHMARKS)):
        rows.append(row)
        click.echo(f"{row.name}: {row.value:,.4g} {row.unit} (target {row.target:,.4g}, {'met' if row.met else 'MISSED'}; {row.peer})")
    Console().print(_table(rows))
    if json_file is not None:
        write_whole(json_file, json.dumps([{**asdict(row), "met": row.met} for row in rows], indent=2, ensure_ascii=False) + "\n")
    if markdown is not None:
        write_whole(markdown, as_markdown(rows))
    raise SystemExit(0 if all(row.met for row in rows) else 1)


def _measured(names: tuple[str, ...]) -> Iterator[Row]:
    for name in names:
        yield from importlib.import_module(BENCHMARKS[name]).measure()


def _table(rows: list[Row]) -> Table:
    table = Table(title="Benchmarks", show_lines=False)
    for heading in ("what", "measured", "target", "met", "peer", "note"):
        table.add_column(heading)
    for row in rows:
        met = "[green]yes" if row.met else "[red]no"
        table.add_row(row.name, f"{row.value:,.4g} {row.unit}", f"{row.target:,.4g}", met, row.peer, row.note)
    return table


def as_markdown(rows: list[Row]) -> str:
    """The table for ``docs/generated``."""
    lines = [
        "<!-- Written by `inova bench --markdown`; figures of the machine that it ran on. -->",
        "",
        "# Benchmarks",
        "",
        "| what | measured | target | met | peer | note |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.name} | {row.value:,.4g} {row.unit} | {row.target:,.4g} | {'yes' if row.met else 'no'} | {row.peer} | {row.note} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"
