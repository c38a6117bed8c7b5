"""The option of ``core up`` by which disks go from host to host by rsync, called as the member of ``Settings``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

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


_WORDS: Mapping[str, Callable[[Rsync, str], Rsync]] = {
    "user": lambda rsync, text: replace(rsync, user=text),
    "port": lambda rsync, text: replace(rsync, port=_port(text)),
    "key": lambda rsync, text: replace(rsync, identity_file=text),
    "known-hosts": lambda rsync, text: replace(rsync, known_hosts_file=text),
    "kib-s": lambda rsync, text: replace(rsync, most_kib_s=_number(text)),
}
"""What each word of the option changes. ValueError for a text that is none of its values."""


def _rsync(_: click.Context, __: click.Parameter, given: str | None) -> Rsync | None:
    if given is None:
        return None
    rsync = Rsync()
    for word in given.split(","):
        name, value = [*word.split("=", 1), ""][:2]
        try:
            rsync = _WORDS[name](rsync, value)
        except (KeyError, ValueError):
            raise click.BadParameter(f"{word!r} is none of {', '.join(f'{each}=...' for each in _WORDS)}.") from None
    return rsync


RSYNC_OPTIONS = (
    click.option(
        "--rsync", callback=_rsync, metavar="user=NAME,port=N,key=FILE,known-hosts=FILE,kib-s=N",
        help="Disks of servers that are resized or migrated go from dom0 to dom0 by rsync over ssh, as much of that as is to be said; "
        "both hosts need the plugin. [default: as streams by XenAPI]",
    ),
)  # fmt: skip
