"""A rehearsal of five thousand hosts in virtual time: its use of CPU and memory on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.bench.rehearsals import rehearse
from scenarios.bench.row import Row

LARGE = ("--virtual", "--hosts", "5000", "--servers", "20000")
GIB = 1 << 30


def measure() -> Iterator[Row]:
    """CPU and memory: virtual time is spent in one process, whatever else the machine does."""
    large = rehearse(*LARGE)
    yield Row(
        "inova rehearse --virtual, 5,000 hosts, 20,000 servers",
        large.cpu_s / 60,
        "minutes of CPU",
        20,
        "none published; Nova needed 20 machines for 1,000 hosts",
    )
    yield Row("memory of it, at most", large.peak_bytes / GIB, "GB resident", 4, "Nova's agents alone: 148 MB each")
