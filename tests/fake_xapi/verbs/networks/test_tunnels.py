"""Tunnels: every refusal in its order, and what one is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import addressed, bond, fields_of, management, network, nic, open_switches, tunnel

Arrange = Callable[[Host], Awaitable[tuple[list[str], list[str]]]]
"""What to give to ``tunnel.create``, and the refusal. The switches know no tunnels."""


async def _unmanaged_network(host: Host) -> tuple[list[str], list[str]]:
    made = host.kit.make("network", managed=False)
    return [await nic(host, 1, managed=False), made], ["NETWORK_UNMANAGED", made]


async def _unmanaged(host: Host) -> tuple[list[str], list[str]]:
    pif = await nic(host, 1)
    await bond(host, pif)
    host.set(pif, managed=False)
    return [pif, await network(host)], ["PIF_UNMANAGED", pif]


async def _bond_member(host: Host) -> tuple[list[str], list[str]]:
    pif = await nic(host, 1)
    await bond(host, pif)
    return [pif, host.network], ["CANNOT_ADD_TUNNEL_TO_BOND_SLAVE", pif]


async def _connected(host: Host) -> tuple[list[str], list[str]]:
    return [await nic(host, 1), host.network], ["NETWORK_ALREADY_CONNECTED", host.host, management(host)]


async def _closed_switches(host: Host) -> tuple[list[str], list[str]]:
    return [await nic(host, 1), await network(host)], ["OPENVSWITCH_NOT_ACTIVE"]


async def _without_address(host: Host) -> tuple[list[str], list[str]]:
    open_switches(host)
    pif = await nic(host, 1)
    return [pif, await network(host)], ["TRANSPORT_PIF_NOT_CONFIGURED", pif]


async def _on_a_tunnel(host: Host) -> tuple[list[str], list[str]]:
    _, pif = await tunnel(host, await addressed(host, await nic(host, 1)))
    return [pif, await network(host)], ["IS_TUNNEL_ACCESS_PIF", pif]


IN_EVERY_ERA: tuple[Arrange, ...] = (_bond_member, _connected, _closed_switches, _without_address, _on_a_tunnel)
ROWS = [("boston", row) for row in IN_EVERY_ERA] + [("latest", row) for row in (_unmanaged_network, _unmanaged, *IN_EVERY_ERA)]


@pytest.mark.parametrize(("release", "arrange"), ROWS)
def test_a_tunnel_is_refused(release: str, arrange: Arrange) -> None:
    async def body(host: Host) -> None:
        given, refusal = await arrange(host)
        before = host.world.generation
        assert await host.refused("tunnel.create", *given) == refusal
        assert host.world.generation == before

    over_host(body, release)


@pytest.mark.parametrize("release", ["boston", "latest"])
def test_a_tunnel_has_an_access_interface_that_is_up(release: str) -> None:
    async def body(host: Host) -> None:
        base = await addressed(host, await nic(host, 1))
        made, access = await tunnel(host, base)
        assert fields_of(host, made, "transport_PIF", "access_PIF", "status", "protocol") == (
            host.id(base),
            host.id(access),
            {"active": "true"},
            "gre",
        )
        assert fields_of(host, access, "device", "physical", "VLAN", "currently_attached", "MTU") == ("tunnel0", False, -1, True, 1500)
        assert int(host.row(access)["MAC"][:2], 16) & 3 == 2
        _, second = await tunnel(host, base)
        assert fields_of(host, second, "device") == ("tunnel1",)
        await host.call("tunnel.destroy", made)
        assert (host.world.count("tunnel"), host.row(base)["tunnel_transport_PIF_of"]) == (1, (next(host.world.ids("tunnel")),))
        _, third = await tunnel(host, base)
        assert fields_of(host, third, "device") == ("tunnel0",)

    over_host(body, release)


def test_a_tunnel_has_a_protocol() -> None:
    async def body(host: Host) -> None:
        open_switches(host)
        base = await addressed(host, await nic(host, 1))
        made = await host.call("tunnel.create", base, await network(host), "vxlan")
        assert fields_of(host, made, "protocol") == ("vxlan",)

    over_host(body)


def test_the_status_of_a_tunnel_keeps_what_a_controller_wrote() -> None:
    async def body(host: Host) -> None:
        made, access = await tunnel(host, await addressed(host, await nic(host, 1)))
        await host.call("tunnel.add_to_status", made, "key", "7")
        await host.call("PIF.unplug", access)
        assert fields_of(host, made, "status") == ({"active": "false", "key": "7"},)

    over_host(body)
