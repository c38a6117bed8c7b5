"""The page that tells how servers are backed up: its commands are run in its order, over a simulated host."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.compute_core.api import backups_tour, tour
from tests.compute_core.api.backups_tour import inova
from tests.compute_core.api.tour import ROOT, Step

PAGE = ROOT / "docs" / "how-to" / "back-up-servers.md"
OURS = "./inova core backup "
ORDERED: tuple[Step, ...] = (
    Step("image create debian --disk-format vhd --container-format bare --public --file debian.vhd -f value -c status", "active"),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 -f value -c name", "m1.lab"),
    Step("server create web --image debian --flavor m1.lab --wait -f value -c status", "ACTIVE"),
)
AT_REST = Step("server show web -f value -c OS-EXT-STS:task_state -c status", until="None\nACTIVE")


def commands() -> list[str]:
    return re.findall(r"^\$ (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def newest(folder: Path) -> str:
    """The point that a command is about."""
    return str(json.loads(inova(folder, "list", "--json")[1])[-1]["id"])


def test_every_command_of_the_page_is_the_client_s_or_ours() -> None:
    assert [shown for shown in commands() if not shown.startswith(("openstack ", OURS))] == []


@pytest.mark.disk_tools
def test_the_page_s_commands_do_what_it_says(tmp_path: Path) -> None:
    told: dict[str, str] = {}
    with backups_tour.cloud(tmp_path) as session:
        for step in ORDERED:
            tour.check(session.take(step))
        for shown in commands():
            if shown.startswith(OURS):
                point = newest(tmp_path) if "POINT" in shown else ""
                code, told[shown] = inova(tmp_path, *(word.replace("POINT", point) for word in shlex.split(shown.removeprefix(OURS))))
            else:
                code, told[shown] = session.ask(shown.removeprefix("openstack "))
            assert code == 0, (shown, told[shown])
            tour.check(session.take(AT_REST))
        left = json.loads(inova(tmp_path, "list", "--json")[1])
        servers = session.ask("server list -f value -c Name -c Status --sort-column Name")[1].splitlines()

    assert re.findall("web-[a-z]+", told["openstack image list --property image_type=backup"]) == ["web-tuesday", "web-wednesday"]
    listed = told["./inova core backup list --server web"]
    assert re.search(r"first .* full ", listed), listed
    assert re.search(r"second .* delta ", listed), listed
    assert [point["name"] for point in left] == ["first", "second"]
    assert sorted(servers) == ["copy-of-web ACTIVE", "second ACTIVE", "web ACTIVE"]
