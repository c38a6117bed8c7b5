"""``inova sim``: simulated XenServer hosts on the command line."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fake_xapi.fleet.fleet import Fleet, Order
    from fake_xapi.state.world import World


@click.group()
def sim() -> None:
    """Simulate XenServer hosts that real XenAPI clients can talk to."""


@sim.command()
@click.option("--hosts", default=1, show_default=True, type=click.IntRange(1), help="How many stand-alone hosts, each its own pool.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="The port of every host.")
@click.option("--seed", default=0, show_default=True, help="Decides every uuid, ref and chance.")
@click.option("--personality", default="latest", show_default=True, help="The release: a code name or a version, e.g. clearwater or 6.2.")
@click.option("--user", default="root", show_default=True, help="The local superuser.")
@click.option("--password", default="xenroot", show_default="xenroot", help="The local superuser's password.")
@click.option("--profile", default="realistic", show_default=True, help="How long operations take: realistic, instant, or a JSON file.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Load the hosts from this file if it is there; save them to it at the end.",
)
@click.option("--inventory", type=click.Path(path_type=Path, dir_okay=False), help="Write the hosts to this file as JSON when all answer.")
@click.option("--json", "as_json", is_flag=True, help="Print the inventory as JSON instead of a table.")
def serve(  # noqa: PLR0917  # one parameter for each option
    hosts: int,
    port: int,
    seed: int,
    personality: str,
    user: str,
    password: str,
    profile: str,
    state: Path | None,
    inventory: Path | None,
    as_json: bool,
) -> None:
    """Serve simulated hosts on loopback addresses until SIGTERM or SIGINT.

    Each host has an address of its own (127.0.1.1, 127.0.1.2, ...) and the same port. When every host answers, the inventory is written
    and printed, then one line that begins with "ready".
    """
    from fake_xapi.engine.durations import BadProfile, durations
    from fake_xapi.engine.settings import Settings
    from fake_xapi.fleet.addresses import has_all_loopback
    from fake_xapi.fleet.fleet import Order
    from fake_xapi.state.storage import BadWorldFile

    order = Order(hosts, seed, _checked_personality(personality), port, has_all_loopback())
    try:
        settings = Settings(user=user, password=password, durations=durations(profile), login_delay_s=0.0 if profile == "instant" else 5.0)
        _run(_serve(order, settings, state, inventory, as_json=as_json))
    except (BadProfile, BadWorldFile) as refusal:
        raise click.ClickException(str(refusal)) from refusal
    except OSError as error:
        raise click.ClickException(f"port {port} cannot be served: {error.strerror or error}; take another --port") from error


def _checked_personality(name: str) -> str:
    from fake_xapi.datamodel.personality import personality

    try:
        personality(name)
    except ValueError as refusal:
        raise click.ClickException(str(refusal)) from refusal
    return name


def _run(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(main)


async def _serve(order: Order, settings: Any, state: Path | None, inventory: Path | None, *, as_json: bool) -> None:
    from fake_xapi.engine.clock import Clock
    from fake_xapi.fleet.fleet import Fleet
    from fake_xapi.fleet.state_file import save_fleet

    stop = _stop_signal()
    clock = Clock(datetime.now(UTC), asyncio.get_running_loop().time())
    fleet = Fleet(order, settings, clock, _saved(state, order))
    try:
        await _serve_until(fleet, stop, inventory, as_json=as_json)
    finally:
        await fleet.close()
    if state is not None:
        save_fleet(fleet, state)


def _saved(state: Path | None, order: Order) -> Mapping[str, World] | None:
    """The worlds of a state file that is there."""
    from fake_xapi.fleet.state_file import load_fleet

    return load_fleet(state, order) if state is not None and state.exists() else None


def _stop_signal() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _serve_until(fleet: Fleet, stop: asyncio.Event, inventory: Path | None, *, as_json: bool) -> None:
    from fake_xapi.transports.http import HttpServer

    order = fleet.order
    async with HttpServer(fleet) as server:
        if order.has_own_addresses:
            await server.listen(order.port)
        else:
            await server.listen_at("127.0.0.1", range(order.port, order.port + order.hosts))
        rows = fleet.inventory()
        if inventory is not None:
            _write(inventory, json.dumps(rows, indent=1) + "\n")
        _print(rows, as_json=as_json)
        click.echo(f"ready: {len(rows)} hosts of {order.personality}, {rows[0]['url']} to {rows[-1]['url']}")
        await stop.wait()


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


MOST_ROWS = 20
"""A table of more hosts is cut: nobody reads ten thousand rows, and the file has them all."""


def _print(rows: list[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "uuid", "url", "user")
    for row in rows[:MOST_ROWS]:
        table.add_row(*row.values())
    Console().print(table)
    if len(rows) > MOST_ROWS:
        click.echo(f"... and {len(rows) - MOST_ROWS} more; --inventory FILE and --json list them all")
