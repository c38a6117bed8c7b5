"""Network interfaces of hosts: coming up and going down, addresses, properties, and why not."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import NULL, refusal
from contract_tests.suite.conftest import booted
from contract_tests.target import Target


@pytest.fixture
def management(xapi: Any, host: str) -> str:
    """The PIF over which the master is managed."""
    found: str = next(ref for ref, pif in xapi.PIF.get_all_records().items() if pif["host"] == host and pif["management"])
    return found


@pytest.mark.rule("PIF.unplug PIF_IS_MANAGEMENT_INTERFACE")
def test_the_management_interface_stays_up(xapi: Any, management: str) -> None:
    """PIF.unplug: PIF_IS_MANAGEMENT_INTERFACE [pif]."""
    assert refusal(xapi.PIF.unplug, management) == ["PIF_IS_MANAGEMENT_INTERFACE", management]


@pytest.mark.rule("PIF.forget")
def test_the_management_interface_is_not_forgotten(xapi: Any, management: str, server: Server) -> None:
    """PIF.forget: PIF_IS_MANAGEMENT_INTERFACE [pif]; the releases of 2012 look only at hosts that are not master."""
    if server.era != "modern":
        pytest.skip("the releases of 2012 let a master forget its management interface")
    assert refusal(xapi.PIF.forget, management) == ["PIF_IS_MANAGEMENT_INTERFACE", management]


@pytest.mark.rule("PIF.reconfigure_ip")
def test_the_management_interface_keeps_an_address(xapi: Any, management: str) -> None:
    """PIF.reconfigure_ip with None: PIF_IS_MANAGEMENT_INTERFACE [pif]."""
    refused = refusal(xapi.PIF.reconfigure_ip, management, "None", "", "", "", "")
    assert refused == ["PIF_IS_MANAGEMENT_INTERFACE", management]


@pytest.mark.rule("PIF defaults")
def test_there_is_one_management_interface(xapi: Any, host: str, management: str) -> None:
    """A host is managed over one interface, which is up and has an address."""
    pifs = [pif for pif in xapi.PIF.get_all_records().values() if pif["host"] == host and pif["management"]]
    assert len(pifs) == 1
    assert (pifs[0]["currently_attached"], pifs[0]["ip_configuration_mode"] != "None") == (True, True)


def test_a_nic_goes_down_and_comes_up(xapi: Any, nic: str) -> None:
    """PIF.unplug and plug show in currently_attached."""
    xapi.PIF.unplug(nic)
    assert xapi.PIF.get_currently_attached(nic) is False
    xapi.PIF.plug(nic)
    assert xapi.PIF.get_currently_attached(nic) is True


@pytest.mark.rule("PIF defaults")
def test_an_interface_takes_the_mtu_of_its_network(xapi: Any, made: Made, nic: str) -> None:
    """Plugging an interface gives it its network's MTU."""
    network = xapi.PIF.get_network(nic)
    before = xapi.network.get_MTU(network)
    made.later(xapi.PIF.plug, nic)
    made.later(xapi.network.set_MTU, network, before)
    xapi.network.set_MTU(network, "1400")
    xapi.PIF.unplug(nic)
    xapi.PIF.plug(nic)
    assert xapi.PIF.get_MTU(nic) == "1400"


@pytest.mark.rule("PIF.unplug PIF_DOES_NOT_ALLOW_UNPLUG")
@pytest.mark.requires("PIF.set_disallow_unplug")
def test_an_interface_that_must_stay_up_stays_up(xapi: Any, made: Made, nic: str) -> None:
    """PIF.unplug: PIF_DOES_NOT_ALLOW_UNPLUG [pif]."""
    made.later(xapi.PIF.set_disallow_unplug, nic, False)
    xapi.PIF.set_disallow_unplug(nic, True)
    assert refusal(xapi.PIF.unplug, nic) == ["PIF_DOES_NOT_ALLOW_UNPLUG", nic]


@pytest.mark.rule("PIF.unplug VIF_IN_USE")
def test_an_interface_with_a_running_vm_stays_up(xapi: Any, made: Made, nic: str, target: Target) -> None:
    """PIF.unplug: VIF_IN_USE [network, vif]."""
    network = xapi.PIF.get_network(nic)
    vm = booted(made, target)
    vif = made.vif(vm, network=network, device=xapi.VM.get_allowed_VIF_devices(vm)[0])
    xapi.VIF.plug(vif)
    assert refusal(xapi.PIF.unplug, nic) == ["VIF_IN_USE", network, vif]


