"""``inova sim hosts|faults|clock|world|calls``: a running simulation on the command line, through its control plane."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import click

from fake_xapi.control.client import DEFAULT_URL, Control, ControlError

Told = Callable[[dict[str, Any]], None]
VARIABLE = "INOVA_CONTROL"
WIDE = 200
"""Columns of a table that no terminal shows."""
NUMBERS = {"ignore_unknown_options": True}
"""For commands whose arguments are numbers: -5 is one of them, which the simulation refuses, and no option."""


@dataclass(frozen=True, slots=True)
class Session:
    """Where the simulation is, and how its answers are to be printed."""

    control: str = DEFAULT_URL
    as_json: bool = False

    def ask(self, act: Callable[[Control], dict[str, Any] | None], tell: Told) -> None:
        """Do something and print what is answered. ClickException for what is refused."""
        try:
            answer = act(Control(self.control)) or {}
            if self.as_json:
                click.echo(json.dumps(answer))
            else:
                tell(answer)
        except ControlError as refusal:
            raise click.ClickException(str(refusal)) from refusal


def talking(group: click.Group) -> click.Group:
    """A group whose commands talk to a control plane: each is told where it is, and in which form to print."""
    for command in group.commands.values():
        where = "The control plane, as sim serve printed it."
        command.params += [
            _heeded("--control", default=DEFAULT_URL, show_default=True, envvar=VARIABLE, help=where),
            _heeded("--json", "as_json", is_flag=True, help="Print what is answered as JSON."),
        ]
    return group


def _heeded(*names: str, **options: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_heed, **options)


def _heed(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    ctx.obj = replace(ctx.obj or Session(), **{str(option.name): value})


# ---- hosts --------------------------------------------------------------------------------------------------------------------


@click.group()
def hosts() -> None:
    """List hosts; let one die or live again; fork one."""


@hosts.command("list")
@click.option("--name", default="*", help="A glob over their names.")
@click.option("--state", default=None, help="up, disabled, isolated, off or dead.")
@click.option("--after", default=None, help="Go on after this one.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.pass_obj
def list_hosts(session: Session, /, **query: Any) -> None:
    """List hosts, in the order of their names."""
    session.ask(lambda control: control.hosts(**query), _tell_hosts)


@hosts.command()
@click.argument("host")
@click.pass_obj
def show(session: Session, host: str) -> None:
    """Show a host with its VMs, storage and tasks."""
    session.ask(lambda control: control.host(host), _tell_host)


@hosts.command()
@click.argument("host")
@click.pass_obj
def kill(session: Session, host: str) -> None:
    """Let a host die: its connections end, and new ones as soon as they are made."""
    session.ask(lambda control: control.set_alive(host, alive=False), _tell_state)


@hosts.command()
@click.argument("host")
@click.pass_obj
def revive(session: Session, host: str) -> None:
    """Let a host live again."""
    session.ask(lambda control: control.set_alive(host, alive=True), _tell_state)


@hosts.command()
@click.argument("host")
@click.pass_obj
def fork(session: Session, host: str) -> None:
    """Make a host more that begins where this one is: the same refs and sessions, at another address."""
    session.ask(lambda control: control.fork_host(host), lambda made: click.echo(f"{made['name']} at {made['url']}"))


# ---- faults -------------------------------------------------------------------------------------------------------------------


@click.group()
def faults() -> None:
    """Let things go wrong, and right again."""


@faults.command("list")
@click.pass_obj
def list_faults(session: Session) -> None:
    """List the rules in force, with how often each struck."""
    session.ask(lambda control: control.faults(), _tell_faults)


@faults.command()
@click.argument("effect")
@click.option("--host", help="A glob over the names of hosts.")
@click.option("--message", help="A glob over messages (VM.*) and transfers (put_import_raw_vdi).")
@click.option("--subject", help="A glob over refs, uuids and name_labels of what a call names.")
@click.option("--at", help="A phase of an operation (VDI.copy) instead of whole calls.")
@click.option("--nth", type=click.IntRange(1), help="Only the nth call that matches.")
@click.option("--count", type=click.IntRange(1), help="No more than so many calls.")
@click.option("--probability", type=float, help="So likely each time.")
@click.option("--stream", help="Rules of the same stream draw from the same chance.")
@click.option("--seconds", type=float, help="Of delay and clock-skew.")
@click.option("--fraction", type=float, help="Of truncate.")
@click.option("--code", help="The error of refuse.")
@click.option("--param", "params", multiple=True, help="A parameter of that error; once for each.")
@click.pass_obj
def add(session: Session, /, effect: str, **options: Any) -> None:
    """Add a rule: refuse, delay, lose-reply, drop, truncate, hang, dead, full-sr, lost-network, clock-skew, or fist:NAME.

    fist:NAME is one of XAPI's own names of faults, such as fist:pause_storage_migrate.
    """
    session.ask(lambda control: control.add_fault(_rule(effect, options)), lambda fault: _tell_faults({"faults": [fault]}))


@faults.command()
@click.argument("handle", type=int)
@click.pass_obj
def remove(session: Session, handle: int) -> None:
    """Remove a rule, and let go what it holds."""
    session.ask(lambda control: control.remove_fault(handle), lambda _: click.echo(f"rule {handle} is gone"))


@faults.command()
@click.argument("handle", type=int)
@click.pass_obj
def release(session: Session, handle: int) -> None:
    """Let go what a rule holds now; later calls it holds again."""
    session.ask(lambda control: control.release_fault(handle), lambda answer: click.echo(f"{answer['released']} released"))


@faults.command()
@click.pass_obj
def clear(session: Session) -> None:
    """Remove all rules."""
    session.ask(lambda control: control.clear_faults(), lambda _: click.echo("nothing goes wrong any more"))


def _rule(effect: str, options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if effect.startswith("fist:"):
        return {"fist": effect.removeprefix("fist:"), **given}
    parts = {name: given.pop(name) for name in ("seconds", "fraction", "code", "params") if name in given}
    if "params" in parts:
        parts["params"] = list(parts["params"])
    return {"effect": {"kind": effect, **parts}, **given}


# ---- clock --------------------------------------------------------------------------------------------------------------------


@click.group()
def clock() -> None:
    """Look at the simulation's time, and pace it."""


