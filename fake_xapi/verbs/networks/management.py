"""The management interface of hosts: the verbs of host and pool that move it, and the one that forgets all interfaces."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.networks import interfaces
from fake_xapi.verbs.networks.pif_kinds import local_pif

_CONFIGURED = {
    "IPv4": ("ip_configuration_mode", "PIF_HAS_NO_NETWORK_CONFIGURATION"),
    "IPv6": ("ipv6_configuration_mode", "PIF_HAS_NO_V6_NETWORK_CONFIGURATION"),
}


def _assert_no_ha(call: Call) -> None:
    pool = call.world.get(POOL)
    if pool is not None and pool["ha_enabled"]:
        raise Failure("HA_IS_ENABLED")


def _assert_usable(call: Call, pif: Id) -> None:
    """Raise CANNOT_PLUG_BOND_SLAVE [pif], or PIF_HAS_NO_NETWORK_CONFIGURATION, which does not name the PIF in the releases of 2012."""
    row = call.world[pif]
    if row["bond_slave_of"]:
        raise Failure("CANNOT_PLUG_BOND_SLAVE", Handle(pif))
    field, code = _CONFIGURED[row["primary_address_type"]]
    if row[field] == "None":
        raise Failure(code, *((Handle(pif),) if call.world.personality.era == "modern" else ()))


def _assert_same_family(call: Call, pif: Id) -> None:
    row = call.world[pif]
    present = _management_pif(call, row["host"])
    if present and call.world[present]["primary_address_type"] != row["primary_address_type"]:
        raise Failure("PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE", Handle(pif))


def _management_pif(call: Call, host: Id) -> Id:
    return next((int(pif) for pif in call.world[host]["PIFs"] if call.world[pif]["management"]), 0)


def management_reconfigure(call: Call, pif: Id) -> None:
    """Move the management of an interface's host to that interface."""
    _assert_no_ha(call)
    if call.world[pif]["managed"]:
        _assert_usable(call, pif)
        _assert_same_family(call, pif)
    _move_to(call, pif)


def _move_to(call: Call, pif: Id) -> None:
    """Move a host's management. Its clients lose their connections: whoever asked over one of them gets no answer."""
    host: Id = call.world[pif]["host"]
    present = _management_pif(call, host)
    if present != pif:
        with call.world.edit() as edit:
            interfaces.move_management(call, edit, present, pif)
        call.machines.hang_up(host)


def reconfigure_everywhere(call: Call, network: Id) -> None:
    """``pool.management_reconfigure``: move every host's management to its interface on one network, or none of them.

    Failures HA_IS_ENABLED [], PIF_NOT_PRESENT [host, network], and those of each interface.
    """
    _assert_no_ha(call)
    pifs: list[Id] = []
    for host in sorted(call.world.ids("host")):
        pif = local_pif(call.world, network, host)
        if not pif:
            raise Failure("PIF_NOT_PRESENT", Handle(host), Handle(network))
        _assert_usable(call, pif)
        _assert_same_family(call, pif)
        pifs.append(pif)
    for pif in pifs:
        _move_to(call, pif)


def local_management_reconfigure(call: Call, interface: str) -> None:
    """Move a host that has lost its master to another management bridge, so that it can be reached again.

    Failures NOT_IN_EMERGENCY_MODE [] while it has its master, INTERFACE_HAS_NO_IP [bridge].
    """
    if call.machines.stored_error is None:
        raise Failure("NOT_IN_EMERGENCY_MODE")
    for pif in call.world[call.host]["PIFs"]:
        row = call.world[pif]
        if call.world[row["network"]]["bridge"] == interface and row["ip_configuration_mode"] != "None":
            _move_to(call, pif)
            return
    raise Failure("INTERFACE_HAS_NO_IP", interface)


def management_disable(call: Call) -> None:
    """Disable management over the network. HA_IS_ENABLED []; SLAVE_REQUIRES_MANAGEMENT_INTERFACE [] for hosts that have a master."""
    _assert_no_ha(call)
    pool = call.world.get(POOL)
    if pool is not None and pool["master"] != call.host:
        raise Failure("SLAVE_REQUIRES_MANAGEMENT_INTERFACE")
    with call.world.edit() as edit:
        for pif in edit[call.host]["PIFs"]:
            edit.set(pif, management=False)


def reset_networking(call: Call, host: Id) -> None:
    """Forget every interface of a host with its bonds, VLANs and tunnels; a scan finds its NICs again."""
    with call.world.edit() as edit:
        pifs = edit[host]["PIFs"]
        for pif in pifs:
            row = edit[pif]
            owners = (*row["bond_master_of"], *row["tunnel_access_PIF_of"], *row["sriov_logical_PIF_of"])
            vlan = row["VLAN_master_of"]
            interfaces.destroy(call, edit, pif)
            for owner in (*owners, *((vlan,) if vlan else ())):
                edit.destroy(owner)


VERBS: Mapping[str, Verb] = {
    "host.management_reconfigure": management_reconfigure,
    "host.local_management_reconfigure": local_management_reconfigure,
    "host.management_disable": management_disable,
    "host.reset_networking": reset_networking,
    "pool.management_reconfigure": reconfigure_everywhere,
}
