"""The command ``core firstgen``: move VMs from Xen hosts of the first generation to XenServer hosts, and tell what came of it.

Knows what to tell people; the work is in `mover`.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from compute_core.tables import Column, Refused, json_option, show

if TYPE_CHECKING:
    from compute_core.firstgen.fleet import Generations
    from compute_core.firstgen.journal import Line
    from compute_core.firstgen.move import Pace
    from compute_core.firstgen.mover import Mover, Order, Outcome, Prospect

STATE = Path("inova-moves")
T = TypeVar("T")
Command = Callable[..., None]
path_option = click.Path(path_type=Path, dir_okay=False)

journals_option = click.option(
    "--journals", type=click.Path(path_type=Path, file_okay=False), default=STATE, show_default=True,
    help="The folder with a journal for each move.",
)  # fmt: skip
ACCESS_OPTIONS = (
    click.option(
        "--generations", type=path_option, default=Path("generations.json"), show_default=True, help="Xen hosts and destinations."
    ),
    click.option("--inventory", type=path_option, default=Path("hosts.json"), show_default=True, help="The XenServer hosts."),
    click.option("--user", default="root", show_default=True, help="For hosts that the inventory gives no user."),
    click.option("--password", envvar="INOVA_XENAPI_PASSWORD", help="For hosts without one. Better the variable INOVA_XENAPI_PASSWORD."),
    journals_option,
)
PACE_OPTIONS = (
    click.option("--bwlimit", "bwlimit_kib", type=click.IntRange(0), default=0, help="KiB a second for each copy. [default: no limit]"),
    click.option("--per-source", type=click.IntRange(1), default=2, show_default=True, help="Moves at once from one Xen host."),
    click.option("--per-destination", type=click.IntRange(1), default=2, show_default=True, help="Moves at once to one XenServer host."),
    click.option("--shutdown-limit", "shutdown_s", type=float, default=300.0, show_default=True, help="Seconds until a VM is destroyed."),
    click.option("--fall-back", "falls_back", is_flag=True, help="Abandon a move that stops, so that the original runs again at once."),
)

PROSPECTS = (
    Column("vm", lambda row: row["vm"]),
    Column("runs", lambda row: {True: "yes", False: "no", None: ""}[row["is_running"]]),
    Column("memory MiB", lambda row: row["memory_mib"]),
    Column("disk MiB", lambda row: row["disk_bytes"] >> 20),
    Column("to", lambda row: row["destination"]),
    Column("problem", lambda row: row["problem"]),
)
OUTCOMES = (
    Column("vm", lambda row: row["vm"]),
    Column("state", lambda row: row["state"]),
    Column("problem", lambda row: row["problem"]),
)
STATUS = (
    Column("vm", lambda row: f"{row['source']}/{row['vm']}"),
    Column("to", lambda row: row["destination"]),
    Column("state", lambda row: row["state"]),
    Column("step", lambda row: row["step"]),
    Column("since", lambda row: row["since"][:19]),
    Column("problem", lambda row: row["problem"]),
)
REPORT = (
    Column("vm", lambda row: f"{row['source']}/{row['vm']}"),
    Column("to", lambda row: row["destination"]),
    Column("state", lambda row: row["state"]),
    Column("downtime s", lambda row: "" if row["downtime_s"] is None else f"{row['downtime_s']:.1f}"),
    Column("copied MiB", lambda row: f"{row['copied_bytes'] / (1 << 20):.1f}"),
    Column("caught up MiB", lambda row: f"{row['caught_up_bytes'] / (1 << 20):.1f}"),
    Column("imported MiB", lambda row: f"{row['imported_bytes'] / (1 << 20):.1f}"),
    Column("disk MiB", lambda row: row["disk_bytes"] >> 20),
)


@click.group()
def firstgen() -> None:
    """Move VMs from Xen hosts (xm, LVM) to XenServer hosts.

    VMS are SOURCE/NAME, or SOURCE for all VMs of a Xen host. The original stays as it is until its move is confirmed.
    """


def _takes(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    return lambda command: functools.reduce(lambda given, option: option(given), reversed(options), command)


vms_argument = click.argument("vms", nargs=-1, required=True)
some_vms_argument = click.argument("vms", nargs=-1)
to_option = click.option("--to", "wanted", default="", metavar="HOST", help="The XenServer host. [default: the one with most room]")


@firstgen.command()
@vms_argument
@to_option
@_takes(*ACCESS_OPTIONS)
@json_option
def plan(*, vms: tuple[str, ...], wanted: str, is_json: bool, **access: Any) -> None:
    """List what VMs there are and where each would go. Nothing is changed."""
    from compute_core.firstgen.move import Pace

    async def prospects(mover: Mover) -> list[Prospect]:
        return await mover.plan(await _orders(mover, vms, wanted))

    show([_prospect_row(each) for each in _run(prospects, Pace(), **access)], PROSPECTS, is_json=is_json)


@firstgen.command()
@vms_argument
@to_option
@_takes(*ACCESS_OPTIONS, *PACE_OPTIONS)
@json_option
def move(*, vms: tuple[str, ...], wanted: str, is_json: bool, **options: Any) -> None:
    """Move VMs: their copies run afterwards, and the originals are off and whole until `confirm`."""

    async def work(mover: Mover) -> list[Outcome]:
        return await mover.move(await _orders(mover, vms, wanted))

    _conclude(work, options, is_json=is_json)


@firstgen.command()
@some_vms_argument
@_takes(*ACCESS_OPTIONS, *PACE_OPTIONS)
@json_option
def resume(*, vms: tuple[str, ...], is_json: bool, **options: Any) -> None:
    """Go on with moves that have stopped or were cut off: these, or all of them."""
    orders = _begun(options["journals"], vms, {"moving", "failed"})
    _conclude(lambda mover: mover.resume(orders), options, is_json=is_json)


@firstgen.command()
@vms_argument
@_takes(*ACCESS_OPTIONS)
@json_option
def confirm(*, vms: tuple[str, ...], is_json: bool, **options: Any) -> None:
    """The copies are good: destroy the originals, their volumes and their files."""
    orders = _begun(options["journals"], vms, {"arrived", "confirming"})
    _conclude(lambda mover: mover.confirm(orders), options, is_json=is_json)


@firstgen.command()
@vms_argument
@_takes(*ACCESS_OPTIONS)
@json_option
def abandon(*, vms: tuple[str, ...], is_json: bool, **options: Any) -> None:
    """Take moves back: the copies go, the originals run as they did."""
    orders = _begun(options["journals"], vms, {"moving", "failed", "arrived", "abandoning"})
    _conclude(lambda mover: mover.abandon(orders), options, is_json=is_json)


@firstgen.command()
@journals_option
@json_option
def status(*, journals: Path, is_json: bool) -> None:
    """List the moves and how far each has come."""
    show(_rows(journals), STATUS, is_json=is_json)


@firstgen.command()
@journals_option
@json_option
def report(*, journals: Path, is_json: bool) -> None:
    """List what each move has cost: seconds during which neither original nor copy ran, and bytes on the network."""
    show(_rows(journals), REPORT, is_json=is_json)


def _rows(journals: Path) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from compute_core.firstgen import mover
    from compute_core.firstgen.journal import read
    from compute_core.firstgen.report import row_of

    return [asdict(row_of(order.source, order.name, read(path))) for order, path in mover.journals(journals)]


async def _orders(mover: Mover, vms: Sequence[str], wanted: str) -> list[Order]:
    from compute_core.firstgen.mover import Order

    orders: list[Order] = []
    for text in vms:
        source, _, name = text.partition("/")
        orders += [Order(source, name, wanted)] if name else [Order(source, each.name, wanted) for each in await mover.all_of(source)]
    return orders


def _begun(journals: Path, vms: Sequence[str], states: set[str]) -> list[Order]:
    """The moves that are named: SOURCE/NAME as it is; SOURCE, or nothing, for all that are in such a state."""
    from compute_core.firstgen import mover
    from compute_core.firstgen.journal import read

    fitting = [order for order, path in mover.journals(journals) if read(path).state in states]
    if not vms:
        return fitting
    named = [mover.Order(*text.split("/", 1)) for text in vms if "/" in text]
    return named + [order for order in fitting if order.source in vms]


def _conclude(work: Callable[[Mover], Awaitable[list[Outcome]]], options: dict[str, Any], *, is_json: bool) -> None:
    """Do it, tell what came of it; ends with 1 when something stopped."""
    from compute_core.firstgen.move import Pace

    pace = Pace(**{name: options.pop(name) for name in tuple(options) if name in Pace.__slots__})
    outcomes = _run(work, pace, **options)
    show([{"vm": str(each.order), "state": each.state, "problem": each.problem} for each in outcomes], OUTCOMES, is_json=is_json)
    if any(each.problem for each in outcomes):
        raise click.exceptions.Exit(1)


def _run(
    work: Callable[[Mover], Awaitable[T]],
    pace: Pace,
    *,
    generations: Path,
    inventory: Path,
    user: str,
    password: str | None,
    journals: Path,
) -> T:
    import asyncio

    from compute_core.firstgen.fleet import read_generations
    from compute_core.firstgen.move import PROBLEMS
    from compute_core.settings import BadSettings, read_inventory

    async def main() -> T:
        hosts = {host.name: host for host in read_inventory(inventory, user=user, password=password)}
        async with _mover(read_generations(generations, hosts), pace, journals) as mover:
            return await work(mover)

    try:
        return asyncio.run(main())
    except BadSettings as problem:
        raise Refused(str(problem)) from None
    except PROBLEMS as problem:
        raise click.ClickException(str(problem)) from None


@asynccontextmanager
async def _mover(generations: Generations, pace: Pace, journals: Path) -> AsyncIterator[Mover]:
    from datetime import UTC, datetime

    from compute_core.firstgen.kit import look_into
    from compute_core.firstgen.move import Means
    from compute_core.firstgen.mover import Mover
    from compute_core.firstgen.pools import Placing, Pools
    from compute_core.firstgen.ssh import Ssh
    from compute_core.model.clock import Clock
    from compute_core.xenapi.http import HttpTransport

    kit = look_into(generations.kit)
    async with Ssh(generations.known_hosts, generations.key) as shell, Pools(generations.destinations, HttpTransport) as pools:
        means = Means(generations, shell, pools, Placing(pools, generations), kit, pace)
        yield Mover(means, journals, Clock.starting(datetime.now(UTC)), _tell)


def _tell(order: Order, line: Line) -> None:
    """Follow a move on stderr."""
    if line.event != "noted":
        click.echo(f"{line.at[:19]} {order}: {line.step} {line.event}", err=True)


def _prospect_row(prospect: Prospect) -> dict[str, Any]:
    guest = prospect.guest
    return {
        "vm": str(prospect.order),
        "is_running": guest.is_running if guest else None,
        "memory_mib": guest.config.memory_mib if guest else 0,
        "vcpus": guest.config.vcpus if guest else 0,
        "volume": guest.config.volume if guest else "",
        "disk_bytes": prospect.size_bytes,
        "destination": prospect.destination,
        "problem": prospect.problem,
    }
