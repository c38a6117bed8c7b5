"""How the commands show what they have found, as a table for people or as JSON for programs, and how they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

json_option = click.option("--json", "is_json", is_flag=True, help="Answer in JSON.")


class Refused(click.ClickException):
    """Refused before anything has begun; the message names the cure."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its head and where the value is."""

    head: str
    value: Callable[[dict[str, Any]], Any]


def show(rows: Sequence[dict[str, Any]], columns: Sequence[Column], *, is_json: bool) -> None:
    """Print rows of plain values; JSON has all of them, the table what the columns say."""
    if is_json:
        click.echo(json.dumps(rows, indent=1))
        return
    table = [[column.head for column in columns], *([str(column.value(row)) for column in columns] for row in rows)]
    widths = [max(len(line[position]) for line in table) for position in range(len(columns))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
