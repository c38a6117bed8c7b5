"""``inova sim world|calls``: what was and is in a running simulation, and what it is asked, on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from fake_xapi.control.cli import NUMBERS, Session, talking, tell_table
from fake_xapi.control.client import Control, ControlError

# ---- worlds -------------------------------------------------------------------------------------------------------------------


@click.group()
def world() -> None:
    """Look into worlds; go back to what they were; snapshot, compare, save and load the whole fleet."""


@world.command()
@click.argument("host")
@click.pass_obj
def show(session: Session, host: str) -> None:
    """Tell how large the world of a host is, and how far back it is known."""
    session.ask(lambda control: control.world(host), _tell_world)


@world.command()
@click.argument("host")
@click.argument("cls", metavar="CLASS")
@click.option("--after", type=int, default=0)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.pass_obj
def objects(session: Session, /, host: str, cls: str, **query: Any) -> None:
    """Print the records of a class (VM, VDI, SR, ...), one a line."""
    session.ask(lambda control: control.objects(host, cls, **query), _tell_objects)


@world.command()
@click.argument("host", default="*")
@click.option("--keep", type=click.IntRange(0), help="Keep so many generations from now on, of all hosts that HOST matches; 0: none.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.pass_obj
def journal(session: Session, host: str, keep: int | None, limit: int) -> None:
    """List what happened to the world of a host, newest first; with --keep, begin to remember."""
    if keep is not None:
        session.ask(lambda control: control.keep_journals(keep, host), _tell_kept)
    else:
        session.ask(lambda control: control.journal(host, limit=limit), _tell_journal)


@world.command(context_settings=NUMBERS)
@click.argument("host")
@click.argument("generation", type=click.IntRange(0))
@click.pass_obj
def rewind(session: Session, host: str, generation: int) -> None:
    """Let the world of a host be again what it was in a GENERATION of its journal."""
    session.ask(lambda control: control.rewind(host, generation), _tell_world)


@world.command()
@click.argument("old")
@click.argument("new", default="now")
@click.option("--host", help="One host, object by object; OLD and NEW may then be generations of its journal too.")
@click.pass_obj
def diff(session: Session, old: str, new: str, host: str | None) -> None:
    """Tell what differs between two snapshots, or one and now."""
    if host is None:
        session.ask(lambda control: control.diff_snapshots(old, new), _tell_counts)
    else:
        session.ask(lambda control: control.diff_world(host, old, new), _tell_changes)


@world.command()
@click.argument("name")
@click.pass_obj
def snapshot(session: Session, name: str) -> None:
    """Remember every world and disk as it is now, at no cost."""
    session.ask(lambda control: control.take_snapshot(name), lambda made: click.echo(f"{made['name']}: {made['worlds']} worlds"))


@world.command()
@click.pass_obj
def snapshots(session: Session) -> None:
    """List the snapshots."""
    session.ask(lambda control: control.snapshots(), _tell_snapshots)


@world.command()
@click.argument("name")
@click.pass_obj
def restore(session: Session, name: str) -> None:
    """Let every world be again what it was when a snapshot was taken."""
    session.ask(lambda control: control.restore_snapshot(name), lambda made: click.echo(f"as it was at {made['date']}"))


@world.command()
@click.argument("name")
@click.pass_obj
def forget(session: Session, name: str) -> None:
    """Forget a snapshot."""
    session.ask(lambda control: control.remove_snapshot(name), lambda _: click.echo(f"{name} is gone"))


@world.command()
@click.argument("file")
@click.pass_obj
def save(session: Session, file: str) -> None:
    """Write the fleet as it is now to a FILE in the simulation's snapshot folder."""
    session.ask(lambda control: control.save(file), lambda answer: click.echo(answer["file"]))


@world.command()
@click.argument("file")
@click.argument("name")
@click.pass_obj
def load(session: Session, file: str, name: str) -> None:
    """Make a snapshot called NAME of a FILE that was saved; restore it to go back."""
    session.ask(lambda control: control.load(file, name), lambda made: click.echo(f"{made['name']}: {made['worlds']} worlds"))


# ---- calls --------------------------------------------------------------------------------------------------------------------


