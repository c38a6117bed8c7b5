"""Bonds: what one is made of, what moves to it and back, its modes, and every refusal in its order."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import NULL, refusal


@pytest.fixture
def bond(xapi: Any, made: Made, nic: str) -> str:
    """A bond of the spare NIC alone, which XAPI allows, on a network of its own."""
    return keep(xapi, made, xapi.Bond.create(made.private_network(), [nic], ""))


def keep(xapi: Any, made: Made, bond: str) -> str:
    """Undo a bond that some call made."""
    made.later(xapi.Bond.destroy, bond)
    return bond


@pytest.mark.rule("Bond.create")
def test_a_bond_has_an_interface_of_its_own(xapi: Any, nic: str, bond: str) -> None:
    """The master: named bondN, not physical, with the MAC of the primary member, up at once."""
    master, member = xapi.PIF.get_record(xapi.Bond.get_master(bond)), xapi.PIF.get_record(nic)
    assert master["device"].startswith("bond")
    fields = ("physical", "MAC", "VLAN", "currently_attached", "bond_master_of", "bond_slave_of", "management")
    assert [master[field] for field in fields] == [False, member["MAC"], "-1", True, [bond], NULL, False]
    assert member["bond_slave_of"] == bond
    assert xapi.Bond.get_slaves(bond) == [nic]


@pytest.mark.rule("Bond.create")
def test_a_bond_balances_by_source_unless_it_is_told_otherwise(xapi: Any, nic: str, bond: str) -> None:
    """Defaults: balance-slb, and the first member is primary when none has an address."""
    record = xapi.Bond.get_record(bond)
    assert (record["mode"], record["primary_slave"]) == ("balance-slb", nic)


@pytest.mark.rule("Bond.destroy")
def test_a_bond_is_undone(xapi: Any, nic: str, bond: str) -> None:
    """Bond.destroy removes the master; the members are interfaces again, and up."""
    master = xapi.Bond.get_master(bond)
    xapi.Bond.destroy(bond)
    assert refusal(xapi.PIF.get_record, master) == ["HANDLE_INVALID", "PIF", master]
    assert refusal(xapi.Bond.get_record, bond) == ["HANDLE_INVALID", "Bond", bond]
    assert (xapi.PIF.get_bond_slave_of(nic), xapi.PIF.get_currently_attached(nic)) == (NULL, True)


@pytest.mark.rule("Bond.create PIF_BOND_NEEDS_MORE_MEMBERS")
def test_a_bond_needs_a_member(xapi: Any, made: Made) -> None:
    """PIF_BOND_NEEDS_MORE_MEMBERS []."""
    assert refusal(xapi.Bond.create, made.private_network(), [], "") == ["PIF_BOND_NEEDS_MORE_MEMBERS"]


@pytest.mark.rule("Bond.create NETWORK_ALREADY_CONNECTED")
def test_a_bond_s_network_is_new_to_its_host(xapi: Any, host: str, nic: str, network: str) -> None:
    """NETWORK_ALREADY_CONNECTED [host, pif], before the MAC is looked at."""
    pifs = xapi.PIF.get_all_records().items()
    connected = next(ref for ref, pif in pifs if pif["network"] == network and pif["host"] == host)
    assert refusal(xapi.Bond.create, network, [nic], "frob") == ["NETWORK_ALREADY_CONNECTED", host, connected]


@pytest.mark.rule("Bond.create MAC_INVALID")
def test_a_bond_s_mac_is_one(xapi: Any, made: Made, nic: str) -> None:
    """MAC_INVALID [mac]."""
    assert refusal(xapi.Bond.create, made.private_network(), [nic], "frob") == ["MAC_INVALID", "frob"]


def test_a_given_mac_is_the_bond_s(xapi: Any, made: Made, nic: str) -> None:
    """The master has the MAC of the call instead of a member's."""
    bond = keep(xapi, made, xapi.Bond.create(made.private_network(), [nic], "02:00:00:00:0b:0d"))
    assert xapi.PIF.get_MAC(xapi.Bond.get_master(bond)) == "02:00:00:00:0b:0d"


@pytest.mark.requires("Bond.get_auto_update_mac")
@pytest.mark.parametrize("mac", ["", "02:00:00:00:0b:0d"])
def test_a_mac_that_nobody_gave_follows_the_members(xapi: Any, made: Made, nic: str, mac: str) -> None:
    """Bond.auto_update_mac."""
    bond = keep(xapi, made, xapi.Bond.create(made.private_network(), [nic], mac))
    assert xapi.Bond.get_auto_update_mac(bond) is (mac == "")


@pytest.mark.rule("Bond.create PIF_ALREADY_BONDED")
def test_a_member_is_in_one_bond(xapi: Any, made: Made, nic: str, bond: str) -> None:
    """PIF_ALREADY_BONDED [pif]."""
    assert refusal(xapi.Bond.create, made.private_network(), [nic], "") == ["PIF_ALREADY_BONDED", nic]
    assert xapi.Bond.get_slaves(bond) == [nic]


