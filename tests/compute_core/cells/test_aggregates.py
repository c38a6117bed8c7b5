"""Aggregates: what the cells' schedulers make of them, and how cells that were away learn of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from compute_core.model.errors import Conflict, Forbidden, Invalid, NotFound
from compute_core.model.flavors import Flavor
from compute_core.model.hosts import AvailabilityZone
from tests.compute_core.cells.cloud import ADMIN, USER, Cloud
from tests.compute_core.cells.running import Within, runner


async def _hosts(whole: Cloud) -> None:
    await whole.add_host("host1")
    await whole.add_host("host2")


@pytest.fixture
def within(tmp_path: Path) -> Within:
    """Runs a test's body in a cloud of two hosts on virtual time."""
    return runner(tmp_path, before=_hosts)


async def _aggregate(it: Cloud, name: str, *hosts: str, zone: str | None = None, **metadata: str) -> int:
    made = await it.api.create_aggregate(ADMIN, name, zone)
    if metadata:
        await it.api.set_aggregate_metadata(ADMIN, made.id, metadata)
    for host in hosts:
        await it.api.add_aggregate_host(ADMIN, made.id, host)
    return made.id


def test_an_aggregate_with_a_zone_takes_its_hosts_there_and_servers_follow(within: Within) -> None:
    async def body(it: Cloud) -> None:
        number = await _aggregate(it, "east", "host2", zone="east")
        assert await it.api.availability_zones(ADMIN) == (
            AvailabilityZone("east", True, ("host2",)),
            AvailabilityZone("nova", True, ("host1",)),
        )
        assert (await it.api.has_zone("east"), await it.api.has_zone("west")) == (True, False)
        for _ in range(3):
            server = await it.active(availability_zone="east")
            assert (server.host, server.availability_zone) == ("host2", "east")
        with pytest.raises(Invalid, match="contain instances in this zone"):
            await it.api.update_aggregate(ADMIN, number, {"availability_zone": "west"})
        with pytest.raises(Invalid, match="contain instances in this zone"):
            await it.api.set_aggregate_metadata(ADMIN, number, {"availability_zone": None})
        await it.api.remove_aggregate_host(ADMIN, number, "host2")
        assert await it.api.availability_zones(USER) == (AvailabilityZone("nova", True),)

    within(body)


def test_a_cell_that_starts_again_and_one_that_was_away_know_the_aggregates(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await _aggregate(it, "east", "host2", zone="east")
        await it.cell.close()
        west = asyncio.create_task(_aggregate(it, "west", "host1", zone="west"))
        await asyncio.sleep(1)
        await it.cell.start()
        await asyncio.sleep(40)
        assert west.done()
        zones = {zone.name: zone.hosts for zone in await it.api.availability_zones(ADMIN)}
        assert zones == {"east": ("host2",), "west": ("host1",)}

    within(body)


def test_a_flavor_finds_the_hosts_whose_aggregates_say_what_it_asks(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await _aggregate(it, "fast", "host2", ssd="true")
        specs = {"aggregate_instance_extra_specs:ssd": "true"}
        await it.api.create_flavor(ADMIN, Flavor("fast", "fast", 512, 1, 1, extra_specs=specs))
        for _ in range(3):
            assert (await it.active(flavor_id="fast")).host == "host2"
        lost = await it.api.create_flavor(
            ADMIN, Flavor("odd", "odd", 512, 1, 1, extra_specs={**specs, "aggregate_instance_extra_specs:gpu": "1"})
        )
        failed = await it.until((await it.create(flavor_id=lost.id)).uuid, lambda server: server.vm_state == "error")
        assert failed.fault is not None
        assert "2 are in no aggregate that the flavor asks for" in failed.fault.message

    within(body)


def test_an_aggregate_for_some_projects_takes_no_others(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await _aggregate(it, "theirs", "host1", filter_tenant_id="project-2")
        for _ in range(3):
            assert (await it.active()).host == "host2"

    within(body)


def test_what_may_not_be_is_refused(within: Within) -> None:
    async def body(it: Cloud) -> None:
        number = await _aggregate(it, "east", "host1", zone="east")
        other = await _aggregate(it, "west", zone="west")
        refusals = (
            (Forbidden, "Policy", it.api.list_aggregates(USER)),
            (Forbidden, "Policy", it.api.create_aggregate(USER, "x", None)),
            (Conflict, "Aggregate east already exists.", it.api.create_aggregate(ADMIN, "east", None)),
            (Conflict, "Aggregate east already exists.", it.api.update_aggregate(ADMIN, other, {"name": "east"})),
            (NotFound, "Aggregate 9 could not be found.", it.api.get_aggregate(ADMIN, 9)),
            (NotFound, "Aggregate 9 could not be found.", it.api.delete_aggregate(ADMIN, 9)),
            (NotFound, "Compute host host9 could not be found.", it.api.add_aggregate_host(ADMIN, number, "host9")),
            (NotFound, f"Aggregate {other} has no host host1.", it.api.remove_aggregate_host(ADMIN, other, "host1")),
            (Conflict, f"Aggregate {number} already has host host1.", it.api.add_aggregate_host(ADMIN, number, "host1")),
            (Conflict, "Host host1 already in availability zone east.", it.api.add_aggregate_host(ADMIN, other, "host1")),
            (Invalid, "Host aggregate is not empty", it.api.delete_aggregate(ADMIN, number)),
            (Invalid, "empty named availability zone", it.api.set_aggregate_metadata(ADMIN, other, {"availability_zone": ""})),
            (Invalid, "it has hosts", it.api.set_aggregate_metadata(ADMIN, number, {"hypervisor_pool": "true"})),
        )
        for kind, words, asked in refusals:
            with pytest.raises(kind, match=words):
                await asked
        plain = await _aggregate(it, "plain", "host1")
        with pytest.raises(Invalid, match="Host host1 already in availability zone east"):
            await it.api.set_aggregate_metadata(ADMIN, plain, {"availability_zone": "west"})
        await it.active(availability_zone="nova")
        with pytest.raises(Conflict, match="contain instances in this zone"):
            await it.api.add_aggregate_host(ADMIN, other, "host2")

    within(body)


def test_an_aggregate_that_was_emptied_is_deleted_and_its_name_is_free(within: Within) -> None:
    async def body(it: Cloud) -> None:
        number = await _aggregate(it, "east", "host1", zone="east")
        await it.api.remove_aggregate_host(ADMIN, number, "host1")
        renamed = await it.api.update_aggregate(ADMIN, number, {"name": "former"})
        assert (renamed.name, renamed.zone, renamed.generation) == ("former", "east", 4)
        await it.api.delete_aggregate(ADMIN, number)
        again = await it.api.create_aggregate(ADMIN, "former", None)
        assert await it.api.list_aggregates(ADMIN) == (replace(again, id=number + 1),)

    within(body)
