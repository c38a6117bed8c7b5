"""The embedded flat network: addresses and MACs in order, each to one server, over both databases."""

from __future__ import annotations

import asyncio

import pytest

from compute_core.model.errors import Conflict, NotFound
from compute_core.networks.embedded import EmbeddedNetworks
from compute_core.networks.port import Network
from compute_core.store.adapters import open_store
from compute_core.store.port import Store
from tests.compute_core.store.conftest import database_url

__all__ = ["database_url"]


def test_addresses_and_macs_are_handed_out_in_order(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        networks = await EmbeddedNetworks.open(store)
        given = [(await networks.allocate(f"i{number}", None))[0] for number in range(3)]
        assert [(vif.ip, vif.mac, vif.device) for vif in given] == [
            ("10.0.0.10", "00:16:3e:00:00:00", 0),
            ("10.0.0.11", "00:16:3e:00:00:01", 0),
            ("10.0.0.12", "00:16:3e:00:00:02", 0),
        ]
        assert len({vif.id for vif in given}) == 3
        assert {(vif.bridge, vif.network_label, vif.prefix_length, vif.gateway) for vif in given} == {("xenbr0", "private", 12, "10.0.0.1")}
        await store.close()

    asyncio.run(main())


def test_concurrent_servers_get_different_addresses(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        networks = await EmbeddedNetworks.open(store)
        given = await asyncio.gather(*(networks.allocate(f"i{number}", "private") for number in range(30)))
        assert len({vif.ip for vifs in given for vif in vifs}) == 30
        await store.close()

    asyncio.run(main())


async def tiny(store: Store) -> EmbeddedNetworks:
    """Five addresses: sixteen, less ten reserved, less the broadcast."""
    return await EmbeddedNetworks.open(store, [("tiny", "xenbr1", "192.168.0.0/28")])


def test_used_up_addresses_come_back_when_they_are_released(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        networks = await tiny(store)
        for number in range(5):
            await networks.allocate(f"i{number}", None)
        with pytest.raises(Conflict, match="No address is left"):
            await networks.allocate("late", None)
        await networks.release("i3")
        await networks.release("i3")
        assert (await networks.allocate("late", None))[0].ip == "192.168.0.13"
        await store.close()

    asyncio.run(main())


def test_a_server_on_two_networks_has_two_devices() -> None:
    async def main() -> None:
        store = await open_store("sqlite://")
        networks = await EmbeddedNetworks.open(store, [("front", "xenbr0", "10.0.0.0/16"), ("back", "xenbr1", "10.1.0.0/16")])
        (front,), (back,) = await networks.allocate("i", "front"), await networks.allocate("i", "back")
        assert (front.device, back.device, front.bridge, back.bridge) == (0, 1, "xenbr0", "xenbr1")
        assert [network.label for network in await networks.list()] == ["back", "front"]
        assert (await networks.allocate("j", back.network_id))[0].network_label == "back"
        with pytest.raises(NotFound, match="Network nowhere could not be found"):
            await networks.allocate("i", "nowhere")
        await store.close()

    asyncio.run(main())


def test_a_network_outlives_the_program() -> None:
    async def main() -> None:
        store = await open_store("sqlite://")
        before = await (await tiny(store)).list()
        again = await tiny(store)
        assert await again.list() == before == (Network(before[0].id, "tiny", "xenbr1", "192.168.0.0/28", "192.168.0.1"),)
        await again.allocate("i", None)
        assert (await (await tiny(store)).allocate("j", None))[0].ip == "192.168.0.11"
        await store.close()

    asyncio.run(main())
