"""The guests that hosts have from the first moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.hardware import GIB, STANDARD
from fake_xapi.fleet.population import CHAIN, share
from fake_xapi.state.row import Row


def _vms(xapi: Xapi) -> list[Row]:
    rows = (row for _, row in xapi.world.rows("VM"))
    return [row for row in rows if not row["is_default_template"] and not row["is_control_domain"]]


def _fleet(order: Order) -> list[Xapi]:
    async def made() -> list[Xapi]:
        fleet = Fleet(order)
        await fleet.close()
        return list(fleet.hosts.values())

    return asyncio.run(made())


def test_a_total_is_dealt_out_evenly_and_the_first_ones_get_one_more() -> None:
    assert [share(11, 4, number) for number in range(4)] == [3, 3, 3, 2]


def test_vms_and_snapshots_are_dealt_out_over_all_hosts() -> None:
    hosts = _fleet(Order(hosts=3, vms=10, snapshots=7))
    counts = [Counter(row["is_a_snapshot"] for row in _vms(xapi)) for xapi in hosts]
    assert counts == [{False: 4, True: 3}, {False: 3, True: 2}, {False: 3, True: 2}]


@pytest.mark.parametrize("release", ["boston", "tampa", "clearwater", "latest"])
def test_every_eighth_vm_is_halted_and_the_others_have_booted(release: str) -> None:
    (xapi,) = _fleet(Order(vms=9, personality=release))
    states = {row["name_label"]: row["power_state"] for row in _vms(xapi)}
    assert states == {f"xs00001-vm{number:03d}": "Halted" if number == 8 else "Running" for number in range(1, 10)}
    live = [xapi.world[row["guest_metrics"]]["live"] for row in _vms(xapi) if row["power_state"] == "Running"]
    assert live == [True] * 8


def test_what_tells_vms_apart_is_each_hosts_own() -> None:
    hosts = _fleet(Order(hosts=2, vms=4, snapshots=8))
    names = [row["name_label"] for xapi in hosts for row in _vms(xapi)]
    assert sorted(names) == sorted(
        f"xs0000{host}-vm00{number}{end}" for host in (1, 2) for number in (1, 2) for end in ("", " snapshot 1", " snapshot 2")
    )
    macs = [xapi.world[vm["VIFs"][0]]["MAC"] for xapi in hosts for vm in _vms(xapi) if not vm["is_a_snapshot"]]
    uuids = [xapi.world.uuid(vm) for xapi in hosts for vm in xapi.world.ids("VM")]
    consoles = [row["location"].partition("/console")[0] for xapi in hosts for _, row in xapi.world.rows("console")]
    assert len(set(macs)) == 4
    assert len(set(uuids)) == len(uuids)
    assert set(consoles) == {f"https://{xapi.world[xapi.host]['address']}" for xapi in hosts}


def test_a_snapshot_has_the_mac_address_of_its_vm() -> None:
    (xapi,) = _fleet(Order(vms=1, snapshots=1))
    vm, snapshot = sorted(_vms(xapi), key=lambda row: bool(row["is_a_snapshot"]))
    assert xapi.world[vm["VIFs"][0]]["MAC"] == xapi.world[snapshot["VIFs"][0]]["MAC"]


def test_nothing_is_left_of_how_the_guests_were_made() -> None:
    (xapi,) = _fleet(Order(vms=2, snapshots=2))
    assert {cls: xapi.world.count(cls) for cls in ("session", "task", "message")} == {"session": 0, "task": 0, "message": 0}


def test_the_same_order_makes_the_same_guests() -> None:
    first, second = (_fleet(Order(vms=3, snapshots=3, seed=5))[0] for _ in range(2))
    assert [first.world.uuid(vm) for vm in first.world.ids("VM")] == [second.world.uuid(vm) for vm in second.world.ids("VM")]


def test_more_vms_than_fit_into_a_host_are_refused_with_the_cure() -> None:
    small = replace(STANDARD, memory_bytes=4 * GIB)
    with pytest.raises(ValueError, match="3 VMs of 1 GiB do not fit into a host's 4 GiB; have more hosts"):
        Fleet(Order(vms=3, hardware=small))


def test_more_snapshots_than_chains_bear_are_refused_with_the_cure() -> None:
    with pytest.raises(ValueError, match=f"{CHAIN + 1} snapshots are more than {CHAIN} for each of 1 VMs; have more VMs"):
        Fleet(Order(vms=1, snapshots=CHAIN + 1))
