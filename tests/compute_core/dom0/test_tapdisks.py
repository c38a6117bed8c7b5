"""Priorities of guests' disks in dom0: which process is meant, and what ionice is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from compute_core.dom0.machine import Ran
from tests.compute_core.dom0.local import call, dom0_in, refused

MISSING = Ran(1, "", "xenstore-read: couldn't read path")


class Commands:
    """xenstore with some processes, and ionice."""

    def __init__(self, **pids: str) -> None:
        self.pids = {path.replace("__", "/"): pid for path, pid in pids.items()}
        self.ran: list[tuple[str, ...]] = []

    def __call__(self, command: tuple[str, ...]) -> Ran:
        if command[0] == "ionice":
            self.ran.append(command)
            return Ran(0, "", "")
        path = command[-1].removeprefix("/local/domain/0/backend/").removesuffix("/kthread-pid")
        return Ran(0, f"{self.pids[path]}\n", "") if path in self.pids else MISSING


@pytest.mark.parametrize(
    ("disk", "said"),
    [
        ({"class": "highest"}, ("-c", "2", "-n", "0")),
        ({"class": "high"}, ("-c", "2", "-n", "2")),
        ({}, ("-c", "2", "-n", "4")),
        ({"class": "low"}, ("-c", "2", "-n", "6")),
        ({"class": "lowest"}, ("-c", "2", "-n", "7")),
        ({"class": "3", "sched": "rt"}, ("-c", "1", "-n", "3")),
        ({"sched": "idle"}, ("-c", "3")),
    ],
)
def test_parameters_of_a_vbd_are_said_to_ionice(tmp_path: Path, disk: dict[str, str], said: tuple[str, ...]) -> None:
    commands = Commands(vbd3__7__51712="4711")

    assert call(dom0_in(tmp_path, commands), "disk_prioritise", domid=7, disks=[{"device": 0, **disk}]) == [4711]
    assert commands.ran == [("ionice", *said, "-p", "4711")]


@pytest.mark.parametrize(
    ("device", "path"), [(1, "vbd__7__51728"), (0, "vbd__7__768"), (3, "vbd3__7__5696"), (16, "vbd3__7__268439552"), (2, "vbd3__7__51744")]
)
def test_a_disk_is_found_by_whatever_name_its_release_gave_it(tmp_path: Path, device: int, path: str) -> None:
    machine = dom0_in(tmp_path, Commands(**{path: "12"}))

    assert call(machine, "disk_prioritise", domid=7, disks=[{"device": device}]) == [12]


def test_nothing_is_changed_when_one_of_the_disks_is_nobodys(tmp_path: Path) -> None:
    commands = Commands(vbd3__7__51712="4711")
    machine = dom0_in(tmp_path, commands)

    found = refused(machine, "disk_prioritise", domid=7, disks=[{"device": 0}, {"device": 1}])
    assert (found, commands.ran) == (("NotFound", "nobody serves the disk 1 of domain 7"), [])


@pytest.mark.parametrize("disk", [{"device": 0, "sched": "fast"}, {"device": 0, "class": "8"}, {"device": "0"}, {"class": "low"}])
def test_odd_parameters_are_refused(tmp_path: Path, disk: dict[str, object]) -> None:
    assert refused(dom0_in(tmp_path, Commands()), "disk_prioritise", domid=7, disks=[disk])[0] == "BadArguments"
