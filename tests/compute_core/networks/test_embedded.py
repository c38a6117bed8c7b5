"""The embedded network service: addresses and MACs in order, each to one port; ports of servers and of users, over both databases."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from compute_core.model.clock import Clock
from compute_core.model.errors import Conflict, Invalid, NotFound
from compute_core.model.instances import Vif
from compute_core.model.networks import Port, Wish
from compute_core.networks.embedded import EmbeddedNetworks
from compute_core.networks.port import Network
from compute_core.settings import DEFAULT_NETWORK
from compute_core.store.adapters import open_store
from compute_core.store.port import Store
from tests.compute_core.store.conftest import database_url

__all__ = ["database_url"]

PROJECT, OTHERS = "project-1", "project-2"
TINY = ("tiny", "xenbr1", "192.168.0.0/28")
"""Five addresses: sixteen, less ten reserved, less the broadcast."""
TWO = (("front", "xenbr0", "10.0.0.0/16"), ("back", "xenbr1", "10.1.0.0/16"))
NO_WISH = Wish()


async def opened(
    store: Store, networks: Sequence[tuple[str, str, str]] = (DEFAULT_NETWORK,), *, is_watched: bool = False
) -> EmbeddedNetworks:
    numbers = itertools.count(1)
    clock = Clock.starting(datetime(2012, 8, 1, tzinfo=UTC))
    return await EmbeddedNetworks.open(
        store, clock, lambda: f"00000000-0000-4000-8000-{next(numbers):012d}", networks, is_watched=is_watched
    )  # fmt: skip


def within(url: str, body: Callable[[EmbeddedNetworks], Awaitable[None]], *networks: tuple[str, str, str]) -> None:
    async def main() -> None:
        store = await open_store(url)
        await body(await opened(store, networks or (DEFAULT_NETWORK,), is_watched=True))
        await store.close()

    asyncio.run(main())


async def allocated(networks: EmbeddedNetworks, device_id: str, network: str | None = None) -> Vif:
    return await networks.allocate(device_id, PROJECT, Wish(network))


def test_addresses_and_macs_are_handed_out_in_order(database_url: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        given = [await allocated(networks, f"i{number}") for number in range(3)]
        assert [(vif.ip, vif.mac, vif.device) for vif in given] == [
            ("10.0.0.10", "00:16:3e:00:00:00", 0),
            ("10.0.0.11", "00:16:3e:00:00:01", 0),
            ("10.0.0.12", "00:16:3e:00:00:02", 0),
        ]
        assert len({vif.id for vif in given}) == 3
        assert {(vif.bridge, vif.network_label, vif.prefix_length, vif.gateway) for vif in given} == {("xenbr0", "private", 12, "10.0.0.1")}

    within(database_url, body)


def test_concurrent_servers_get_different_addresses(database_url: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        given = await asyncio.gather(*(allocated(networks, f"i{number}", "private") for number in range(30)))
        assert len({vif.ip for vif in given}) == 30

    within(database_url, body)


def test_used_up_addresses_come_back_when_they_are_released(database_url: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        for number in range(5):
            await allocated(networks, f"i{number}")
        with pytest.raises(Conflict, match="No address is left"):
            await allocated(networks, "late")
        await networks.release("i3")
        await networks.release("i3")
        assert (await allocated(networks, "late")).ip == "192.168.0.13"

    within(database_url, body, TINY)


def test_macs_of_one_number_differ_from_network_to_network() -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        front, back = await allocated(networks, "i", "front"), await allocated(networks, "i", "back")
        assert (front.device, back.device, front.bridge, back.bridge) == (0, 1, "xenbr0", "xenbr1")
        assert (front.mac, back.mac) == ("00:16:3e:00:00:00", "02:00:01:00:00:00")
        assert [network.label for network in await networks.list()] == ["back", "front"]
        assert (await allocated(networks, "j", back.network_id)).network_label == "back"
        with pytest.raises(NotFound, match="Network nowhere could not be found"):
            await allocated(networks, "i", "nowhere")

    within("sqlite://", body, *TWO)


def test_a_network_outlives_the_program() -> None:
    async def main() -> None:
        store = await open_store("sqlite://")
        before = await (await opened(store, [TINY])).list()
        again = await opened(store, [TINY])
        assert await again.list() == before == (Network(before[0].id, "tiny", "xenbr1", "192.168.0.0/28", "192.168.0.1"),)
        await allocated(again, "i")
        another = await EmbeddedNetworks.open(store, Clock.starting(datetime(2013, 1, 1, tzinfo=UTC)), lambda: "another", [TINY])
        assert (await allocated(another, "j")).ip == "192.168.0.11"
        await store.close()

    asyncio.run(main())


# ---- ports ---------------------------------------------------------------------------------------------------------------------------


def test_an_interface_that_goes_leaves_its_number_to_the_next() -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        first, second = await allocated(networks, "i"), await allocated(networks, "i")
        await networks.unbind(first.id)
        await networks.unbind(first.id)
        assert [port.id for port in await networks.ports(PROJECT)] == [second.id]
        assert (await allocated(networks, "i")).device == 0

    within("sqlite://", body)


def test_a_users_port_survives_its_server(database_url: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        port = await networks.create_port(PROJECT, Wish("private", address="10.0.0.77"), name="kept")
        vif = await networks.allocate("i", PROJECT, Wish(port=port.id, tag="nic"))
        assert (vif.id, vif.ip, vif.tag, vif.is_users, vif.device) == (port.id, "10.0.0.77", "nic", True, 0)
        assert (await networks.allocate("i", PROJECT, Wish(port=port.id))).device == 0
        for refused in (networks.allocate("j", PROJECT, Wish(port=port.id)), networks.delete_port(port.id)):
            with pytest.raises(Conflict):
                await refused
        await networks.release("i")
        assert await networks.port(port.id) == port
        await networks.delete_port(port.id)
        with pytest.raises(NotFound, match=f"Port {port.id} could not be found"):
            await networks.port(port.id)

    within(database_url, body)


def test_an_address_that_is_asked_for_is_given_to_nobody_else(database_url: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        await networks.create_port(PROJECT, Wish("tiny", address="192.168.0.11"))
        with pytest.raises(Conflict, match="The address is in use by another port of its network"):
            await networks.create_port(PROJECT, Wish("tiny", address="192.168.0.11"))
        assert [(await allocated(networks, f"i{number}")).ip[-2:] for number in range(4)] == ["10", "12", "13", "14"]

    within(database_url, body, TINY)


def test_an_address_that_several_ask_for_at_once_is_given_to_one(database_url: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        await networks.groups.default(PROJECT)
        for number in range(40, 45):
            wish = Wish("private", address=f"10.0.0.{number}")
            told = await asyncio.gather(*(networks.create_port(PROJECT, wish) for _ in range(5)), return_exceptions=True)
            assert [type(each) for each in told if not isinstance(each, Port)] == [Conflict] * 4

    within(database_url, body)


def test_changes_of_one_port_at_once_are_all_kept(database_url: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        port = await networks.create_port(PROJECT, NO_WISH)
        for said in map(str, range(10)):
            await asyncio.gather(networks.update_port(port.id, name=said), networks.update_port(port.id, description=said))
            changed = await networks.port(port.id)
            assert (changed.name, changed.description) == (said, said)

    within(database_url, body)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("192.168.0.9", "IP address 192.168.0.9 is not a valid IP for the specified subnet."),
        ("192.168.0.15", "IP address 192.168.0.15 is not a valid IP for the specified subnet."),
        ("10.0.0.1", "IP address 10.0.0.1 is not a valid IP for the specified subnet."),
        ("fe80::1", "fe80::1 is no IPv4 address."),
    ],
)
def test_an_address_that_is_not_to_be_had_is_refused(address: str, reason: str) -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        with pytest.raises(Invalid) as caught:
            await networks.create_port(PROJECT, Wish("tiny", address=address))
        assert caught.value.message == reason

    within("sqlite://", body, TINY)


def test_ports_and_groups_of_another_project_are_not_there() -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        port = await networks.create_port(OTHERS, NO_WISH)
        with pytest.raises(NotFound, match=r"Port .* could not be found"):
            await networks.allocate("i", PROJECT, Wish(port=port.id))
        group = await networks.groups.create(OTHERS, "web", "")
        for refused in (
            networks.create_port(PROJECT, Wish(groups=(group.id,))),
            networks.update_port((await networks.create_port(PROJECT, NO_WISH)).id, security_groups=(group.id,)),
        ):
            with pytest.raises(NotFound, match=f"Security group {group.id} does not exist"):
                await refused
        assert [each.project_id for each in await networks.ports()] == [OTHERS, PROJECT]

    within("sqlite://", body)


def test_a_port_without_security_is_in_no_group() -> None:
    async def body(networks: EmbeddedNetworks) -> None:
        default = await networks.groups.default(PROJECT)
        port = await networks.create_port(PROJECT, NO_WISH)
        assert port.security_groups == (default.id,)
        assert (await networks.create_port(PROJECT, NO_WISH, is_secured=False)).security_groups == ()
        changed = await networks.update_port(port.id, name="n", is_secured=False, security_groups=())
        assert changed == replace(port, name="n", is_secured=False, security_groups=(), updated_at=changed.updated_at)

    within("sqlite://", body)
