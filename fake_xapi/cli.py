"""``inova sim``: simulated XenServer hosts on the command line."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fake_xapi.control import cli as control_cli
from fake_xapi.control import world_cli
from fake_xapi.control.serving import Watch, loop_of, watch_of, watch_options, watched
from fake_xapi.replay import cli as replay_cli

if TYPE_CHECKING:
    from fake_xapi.engine.settings import Settings
    from fake_xapi.fleet.fleet import Fleet, Order
    from fake_xapi.fleet.hardware import Hardware
    from fake_xapi.fleet.state_file import Saved

MOST_ROWS = 20
"""A table of more hosts is cut: nobody reads ten thousand rows, and the file has them all."""
LOGIN_DELAY_S = 5.0
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

FILE = click.Path(path_type=Path, dir_okay=False)
Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What ``serve`` reads and writes beside the hosts themselves."""

    state: Path | None
    inventory: Path | None
    certificates: Path | None
    tls_port: int | None
    as_json: bool
    watch: Watch


@click.group()
def sim() -> None:
    """Simulate XenServer hosts that real XenAPI clients can talk to."""


for _name, _group in {**control_cli.COMMANDS, **world_cli.COMMANDS, **replay_cli.COMMANDS}.items():
    sim.add_command(_group, _name)


_HOW = (
    click.option("--storage", type=FILE, help="The servers, iSCSI targets and LUNs that all hosts can reach, as a JSON file."),
    click.option("--user", default="root", show_default=True, help="The local superuser."),
    click.option("--password", default="xenroot", show_default="xenroot", help="The local superuser's password."),
    click.option("--profile", default="realistic", show_default=True, help="How long operations take: realistic, instant, or a JSON file."),
    click.option(
        "--busy",
        default="wait",
        show_default=True,
        type=click.Choice(["wait", "refuse"]),
        help="What happens to a call on an object with an operation in progress: it waits, as in XAPI, or is refused at once.",
    ),
    click.option(
        "--plugins",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="A folder of your own dom0 plugins: executables, and Python modules of functions; extensions of the API in its extensions/.",
    ),
    click.option(
        "--directory", type=FILE, help="Users and groups of a domain that hosts may join (pool.enable_external_auth), as a JSON file."
    ),
    click.option("--tls-port", type=click.IntRange(0, 65535), help="Serve HTTPS at this port as well; 0 for one that is free."),
    click.option("--certificates", type=FILE, help="Write the certificates of all hosts to this file, for clients to verify them with."),
    watch_options,
)
"""How hosts are served, whatever they are."""


def how_served(command: Command) -> Command:
    """Give a command the options that say how hosts are served."""
    for option in reversed(_HOW):
        command = option(command)
    return command


@sim.command("hash-password")
@click.password_option(help="The password; it is asked for when it is not given.")
def hash_password(password: str) -> None:
    """Print the hash of a password, for the file of --directory."""
    from fake_xapi.fleet.accounts import hash_password as hashed

    click.echo(hashed(password))


@sim.command()
@click.option(
    "--hosts", default=1, show_default=True, type=click.IntRange(1, 1_000_000), help="How many hosts; each is its own pool by default."
)
@click.option("--pool-size", default=1, show_default=True, type=click.IntRange(1, 64), help="How many hosts make a pool, one its master.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="The port of every host; 0 for one that is free."
)
@click.option("--seed", default=0, show_default=True, help="Decides every uuid, ref and chance.")
@click.option("--personality", default="latest", show_default=True, help="The release: a code name or a version, e.g. clearwater or 6.2.")
@click.option(
    "--hardware",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help='A JSON file that says what every host is: {"cpus": 32, "memory_gib": 256, "nics": 4, "gpus": 2, "usb_devices": 1}.',
)
@click.option("--vms", default=0, type=click.IntRange(0), help="How many VMs there are from the start, on all hosts together.")
@click.option("--snapshots", default=0, type=click.IntRange(0), help="How many snapshots of these VMs there are from the start.")
@click.option(
    "--disk-bytes",
    default="keep",
    show_default=True,
    type=click.Choice(["keep", "measure"]),
    help="Keep what is written to disks, or only measure it: large fleets need no room then, and read noise.",
)
@how_served
@click.option("--state", type=FILE, help="Load the hosts, their VMs and disks from this file if it is there; save them to it at the end.")
@click.option("--inventory", type=FILE, help="Write the hosts to this file as JSON when all of them answer.")
@click.option("--json", "as_json", is_flag=True, help="Print the inventory as JSON instead of a table.")
@click.pass_context
def serve(ctx: click.Context, /, **options: Any) -> None:
    """Serve simulated hosts on loopback addresses until SIGTERM or SIGINT.

    Each host has an address of its own (127.0.1.1, 127.0.1.2, ...) and the same port. When every host answers, the inventory is written
    and printed, then one line that begins with "ready".
    """
    with ExitStack() as held:
        with _refusing():
            wishes = _wishes(options)
            _hold(held, wishes.state)
            saved = _load(wishes.state)
            order = _order(ctx, saved)
            settings = _settings(options)
            _announce_size(order)
        _run(order, settings, saved, wishes)


