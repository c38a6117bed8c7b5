"""The option of ``core up`` by which disks go from host to host by rsync, called as the member of ``Settings``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from compute_core.model.rsync import Rsync

_LAST_PORT = 65535


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _port(text: str) -> int:
    if not 0 < _number(text) <= _LAST_PORT:
        raise ValueError(text)
    return int(text)


_WORDS: Mapping[str, tuple[str, Callable[[str], str | int]]] = {
    "user": ("user", str),
    "port": ("port", _port),
    "key": ("identity_file", str),
    "known-hosts": ("known_hosts_file", str),
    "kib-s": ("most_kib_s", _number),
}
"""By the words of the option: the member of ``Rsync``, and what is made of the text."""


def _rsync(_: click.Context, __: click.Parameter, given: str | None) -> Rsync | None:
    if given is None:
        return None
    members = {}
    for word in given.split(","):
        name, value = [*word.split("=", 1), ""][:2]
        try:
            member, kind = _WORDS[name]
            members[member] = kind(value)
        except (KeyError, ValueError):
            raise click.BadParameter(f"{word!r} is none of {', '.join(f'{each}=...' for each in _WORDS)}.") from None
    return Rsync(**members)  # type: ignore[arg-type]


RSYNC_OPTIONS = (
    click.option(
        "--rsync", callback=_rsync, metavar="user=NAME,port=N,key=FILE,known-hosts=FILE,kib-s=N",
        help="Disks of servers that are resized or migrated go from dom0 to dom0 by rsync over ssh, as much of that as is to be said; "
        "both hosts need the plugin. [default: as streams by XenAPI]",
    ),
)  # fmt: skip
