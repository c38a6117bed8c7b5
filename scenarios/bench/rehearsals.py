"""The default rehearsal as an operator runs it, over HTTP: its duration, and whether a server is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from scenarios.bench.row import Row

POLL_S = 0.5
SIZE = ("--hosts", "200", "--servers", "1000")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The duration of a rehearsal, and its report."""

    wall_s: float
    peak_bytes: int
    report: dict[str, Any]


def measure() -> Iterator[Row]:
    """Time, and servers lost."""
    default = rehearse(*SIZE)
    yield Row(
        "inova rehearse, 200 hosts, 1,000 servers, over HTTP",
        default.wall_s,
        "s",
        300,
        "Nova 34 with its fake driver: 1.5 servers a second, 667 s",
    )
    yield Row("servers lost in it", default.report["servers"]["lost"], "servers", 0, "none published")


def rehearse(*options: str) -> Outcome:
    """Run one rehearsal as a process of its own, and watch it."""
    with tempfile.TemporaryDirectory(prefix="inova-bench-") as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "scenarios.cli", "rehearse", *options, "--json", str(report)]
        began_s = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            peak = _peak_bytes(process)
        return Outcome(time.monotonic() - began_s, peak, json.loads(report.read_text(encoding="utf-8")))


def _peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """The peak of resident memory while it ran."""
    peak, watched = 0, psutil.Process(process.pid)
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(POLL_S)
    return peak
