"""The page on hosts shows what can be done: its commands are run in its order, against two simulated hosts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.compute_core.api import tour
from tests.compute_core.api.test_hosts_client import core

PAGE = tour.ROOT / "docs" / "how-to" / "maintain-hosts.md"
OURS, THEIRS = "./inova core ", "openstack "


def shown() -> list[str]:
    return re.findall(r"^    \$ (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def commands() -> list[str]:
    """Those that are not there to start with."""
    begins, starts, *rest = shown()
    assert begins == "./inova sim serve --hosts 2 --port 8080 --profile instant --inventory hosts.json"
    assert starts == "./inova core up --inventory hosts.json"
    return rest


@pytest.mark.disk_tools
def test_every_command_of_the_page_does_what_it_is_for(tmp_path: Path) -> None:
    with tour.cloud(tmp_path) as session:
        for command in commands():
            if command.startswith(OURS):
                code, output = core(tmp_path, *shlex.split(command.removeprefix(OURS)))
            else:
                code, output = session.ask(command.removeprefix(THEIRS))
            assert code == 0, f"{command}: {output}"