@pytest.mark.rule("PIF.reconfigure_ip")
@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        (("Static", "", "255.255.255.0", "", ""), "IP"),
        (("Static", "ten", "255.255.255.0", "", ""), "IP"),
        (("Static", "192.0.2.9", "", "", ""), "netmask"),
        (("Static", "192.0.2.9", "255.255.255.0", "gate", ""), "gateway"),
        (("DHCP", "ten", "", "", ""), "IP"),
    ],
)
def test_an_address_that_is_none_is_refused(xapi: Any, nic: str, params: tuple[str, ...], parameter: str) -> None:
    """PIF.reconfigure_ip: INVALID_IP_ADDRESS_SPECIFIED [parameter]."""
    assert refusal(xapi.PIF.reconfigure_ip, nic, *params) == ["INVALID_IP_ADDRESS_SPECIFIED", parameter]


@pytest.mark.rule("PIF.reconfigure_ip")
def test_an_interface_has_the_address_that_it_is_given(xapi: Any, made: Made, nic: str) -> None:
    """PIF.reconfigure_ip writes mode, IP, netmask and gateway; None takes them away."""
    made.later(xapi.PIF.reconfigure_ip, nic, "None", "", "", "", "")
    xapi.PIF.reconfigure_ip(nic, "Static", "192.0.2.9", "255.255.255.0", "192.0.2.1", "")
    record = xapi.PIF.get_record(nic)
    fields = ("ip_configuration_mode", "IP", "netmask", "gateway")
    assert [record[field] for field in fields] == ["Static", "192.0.2.9", "255.255.255.0", "192.0.2.1"]
    xapi.PIF.reconfigure_ip(nic, "None", "", "", "", "")
    record = xapi.PIF.get_record(nic)
    assert [record[field] for field in fields] == ["None", "", "", ""]


@pytest.mark.rule("PIF.reconfigure_ipv6")
@pytest.mark.requires("PIF.reconfigure_ipv6")
@pytest.mark.parametrize("address", ["2001:db8::9", "192.0.2.9/24", "x/64"])
def test_an_ipv6_address_has_its_prefix(xapi: Any, nic: str, server: Server, address: str) -> None:
    """PIF.reconfigure_ipv6: INVALID_CIDR_ADDRESS_SPECIFIED ["IPv6"]."""
    if server.era != "modern":
        pytest.skip("the releases of 2012 are read only for IPv4")
    refused = refusal(xapi.PIF.reconfigure_ipv6, nic, "Static", address, "", "")
    assert refused == ["INVALID_CIDR_ADDRESS_SPECIFIED", "IPv6"]


@pytest.mark.rule("PIF.introduce")
def test_a_mac_that_is_none_is_not_introduced(xapi: Any, host: str) -> None:
    """PIF.introduce: MAC_INVALID [mac]."""
    assert refusal(xapi.PIF.introduce, host, "frob", "eth99") == ["MAC_INVALID", "frob"]


@pytest.mark.rule("PIF.introduce")
def test_a_device_is_introduced_once(xapi: Any, host: str, management: str) -> None:
    """PIF.introduce: DUPLICATE_PIF_DEVICE_NAME [device]."""
    base = next(pif for pif in xapi.PIF.get_all_records().values() if pif["host"] == host and pif["physical"])
    assert refusal(xapi.PIF.introduce, host, base["MAC"], base["device"]) == ["DUPLICATE_PIF_DEVICE_NAME", base["device"]]


@pytest.mark.rule("PIF.introduce")
def test_a_nic_that_is_not_there_is_not_introduced(xapi: Any, host: str) -> None:
    """PIF.introduce: COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS [device, mac]."""
    code = "COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS"
    assert refusal(xapi.PIF.introduce, host, "02:00:00:00:00:99", "eth99") == [code, "eth99", "02:00:00:00:00:99"]


@pytest.mark.rule("PIF.scan")
def test_a_forgotten_nic_is_found_again(xapi: Any, made: Made, host: str, nic: str) -> None:
    """PIF.forget removes the PIF of a NIC; PIF.scan makes it again, with the same device and address."""
    before = xapi.PIF.get_record(nic)
    made.later(xapi.PIF.scan, host)
    xapi.PIF.forget(nic)
    assert refusal(xapi.PIF.get_record, nic) == ["HANDLE_INVALID", "PIF", nic]
    xapi.PIF.scan(host)
    found = [(ref, pif) for ref, pif in xapi.PIF.get_all_records().items() if pif["host"] == host and pif["device"] == before["device"]]
    assert [(pif["MAC"], pif["physical"], pif["network"]) for _, pif in found] == [(before["MAC"], True, before["network"])]
    xapi.PIF.plug(found[0][0])


