"""The verbs of network_sriov: NICs whose virtual functions are given to VMs."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.editions import require
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.networks import interfaces, network_fits, pif_checks, plugging, sriov
from fake_xapi.verbs.networks.pif_kinds import kind_of


def create(call: Call, nic: Id, network: Id) -> Id:
    """Enable SR-IOV on a NIC; its functions are reached through a PIF of their own.

    Failures LICENCE_RESTRICTION, NETWORK_UNMANAGED, PIF_UNMANAGED, PIF_IS_NOT_PHYSICAL, NETWORK_SRIOV_ALREADY_ENABLED,
    PIF_IS_NOT_SRIOV_CAPABLE, NETWORK_ALREADY_CONNECTED, and those of networks that do not fit.
    """
    world = call.world
    require(world, "Network_sriov")
    pif_checks.assert_network_managed(world, network)
    pif_checks.assert_managed(world, nic)
    _assert_can_have_functions(call, nic)
    pif_checks.assert_not_connected(world, network, world[nic]["host"])
    network_fits.assert_takes_sriov(world, network, nic)
    with world.edit() as edit:
        row = edit[nic]
        logical = interfaces.create(
            edit, device=row["device"], network=network, host=row["host"], MAC=interfaces.DUMMY_MAC, MTU=row["MTU"], metrics=row["metrics"],
            primary_address_type=row["primary_address_type"],
        )  # fmt: skip
        made = edit.create("network_sriov", physical_PIF=nic, logical_PIF=logical)
    plugging.plug_now(call, logical)
    return made


def _assert_can_have_functions(call: Call, nic: Id) -> None:
    row = call.world[nic]
    reasons = (
        ("PIF_IS_NOT_PHYSICAL", kind_of(row) != "physical" or not row["physical"]),
        ("NETWORK_SRIOV_ALREADY_ENABLED", bool(row["sriov_physical_PIF_of"])),
        ("PIF_IS_NOT_SRIOV_CAPABLE", "sriov" not in row["capabilities"]),
    )
    for code, holds in reasons:
        if holds:
            raise Failure(code, Handle(nic))


def destroy(call: Call, made: Id) -> None:
    """Disable SR-IOV. PIF_VLAN_STILL_EXISTS [pif] while a VLAN is built on the functions, VIF_IN_USE while a VM has one."""
    logical: Id = call.world[made]["logical_PIF"]
    if call.world[logical]["VLAN_slave_of"]:
        raise Failure("PIF_VLAN_STILL_EXISTS", Handle(logical))
    plugging.unplug_now(call, logical)
    with call.world.edit() as edit:
        interfaces.destroy(call, edit, logical)
        edit.destroy(made)


def get_remaining_capacity(call: Call, made: Id) -> int:
    """The number of functions that are free."""
    return len(sriov.idle_functions(call.world, made))


VERBS: Mapping[str, Verb] = {
    "network_sriov.create": create,
    "network_sriov.destroy": destroy,
    "network_sriov.get_remaining_capacity": get_remaining_capacity,
}