@click.group()
def calls() -> None:
    """See what the hosts are asked, and how they answer."""


def matching(command: click.Command) -> click.Command:
    """The options that choose calls."""
    for name in ("outcome", "host", "message"):
        command.params.append(click.Option([f"--{name}"], default="*", help=f"A glob over the {name}."))
    return command


@click.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.pass_obj
def list_calls(session: Session, /, **query: Any) -> None:
    """List the last calls, oldest first."""
    session.ask(lambda control: control.calls(**query), _tell_calls)


@click.command()
@click.option("--count", type=click.IntRange(1), help="End after so many.")
@click.pass_obj
def follow(session: Session, /, count: int | None, **query: Any) -> None:
    """Print each call as it ends, until interrupted."""
    session.ask(lambda control: _follow(control, count, query), lambda _: None)


@calls.command()
@click.option("--reset", is_flag=True, help="Count from nothing again afterwards.")
@click.pass_obj
def counters(session: Session, /, **options: bool) -> None:
    """Count calls and errors by message, with their latencies."""

    def asked(control: Control) -> dict[str, Any]:
        answer = control.counters()
        if options["reset"]:
            control.reset_counters()
        return answer

    session.ask(asked, _tell_counters)


calls.add_command(matching(list_calls))
calls.add_command(matching(follow))


def _follow(control: Control, count: int | None, query: Mapping[str, Any]) -> None:
    for number, call in enumerate(control.follow_calls(**query), start=1):
        click.echo(_line(call))
        if number == count:
            return
    raise ControlError("the simulation has ended")


# ---- what is printed ----------------------------------------------------------------------------------------------------------


def _tell_world(answer: dict[str, Any]) -> None:
    journal = answer["journal"]
    known = f"known from {journal['oldest']} on" if journal else "no journal"
    click.echo(f"{answer['host']} release {answer['release']}, generation {answer['generation']}, {known}, {answer['disks']} disks")
    tell_table(("class", "objects"), answer["objects"].items())


def _tell_objects(answer: dict[str, Any]) -> None:
    for found in answer["objects"]:
        click.echo(json.dumps(found))
    if answer["next"]:
        click.echo(f"there are more; go on with --after {answer['next']}", err=True)


def _tell_kept(answer: dict[str, Any]) -> None:
    click.echo(f"{answer['worlds']} worlds keep {answer['most']} generations")


def _tell_journal(answer: dict[str, Any]) -> None:
    rows = ([entry["generation"], entry["date"], entry["cause"], " ".join(entry["touched"])] for entry in answer["entries"])
    tell_table(("generation", "date", "cause", "touched"), rows)


def _tell_counts(answer: dict[str, Any]) -> None:
    rows = ([host, cls, json.dumps(kinds)] for host, classes in answer["worlds"].items() for cls, kinds in classes.items())
    tell_table(("host", "class", "objects"), rows)


def _tell_changes(answer: dict[str, Any]) -> None:
    rows = ([change["kind"], change["class"], change["name_label"], json.dumps(change["fields"])] for change in answer["changes"])
    tell_table(("kind", "class", "name_label", "fields"), rows)


def _tell_snapshots(answer: dict[str, Any]) -> None:
    tell_table(("name", "date", "worlds"), (snapshot.values() for snapshot in answer["snapshots"]))


def _line(call: Mapping[str, Any]) -> str:
    return f"{call['date']} {call['host']} {call['message']} {call['outcome']} {call['took_s']:g} s"


def _tell_calls(answer: dict[str, Any]) -> None:
    for call in answer["calls"]:
        click.echo(_line(call))


def _tell_counters(answer: dict[str, Any]) -> None:
    click.echo(f"{answer['calls']} calls, {answer['errors']} errors, {answer['under_way']} under way")
    rows = (
        [name, found["calls"], sum(found["errors"].values()), *found["latency_s"].values()] for name, found in answer["messages"].items()
    )
    tell_table(("message", "calls", "errors", "mean s", "p50", "p95", "p99"), rows)


COMMANDS: Mapping[str, click.Group] = {"world": talking(world), "calls": talking(calls)}
"""The commands of this module below ``inova sim``."""
