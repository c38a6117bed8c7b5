"""Addresses of interfaces: which are good, what follows from them, and where none may be taken away."""

from __future__ import annotations

import pytest

from fake_xapi.verbs.networks.mac_addresses import leased_address
from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import fields_of, management, nic, set_pool

FIELDS = ("ip_configuration_mode", "IP", "netmask", "gateway", "DNS")


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        (("Static", "", "255.255.255.0", "", ""), ["INVALID_IP_ADDRESS_SPECIFIED", "IP"]),
        (("Static", "10.0.0.5", "", "", ""), ["INVALID_IP_ADDRESS_SPECIFIED", "netmask"]),
        (("Static", "10.0.0.5", "255.255.255.0", "x", ""), ["INVALID_IP_ADDRESS_SPECIFIED", "gateway"]),
        (("DHCP", "ten", "", "", ""), ["INVALID_IP_ADDRESS_SPECIFIED", "IP"]),
        (("None", "", "", "", ""), ["PIF_IS_MANAGEMENT_INTERFACE", "pif"]),
    ],
)
def test_an_address_is_refused(params: tuple[str, ...], refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        return [
            "pif" if param == management(host) else param for param in await host.refused("PIF.reconfigure_ip", management(host), *params)
        ]

    assert over_host(body) == refusal


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        (("Static", "x", "", ""), ["INVALID_CIDR_ADDRESS_SPECIFIED", "IPv6"]),
        (("Static", "fe80::1", "", ""), ["INVALID_CIDR_ADDRESS_SPECIFIED", "IPv6"]),
        (("Static", "fe80::1/129", "", ""), ["INVALID_CIDR_ADDRESS_SPECIFIED", "IPv6"]),
        (("Static", "10.0.0.1/8", "", ""), ["INVALID_CIDR_ADDRESS_SPECIFIED", "IPv6"]),
        (("Static", "fe80::1/64", "10.0.0.1", ""), ["INVALID_IP_ADDRESS_SPECIFIED", "gateway"]),
    ],
)
def test_an_ipv6_address_is_refused(params: tuple[str, ...], refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("PIF.reconfigure_ipv6", management(host), *params)

    assert over_host(body) == refusal


def test_an_interface_gets_an_address() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        await host.call("PIF.reconfigure_ip", pif, "Static", "10.0.0.5", "255.255.255.0", "10.0.0.1", "8.8.8.8,fe80::8")
        assert fields_of(host, pif, *FIELDS) == ("Static", "10.0.0.5", "255.255.255.0", "10.0.0.1", "8.8.8.8")
        await host.call("PIF.reconfigure_ipv6", pif, "Static", "fe80::1/64", "fe80::2", "fe80::53,8.8.4.4")
        assert fields_of(host, pif, "ipv6_configuration_mode", "IPv6", "ipv6_gateway", "DNS") == (
            "Static",
            ("fe80::1/64",),
            "fe80::2",
            "fe80::53,8.8.8.8",
        )
        await host.call("PIF.reconfigure_ip", pif, "None", "", "", "", "")
        assert fields_of(host, pif, *FIELDS) == ("None", "", "", "", "fe80::53")

    over_host(body)


def test_a_dhcp_server_has_an_address_for_every_station_that_is_up() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1, is_up=False)
        await host.call("PIF.reconfigure_ip", pif, "DHCP", "", "", "", "")
        assert fields_of(host, pif, "IP") == ("",)
        await host.call("PIF.plug", pif)
        assert fields_of(host, pif, "IP") == (leased_address("02:00:00:00:00:01"),)

    over_host(body)


def test_a_host_is_found_at_its_management_interface() -> None:
    async def body(host: Host) -> None:
        await host.call("PIF.reconfigure_ip", management(host), "DHCP", "", "", "", "")
        assert fields_of(host, management(host), "IP") == ("10.0.0.1",)
        await host.call("PIF.reconfigure_ip", management(host), "Static", "10.0.0.77", "255.0.0.0", "", "")
        assert fields_of(host, host.host, "address") == ("10.0.0.77",)

    over_host(body)


def test_an_unmanaged_interface_keeps_its_address() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1, managed=False)
        assert await host.refused("PIF.reconfigure_ip", pif, "None", "", "", "", "") == ["PIF_UNMANAGED", pif]
        assert await host.refused("PIF.reconfigure_ipv6", pif, "None", "", "", "") == ["PIF_UNMANAGED", pif]

    over_host(body)


def test_under_ha_only_the_name_servers_change() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        static = ("Static", "10.0.0.5", "255.255.255.0", "")
        await host.call("PIF.reconfigure_ip", pif, *static, "")
        await host.call("PIF.reconfigure_ipv6", pif, "Static", "fe80::1/64", "", "")
        set_pool(host, ha_enabled=True)
        assert await host.refused("PIF.reconfigure_ip", pif, "DHCP", "", "", "", "") == ["HA_IS_ENABLED"]
        assert await host.refused("PIF.reconfigure_ipv6", pif, "Static", "fe80::2/64", "", "") == ["HA_IS_ENABLED"]
        await host.call("PIF.reconfigure_ip", pif, *static, "8.8.8.8")
        await host.call("PIF.reconfigure_ipv6", pif, "Static", "fe80::1/64", "", "fe80::8")
        assert fields_of(host, pif, "DNS") == ("fe80::8,8.8.8.8",)

    over_host(body)


def test_a_host_that_is_known_by_ipv6_keeps_that_address() -> None:
    async def body(host: Host) -> None:
        pif = management(host)
        host.set(pif, primary_address_type="IPv6")
        assert await host.refused("PIF.reconfigure_ipv6", pif, "None", "", "", "") == ["PIF_IS_MANAGEMENT_INTERFACE", pif]
        await host.call("PIF.reconfigure_ip", pif, "None", "", "", "", "")

    over_host(body)
