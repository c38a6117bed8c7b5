"""Clocks of hosts, and the servers that they follow."""

from __future__ import annotations

import asyncio

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host


def test_a_clock_set_by_hand_is_wrong_until_it_follows_servers_again() -> None:
    async def body(host: Host) -> None:
        refusal = await host.refused("host.set_servertime", host.host, "20120801T01:00:00Z")
        assert refusal == ["NOT_ALLOWED_WHEN_NTP_IS_ENABLED", host.host]
        await host.call("host.set_ntp_mode", host.host, "Disabled")
        await host.call("host.set_servertime", host.host, "20120801T01:00:00Z")
        await asyncio.sleep(60)
        assert await host.call("host.get_servertime", host.host) == "20120801T01:01:00Z"
        await host.call("host.set_ntp_mode", host.host, "DHCP")
        assert await host.call("host.get_servertime", host.host) == "20120801T00:01:00Z"

    over_host(body)


@pytest.mark.parametrize(("zone", "local"), [("UTC", "20120801T00:00:00Z"), ("America/Chicago", "20120731T19:00:00Z")])
def test_local_time_is_that_of_the_zone(zone: str, local: str) -> None:
    async def body(host: Host) -> None:
        await host.call("host.set_timezone", host.host, zone)
        assert await host.call("host.get_server_localtime", host.host) == local
        assert await host.call("host.get_servertime", host.host) == "20120801T00:00:00Z"

    over_host(body)


def test_only_zones_that_the_host_knows() -> None:
    async def body(host: Host) -> None:
        known = await host.call("host.list_timezones", host.host)
        assert {"UTC", "America/Chicago"} <= set(known)
        assert known == sorted(known)
        assert await host.refused("host.set_timezone", host.host, "Mars") == ["INVALID_VALUE", "timezone", "Mars"]
        assert await host.call("host.get_timezone", host.host) == "UTC"

    over_host(body)


def test_the_servers_of_each_mode() -> None:
    async def body(host: Host) -> None:
        async def followed() -> tuple[dict[str, str], bool]:
            status = await host.call("host.get_ntp_servers_status", host.host)
            return status, await host.call("host.get_ntp_synchronized", host.host)

        factory, synchronized = await followed()
        assert (list(factory.values()), synchronized) == (["current", "combined", "combined", "combined"], True)
        refusal = ["INVALID_NTP_CONFIG", "Can't set ntp_mode to Custom when ntp_custom_servers is empty"]
        assert await host.refused("host.set_ntp_mode", host.host, "Custom") == refusal
        await host.call("host.set_ntp_custom_servers", host.host, ["a", "b", "a"])
        assert await followed() == (factory, True)
        await host.call("host.set_ntp_mode", host.host, "Custom")
        assert await followed() == ({"a": "current", "b": "combined"}, True)
        refusal = ["INVALID_NTP_CONFIG", "Can't set ntp_custom_servers empty when ntp_mode is Custom"]
        assert await host.refused("host.set_ntp_custom_servers", host.host, []) == refusal
        for mode in ("DHCP", "Disabled"):
            await host.call("host.set_ntp_mode", host.host, mode)
            assert await followed() == ({}, False)
        await host.call("host.set_ntp_custom_servers", host.host, [])

    over_host(body)


def test_a_clock_stands_still_at_the_end_of_time() -> None:
    async def body(host: Host) -> None:
        await host.call("host.set_ntp_mode", host.host, "Disabled")
        await host.call("host.set_servertime", host.host, "99991231T23:59:59Z")
        await asyncio.sleep(60)
        assert await host.call("host.get_servertime", host.host) == "99991231T23:59:59Z"

    over_host(body)