@sim.command()
@click.argument("recording", type=replay_cli.RECORDING)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="The port of every host; 0: a free one.")
@replay_cli.keep_addresses
@how_served
@click.option("--state", type=FILE, help="Save the hosts to this file at the end.")
@click.option("--inventory", type=FILE, help="Write the hosts to this file as JSON when all of them answer.")
@click.option("--json", "as_json", is_flag=True, help="Print the inventory as JSON instead of a table.")
def replay(recording: Path, port: int, keep_addresses: bool, **options: Any) -> None:
    """Serve hosts that look like those of a recording, and behave as any simulated host.

    What the simulation cannot have is told first, line by line on standard error.
    """
    from dataclasses import replace

    from fake_xapi.fleet.addresses import has_all_loopback

    with ExitStack() as held:
        with _refusing():
            wishes, settings = _wishes(options), _settings(options)
            _hold(held, wishes.state)
            saved, report = replay_cli.standing(recording, keeps_addresses=keep_addresses)
        for line in report.lines():
            click.echo(line, err=True)
        _run(replace(saved.order, port=port, has_own_addresses=has_all_loopback()), settings, saved, wishes)


def _wishes(options: dict[str, Any]) -> Wishes:
    named = {name: options[name] for name in ("state", "inventory", "certificates", "tls_port", "as_json")}
    wishes = Wishes(**named, watch=watch_of(options))
    for path in (wishes.state, wishes.inventory, wishes.certificates):
        _check_folder(path)
    return wishes


@contextmanager
def _refusing() -> Iterator[None]:
    """Say what was refused as the command's own error."""
    try:
        yield
    except ValueError as refusal:
        raise click.ClickException(str(refusal)) from refusal
    except OSError as refusal:
        raise click.ClickException(f"{refusal.filename}: {refusal.strerror}; name a file that can be read and written") from refusal


def _run(order: Order, settings: Settings, saved: Saved | None, wishes: Wishes) -> None:
    from fake_xapi.fleet.serving import few_collections

    with few_collections(), asyncio.Runner(loop_factory=loop_of(wishes.watch)) as runner:
        runner.run(_serve(order, settings, saved, wishes))


def _check_folder(path: Path | None) -> None:
    if path is not None and not path.parent.is_dir():
        raise click.ClickException(f"{path}: the folder {path.parent} is not there; make it, or name another file")


def _hold(stack: ExitStack, state: Path | None) -> None:
    """Keep the state file for this process alone until the stack is closed."""
    from fake_xapi.fleet.state_lock import held

    if state is not None:
        stack.enter_context(held(state))


def _announce_size(order: Order) -> None:
    """Say what memory a large fleet takes; ValueError when the machine has less."""
    from fake_xapi.fleet.room import announced, available

    if said := announced(order, available()):
        click.echo(said, err=True)


def _load(state: Path | None) -> Saved | None:
    """The fleet of a state file that is there."""
    from fake_xapi.fleet.state_file import load_fleet

    return load_fleet(state) if state is not None and state.exists() else None


def _order(ctx: click.Context, saved: Saved | None) -> Order:
    """What was saved, else what is asked for; ValueError when both are and they differ."""
    from dataclasses import replace

    from fake_xapi.datamodel.personality import personality
    from fake_xapi.fleet.addresses import MOST, has_all_loopback
    from fake_xapi.fleet.fleet import Order

    asked = {name: ctx.params[name] for name in ("hosts", "seed", "personality", "vms", "snapshots", "pool_size", "disk_bytes")}
    release = personality(asked["personality"]).name
    if asked["hosts"] > MOST:
        raise ValueError(f"127.0.0.0/8 has room for {MOST} hosts, not {asked['hosts']}")
    order = Order(**asked, hardware=_hardware(ctx), port=ctx.params["port"], has_own_addresses=has_all_loopback())
    order.people(0)
    if saved is None:
        return order
    known = {name: getattr(saved.order, name) for name in asked} | {"personality": personality(saved.order.personality).name}
    wanted = {name: value for name, value in (asked | {"personality": release}).items() if _is_given(ctx, name)}
    for name, value in wanted.items():
        if known[name] != value:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{ctx.params['state']} has {option} {known[name]}, not {value}; leave the option out, or name another file")
    if ctx.params["hardware"] is not None and order.hardware != saved.order.hardware:
        raise ValueError(
            f"{ctx.params['state']} has other --hardware than {ctx.params['hardware']}; leave the option out, or name another file"
        )
    return replace(saved.order, port=order.port, has_own_addresses=order.has_own_addresses)


