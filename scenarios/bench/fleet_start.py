"""How soon ten thousand hosts are ready, and how much memory they take."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.bench.process import SimProcess
from scenarios.bench.row import Row

HOSTS = 10_000
MIB = 1 << 20


def measure() -> Iterator[Row]:
    """The time from the command to its ready line, and the resident memory then."""
    with SimProcess("--hosts", str(HOSTS)) as sim:
        yield Row(f"inova sim serve --hosts {HOSTS} ready", sim.ready_s, "s", 10, "vcsim 596 s")
        yield Row(f"memory of {HOSTS} hosts", sim.usage().resident_bytes / MIB, "MB resident", 400, "vcsim 1,633 MB")
