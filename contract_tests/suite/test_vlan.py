"""VLANs: what one is made of, every refusal in its order, the old forms, and a VLAN on every host."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import refusal
from contract_tests.suite.conftest import booted
from contract_tests.target import Target

TAG = "3987"
OTHER = "3988"


@pytest.fixture
def vlan(xapi: Any, made: Made, nic: str) -> str:
    """A VLAN on the spare NIC, on a network of its own."""
    return keep(xapi, made, xapi.VLAN.create(nic, TAG, made.private_network()))


def keep(xapi: Any, made: Made, vlan: str) -> str:
    """Undo a VLAN that some call made."""
    made.later(xapi.VLAN.destroy, vlan)
    return vlan


def untagged(xapi: Any, vlan: str) -> str:
    """The PIF of a VLAN."""
    pif: str = xapi.VLAN.get_untagged_PIF(vlan)
    return pif


@pytest.mark.rule("VLAN.create")
def test_a_vlan_has_a_pif_of_its_own(xapi: Any, nic: str, vlan: str) -> None:
    """The untagged PIF: not physical, the NIC's device and MTU, the tag, a dummy MAC, up at once."""
    base, pif = xapi.PIF.get_record(nic), xapi.PIF.get_record(untagged(xapi, vlan))
    fields = ("physical", "device", "VLAN", "MAC", "currently_attached", "management", "VLAN_master_of", "MTU", "host")
    expected = [False, base["device"], TAG, "fe:ff:ff:ff:ff:ff", True, False, vlan, base["MTU"], base["host"]]
    assert [pif[field] for field in fields] == expected
    assert base["VLAN_slave_of"] == [vlan]
    record = xapi.VLAN.get_record(vlan)
    assert (record["tagged_PIF"], record["tag"], record["other_config"]) == (nic, TAG, {})


@pytest.mark.rule("VLAN.destroy")
def test_a_vlan_goes_with_its_pif(xapi: Any, nic: str, vlan: str) -> None:
    """VLAN.destroy removes both."""
    pif = untagged(xapi, vlan)
    xapi.VLAN.destroy(vlan)
    assert refusal(xapi.PIF.get_record, pif) == ["HANDLE_INVALID", "PIF", pif]
    assert refusal(xapi.VLAN.get_record, vlan) == ["HANDLE_INVALID", "VLAN", vlan]
    assert xapi.PIF.get_VLAN_slave_of(nic) == []


@pytest.mark.rule("VLAN.create VLAN_TAG_INVALID")
@pytest.mark.parametrize("tag", ["-1", "4095", "100000"])
def test_a_tag_is_12_bits(xapi: Any, made: Made, nic: str, tag: str) -> None:
    """VLAN_TAG_INVALID [tag] outside of 0 to 4094."""
    assert refusal(xapi.VLAN.create, nic, tag, made.private_network()) == ["VLAN_TAG_INVALID", tag]


@pytest.mark.rule("VLAN.create PIF_VLAN_EXISTS")
def test_a_tag_is_used_once_on_a_nic(xapi: Any, made: Made, nic: str, vlan: str) -> None:
    """PIF_VLAN_EXISTS [device]."""
    device = xapi.PIF.get_device(nic)
    assert refusal(xapi.VLAN.create, nic, TAG, made.private_network()) == ["PIF_VLAN_EXISTS", device]


@pytest.mark.rule("VLAN.create PIF_IS_VLAN")
def test_a_vlan_lies_on_no_vlan(xapi: Any, made: Made, vlan: str) -> None:
    """PIF_IS_VLAN [pif], before the tag is looked at."""
    pif = untagged(xapi, vlan)
    assert refusal(xapi.VLAN.create, pif, "5000", made.private_network()) == ["PIF_IS_VLAN", pif]


@pytest.mark.rule("VLAN.create NETWORK_ALREADY_CONNECTED")
def test_a_network_is_connected_once_to_a_host(xapi: Any, host: str, nic: str, network: str) -> None:
    """NETWORK_ALREADY_CONNECTED [host, the pif that connects it], before the tag is looked at."""
    pifs = xapi.PIF.get_all_records().items()
    connected = next(ref for ref, pif in pifs if pif["network"] == network and pif["host"] == host)
    assert refusal(xapi.VLAN.create, nic, "5000", network) == ["NETWORK_ALREADY_CONNECTED", host, connected]


@pytest.mark.rule("VLAN.create NETWORK_UNMANAGED")
@pytest.mark.requires("network.get_managed")
def test_a_network_of_somebody_else_takes_no_vlan(xapi: Any, made: Made, nic: str) -> None:
    """NETWORK_UNMANAGED [network], before all else."""
    network = made.private_network(managed=False)
    assert refusal(xapi.VLAN.create, nic, "5000", network) == ["NETWORK_UNMANAGED", network]


@pytest.mark.rule("network.destroy NETWORK_CONTAINS_PIF")
def test_a_network_with_a_vlan_stays(xapi: Any, vlan: str) -> None:
    """network.destroy: NETWORK_CONTAINS_PIF [pifs]."""
    pif = untagged(xapi, vlan)
    assert refusal(xapi.network.destroy, xapi.PIF.get_network(pif)) == ["NETWORK_CONTAINS_PIF", pif]


@pytest.mark.rule("PIF.forget")
@pytest.mark.parametrize("which", ["tagged", "untagged"])
def test_what_a_vlan_is_made_of_is_not_forgotten(xapi: Any, nic: str, vlan: str, which: str) -> None:
    """PIF.forget: PIF_VLAN_STILL_EXISTS [pif]."""
    pif = nic if which == "tagged" else untagged(xapi, vlan)
    assert refusal(xapi.PIF.forget, pif) == ["PIF_VLAN_STILL_EXISTS", pif]


