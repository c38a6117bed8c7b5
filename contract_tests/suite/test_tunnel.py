"""Tunnels: what one is made of, and every refusal in its order."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import refusal


@pytest.fixture(autouse=True)
def _open_switches(xapi: Any) -> None:
    """Tunnels need hosts whose switch knows them."""
    if any(host["software_version"].get("network_backend") != "openvswitch" for host in xapi.host.get_all_records().values()):
        pytest.skip("tunnels need the network backend openvswitch")


@pytest.fixture
def transport(xapi: Any, made: Made, nic: str) -> str:
    """The spare NIC with an address."""
    made.later(xapi.PIF.reconfigure_ip, nic, "None", "", "", "", "")
    xapi.PIF.reconfigure_ip(nic, "Static", "192.0.2.9", "255.255.255.0", "", "")
    return nic


@pytest.fixture
def tunnel(xapi: Any, made: Made, transport: str) -> str:
    """A tunnel on a network of its own."""
    tunnel: str = xapi.tunnel.create(transport, made.private_network())
    made.later(xapi.tunnel.destroy, tunnel)
    return tunnel


@pytest.mark.rule("tunnel.create")
def test_a_tunnel_has_an_access_interface(xapi: Any, transport: str, tunnel: str) -> None:
    """The access PIF: named tunnelN, not physical, with a local MAC, up at once; the tunnel's status is active."""
    access = xapi.PIF.get_record(xapi.tunnel.get_access_PIF(tunnel))
    assert access["device"].startswith("tunnel")
    fields = ("physical", "VLAN", "currently_attached", "tunnel_access_PIF_of")
    assert [access[field] for field in fields] == [False, "-1", True, [tunnel]]
    assert int(access["MAC"][:2], 16) & 3 == 2
    assert xapi.PIF.get_tunnel_transport_PIF_of(transport) == [tunnel]
    assert xapi.tunnel.get_status(tunnel)["active"] == "true"


def test_a_tunnel_goes_with_its_access_interface(xapi: Any, transport: str, tunnel: str) -> None:
    """tunnel.destroy removes both."""
    access = xapi.tunnel.get_access_PIF(tunnel)
    xapi.tunnel.destroy(tunnel)
    assert refusal(xapi.PIF.get_record, access) == ["HANDLE_INVALID", "PIF", access]
    assert xapi.PIF.get_tunnel_transport_PIF_of(transport) == []


def test_a_tunnel_goes_down_with_what_carries_it(xapi: Any, made: Made, transport: str, tunnel: str) -> None:
    """PIF.unplug of the transport interface unplugs the access interface; its plug brings both up."""
    access = xapi.tunnel.get_access_PIF(tunnel)
    made.later(xapi.PIF.plug, transport)
    xapi.PIF.unplug(transport)
    assert xapi.PIF.get_currently_attached(access) is False
    xapi.PIF.plug(access)
    assert (xapi.PIF.get_currently_attached(access), xapi.PIF.get_currently_attached(transport)) == (True, True)


@pytest.mark.rule("tunnel.create TRANSPORT_PIF_NOT_CONFIGURED")
def test_a_tunnel_needs_an_address_to_go_over(xapi: Any, made: Made, nic: str) -> None:
    """TRANSPORT_PIF_NOT_CONFIGURED [pif]."""
    network = made.private_network()
    made.later(lambda: [xapi.tunnel.destroy(tunnel) for tunnel in xapi.PIF.get_tunnel_transport_PIF_of(nic)])
    assert refusal(xapi.tunnel.create, nic, network) == ["TRANSPORT_PIF_NOT_CONFIGURED", nic]


def test_a_tunnel_goes_over_no_tunnel(xapi: Any, made: Made, tunnel: str) -> None:
    """IS_TUNNEL_ACCESS_PIF [pif]."""
    access = xapi.tunnel.get_access_PIF(tunnel)
    assert refusal(xapi.tunnel.create, access, made.private_network()) == ["IS_TUNNEL_ACCESS_PIF", access]


def test_a_tunnel_s_network_is_new_to_its_host(xapi: Any, host: str, transport: str, network: str) -> None:
    """NETWORK_ALREADY_CONNECTED [host, pif]."""
    pifs = xapi.PIF.get_all_records().items()
    connected = next(ref for ref, pif in pifs if pif["network"] == network and pif["host"] == host)
    assert refusal(xapi.tunnel.create, transport, network) == ["NETWORK_ALREADY_CONNECTED", host, connected]


@pytest.mark.rule("PIF.forget")
@pytest.mark.parametrize("which", ["transport", "access"])
def test_the_ends_of_a_tunnel_are_not_forgotten(xapi: Any, transport: str, tunnel: str, which: str) -> None:
    """PIF.forget: PIF_TUNNEL_STILL_EXISTS [pif]."""
    pif = transport if which == "transport" else xapi.tunnel.get_access_PIF(tunnel)
    assert refusal(xapi.PIF.forget, pif) == ["PIF_TUNNEL_STILL_EXISTS", pif]


@pytest.mark.rule("VLAN.create IS_TUNNEL_ACCESS_PIF")
def test_a_tunnel_carries_no_vlan(xapi: Any, made: Made, tunnel: str) -> None:
    """VLAN.create: IS_TUNNEL_ACCESS_PIF [pif]."""
    access = xapi.tunnel.get_access_PIF(tunnel)
    assert refusal(xapi.VLAN.create, access, "3987", made.private_network()) == ["IS_TUNNEL_ACCESS_PIF", access]


@pytest.mark.requires("network.get_managed")
def test_a_network_of_somebody_else_takes_no_tunnel(xapi: Any, made: Made, transport: str) -> None:
    """NETWORK_UNMANAGED [network]."""
    network = made.private_network(managed=False)
    assert refusal(xapi.tunnel.create, transport, network) == ["NETWORK_UNMANAGED", network]


@pytest.mark.requires("tunnel.set_protocol")
@pytest.mark.parametrize("protocol", ["gre", "vxlan"])
def test_a_tunnel_has_a_protocol(xapi: Any, made: Made, transport: str, protocol: str) -> None:
    """tunnel.create takes one; gre is usual."""
    given = [] if protocol == "gre" else [protocol]
    tunnel = xapi.tunnel.create(transport, made.private_network(), *given)
    made.later(xapi.tunnel.destroy, tunnel)
    assert xapi.tunnel.get_protocol(tunnel) == protocol


@pytest.mark.rule("Bond.create IS_TUNNEL_ACCESS_PIF")
def test_a_tunnel_is_no_member_of_a_bond(xapi: Any, made: Made, tunnel: str, server: Server) -> None:
    """Bond.create: IS_TUNNEL_ACCESS_PIF [pif], since 6.1."""
    if server.era == "boston":
        pytest.skip(f"{server.summary} has no check-of-tunnels")
    access = xapi.tunnel.get_access_PIF(tunnel)
    assert refusal(xapi.Bond.create, made.private_network(), [access], "", "balance-slb") == ["IS_TUNNEL_ACCESS_PIF", access]
