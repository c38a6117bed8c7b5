"""The verbs of tunnel: private networks between hosts, carried over their addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.networks import interfaces, network_fits, pif_checks, plugging
from fake_xapi.verbs.networks.mac_addresses import random_mac
from fake_xapi.verbs.networks.pif_kinds import kinds

Check = Callable[[World, Id, Id], None]
"""``check(world, transport PIF, network)``."""


def _network_is_managed(world: World, _transport: Id, network: Id) -> None:
    pif_checks.assert_network_managed(world, network)


def _pif_is_managed(world: World, transport: Id, _network: Id) -> None:
    pif_checks.assert_managed(world, transport)


def _is_no_member(world: World, transport: Id, _network: Id) -> None:
    if world[transport]["bond_slave_of"]:
        raise Failure("CANNOT_ADD_TUNNEL_TO_BOND_SLAVE", Handle(transport))


def _is_no_tunnel(world: World, transport: Id, _network: Id) -> None:
    if world[transport]["tunnel_access_PIF_of"]:
        raise Failure("IS_TUNNEL_ACCESS_PIF", Handle(transport))


_ON_SRIOV = (
    (("SR-IOV",), "CANNOT_ADD_TUNNEL_TO_SRIOV_LOGICAL"),
    (("VLAN", "SR-IOV"), "CANNOT_ADD_TUNNEL_TO_VLAN_ON_SRIOV_LOGICAL"),
)


def _is_not_on_sriov(world: World, transport: Id, _network: Id) -> None:
    found = kinds(world, transport)
    for beginning, code in _ON_SRIOV:
        if found[: len(beginning)] == beginning:
            raise Failure(code, Handle(transport))


def _fits_network(world: World, _transport: Id, network: Id) -> None:
    network_fits.assert_takes_bridge(world, network, "NETWORK_INCOMPATIBLE_WITH_TUNNEL")


def _network_is_free(world: World, transport: Id, network: Id) -> None:
    pif_checks.assert_not_connected(world, network, world[transport]["host"])


def _switches_are_open(world: World, _transport: Id, _network: Id) -> None:
    if any(row["software_version"].get("network_backend") != "openvswitch" for _, row in world.rows("host")):
        raise Failure("OPENVSWITCH_NOT_ACTIVE")


_CHECKS: tuple[Check, ...] = (
    *(_network_is_managed, _pif_is_managed, _is_no_member, _is_no_tunnel, _is_not_on_sriov, _fits_network, _network_is_free),
    _switches_are_open,
)
_CHECKS_OF_2012: tuple[Check, ...] = (_is_no_member, _network_is_free, _switches_are_open, _is_no_tunnel)


def create(call: Call, transport: Id, network: Id, protocol: str = "gre") -> Id:
    """Create a tunnel over an interface, up at once: TRANSPORT_PIF_NOT_CONFIGURED [pif] for an interface without an address."""
    for check in _CHECKS if call.world.personality.era == "modern" else _CHECKS_OF_2012:
        check(call.world, transport, network)
    if call.world[transport]["ip_configuration_mode"] == "None":
        raise Failure("TRANSPORT_PIF_NOT_CONFIGURED", Handle(transport))
    with call.world.edit() as edit:
        made = create_rows(call, edit, transport, network, protocol)
    plugging.plug_now(call, call.world[made]["access_PIF"])
    return made


def create_rows(call: Call, edit: Edit, transport: Id, network: Id, protocol: str) -> Id:
    """Create a tunnel and its access PIF, which is down."""
    row = edit[transport]
    taken = {edit[each]["device"] for each in edit[row["host"]]["PIFs"] if edit[each]["tunnel_access_PIF_of"]}
    number = next(number for number in range(len(taken) + 1) if f"tunnel{number}" not in taken)
    access = interfaces.create(
        edit, device=f"tunnel{number}", network=network, host=row["host"], MAC=random_mac(call.chance("macs")), metrics=row["metrics"],
        IPv6=("",),
    )  # fmt: skip
    return edit.create("tunnel", access_PIF=access, transport_PIF=transport, status={"active": "false"}, protocol=protocol)


def destroy(call: Call, tunnel: Id) -> None:
    """Bring a tunnel down and destroy it with its access PIF."""
    access: Id = call.world[tunnel]["access_PIF"]
    plugging.unplug_now(call, access)
    with call.world.edit() as edit:
        interfaces.destroy(call, edit, access)
        edit.destroy(tunnel)


VERBS: Mapping[str, Verb] = {
    "tunnel.create": create,
    "tunnel.destroy": destroy,
}