@pytest.mark.rule("PIF.plug CANNOT_PLUG_BOND_SLAVE")
def test_a_member_is_not_plugged_by_itself(xapi: Any, nic: str, bond: str) -> None:
    """PIF.plug: CANNOT_PLUG_BOND_SLAVE [pif]."""
    del bond
    assert refusal(xapi.PIF.plug, nic) == ["CANNOT_PLUG_BOND_SLAVE", nic]


@pytest.mark.rule("PIF.forget")
@pytest.mark.parametrize("which", ["member", "master"])
def test_what_a_bond_is_made_of_is_not_forgotten(xapi: Any, nic: str, bond: str, which: str) -> None:
    """PIF.forget: PIF_ALREADY_BONDED [pif]."""
    pif = nic if which == "member" else xapi.Bond.get_master(bond)
    assert refusal(xapi.PIF.forget, pif) == ["PIF_ALREADY_BONDED", pif]


@pytest.mark.rule("VLAN.create CANNOT_ADD_VLAN_TO_BOND_SLAVE")
def test_a_member_takes_no_vlan(xapi: Any, made: Made, nic: str, bond: str) -> None:
    """VLAN.create: CANNOT_ADD_VLAN_TO_BOND_SLAVE [pif]."""
    del bond
    assert refusal(xapi.VLAN.create, nic, "3987", made.private_network()) == ["CANNOT_ADD_VLAN_TO_BOND_SLAVE", nic]


@pytest.mark.rule("tunnel.create CANNOT_ADD_TUNNEL_TO_BOND_SLAVE")
def test_a_member_takes_no_tunnel(xapi: Any, made: Made, nic: str, bond: str) -> None:
    """tunnel.create: CANNOT_ADD_TUNNEL_TO_BOND_SLAVE [pif]."""
    del bond
    assert refusal(xapi.tunnel.create, nic, made.private_network()) == ["CANNOT_ADD_TUNNEL_TO_BOND_SLAVE", nic]


@pytest.mark.rule("management_reconfigure")
def test_a_host_is_not_managed_over_a_member(xapi: Any, nic: str, bond: str) -> None:
    """host.management_reconfigure: CANNOT_PLUG_BOND_SLAVE [pif]."""
    del bond
    assert refusal(xapi.host.management_reconfigure, nic) == ["CANNOT_PLUG_BOND_SLAVE", nic]


@pytest.mark.rule("Bond.create PIF_VLAN_EXISTS")
def test_a_vlan_is_no_member(xapi: Any, made: Made, nic: str) -> None:
    """PIF_VLAN_EXISTS [device]."""
    vlan = xapi.VLAN.create(nic, "3987", made.private_network())
    made.later(xapi.VLAN.destroy, vlan)
    refused = refusal(xapi.Bond.create, made.private_network(), [xapi.VLAN.get_untagged_PIF(vlan)], "")
    assert refused == ["PIF_VLAN_EXISTS", xapi.PIF.get_device(nic)]


@pytest.mark.requires("network.get_managed")
def test_a_network_of_somebody_else_takes_no_bond(xapi: Any, made: Made, nic: str) -> None:
    """NETWORK_UNMANAGED [network]."""
    network = made.private_network(managed=False)
    assert refusal(xapi.Bond.create, network, [nic], "frob") == ["NETWORK_UNMANAGED", network]


@pytest.mark.rule("Bond.create moves what lies on members")
def test_an_address_moves_to_the_bond_and_back(xapi: Any, made: Made, nic: str) -> None:
    """The IP configuration of the primary member becomes the master's, and the member's again."""
    made.later(xapi.PIF.reconfigure_ip, nic, "None", "", "", "", "")
    xapi.PIF.reconfigure_ip(nic, "Static", "192.0.2.9", "255.255.255.0", "", "")
    bond = keep(xapi, made, xapi.Bond.create(made.private_network(), [nic], ""))
    master = xapi.Bond.get_master(bond)
    assert [xapi.PIF.get_IP(pif) for pif in (master, nic)] == ["192.0.2.9", ""]
    assert [xapi.PIF.get_ip_configuration_mode(pif) for pif in (master, nic)] == ["Static", "None"]
    xapi.Bond.destroy(bond)
    assert (xapi.PIF.get_IP(nic), xapi.PIF.get_ip_configuration_mode(nic)) == ("192.0.2.9", "Static")


@pytest.mark.rule("Bond.create moves what lies on members")
def test_a_vlan_moves_to_the_bond_and_back(xapi: Any, made: Made, nic: str) -> None:
    """VLANs of members are made anew on the master, on the same network, and back."""
    network = made.private_network()
    made.later(lambda: [xapi.VLAN.destroy(xapi.PIF.get_VLAN_master_of(pif)) for pif in xapi.network.get_PIFs(network)])
    xapi.VLAN.create(nic, "3987", network)
    bond = keep(xapi, made, xapi.Bond.create(made.private_network(), [nic], ""))
    master = xapi.Bond.get_master(bond)
    (moved,) = xapi.network.get_PIFs(network)
    assert xapi.VLAN.get_tagged_PIF(xapi.PIF.get_VLAN_master_of(moved)) == master
    assert (xapi.PIF.get_device(moved), xapi.PIF.get_currently_attached(moved)) == (xapi.PIF.get_device(master), True)
    xapi.Bond.destroy(bond)
    (back,) = xapi.network.get_PIFs(network)
    assert xapi.VLAN.get_tagged_PIF(xapi.PIF.get_VLAN_master_of(back)) == nic


