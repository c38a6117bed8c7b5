"""Flavors, key pairs, agents and zones, as the top of the tree keeps and shows them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from compute_core.model.errors import Conflict, Forbidden, NotFound
from compute_core.model.flavors import DEFAULT_FLAVORS, Flavor
from compute_core.model.hosts import AvailabilityZone
from tests.compute_core.cells.cloud import ADMIN, OTHER, USER, Cloud
from tests.compute_core.cells.running import Within


def test_the_usual_flavors_are_there_and_others_can_be_added(within: Within) -> None:
    async def body(it: Cloud) -> None:
        assert await it.api.list_flavors(USER) == DEFAULT_FLAVORS
        huge = Flavor("", "huge", 65536, 16, 500, is_public=False, extra_specs={"class": "gold"})
        created = await it.api.create_flavor(ADMIN, huge)
        assert created == replace(huge, id=created.id)
        assert len(created.id) == 36
        assert await it.api.get_flavor(ADMIN, created.id) == created
        with pytest.raises(NotFound):
            await it.api.get_flavor(USER, created.id)
        assert created not in await it.api.list_flavors(USER)
        for twin in (replace(huge, id="1"), replace(huge, id="new")):
            with pytest.raises(Conflict, match="already exists"):
                await it.api.create_flavor(ADMIN, twin)
        with pytest.raises(Forbidden):
            await it.api.create_flavor(USER, replace(huge, name="mine"))
        await it.api.delete_flavor(ADMIN, created.id)
        with pytest.raises(NotFound):
            await it.api.delete_flavor(ADMIN, created.id)

    within(body)


def test_extra_specs_are_added_and_removed(within: Within) -> None:
    async def body(it: Cloud) -> None:
        assert await it.api.set_extra_specs(ADMIN, "1", {"a": "1", "b": "2"}) == {"a": "1", "b": "2"}
        assert await it.api.set_extra_specs(ADMIN, "1", {"a": "3"}) == {"a": "3", "b": "2"}
        await it.api.delete_extra_spec(ADMIN, "1", "b")
        with pytest.raises(NotFound):
            await it.api.delete_extra_spec(ADMIN, "1", "b")
        assert (await it.api.get_flavor(USER, "1")).extra_specs == {"a": "3"}

    within(body)


def test_key_pairs_belong_to_their_user(within: Within) -> None:
    async def body(it: Cloud) -> None:
        first, _ = await it.api.create_keypair(USER, "b")
        second, _ = await it.api.create_keypair(USER, "a")
        other, _ = await it.api.create_keypair(OTHER, "a")
        assert await it.api.list_keypairs(USER) == (second, first)
        assert await it.api.get_keypair(OTHER, "a") == other
        await it.api.delete_keypair(USER, "a")
        with pytest.raises(NotFound):
            await it.api.get_keypair(USER, "a")
        assert await it.api.list_keypairs(OTHER) == (other,)

    within(body)


def test_agents_register_by_themselves_and_are_taken_out_of_use(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        (service,) = await it.api.list_services(ADMIN)
        assert (service.binary, service.host, service.is_up, service.is_enabled) == ("nova-compute", "host1", True, True)
        off = await it.api.set_service(ADMIN, service.uuid, is_enabled=False, disabled_reason="fan")
        assert off == replace(service, is_enabled=False, disabled_reason="fan")
        assert await it.api.list_services(ADMIN) == (off,)
        assert await it.api.availability_zones(ADMIN) == (AvailabilityZone("nova", is_available=False, hosts=("host1",)),)
        await it.agents["host1"].beat()
        assert (await it.api.list_services(ADMIN))[0].disabled_reason == "fan"
        assert await it.api.set_service(ADMIN, service.uuid, is_enabled=True) == service
        with pytest.raises(NotFound):
            await it.api.set_service(ADMIN, "nobody", is_enabled=True)

    within(body)


def test_a_silent_host_is_shown_as_down_and_up_again_when_it_speaks(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        await agent.stop()
        await asyncio.sleep(100)  # virtual: the watch finds that nobody speaks
        assert await it.api.availability_zones(USER) == (AvailabilityZone("nova", is_available=False, hosts=()),)
        await agent.start()
        assert [service.is_up for service in await it.api.list_services(ADMIN)] == [True]

    within(body)


def test_what_others_use_of_a_host_is_not_offered(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        (node,) = await it.api.list_hosts(ADMIN)
        assert (node.claimed_instances, node.claimed_vcpus, node.claimed_memory_mb, node.claimed_disk_gb) == (1, 1, 2048 + 21, 20)
        assert (node.other_memory_mb, node.other_disk_gb) == (1024, 10)
        await it.api.delete_server(USER, server.uuid)
        await it.gone(server.uuid)
        (node,) = await it.api.list_hosts(ADMIN)
        assert (node.claimed_instances, node.claimed_memory_mb) == (0, 0)

    within(body)
