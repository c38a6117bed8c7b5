"""The networks that VMs need on a host: whether they are available there, and the interfaces that are brought up for them."""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.networks import interfaces
from fake_xapi.verbs.networks.pif_kinds import local_pif


def assert_can_attach(world: World, network: Id, host: Id) -> Id:
    """The interface that connects a host to a network, NULL for a network that is internal to the host.

    Failures BRIDGE_NOT_AVAILABLE [bridge] for a network that XAPI does not manage and the host lacks; CANNOT_PLUG_BOND_SLAVE [pif].
    """
    row = world[network]
    pif = local_pif(world, network, host)
    if not pif and not row["managed"]:
        raise Failure("BRIDGE_NOT_AVAILABLE", row["bridge"])
    if pif and row["managed"] and world[pif]["managed"] and world[pif]["bond_slave_of"]:
        raise Failure("CANNOT_PLUG_BOND_SLAVE", Handle(pif))
    return pif


def bring_networks_up(call: Call, edit: Edit, vm: Id, host: Id) -> None:
    """Bring up a host's interfaces on a VM's networks, where they are down."""
    for vif in edit[vm]["VIFs"]:
        bring_network_up(call, edit, edit[vif]["network"], host)


def bring_network_up(call: Call, edit: Edit, network: Id, host: Id) -> None:
    """Bring up a host's interface on a network, if it is down."""
    pif = local_pif(edit, network, host)
    if pif and edit[pif]["managed"] and not edit[pif]["currently_attached"] and not edit[pif]["sriov_logical_PIF_of"]:
        interfaces.bring_up(call, edit, pif)