def _hardware(ctx: click.Context) -> Hardware:
    """The machine that is asked for; the usual one when no file is named."""
    from fake_xapi.fleet.hardware import STANDARD
    from fake_xapi.fleet.hardware_file import read_hardware

    path: Path | None = ctx.params["hardware"]
    return STANDARD if path is None else read_hardware(path)


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _settings(options: dict[str, Any]) -> Settings:
    from fake_xapi.dom0.arrays import STANDARD, read_network
    from fake_xapi.dom0.user_plugins import NO_PLUGINS, load
    from fake_xapi.engine.durations import durations
    from fake_xapi.engine.settings import Settings
    from fake_xapi.fleet.accounts_file import read_accounts

    profile = durations(options["profile"])
    return Settings(
        user=options["user"],
        password=options["password"],
        durations=profile,
        waits_for_busy=options["busy"] == "wait",
        login_delay_s=LOGIN_DELAY_S if profile.operations else 0.0,
        directory=read_accounts(options["directory"]) if options["directory"] is not None else None,
        storage=read_network(options["storage"]) if options["storage"] is not None else STANDARD,
        plugins=load(options["plugins"]) if options["plugins"] is not None else NO_PLUGINS,
    )


async def _serve(order: Order, settings: Settings, saved: Saved | None, wishes: Wishes) -> None:
    from fake_xapi.engine.clock import Clock
    from fake_xapi.fleet.fleet import Fleet
    from fake_xapi.fleet.serving import building, make_room_for_connections, served
    from fake_xapi.fleet.state_file import save_fleet

    make_room_for_connections()
    with building():
        fleet = Fleet(order, settings, Clock(datetime.now(UTC), asyncio.get_running_loop().time()), saved)
        fleet.awaken()
    stop = _stop_signal()
    try:
        async with served(fleet, wishes.tls_port), watched(fleet, wishes.watch) as control:
            if not stop.is_set():
                _announce(fleet, wishes, control)
            await stop.wait()
        if wishes.state is not None:
            save_fleet(fleet, wishes.state)
    except OSError as error:
        raise click.ClickException(_explained(error, order, wishes)) from error
    finally:
        await fleet.close()


def _explained(error: OSError, order: Order, wishes: Wishes) -> str:
    if error.errno in NO_ROOM:
        return f"{error.strerror}; name a file where there is room"
    if error.filename:
        return f"{error.filename}: {error.strerror}; name a file that can be written"
    ports, options = str(order.port), "--port"
    if wishes.tls_port is not None:
        ports, options = f"{order.port} or {wishes.tls_port}", "--port or --tls-port"
    return f"port {ports} cannot be served ({error.strerror or error}); take another {options}, or 0 for one that is free"


def _stop_signal() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _announce(fleet: Fleet, wishes: Wishes, control: str) -> None:
    """Say where the hosts are: to the files first, then to people, at last that all is ready."""
    rows = fleet.inventory()
    if wishes.certificates is not None:
        _write(wishes.certificates, fleet.certificates())
    if wishes.inventory is not None:
        _write(wishes.inventory, json.dumps(rows, indent=1) + "\n")
    if wishes.as_json:
        click.echo(json.dumps(rows))
    else:
        _print_table(rows)
    if control:
        click.echo(f"control: {control}")
    click.echo(f"ready: {len(rows)} hosts of {fleet.order.personality}, {rows[0]['url']} to {rows[-1]['url']}")


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _print_table(rows: list[dict[str, str]]) -> None:
    control_cli.tell_table(rows[0], (row.values() for row in rows[:MOST_ROWS]))
    if len(rows) > MOST_ROWS:
        click.echo(f"... and {len(rows) - MOST_ROWS} more; --inventory FILE and --json list them all")
