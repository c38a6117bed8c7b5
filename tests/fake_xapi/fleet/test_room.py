"""Fleets that the machine has no room for are refused before they are made; large ones are announced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fake_xapi.fleet.fleet import Order
from fake_xapi.fleet.room import GIB, announced, available, needed

LARGE = Order(hosts=1_000_000)
FULL = Order(hosts=20_000, vms=300_000, snapshots=2_000_000)


def test_a_small_fleet_is_not_worth_a_word() -> None:
    assert announced(Order(hosts=10_000), GIB) == ""


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (LARGE, "making 1,000,000 hosts: about 11.6 GiB of memory"),
        (FULL, "making 20,000 hosts, 300,000 VMs, 2,000,000 snapshots: about 9.7 GiB of memory"),
    ],
)
def test_a_large_fleet_is_announced_with_its_memory(order: Order, told: str) -> None:
    assert announced(order, needed(order)) == told


def test_a_fleet_that_has_no_room_is_refused_with_the_memory_that_it_needs() -> None:
    told = "^1,000,000 hosts need about 11.6 GiB of memory, and 1.0 GiB are free; ask for fewer$"
    with pytest.raises(ValueError, match=told):
        announced(LARGE, GIB)


def test_what_is_free_is_what_the_system_says(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       24000000 kB\nMemAvailable:    2097152 kB\nHugePages_Total:       0\n")
    assert available(meminfo) == 2 * GIB


@pytest.mark.parametrize("text", ["", "MemTotal: 24000000 kB\n"])
def test_where_the_system_does_not_say_the_whole_memory_counts(text: str, tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    if text:
        meminfo.write_text(text)
    assert available(meminfo) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
