"""What ``core hosts`` asks the API for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from compute_core.api import host_commands
from compute_core.api.client import Client


def test_the_name_of_a_host_is_one_part_of_the_path_whatever_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    class Noted(Client):
        def send(self, method: str, path: str, body: Any = None, timeout_s: float = 0.0) -> Any:
            asked.append((method, path))
            return {"host": {"upkeep": None, "status": "enabled"}}

    @contextmanager
    def logged_in(_: Path) -> Iterator[Client]:
        yield Noted("http://127.0.0.1", "token")

    monkeypatch.setattr(host_commands, "logged_in", logged_in)
    done = CliRunner().invoke(host_commands.hosts, ["maintenance", "--state", str(tmp_path), "rack 1/xen?a"])
    path = "/operator/v1/hosts/rack%201%2Fxen%3Fa"
    assert (done.output, asked) == ("rack 1/xen?a: enabled\n", [("POST", f"{path}/action"), ("GET", path)])
