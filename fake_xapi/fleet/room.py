"""How much memory a fleet takes, so that one that is too large for the machine is refused before it is built."""

from __future__ import annotations

import os
from pathlib import Path

from fake_xapi.fleet.fleet import Order

KIB = 1 << 10
GIB = 1 << 30

PROCESS = 128 << 20
"""Code, the golden host, and the share of every process."""
HOST = 12 * KIB
VM = 6 * KIB
SNAPSHOT = 4 * KIB
"""Measured on fleets of 20,000 and 200,000 hosts, rounded up."""
WORTH_A_WORD = GIB
"""The size from which a fleet is announced, as it takes a while to build."""

MEMINFO = Path("/proc/meminfo")


def needed(order: Order) -> int:
    """The memory, in bytes, of a fleet of this order when it is ready."""
    return PROCESS + order.hosts * HOST + order.vms * VM + order.snapshots * SNAPSHOT


def available(meminfo: Path = MEMINFO) -> int:
    """The memory, in bytes, that this machine can give; all of it where the system does not report what is free."""
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(rows["MemAvailable"].split()[0]) * KIB
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def announced(order: Order, free: int) -> str:
    """The announcement of a fleet before it is built, "" for a small one. ValueError when it needs more memory than is free."""
    wanted = needed(order)
    if wanted > free:
        raise ValueError(f"{_what(order)} need about {_gib(wanted)} of memory, and {_gib(free)} are free; ask for fewer")
    return f"making {_what(order)}: about {_gib(wanted)} of memory" if wanted >= WORTH_A_WORD else ""


def _what(order: Order) -> str:
    counts = {"hosts": order.hosts, "VMs": order.vms, "snapshots": order.snapshots}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
