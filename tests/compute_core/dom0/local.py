"""A dom0 in a folder: its SRs are folders in it, its commands are answered by a test or run for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.dom0.functions import FUNCTIONS
from compute_core.dom0.machine import Machine, Ran
from compute_core.dom0.refusal import Refusal

SR = "11111111-2222-4333-8444-555555555555"
OTHER_SR = "11111111-2222-4333-8444-666666666666"
NOW_S = 1_700_000_000.0
Commands = Callable[[tuple[str, ...]], Ran]


def no_commands(command: tuple[str, ...]) -> Ran:
    raise AssertionError(f"nobody expected {command}")


def dom0_in(folder: Path, commands: Commands = no_commands, pauses: Callable[[float], None] = lambda _: None) -> Machine:
    """A dom0 with two SRs."""
    for uuid in (SR, OTHER_SR):
        (folder / "run/sr-mount" / uuid).mkdir(parents=True, exist_ok=True)
    return Machine(str(folder), lambda command, _: commands(command), pauses, lambda: NOW_S)


def sr_folder(folder: Path, uuid: str = SR) -> Path:
    return folder / "run/sr-mount" / uuid


def files_in(folder: Path, uuid: str = SR) -> list[str]:
    """What an SR holds, down to the files that are hidden from scans."""
    top = sr_folder(folder, uuid)
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


def call(machine: Machine, function: str, **arguments: Any) -> Any:
    return FUNCTIONS[function](machine, arguments)


def refused(machine: Machine, function: str, **arguments: Any) -> tuple[str, str]:
    """The kind and the text of a call that must be refused."""
    with pytest.raises(Refusal) as caught:
        call(machine, function, **arguments)
    return caught.value.kind, str(caught.value)