@pytest.mark.rule("PIF.scan")
def test_a_scan_finds_nothing_twice(xapi: Any, host: str, nic: str) -> None:
    """PIF.scan makes PIFs only for NICs that have none."""
    before = sorted(xapi.PIF.get_all())
    xapi.PIF.scan(host)
    assert sorted(xapi.PIF.get_all()) == before


@pytest.mark.requires("PIF.set_property")
@pytest.mark.parametrize(("name", "value"), [("gro", "maybe"), ("frob", "on")])
def test_a_property_that_no_nic_has_is_refused(xapi: Any, nic: str, name: str, value: str) -> None:
    """PIF.set_property: INVALID_VALUE ["properties", "name = value"]."""
    assert refusal(xapi.PIF.set_property, nic, name, value) == ["INVALID_VALUE", "properties", f"{name} = {value}"]


@pytest.mark.rule("PIF defaults")
@pytest.mark.requires("PIF.set_property")
def test_a_nic_has_the_property_that_it_is_given(xapi: Any, made: Made, nic: str) -> None:
    """PIF.set_property writes into properties; on is the default of gro."""
    assert xapi.PIF.get_properties(nic) == {"gro": "on"}
    made.later(xapi.PIF.set_property, nic, "gro", "on")
    xapi.PIF.set_property(nic, "gro", "off")
    assert xapi.PIF.get_properties(nic) == {"gro": "off"}


@pytest.mark.requires("PIF.set_primary_address_type")
def test_how_the_management_interface_is_known_stays(xapi: Any, management: str) -> None:
    """PIF.set_primary_address_type: PIF_IS_MANAGEMENT_INTERFACE [pif]."""
    refused = refusal(xapi.PIF.set_primary_address_type, management, "IPv6")
    assert refused == ["PIF_IS_MANAGEMENT_INTERFACE", management]


def test_a_nic_is_no_vlan_to_destroy(xapi: Any, nic: str) -> None:
    """PIF.destroy of a NIC: PIF_IS_PHYSICAL []."""
    assert refusal(xapi.PIF.destroy, nic) == ["PIF_IS_PHYSICAL"]


@pytest.mark.rule("management_reconfigure")
def test_a_host_is_not_managed_over_an_interface_without_an_address(xapi: Any, nic: str, server: Server) -> None:
    """host.management_reconfigure: PIF_HAS_NO_NETWORK_CONFIGURATION, since modern releases with the PIF."""
    refused = refusal(xapi.host.management_reconfigure, nic)
    assert refused == ["PIF_HAS_NO_NETWORK_CONFIGURATION", *server.as_of(boston=[], modern=[nic])]


@pytest.mark.rule("management_reconfigure")
def test_managing_a_host_over_its_management_interface_changes_nothing(xapi: Any, management: str) -> None:
    """host.management_reconfigure with the interface that it is."""
    xapi.host.management_reconfigure(management)
    assert xapi.PIF.get_management(management) is True


@pytest.mark.rule("management_reconfigure")
@pytest.mark.requires("pool.management_reconfigure")
def test_a_pool_is_managed_over_a_network_that_all_hosts_have(xapi: Any, made: Made, host: str) -> None:
    """pool.management_reconfigure: PIF_NOT_PRESENT [host, network]."""
    network = made.private_network()
    refused = refusal(xapi.pool.management_reconfigure, network)
    assert (refused[0], refused[2]) == ("PIF_NOT_PRESENT", network)
    assert refused[1] in xapi.host.get_all()


@pytest.mark.rule("PIF names")
def test_a_nic_s_bridge_and_network_are_named_after_it(xapi: Any, host: str) -> None:
    """The bridge of ethN is xenbrN."""
    pifs = [pif for pif in xapi.PIF.get_all_records().values() if pif["host"] == host and pif["physical"]]
    bridges = {pif["device"]: xapi.network.get_bridge(pif["network"]) for pif in pifs if pif["bond_slave_of"] == NULL}
    assert bridges == {device: device.replace("eth", "xenbr") for device in bridges}