@pytest.mark.rule("Bond.create moves what lies on members")
def test_a_vif_moves_to_the_bond_and_back(xapi: Any, made: Made, nic: str) -> None:
    """VIFs of VMs that can run on this host alone move with the members' network."""
    if len(xapi.host.get_all()) > 1:
        pytest.skip("in a pool of several hosts a halted VM is nobody's")
    own, on = xapi.PIF.get_network(nic), made.private_network()
    vif = made.vif(made.vm(), network=own)
    bond = keep(xapi, made, xapi.Bond.create(on, [nic], ""))
    assert xapi.VIF.get_network(vif) == on
    xapi.Bond.destroy(bond)
    assert xapi.VIF.get_network(vif) == own


def test_a_member_that_must_stay_up_makes_its_bond_stay_up(xapi: Any, made: Made, nic: str) -> None:
    """disallow_unplug of a member becomes the master's."""
    made.later(xapi.PIF.set_disallow_unplug, nic, False)
    xapi.PIF.set_disallow_unplug(nic, True)
    bond = keep(xapi, made, xapi.Bond.create(made.private_network(), [nic], ""))
    assert [xapi.PIF.get_disallow_unplug(pif) for pif in (xapi.Bond.get_master(bond), nic)] == [True, False]


def test_a_mode_is_changed(xapi: Any, bond: str) -> None:
    """Bond.set_mode."""
    xapi.Bond.set_mode(bond, "active-backup")
    assert xapi.Bond.get_mode(bond) == "active-backup"


@pytest.mark.rule("Bond lacp")
@pytest.mark.requires("Bond.set_property")
def test_lacp_has_its_properties(xapi: Any, made: Made, nic: str, server: Server) -> None:
    """Defaults of lacp: hashing_algorithm, in modern releases lacp-time and lacp-fallback-ab as well; set_mode takes them away."""
    bond = keep(xapi, made, xapi.Bond.create(made.private_network(), [nic], "", "lacp"))
    properties = xapi.Bond.get_properties(bond)
    assert properties["hashing_algorithm"] == "tcpudp_ports"
    if server.era == "modern":
        assert properties == {"hashing_algorithm": "tcpudp_ports", "lacp-time": "slow", "lacp-fallback-ab": "true"}
    xapi.Bond.set_mode(bond, "balance-slb")
    assert xapi.Bond.get_properties(bond) == {}


@pytest.mark.rule("Bond.create INVALID_VALUE properties")
@pytest.mark.requires("Bond.set_property")
@pytest.mark.parametrize(
    ("mode", "name", "value"),
    [("balance-slb", "hashing_algorithm", "src_mac"), ("lacp", "hashing_algorithm", "frob"), ("lacp", "frob", "1")],
)
def test_a_property_that_the_mode_has_not_is_refused(xapi: Any, made: Made, nic: str, mode: str, name: str, value: str) -> None:
    """INVALID_VALUE ["properties", "name = value"], at creation and later."""
    expected = ["INVALID_VALUE", "properties", f"{name} = {value}"]
    assert refusal(xapi.Bond.create, made.private_network(), [nic], "", mode, {name: value}) == expected
    bond = keep(xapi, made, xapi.Bond.create(made.private_network(), [nic], "", mode))
    assert refusal(xapi.Bond.set_property, bond, name, value) == expected


@pytest.mark.requires("Bond.set_property")
def test_a_property_is_changed(xapi: Any, made: Made, nic: str) -> None:
    """Bond.set_property."""
    bond = keep(xapi, made, xapi.Bond.create(made.private_network(), [nic], "", "lacp"))
    xapi.Bond.set_property(bond, "hashing_algorithm", "src_mac")
    assert xapi.Bond.get_properties(bond)["hashing_algorithm"] == "src_mac"


@pytest.mark.requires("PIF.set_property")
def test_a_bond_s_members_work_as_it_does(xapi: Any, made: Made, nic: str, bond: str) -> None:
    """PIF.set_property of the master is the members'; a member alone: CANNOT_CHANGE_PIF_PROPERTIES [pif]."""
    made.later(xapi.PIF.set_property, nic, "gro", "on")
    assert refusal(xapi.PIF.set_property, nic, "gro", "off") == ["CANNOT_CHANGE_PIF_PROPERTIES", nic]
    xapi.PIF.set_property(xapi.Bond.get_master(bond), "gro", "off")
    assert xapi.PIF.get_properties(nic) == {"gro": "off"}
    xapi.Bond.destroy(bond)
