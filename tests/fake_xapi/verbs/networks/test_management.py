"""Management: over which interface a host is managed, why not over another, and what is left when all is forgotten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import addressed, bond, fields_of, management, network, nic, second_host, set_pool, tunnel, vlan

Arrange = Callable[[Host], Awaitable[tuple[str, list[str]]]]


async def _under_ha(host: Host) -> tuple[str, list[str]]:
    set_pool(host, ha_enabled=True)
    return await nic(host, 1), ["HA_IS_ENABLED"]


async def _member(host: Host) -> tuple[str, list[str]]:
    pif = await nic(host, 1)
    await bond(host, pif)
    return pif, ["CANNOT_PLUG_BOND_SLAVE", pif]


async def _bare(host: Host) -> tuple[str, list[str]]:
    pif = await nic(host, 1)
    return pif, ["PIF_HAS_NO_NETWORK_CONFIGURATION", pif]


async def _bare_in_2012(host: Host) -> tuple[str, list[str]]:
    return await nic(host, 1), ["PIF_HAS_NO_NETWORK_CONFIGURATION"]


async def _bare_of_ipv6(host: Host) -> tuple[str, list[str]]:
    pif = await nic(host, 1, primary_address_type="IPv6")
    return pif, ["PIF_HAS_NO_V6_NETWORK_CONFIGURATION", pif]


async def _other_family(host: Host) -> tuple[str, list[str]]:
    pif = await nic(host, 1, primary_address_type="IPv6", ipv6_configuration_mode="DHCP")
    return pif, ["PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE", pif]


ROWS = [
    *(("tampa", row) for row in (_under_ha, _member, _bare_in_2012)),
    *(("latest", row) for row in (_under_ha, _member, _bare, _bare_of_ipv6, _other_family)),
]


@pytest.mark.parametrize(("release", "arrange"), ROWS)
def test_management_stays_where_it_is(release: str, arrange: Arrange) -> None:
    async def body(host: Host) -> None:
        pif, refusal = await arrange(host)
        assert await host.refused("host.management_reconfigure", pif) == refusal
        assert fields_of(host, management(host), "management") == (True,)

    over_host(body, release)


def test_management_moves() -> None:
    async def body(host: Host) -> None:
        pif = await addressed(host, await nic(host, 1, is_up=False), "10.9.9.9")
        await host.call("host.management_reconfigure", pif)
        await host.call("host.management_reconfigure", pif)
        assert fields_of(host, pif, "management", "currently_attached") == (True, True)
        assert fields_of(host, management(host), "management") == (False,)
        assert fields_of(host, host.host, "address") == ("10.9.9.9",)

    over_host(body)


def test_a_pool_is_managed_over_one_network() -> None:
    async def body(host: Host) -> None:
        here = await addressed(host, await nic(host, 1), "10.9.0.1")
        other = await second_host(host)
        there = host.world.ref(host.row(other)["PIFs"][1])
        lonely = await network(host)
        assert await host.refused("pool.management_reconfigure", lonely) == ["PIF_NOT_PRESENT", host.host, lonely]
        shared = host.world.ref(host.row(here)["network"])
        assert await host.refused("pool.management_reconfigure", shared) == ["PIF_HAS_NO_NETWORK_CONFIGURATION", there]
        assert fields_of(host, here, "management") == (False,)
        await addressed(host, there, "10.9.0.2")
        await host.call("pool.management_reconfigure", shared)
        assert [fields_of(host, pif, "management") for pif in (here, there)] == [(True,), (True,)]
        assert [fields_of(host, ref, "address") for ref in (host.host, other)] == [("10.9.0.1",), ("10.9.0.2",)]
        set_pool(host, ha_enabled=True)
        assert await host.refused("pool.management_reconfigure", shared) == ["HA_IS_ENABLED"]

    over_host(body)


def test_a_host_without_management() -> None:
    async def body(host: Host) -> None:
        set_pool(host, ha_enabled=True)
        assert await host.refused("host.management_disable") == ["HA_IS_ENABLED"]
        set_pool(host, ha_enabled=False)
        await host.call("host.management_disable")
        assert fields_of(host, management(host), "management") == (False,)

    over_host(body)


def test_a_host_that_has_its_master_is_managed_through_it() -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("host.local_management_reconfigure", "xenbr0")

    assert over_host(body) == ["NOT_IN_EMERGENCY_MODE"]


def test_all_interfaces_are_forgotten_and_the_nics_found_again() -> None:
    async def body(host: Host) -> None:
        pif = await addressed(host, await nic(host, 1))
        await vlan(host, pif)
        await tunnel(host, pif)
        await bond(host, await nic(host, 2))
        other = await second_host(host)
        await host.call("host.reset_networking", host.host)
        counts = {cls: host.world.count(cls) for cls in ("Bond", "VLAN", "tunnel", "PIF", "PIF_metrics")}
        assert counts == {"Bond": 0, "VLAN": 0, "tunnel": 0, "PIF": 2, "PIF_metrics": 1}
        assert len(host.row(other)["PIFs"]) == 2
        await host.call("PIF.scan", host.host)
        found = [host.world[pif]["device"] for pif in host.row(host.host)["PIFs"]]
        assert found == ["eth0", "eth1", "eth2"]

    over_host(body)
