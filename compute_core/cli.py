"""The command ``core``: start the compute core over XenAPI hosts, and ask a running one what an operator asks.

Knows what to tell people; what is done is in `wiring` and behind the REST API.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compute_core.api.backup_commands import ACCESS, backup, logged_in
from compute_core.api.care_commands import CARE_COMMANDS
from compute_core.api.host_commands import hosts
from compute_core.firstgen.cli import firstgen
from compute_core.installer.cli import dom0
from compute_core.options.care import CARE_OPTIONS, cared
from compute_core.options.hosts import HOST_OPTIONS, first_line, hosts_of, path_option, with_options
from compute_core.options.networks import NETWORK_OPTIONS
from compute_core.options.rsync import RSYNC_OPTIONS
from compute_core.tables import Column, Refused, json_option, show

if TYPE_CHECKING:
    from compute_core.settings import Settings

STATE = Path("inova-state")
ACCOUNTS = "accounts.json"
COLLECT_AFTER = (20_000, 20, 100)
"""When garbage is collected of a cloud that is up: it lives as long as the process, and hardly anything of it is garbage in cycles."""

state_option = click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), default=STATE, show_default=True,
    help="The folder that holds everything an installation keeps.",
)  # fmt: skip


@click.group()
def core() -> None:
    """Run the compute core: REST API, cells, scheduler and agents."""


core.add_command(firstgen)
core.add_command(dom0)
core.add_command(backup)
core.add_command(hosts)
for _command in CARE_COMMANDS:
    core.add_command(_command)


def _url_of(*schemes: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """The callback of an option that names a server; its message does not repeat the URL, which may hold a password."""

    def check(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
        if url is None or _scheme_of(url) in schemes:
            return url
        raise click.BadParameter(f"is no such URL. Cure: write {schemes[0]}://USER:PASSWORD@ADDRESS[:PORT]/NAME.")

    return check


def _scheme_of(url: str) -> str | None:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        has_a_good_port = parts.port != 0
    except ValueError:
        return None
    return parts.scheme if has_a_good_port and "://" in url else None


PLACE_OPTIONS = (
    click.option("--host", "api_host", default="127.0.0.1", show_default=True, help="The address that the REST API listens on."),
    click.option("--port", "api_port", type=click.IntRange(0, 65535), default=8774, show_default=True, help="The REST API's; 0: any."),
    click.option(
        "--database",
        metavar="URL",
        envvar="INOVA_DATABASE",
        callback=_url_of("postgresql"),
        help="The compute cell's PostgreSQL database. Also INOVA_DATABASE. [default: SQLite in the state folder]",
    ),
    click.option(
        "--api-database",
        metavar="URL",
        envvar="INOVA_API_DATABASE",
        callback=_url_of("postgresql"),
        help="The API cell's PostgreSQL database. Also INOVA_API_DATABASE. [default: SQLite in the state folder]",
    ),
    click.option(
        "--broker",
        metavar="URL",
        envvar="INOVA_BROKER",
        callback=_url_of("amqp", "amqps"),
        help="A RabbitMQ broker between cells and agents. Also INOVA_BROKER. [default: none, all in this process]",
    ),
    click.option(
        "--volumes", "volume_targets", type=path_option, metavar="FILE",
        help="The LUNs for volumes: a JSON file with targets, as `sim serve --storage` takes it. [default: no volumes]",
    ),
    click.option(
        "--cinder", type=path_option, metavar="FILE",
        help="Volumes are a Cinder's: a JSON file with auth_url, username and password. [default: the core's own]",
    ),
)  # fmt: skip
"""Where things are; the parameters are called as the members of ``Settings``. Variables keep passwords from lists of processes."""

LIFE_OPTIONS = (
    click.option("--console-port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Of the proxy of consoles; 0: any."),
    click.option(
        "--reclaim", "reclaim_s", type=click.FloatRange(0), default=0.0, metavar="SECONDS", show_default=True,
        help="So long a deleted server may be restored; 0: not at all.",
    ),
    click.option(
        "--shelved-offload", "shelved_offload_s", type=click.FloatRange(-1), default=0.0, metavar="SECONDS", show_default=True,
        help="So long a shelved server stays on its host; -1: for ever.",
    ),
    click.option(
        "--resume-guests", "resumes_guests", is_flag=True,
        help="Servers that were stopped for their host's reboot are started after it. [default: they stay off]",
    ),
    click.option(
        "--whole-copies", "copies_whole", is_flag=True, help="Servers get disks that share nothing with their images. [default: on write]"
    ),
    click.option(
        "--guest-agents", type=path_option, metavar="FILE",
        help="What is known of the agents in guests: a JSON file. [default: images say whose guests have one]",
    ),
)  # fmt: skip
"""What becomes of servers by waiting, and where their screens are; called as the members of ``Settings``."""


@core.command()
@with_options(*HOST_OPTIONS, state_option, *PLACE_OPTIONS, *NETWORK_OPTIONS, *RSYNC_OPTIONS, *LIFE_OPTIONS, *CARE_OPTIONS)
@click.option("--clouds-yaml", type=path_option, default=Path("clouds.yaml"), show_default=True, help="For the `openstack` client.")
def up(
    *, inventory: Path | None, urls: tuple[str, ...], user: str, password_file: Path | None, password: str, state: Path, clouds_yaml: Path,
    **places: Any,
) -> None:  # fmt: skip
    """Start the REST API, a cell and an agent for each host; run until SIGTERM.

    When everything is up it prints a line that begins with `ready`. At its first start it makes the users `admin` and `demo`.
    """
    from compute_core.api.clouds import load_accounts, refuse_foreign
    from compute_core.settings import BadSettings, Settings

    try:
        hosts = hosts_of(inventory, urls, user, first_line(password_file) if password_file else password)
        refuse_foreign(clouds_yaml)
        with _alone_with(state):
            accounts = load_accounts(state / ACCOUNTS)
            _run(Settings(state=state, hosts=hosts, accounts=accounts, **cared(places)), clouds_yaml)
    except BadSettings as problem:
        raise Refused(str(problem)) from None


@contextmanager
def _alone_with(state: Path) -> Iterator[None]:
    """Hold the folder: two cores with one state would both write its databases and both work for its hosts."""
    import fcntl

    try:
        state.mkdir(parents=True, exist_ok=True)
        file = (state / "lock").open("w")
    except OSError as problem:
        raise Refused(f"{state}: cannot be written ({problem.strerror}). Cure: name another folder by --state.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"{state}: another `core up` runs with this folder. Cure: end it, or name another by --state.") from None
        yield


def _run(settings: Settings, clouds: Path) -> None:
    import asyncio
    import logging

    import uvloop

    from compute_core.api.server import make_room_for_connections
    from compute_core.model.errors import HostUnreachable

    make_room_for_connections()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it logs with a traceback what it raises; the bus says it in a line
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, clouds))
    except HostUnreachable as problem:
        raise Refused(f"{problem}. Cure: start it, or name another by --database, --api-database or --broker.") from None
    except ModuleNotFoundError as problem:
        raise Refused(f"There is no package {problem.name} here. Cure: pip install 'inova[amqp,postgresql]'.") from None


async def _serve(settings: Settings, clouds: Path) -> None:
    import asyncio
    import signal
    from datetime import UTC, datetime

    from compute_core.api.clouds import write_clouds, write_private
    from compute_core.wiring import CloudApplication

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with CloudApplication(settings, epoch=datetime.now(UTC)) as cloud:
        try:
            server = cloud.serve()
        except OSError as problem:
            where = f"{settings.api_host}:{settings.api_port}"
            raise Refused(f"The REST API cannot listen on {where} ({problem.strerror}). Cure: name another by --host, --port.") from None
        try:
            await cloud.serve_consoles()
        except OSError as problem:
            where = f"{settings.console_host}:{settings.console_port}"
            raise Refused(f"The console proxy cannot listen on {where} ({problem.strerror}). Cure: name another --console-port.") from None
        write_clouds(clouds, server.url, settings.region, settings.accounts)
        admin = settings.accounts[0]
        access = {"url": server.url, "user": admin.user, "project": admin.project, "password": admin.password}
        write_private(settings.state / ACCESS, json.dumps(access))
        await _until_ready(cloud.ready(), ended)
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        if not ended.is_set():
            click.echo(f"ready {server.url} hosts={len(settings.hosts)} clouds={clouds}")
        await ended.wait()


async def _until_ready(ready: Any, ended: Any) -> None:
    """Wait for the agents, or for whoever loses patience."""
    import asyncio

    waiting = {asyncio.ensure_future(ready), asyncio.ensure_future(ended.wait())}
    _, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


# ---- what an operator asks ---------------------------------------------------------------------------------------------------


SERVICES = (
    Column("host", lambda row: row["host"]),
    Column("zone", lambda row: row["zone"]),
    Column("status", lambda row: row["status"]),
    Column("state", lambda row: row["state"]),
    Column("heard", lambda row: row["updated_at"] or "never"),
    Column("reason", lambda row: row["disabled_reason"] or ""),
)
SERVERS = (
    Column("id", lambda row: row["id"]),
    Column("name", lambda row: row["name"]),
    Column("status", lambda row: row["status"]),
    Column("task", lambda row: row["OS-EXT-STS:task_state"] or ""),
    Column("host", lambda row: row["OS-EXT-SRV-ATTR:host"] or ""),
    Column("address", lambda row: ", ".join(address["addr"] for net in row["addresses"].values() for address in net)),
)


@core.command()
@state_option
@json_option
def services(state: Path, is_json: bool) -> None:
    """List the agents and whether they have been heard."""
    show(_ask(state, "/v2.1/os-services", "services"), SERVICES, is_json=is_json)


@core.command()
@state_option
@json_option
def servers(state: Path, is_json: bool) -> None:
    """List the servers of all projects and where they are."""
    show(_ask(state, "/v2.1/servers/detail?all_tenants=1", "servers"), SERVERS, is_json=is_json)


def _ask(state: Path, path: str, member: str) -> list[dict[str, Any]]:
    """Every item, page by page, as the admin of the core whose state this is."""
    with logged_in(state) as client:
        return client.pages(path, member)
