"""Networks: bridges, purposes, attaching, and the locking of interfaces on them."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import refusal


@pytest.mark.rule("network.create BRIDGE_NAME_EXISTS")
@pytest.mark.requires("network.get_managed")
def test_a_bridge_is_used_once(xapi: Any, made: Made) -> None:
    """BRIDGE_NAME_EXISTS [bridge]."""
    bridge = xapi.network.get_bridge(made.private_network(bridge="br-contract"))
    assert refusal(lambda: made.private_network(bridge=bridge)) == ["BRIDGE_NAME_EXISTS", "br-contract"]


@pytest.mark.rule("network.create MTU")
@pytest.mark.parametrize("mtu", ["0", "-5"])
def test_an_mtu_that_is_none_is_the_usual_one(xapi: Any, made: Made, mtu: str) -> None:
    """network.create: MTU of 0 or less becomes 1500."""
    assert xapi.network.get_MTU(made.private_network(MTU=mtu)) == "1500"


@pytest.mark.rule("network.destroy CANNOT_DESTROY_SYSTEM_NETWORK")
def test_the_internal_network_stays(xapi: Any) -> None:
    """CANNOT_DESTROY_SYSTEM_NETWORK [network], or NETWORK_CONTAINS_VIF while somebody is on it."""
    records = xapi.network.get_all_records().items()
    internal = [ref for ref, record in records if record["other_config"].get("is_host_internal_management_network") == "true"]
    if not internal:
        pytest.skip("this server has no host internal management network")
    refused = refusal(xapi.network.destroy, internal[0])
    assert refused == ["CANNOT_DESTROY_SYSTEM_NETWORK", internal[0]] or refused[0] == "NETWORK_CONTAINS_VIF"


@pytest.mark.rule("network.add_purpose")
@pytest.mark.requires("network.add_purpose")
def test_a_pool_has_one_kind_of_disk_traffic(xapi: Any, made: Made) -> None:
    """NETWORK_INCOMPATIBLE_PURPOSES [new, existing] on any network of the pool."""
    if any(record["purpose"] for record in xapi.network.get_all_records().values()):
        pytest.skip("a network of this pool has a purpose already")
    here, there = made.private_network(), made.private_network()
    xapi.network.add_purpose(here, "nbd")
    assert refusal(xapi.network.add_purpose, there, "insecure_nbd") == ["NETWORK_INCOMPATIBLE_PURPOSES", "insecure_nbd", "nbd"]
    xapi.network.add_purpose(there, "nbd")
    assert xapi.network.get_purpose(there) == ["nbd"]


def test_an_interface_comes_up_with_its_network(xapi: Any, made: Made, host: str, nic: str) -> None:
    """network.attach plugs the host's interface on the network."""
    made.later(xapi.PIF.plug, nic)
    xapi.PIF.unplug(nic)
    xapi.network.attach(xapi.PIF.get_network(nic), host)
    assert xapi.PIF.get_currently_attached(nic) is True


@pytest.mark.rule("PIF.plug CANNOT_PLUG_BOND_SLAVE")
def test_a_member_of_a_bond_does_not_come_up_with_its_network(xapi: Any, made: Made, host: str, nic: str) -> None:
    """network.attach: CANNOT_PLUG_BOND_SLAVE [pif]."""
    bond = xapi.Bond.create(made.private_network(), [nic], "")
    made.later(xapi.Bond.destroy, bond)
    assert refusal(xapi.network.attach, xapi.PIF.get_network(nic), host) == ["CANNOT_PLUG_BOND_SLAVE", nic]


@pytest.mark.rule("network.set_default_locking_mode")
@pytest.mark.requires("network.set_default_locking_mode")
def test_a_network_s_locking_is_changed_while_nobody_is_on_it(xapi: Any, made: Made) -> None:
    """network.set_default_locking_mode."""
    network = made.private_network()
    assert xapi.network.get_default_locking_mode(network) == "unlocked"
    xapi.network.set_default_locking_mode(network, "disabled")
    assert xapi.network.get_default_locking_mode(network) == "disabled"