@clock.command()
@click.pass_obj
def now(session: Session) -> None:
    """Tell what date it is, and how fast time passes."""
    session.ask(lambda control: control.clock(), _tell_clock)


@clock.command(context_settings=NUMBERS)
@click.argument("speed", type=float)
@click.pass_obj
def speed(session: Session, speed: float) -> None:
    """Let time pass so many times as fast as on the real clock."""
    session.ask(lambda control: control.set_pace(speed=speed), _tell_clock)


@clock.command()
@click.pass_obj
def pause(session: Session) -> None:
    """Let the time stand still; what takes no time is answered as ever."""
    session.ask(lambda control: control.set_pace(paused=True), _tell_clock)


@clock.command()
@click.pass_obj
def resume(session: Session) -> None:
    """Let the time go on."""
    session.ask(lambda control: control.set_pace(paused=False), _tell_clock)


@clock.command(context_settings=NUMBERS)
@click.argument("count", type=int, default=1)
@click.pass_obj
def step(session: Session, count: int) -> None:
    """Go to the next thing that is set to happen, COUNT times."""
    session.ask(lambda control: control.step(count), _tell_clock)


@clock.command(context_settings=NUMBERS)
@click.argument("seconds", type=float)
@click.pass_obj
def jump(session: Session, seconds: float) -> None:
    """Let SECONDS pass at once: all that would have happened meanwhile happens, in its order."""
    session.ask(lambda control: control.jump(seconds), _tell_clock)


# ---- what is printed ----------------------------------------------------------------------------------------------------------


def _tell_hosts(answer: dict[str, Any]) -> None:
    columns = ("name", "state", "url", "vms_running", "vms_resting", "tasks", "faults")
    tell_table(columns, ([host[column] for column in columns] for host in answer["hosts"]))
    if answer["next"]:
        click.echo(f"of {answer['total']}; go on with --after {answer['next']}")


def _tell_host(host: dict[str, Any]) -> None:
    click.echo(f"{host['name']} {host['state']} {host['url']} {host['uuid']} release {host['release']}")
    tell_table(("VM", "power state", "uuid"), ([vm["name_label"], vm["power_state"], vm["uuid"]] for vm in host["vms"]))
    tell_table(
        ("SR", "type", "used", "size"), ([sr["name_label"], sr["type"], sr["used_bytes"], sr["size_bytes"]] for sr in host["storage"])
    )
    tell_table(("task", "progress"), ([task["name_label"], f"{task['progress']:.0%}"] for task in host["tasks_under_way"]))


def _tell_state(host: dict[str, Any]) -> None:
    click.echo(f"{host['name']} is {host['state']}")


def _tell_faults(answer: dict[str, Any]) -> None:
    if not answer["faults"]:
        click.echo("no rule is in force")
    rows = ([fault["handle"], fault["hits"], fault["held"], json.dumps(fault["rule"])] for fault in answer["faults"])
    tell_table(("rule", "hits", "holds", "what it says"), rows)


def _tell_clock(answer: dict[str, Any]) -> None:
    pace = "paused" if answer["is_paused"] else f"at {answer['speed']:g} times the real time"
    passed = f", {answer['passed_s']:g} s later" if "passed_s" in answer else ""
    click.echo(f"{answer['date']} {pace}{passed}")


def tell_table(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a table; one without rows is left out."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row))
    if table.row_count:
        console = Console()
        if not console.is_terminal:
            console.width = WIDE
        console.print(table)


COMMANDS: Mapping[str, click.Group] = {"hosts": talking(hosts), "faults": talking(faults), "clock": talking(clock)}
"""The commands of this module below ``inova sim``."""
