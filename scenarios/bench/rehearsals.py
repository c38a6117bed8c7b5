"""Whole rehearsals as an operator runs them: the default one over HTTP, and a large one on virtual time."""

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

GIB = 1 << 30
POLL_S = 0.5
SIZE = ("--hosts", "200", "--servers", "1000")
LARGE = ("--virtual", "--hosts", "5000", "--servers", "20000")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one rehearsal took, and its report."""

    wall_s: float
    peak_bytes: int
    report: dict[str, Any]


def measure() -> Iterator[Row]:
    """Time, servers lost, and memory."""
    default = _rehearse(*SIZE)
    yield Row(
        "inova rehearse, 200 hosts, 1,000 servers, over HTTP",
        default.wall_s,
        "s",
        300,
        "Nova 34 with its fake driver: 1.5 servers a second, 667 s",
    )
    yield Row("servers lost in it", default.report["servers"]["lost"], "servers", 0, "none published")
    large = _rehearse(*LARGE)
    yield Row(
        "inova rehearse --virtual, 5,000 hosts, 20,000 servers",
        large.wall_s / 60,
        "minutes",
        20,
        "none published; Nova needed 20 machines for 1,000 hosts",
    )
    yield Row("memory of it, at most", large.peak_bytes / GIB, "GB resident", 4, "Nova's agents alone: 148 MB each")


def _rehearse(*options: str) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="inova-bench-") as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "scenarios.cli", "rehearse", *options, "--json", str(report)]
        began_s = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            peak = _peak_bytes(process)
        return Outcome(time.monotonic() - began_s, peak, json.loads(report.read_text(encoding="utf-8")))


def _peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """The most that was resident while it ran."""
    peak, watched = 0, psutil.Process(process.pid)
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(POLL_S)
    return peak
