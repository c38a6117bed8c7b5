"""How `core up` is told that disks go by rsync."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from compute_core.model.rsync import Rsync
from compute_core.options.hosts import with_options
from compute_core.options.rsync import RSYNC_OPTIONS


def given(*words: str) -> tuple[int, str]:
    @click.command()
    @with_options(*RSYNC_OPTIONS)
    def told(rsync: Rsync | None) -> None:
        click.echo(repr(rsync))

    ended = CliRunner().invoke(told, words)
    return ended.exit_code, ended.output.strip()


def test_without_it_disks_go_as_streams() -> None:
    assert given() == (0, "None")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("user=root", Rsync()),
        ("user=mover,port=2222", Rsync("mover", 2222)),
        ("key=/root/.ssh/move,known-hosts=/root/hosts,kib-s=5000", Rsync("root", 22, "/root/.ssh/move", "/root/hosts", 5000)),
    ],
)
def test_as_much_as_is_said_is_taken(text: str, wanted: Rsync) -> None:
    assert given("--rsync", text) == (0, repr(wanted))


@pytest.mark.parametrize("text", ["", "root", "port=0", "port=x", "port=65536", "kib-s=-1", "user=root,colour=red"])
def test_anything_else_is_refused_with_what_may_be_said(text: str) -> None:
    code, output = given("--rsync", text)
    assert (code, "is none of user=..., port=..., key=..., known-hosts=..., kib-s=..." in output) == (2, True)


def test_what_the_page_shows_may_be_said() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "move-servers.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^    \$ \./inova core up .* --rsync (\S+)$", page, re.MULTILINE)
    assert given("--rsync", shown) == (0, repr(Rsync("root", 22, "/root/.ssh/moves", "/root/.ssh/moves_hosts", 50000)))