@pytest.mark.rule("VLAN.destroy")
def test_a_vlan_with_a_running_vm_stays(xapi: Any, made: Made, vlan: str, target: Target) -> None:
    """VLAN.destroy: VIF_IN_USE [network, vif]."""
    network = xapi.PIF.get_network(untagged(xapi, vlan))
    vm = booted(made, target)
    vif = made.vif(vm, network=network, device=xapi.VM.get_allowed_VIF_devices(vm)[0])
    xapi.VIF.plug(vif)
    assert refusal(xapi.VLAN.destroy, vlan) == ["VIF_IN_USE", network, vif]


@pytest.mark.requires("PIF.set_property")
def test_a_vlan_has_no_properties(xapi: Any, vlan: str) -> None:
    """PIF.set_property: CANNOT_CHANGE_PIF_PROPERTIES [pif]."""
    pif = untagged(xapi, vlan)
    assert refusal(xapi.PIF.set_property, pif, "gro", "off") == ["CANNOT_CHANGE_PIF_PROPERTIES", pif]


def test_a_vlan_goes_down_and_comes_up(xapi: Any, vlan: str) -> None:
    """PIF.unplug and plug of the untagged PIF."""
    pif = untagged(xapi, vlan)
    xapi.PIF.unplug(pif)
    assert xapi.PIF.get_currently_attached(pif) is False
    xapi.PIF.plug(pif)
    assert xapi.PIF.get_currently_attached(pif) is True


@pytest.mark.rule("PIF.create_VLAN")
def test_the_old_form_makes_a_vlan(xapi: Any, made: Made, host: str, nic: str) -> None:
    """PIF.create_VLAN answers the PIF; PIF.destroy removes it with its VLAN."""
    device = xapi.PIF.get_device(nic)
    pif = xapi.PIF.create_VLAN(device, made.private_network(), host, OTHER)
    vlan = keep(xapi, made, xapi.PIF.get_VLAN_master_of(pif))
    assert (xapi.PIF.get_VLAN(pif), xapi.VLAN.get_tagged_PIF(vlan)) == (OTHER, nic)
    xapi.PIF.destroy(pif)
    assert refusal(xapi.VLAN.get_record, vlan) == ["HANDLE_INVALID", "VLAN", vlan]


@pytest.mark.rule("PIF.create_VLAN")
def test_the_old_form_needs_a_device_of_the_host(xapi: Any, made: Made, host: str, server: Server) -> None:
    """PIF.create_VLAN: INVALID_VALUE ["device", name]."""
    del server
    assert refusal(xapi.PIF.create_VLAN, "eth99", made.private_network(), host, OTHER) == ["INVALID_VALUE", "device", "eth99"]


@pytest.mark.rule("pool.create_VLAN_from_PIF")
def test_a_pool_has_a_vlan_on_every_host(xapi: Any, made: Made, nic: str) -> None:
    """pool.create_VLAN_from_PIF answers one PIF for each live host with an interface on the network of the given one."""
    siblings = xapi.network.get_PIFs(xapi.PIF.get_network(nic))
    network = made.private_network()
    pifs = xapi.pool.create_VLAN_from_PIF(nic, network, OTHER)
    for pif in pifs:
        keep(xapi, made, xapi.PIF.get_VLAN_master_of(pif))
    records = [xapi.PIF.get_record(pif) for pif in pifs]
    assert {record["VLAN"] for record in records} == {OTHER}
    assert {record["network"] for record in records} == {network}
    assert {record["host"] for record in records} <= {xapi.PIF.get_host(pif) for pif in siblings}
    assert nic in {xapi.VLAN.get_tagged_PIF(record["VLAN_master_of"]) for record in records}


@pytest.mark.rule("pool.create_VLAN_from_PIF")
def test_a_pool_has_a_vlan_on_every_host_or_on_none(xapi: Any, made: Made, nic: str, vlan: str) -> None:
    """pool.create_VLAN_from_PIF takes back what it made when a host refuses."""
    before = sorted(xapi.VLAN.get_all())
    refused = refusal(xapi.pool.create_VLAN_from_PIF, nic, made.private_network(), TAG)
    assert refused == ["PIF_VLAN_EXISTS", xapi.PIF.get_device(nic)]
    assert sorted(xapi.VLAN.get_all()) == before == [*before[: before.index(vlan)], vlan, *before[before.index(vlan) + 1 :]]


@pytest.mark.requires("VLAN.pool_introduce")
def test_a_vlan_is_introduced_as_it_is_told(xapi: Any, made: Made, host: str, nic: str) -> None:
    """VLAN.pool_introduce writes a row, and the PIF knows it."""
    network = made.private_network()
    device = xapi.PIF.get_device(nic)
    pif = xapi.PIF.pool_introduce(
        device, network, host, "fe:ff:ff:ff:ff:ff", "1500", OTHER, False, "None", "", "", "", "", "OpaqueRef:NULL", "OpaqueRef:NULL",
        False, {},
    )  # fmt: skip
    made.later(xapi.PIF.db_forget, pif)
    vlan = xapi.VLAN.pool_introduce(nic, pif, OTHER, made.mark())
    made.later(xapi.VLAN.destroy, vlan)
    assert (xapi.PIF.get_VLAN_master_of(pif), xapi.VLAN.get_tag(vlan)) == (vlan, OTHER)
    assert xapi.PIF.get_currently_attached(pif) is False
