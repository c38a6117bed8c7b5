"""How the commands are told their hosts and whom to log in as. Knows what to tell people, and nothing of what is done there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import click

from compute_core.settings import BadSettings, HostEntry, read_inventory

Command = Callable[..., None]
path_option = click.Path(path_type=Path, dir_okay=False)
HOST_OPTIONS = (
    click.option("--inventory", type=path_option, help="The hosts: what `sim serve --inventory` writes."),
    click.option("--url", "urls", multiple=True, metavar="URL", help="A host without an inventory; may be given several times."),
    click.option("--user", default="root", show_default=True, help="For hosts that the inventory gives no user."),
    click.option("--password-file", type=path_option, help="Its first line is the password of hosts that the inventory gives none."),
    click.option(
        "--password",
        envvar="INOVA_XENAPI_PASSWORD",
        default="xenroot",
        help="The same, in sight of everybody who lists processes; the variable INOVA_XENAPI_PASSWORD is not. [default: a simulator's]",
    ),
)


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Give a command these options, in this order."""

    def give(command: Command) -> Command:
        return functools.reduce(lambda given, option: option(given), reversed(options), command)

    return give


def first_line(path: Path) -> str:
    """The password in a file. Raises BadSettings."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise BadSettings(f"{path}: cannot be read ({problem}). Cure: name a file whose first line is the password.") from None
    if not lines or not lines[0]:
        raise BadSettings(f"{path}:1: is empty. Cure: write the password on the first line.")
    return lines[0]


def hosts_of(inventory: Path | None, urls: tuple[str, ...], user: str, password: str) -> tuple[HostEntry, ...]:
    """The hosts that a command was told, in either way. Raises BadSettings."""
    if (inventory is None) == (not urls):
        raise BadSettings("Which hosts? Cure: give either --inventory FILE or --url URL.")
    if inventory is not None:
        return read_inventory(inventory, user=user, password=password)
    return tuple(HostEntry(_name_of(url), url, user, password) for url in urls)


def _name_of(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadSettings(f"{url!r} is no URL of a host. Cure: write http://ADDRESS or https://ADDRESS.")
    return parts.netloc.replace(":", "-")
