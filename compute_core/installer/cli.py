"""The command ``core dom0``: lay our plugin out in the dom0 of hosts, and say where it stands.

Knows what to tell people; the work is in `rollout`.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compute_core.options.hosts import HOST_OPTIONS, first_line, hosts_of, path_option, with_options
from compute_core.tables import Column, Refused, json_option, show

if TYPE_CHECKING:
    from compute_core.installer.standing import Standing
    from compute_core.settings import HostEntry

COLUMNS = (
    Column("host", lambda row: row["host"]),
    Column("address", lambda row: row["address"]),
    Column("plugin", lambda row: row["state"]),
    Column("version", lambda row: row["version"]),
    Column("python", lambda row: row["python"]),
    Column("problem", lambda row: row["problem"]),
)
SSH_OPTIONS = (
    click.option("--known-hosts", type=path_option, default=Path("~/.ssh/known_hosts"), show_default=True, help="The hosts' SSH keys."),
    click.option("--key", type=path_option, help="The private key to log in with. [default: those of the SSH agent]"),
    click.option("--ssh-user", default="root", show_default=True, help="Whom to be in dom0."),
    click.option("--ssh-port", type=click.IntRange(1, 65535), default=22, show_default=True, help="Where dom0's sshd listens."),
    click.option("--folder", default="/etc/xapi.d/plugins", show_default=True, help="Where dom0 has its plugins."),
)


@click.group()
def dom0() -> None:
    """Lay our plugin out in the dom0 of XenServer hosts."""


@dom0.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def write(folder: Path) -> None:
    """Write the plugin into FOLDER of this machine: to look at it, to copy it yourself, or for `sim serve --plugins FOLDER`."""
    from compute_core.xenapi import dom0_bundle

    try:
        path = dom0_bundle.write(folder)
    except OSError as problem:
        raise Refused(f"{folder}: cannot be written ({problem.strerror}). Cure: name another folder.") from None
    click.echo(f"{path} {dom0_bundle.digest(path.read_bytes())}")


@dom0.command()
@with_options(*HOST_OPTIONS)
@json_option
def check(*, is_json: bool, **access: Any) -> None:
    """Say which plugin each host of the pools has; exit 1 unless it is ours everywhere."""
    from compute_core.installer.pools import on_all
    from compute_core.installer.standing import standing
    from compute_core.xenapi import dom0_bundle

    wanted = dom0_bundle.digest(dom0_bundle.built())
    _finish(_told(on_all(_hosts(access), lambda session, target: standing(session, target, wanted))), "right", is_json=is_json)


@dom0.command()
@with_options(*HOST_OPTIONS, *SSH_OPTIONS)
@json_option
def install(*, is_json: bool, known_hosts: Path, key: Path | None, ssh_user: str, ssh_port: int, folder: str, **access: Any) -> None:
    """Make all hosts of the pools run our plugin, over SSH, and check it over XenAPI; those that do are left alone."""
    from tempfile import TemporaryDirectory

    from compute_core.firstgen.ssh import Ssh
    from compute_core.installer import rollout
    from compute_core.installer.pools import on_all
    from compute_core.xenapi import dom0_bundle

    known, wanted = known_hosts.expanduser(), dom0_bundle.digest(dom0_bundle.built())

    async def work(build: Path) -> list[Standing]:
        async with Ssh(known, key) as shell:
            way = rollout.Way(shell, ssh_user, ssh_port, folder)
            return await on_all(_hosts(access), lambda session, target: rollout.install(session, target, way, build, wanted))

    with TemporaryDirectory(prefix="inova-dom0-") as built:
        _finish(_told(work(dom0_bundle.write(Path(built)))), "right", is_json=is_json)


@dom0.command()
@with_options(*HOST_OPTIONS, *SSH_OPTIONS)
@json_option
def remove(*, is_json: bool, known_hosts: Path, key: Path | None, ssh_user: str, ssh_port: int, folder: str, **access: Any) -> None:
    """Take our plugin away from all hosts of the pools."""
    from compute_core.firstgen.ssh import Ssh
    from compute_core.installer import rollout
    from compute_core.installer.pools import on_all
    from compute_core.xenapi import dom0_bundle

    known, wanted = known_hosts.expanduser(), dom0_bundle.digest(dom0_bundle.built())

    async def work() -> list[Standing]:
        async with Ssh(known, key) as shell:
            way = rollout.Way(shell, ssh_user, ssh_port, folder)
            return await on_all(_hosts(access), lambda session, target: rollout.remove(session, target, way, wanted))

    _finish(_told(work()), "missing", is_json=is_json)


def _hosts(access: dict[str, Any]) -> tuple[HostEntry, ...]:
    from compute_core.settings import BadSettings

    try:
        password = first_line(access["password_file"]) if access["password_file"] else access["password"]
        return hosts_of(access["inventory"], access["urls"], access["user"], password)
    except BadSettings as problem:
        raise Refused(str(problem)) from None


def _told(work: Coroutine[Any, Any, list[Standing]]) -> list[Standing]:
    import asyncio

    from compute_core.firstgen.shell import ShellFailure

    try:
        return asyncio.run(work)
    except ShellFailure as failure:
        raise Refused(str(failure)) from None


def _finish(standings: Sequence[Standing], wanted: str, *, is_json: bool) -> None:
    """Show how all hosts stand; exit 1 when one stands otherwise than wanted."""
    show([each.row() for each in standings], COLUMNS, is_json=is_json)
    raise SystemExit(0 if all(each.state == wanted for each in standings) else 1)
