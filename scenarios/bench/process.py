"""A simulator in a process of its own, whose CPU time and memory are measured from outside."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

READY_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used: seconds of CPU, bytes resident."""

    cpu_s: float
    resident_bytes: int


class SimProcess:
    """``inova sim serve`` as operators run it. ``ready_s`` is the time from start to its ready line, ``urls`` are those of its hosts."""

    def __init__(self, *arguments: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="inova-bench-")
        self._inventory = Path(self._folder.name, "inventory.json")
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self.ready_s = 0.0
        self.urls: list[str] = []

    def __enter__(self) -> Self:
        began = time.monotonic()
        command = [sys.executable, "-m", "scenarios.cli", "sim", "serve", "--profile", "instant", "--port", str(free_port())]
        self._process = subprocess.Popen(
            [*command, "--inventory", str(self._inventory), *self._arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._wait_until_ready()
        self.ready_s = time.monotonic() - began
        inventory: list[dict[str, Any]] = json.loads(self._inventory.read_text(encoding="utf-8"))
        self.urls = [host["url"] for host in inventory]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=READY_LIMIT_S)
        self._folder.cleanup()

    def usage(self) -> Usage:
        """Its usage so far."""
        if self._process is None:
            raise RuntimeError("the simulator does not run")
        process = psutil.Process(self._process.pid)
        times = process.cpu_times()
        return Usage(times.user + times.system, process.memory_info().rss)

    def _wait_until_ready(self) -> None:
        output = self._process.stdout if self._process is not None else None
        for line in output or ():
            if line.startswith("ready"):
                return
        errors = self._process.stderr.read() if self._process is not None and self._process.stderr is not None else ""
        raise RuntimeError(f"the simulator did not become ready: {errors}")


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