@pytest.mark.rule("VIF locking")
@pytest.mark.requires("VIF.set_locking_mode")
@pytest.mark.parametrize("mode", ["unlocked", "disabled", "network_default"])
def test_a_vif_is_filtered_as_it_says(xapi: Any, made: Made, mode: str) -> None:
    """VIF.set_locking_mode; network_default is usual."""
    vif = made.vif(made.vm())
    assert xapi.VIF.get_locking_mode(vif) == "network_default"
    xapi.VIF.set_locking_mode(vif, mode)
    assert xapi.VIF.get_locking_mode(vif) == mode


@pytest.mark.rule("VIF locking")
@pytest.mark.requires("VIF.set_locking_mode")
def test_a_locked_vif_has_addresses(xapi: Any, made: Made) -> None:
    """VIF.set_, add_ and remove_ipv4_allowed, where the licence has VIF locking; else LICENCE_RESTRICTION."""
    vif = made.vif(made.vm())
    params = next(iter(xapi.host.get_all_records().values()))["license_params"]
    if params.get("restrict_vif_locking") == "true":
        assert refusal(xapi.VIF.set_locking_mode, vif, "locked")[0] == "LICENCE_RESTRICTION"
        return
    xapi.VIF.set_locking_mode(vif, "locked")
    xapi.VIF.set_ipv4_allowed(vif, ["192.0.2.1", "192.0.2.1"])
    xapi.VIF.add_ipv4_allowed(vif, "192.0.2.2")
    xapi.VIF.remove_ipv4_allowed(vif, "192.0.2.1")
    xapi.VIF.set_ipv6_allowed(vif, ["2001:db8::1"])
    assert (xapi.VIF.get_ipv4_allowed(vif), xapi.VIF.get_ipv6_allowed(vif)) == (["192.0.2.2"], ["2001:db8::1"])


@pytest.mark.rule("VIF locking")
@pytest.mark.requires("VIF.set_ipv4_allowed")
@pytest.mark.parametrize(("family", "address"), [("ipv4", "2001:db8::1"), ("ipv4", "ten"), ("ipv6", "192.0.2.1")])
def test_an_address_of_another_family_is_refused(xapi: Any, made: Made, server: Server, family: str, address: str) -> None:
    """INVALID_IP_ADDRESS_SPECIFIED [field]."""
    if server.era != "modern":
        pytest.skip("the wording of older releases is not known")
    vif = made.vif(made.vm())
    refused = refusal(getattr(xapi.VIF, f"set_{family}_allowed"), vif, [address])
    assert refused == ["INVALID_IP_ADDRESS_SPECIFIED", f"{family}_allowed"]


@pytest.mark.requires("VIF.configure_ipv4")
def test_a_guest_that_is_not_there_takes_no_address(xapi: Any, made: Made) -> None:
    """VIF.configure_ipv4: VM_LACKS_FEATURE [vm] for guests that do not say feature-static-ip-setting."""
    vm = made.vm()
    assert refusal(xapi.VIF.configure_ipv4, made.vif(vm), "None") == ["VM_LACKS_FEATURE", vm]


@pytest.mark.rule("VIF qos")
def test_a_rate_limit_is_kept(xapi: Any, made: Made) -> None:
    """VIF.qos_algorithm_type ratelimit with its kbps."""
    vif = made.vif(made.vm(), qos_algorithm_type="ratelimit", qos_algorithm_params={"kbps": "1024"})
    record = xapi.VIF.get_record(vif)
    assert (record["qos_algorithm_type"], record["qos_algorithm_params"]) == ("ratelimit", {"kbps": "1024"})
    xapi.VIF.set_qos_algorithm_params(vif, {})
    assert xapi.VIF.get_qos_algorithm_params(vif) == {}


@pytest.mark.requires("VIF.add_trunks")
def test_a_vif_carries_vlans(xapi: Any, made: Made) -> None:
    """VIF.set_, add_ and remove_trunks."""
    vif = made.vif(made.vm())
    xapi.VIF.set_trunks(vif, ["10", "11"])
    xapi.VIF.add_trunks(vif, "12")
    xapi.VIF.remove_trunks(vif, "10")
    assert sorted(xapi.VIF.get_trunks(vif)) == ["11", "12"]
