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
    """The duration of a rehearsal by the clock on the wall, what its process used of CPU and memory, and its report."""

    wall_s: float
    cpu_s: float
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
            cpu_s, peak_bytes = _watched(process)
        return Outcome(time.monotonic() - began_s, cpu_s, peak_bytes, json.loads(report.read_text(encoding="utf-8")))


def _watched(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    """Seconds of CPU and the peak of resident memory, as last seen before it ended."""
    cpu_s, peak_bytes, watched = 0.0, 0, psutil.Process(process.pid)
    while process.poll() is None:
        try:
            times = watched.cpu_times()
            cpu_s, peak_bytes = times.user + times.system, max(peak_bytes, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(POLL_S)
    return cpu_s, peak_bytes
