"""VLANs: every refusal in its order, what one is made of, and VLANs on every host of a pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fake_xapi.verbs.networks import nics
from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import addressed, bond, fields_of, management, network, nic, second_host, set_pool, tunnel, vlan

Arrange = Callable[[Host], Awaitable[tuple[list[str], list[str]]]]
"""What to give to ``VLAN.create``, and the refusal."""


async def _unmanaged_network(host: Host) -> tuple[list[str], list[str]]:
    made = host.kit.make("network", managed=False)
    return [await nic(host, 1, managed=False), "7", made], ["NETWORK_UNMANAGED", made]


async def _connected_network(host: Host) -> tuple[list[str], list[str]]:
    return [await nic(host, 1, managed=False), "7", host.network], ["NETWORK_ALREADY_CONNECTED", host.host, management(host)]


async def _unmanaged_pif(host: Host) -> tuple[list[str], list[str]]:
    pif = await nic(host, 1)
    await bond(host, pif)
    host.set(pif, managed=False)
    return [pif, "7", await network(host)], ["PIF_UNMANAGED", pif]


async def _bond_member(host: Host) -> tuple[list[str], list[str]]:
    pif = await nic(host, 1)
    await bond(host, pif)
    return [pif, "5000", await network(host)], ["CANNOT_ADD_VLAN_TO_BOND_SLAVE", pif]


async def _on_a_vlan(host: Host) -> tuple[list[str], list[str]]:
    _, pif = await vlan(host, await nic(host, 1))
    return [pif, "5000", await network(host)], ["PIF_IS_VLAN", pif]


async def _on_a_tunnel(host: Host) -> tuple[list[str], list[str]]:
    _, pif = await tunnel(host, await addressed(host, await nic(host, 1)))
    return [pif, "5000", await network(host)], ["IS_TUNNEL_ACCESS_PIF", pif]


async def _no_tag(host: Host) -> tuple[list[str], list[str]]:
    return [await nic(host, 1), "-1", await network(host)], ["VLAN_TAG_INVALID", "-1"]


async def _reserved_tag(host: Host) -> tuple[list[str], list[str]]:
    return [await nic(host, 1), "4095", await network(host)], ["VLAN_TAG_INVALID", "4095"]


async def _same_tag(host: Host) -> tuple[list[str], list[str]]:
    pif = await nic(host, 1)
    await vlan(host, pif, 7)
    return [pif, "7", await network(host)], ["PIF_VLAN_EXISTS", "eth1"]


async def _in_the_kernel(host: Host) -> tuple[list[str], list[str]]:
    pif = await nic(host, 1)
    with host.world.edit() as edit:
        nics.leave_vlan(host.world, edit, host.id(host.host), "eth1", 7)
    return [pif, "7", await network(host)], ["VLAN_IN_USE", "eth1", "7"]


MODERN: tuple[Arrange, ...] = (
    *(_unmanaged_network, _connected_network, _unmanaged_pif, _bond_member, _on_a_vlan, _on_a_tunnel, _no_tag, _reserved_tag),
    *(_same_tag, _in_the_kernel),
)
IN_2012: tuple[Arrange, ...] = (_connected_network, _bond_member, _on_a_vlan, _no_tag, _reserved_tag, _same_tag)


@pytest.mark.parametrize(
    ("release", "arrange"), [*(("latest", arrange) for arrange in MODERN), *(("boston", arrange) for arrange in IN_2012)]
)
def test_a_vlan_is_refused(release: str, arrange: Arrange) -> None:
    async def body(host: Host) -> None:
        given, refusal = await arrange(host)
        before = host.world.generation
        assert await host.refused("VLAN.create", *given) == refusal
        assert host.world.generation == before

    over_host(body, release)


def test_the_releases_of_2012_look_at_tunnels_last() -> None:
    async def body(host: Host) -> None:
        _, pif = await tunnel(host, await addressed(host, await nic(host, 1)))
        assert await host.refused("VLAN.create", pif, "5000", await network(host)) == ["VLAN_TAG_INVALID", "5000"]
        assert await host.refused("VLAN.create", pif, "7", await network(host)) == ["IS_TUNNEL_ACCESS_PIF", pif]

    over_host(body, "tampa")


def test_a_vlan_has_an_interface_of_its_own_that_is_up() -> None:
    async def body(host: Host) -> None:
        base = await nic(host, 1, MTU=9000)
        made, pif = await vlan(host, base, 7)
        assert fields_of(host, made, "tagged_PIF", "untagged_PIF", "tag") == (host.id(base), host.id(pif), 7)
        assert fields_of(host, base, "VLAN_slave_of") == ((host.id(made),),)
        names = ("device", "VLAN", "MAC", "physical", "currently_attached", "VLAN_master_of", "metrics", "properties", "management")
        shown: tuple[Any, ...] = ("eth1", 7, "fe:ff:ff:ff:ff:ff", False, True, host.id(made), host.row(base)["metrics"], {}, False)
        assert fields_of(host, pif, *names) == shown
        await host.call("VLAN.destroy", made)
        assert (host.world.count("VLAN"), host.world.count("PIF"), host.world.count("PIF_metrics")) == (0, 2, 1)
        assert fields_of(host, base, "VLAN_slave_of") == ((),)

    over_host(body)


def test_a_vlan_stays_while_it_is_needed() -> None:
    async def body(host: Host) -> None:
        made, pif = await vlan(host, await nic(host, 1))
        used = host.world.ref(host.row(pif)["network"])
        vm = await host.vm()
        vif = await host.vif(vm, network=used)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("VLAN.destroy", made) == ["VIF_IN_USE", used, vif]
        set_pool(host, ha_enabled=True)
        assert await host.refused("VLAN.destroy", made) == ["HA_IS_ENABLED"]

    over_host(body)


def test_the_old_way_makes_the_same() -> None:
    async def body(host: Host) -> None:
        await nic(host, 1)
        refusal = await host.refused("PIF.create_VLAN", "eth9", await network(host), host.host, "7")
        assert refusal == ["INVALID_VALUE", "device", "eth9"]
        pif = await host.call("PIF.create_VLAN", "eth1", await network(host), host.host, "7")
        assert fields_of(host, pif, "device", "VLAN", "currently_attached") == ("eth1", 7, True)
        assert await host.refused("PIF.destroy", management(host)) == ["PIF_IS_PHYSICAL"]
        await host.call("PIF.destroy", pif)
        assert (host.world.count("VLAN"), host.world.count("PIF")) == (0, 2)

    over_host(body)


def test_a_vlan_is_introduced_as_it_is_told() -> None:
    async def body(host: Host) -> None:
        base, other = await nic(host, 1), await nic(host, 2)
        made = await host.call("VLAN.pool_introduce", base, other, "9", {"k": "v"})
        assert fields_of(host, made, "tagged_PIF", "untagged_PIF", "tag", "other_config") == (host.id(base), host.id(other), 9, {"k": "v"})
        assert fields_of(host, other, "VLAN_master_of") == (host.id(made),)

    over_host(body)


def test_a_vlan_that_is_only_forgotten_is_still_in_the_kernel() -> None:
    async def body(host: Host) -> None:
        base = await nic(host, 1)
        _, pif = await vlan(host, base)
        await host.call("PIF.db_forget", pif)
        with host.world.edit() as edit:
            edit.destroy(host.row(base)["VLAN_slave_of"][0])
        assert await host.refused("VLAN.create", base, "7", await network(host)) == ["VLAN_IN_USE", "eth1", "7"]

    over_host(body)


@pytest.mark.parametrize("form", ["pool.create_VLAN", "pool.create_VLAN_from_PIF"])
def test_a_pool_gets_a_vlan_on_every_host(form: str) -> None:
    async def body(host: Host) -> None:
        base, other = await nic(host, 1), await second_host(host)
        shared = await network(host)
        given = ("eth1",) if form == "pool.create_VLAN" else (base,)
        pifs = await host.call(form, *given, shared, "12")
        assert [fields_of(host, pif, "host", "VLAN", "device", "currently_attached") for pif in pifs] == [
            (host.id(host.host), 12, "eth1", True),
            (host.id(other), 12, "eth1", True),
        ]
        assert set(host.row(shared)["PIFs"]) == {host.id(pif) for pif in pifs}

    over_host(body)


@pytest.mark.parametrize("form", ["pool.create_VLAN", "pool.create_VLAN_from_PIF"])
def test_a_pool_gets_a_vlan_on_every_host_or_on_none(form: str) -> None:
    async def body(host: Host) -> None:
        base, other = await nic(host, 1), await second_host(host)
        there = host.world.ref(host.row(other)["PIFs"][1])
        await vlan(host, there, 12)
        before = host.world.count("VLAN")
        given = ("eth1",) if form == "pool.create_VLAN" else (base,)
        assert await host.refused(form, *given, await network(host), "12") == ["PIF_VLAN_EXISTS", "eth1"]
        assert host.world.count("VLAN") == before

    over_host(body)


def test_a_host_that_is_down_gets_no_vlan() -> None:
    async def body(host: Host) -> None:
        base, other = await nic(host, 1), await second_host(host)
        host.set(host.world.ref(host.row(other)["metrics"]), live=False)
        pifs = await host.call("pool.create_VLAN_from_PIF", base, await network(host), "12")
        assert [host.row(pif)["host"] for pif in pifs] == [host.id(host.host)]

    over_host(body)
