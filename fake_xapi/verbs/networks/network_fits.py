"""Which kinds of interfaces may share a network: those of virtual functions only with others of their kind."""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.networks.pif_kinds import is_sriov_network, kinds, sriov_under


def assert_takes_bridge(world: World, network: Id, code: str) -> None:
    """Raise ``code`` [network] when the network consists of virtual functions."""
    if is_sriov_network(world, network):
        raise Failure(code, Handle(network))


def assert_takes_sriov(world: World, network: Id, nic: Id) -> None:
    """Raise NETWORK_INCOMPATIBLE_WITH_SRIOV [network], NETWORK_HAS_INCOMPATIBLE_SRIOV_PIFS [pif, network]: NICs must be of one model."""
    pifs = world[network]["PIFs"]
    if not pifs:
        return
    logical = world[pifs[0]]["sriov_logical_PIF_of"]
    if not logical:
        raise Failure("NETWORK_INCOMPATIBLE_WITH_SRIOV", Handle(network))
    if _model(world, world[logical[0]]["physical_PIF"]) != _model(world, nic):
        raise Failure("NETWORK_HAS_INCOMPATIBLE_SRIOV_PIFS", Handle(nic), Handle(network))


def assert_takes_vlan_on_sriov(world: World, network: Id, tagged: Id) -> None:
    """Raise NETWORK_INCOMPATIBLE_WITH_VLAN_ON_SRIOV [network] or NETWORK_HAS_INCOMPATIBLE_VLAN_ON_SRIOV_PIFS [pif, network]."""
    pifs = world[network]["PIFs"]
    if not pifs:
        return
    if kinds(world, pifs[0])[:2] != ("VLAN", "SR-IOV"):
        raise Failure("NETWORK_INCOMPATIBLE_WITH_VLAN_ON_SRIOV", Handle(network))
    there, here = (world[sriov_under(world, pif)]["physical_PIF"] for pif in (pifs[0], tagged))
    if _model(world, there) != _model(world, here):
        raise Failure("NETWORK_HAS_INCOMPATIBLE_VLAN_ON_SRIOV_PIFS", Handle(tagged), Handle(network))


def _model(world: World, nic: Id) -> tuple[str, str]:
    pci = world.get(world[nic]["PCI"])
    return ("", "") if pci is None else (pci["vendor_id"], pci["device_id"])
