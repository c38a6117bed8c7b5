"""Reasons to leave an interface alone, each with XAPI's error. Verbs check them in the order of their era."""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.networks.pif_kinds import local_pif

_LIVE = ("Running", "Paused")


def assert_managed(world: World, pif: Id) -> None:
    """Raise PIF_UNMANAGED [pif]."""
    if not world[pif]["managed"]:
        raise Failure("PIF_UNMANAGED", Handle(pif))


def assert_network_managed(world: World, network: Id) -> None:
    """Raise NETWORK_UNMANAGED [network]."""
    if not world[network]["managed"]:
        raise Failure("NETWORK_UNMANAGED", Handle(network))


def assert_not_connected(world: World, network: Id, host: Id) -> None:
    """Raise NETWORK_ALREADY_CONNECTED [host, pif]: a host has at most one interface on a network."""
    connected = local_pif(world, network, host)
    if connected:
        raise Failure("NETWORK_ALREADY_CONNECTED", Handle(host), Handle(connected))


def assert_not_in_bond(world: World, pif: Id) -> None:
    """Raise PIF_ALREADY_BONDED [pif], for members and for masters."""
    row = world[pif]
    if row["bond_slave_of"] or row["bond_master_of"]:
        raise Failure("PIF_ALREADY_BONDED", Handle(pif))


def assert_no_vlans(world: World, pif: Id) -> None:
    """Raise PIF_VLAN_STILL_EXISTS [pif], for what carries VLANs and for what is one."""
    row = world[pif]
    if row["VLAN_slave_of"] or row["VLAN"] != -1:
        raise Failure("PIF_VLAN_STILL_EXISTS", Handle(pif))


def assert_no_tunnels(world: World, pif: Id) -> None:
    """Raise PIF_TUNNEL_STILL_EXISTS [pif], for what carries tunnels and for an end of one."""
    row = world[pif]
    if row["tunnel_transport_PIF_of"] or row["tunnel_access_PIF_of"]:
        raise Failure("PIF_TUNNEL_STILL_EXISTS", Handle(pif))


def assert_no_sriov(world: World, pif: Id) -> None:
    """Raise PIF_SRIOV_STILL_EXISTS [pif] for a NIC with virtual functions, CANNOT_FORGET_SRIOV_LOGICAL [pif] for the PIF that represents
    them.
    """
    row = world[pif]
    if row["sriov_physical_PIF_of"]:
        raise Failure("PIF_SRIOV_STILL_EXISTS", Handle(pif))
    if row["sriov_logical_PIF_of"]:
        raise Failure("CANNOT_FORGET_SRIOV_LOGICAL", Handle(pif))


def assert_not_management(world: World, pif: Id) -> None:
    """Raise PIF_IS_MANAGEMENT_INTERFACE [pif] while it is up."""
    row = world[pif]
    if row["currently_attached"] and row["management"]:
        raise Failure("PIF_IS_MANAGEMENT_INTERFACE", Handle(pif))


def assert_not_slave_management(world: World, pif: Id) -> None:
    """The same, on hosts other than their pool's master."""
    pool = world.get(POOL)
    if pool is None or world[pif]["host"] != pool["master"]:
        assert_not_management(world, pif)


def assert_unprotected(world: World, pif: Id) -> None:
    """Raise HA_IS_ENABLED [] or REDO_LOG_IS_ENABLED [] while the interface is up: the hosts may need it to see each other."""
    pool = world.get(POOL)
    if pool is None or not world[pif]["currently_attached"]:
        return
    for field, code in (("ha_enabled", "HA_IS_ENABLED"), ("redo_log_enabled", "REDO_LOG_IS_ENABLED")):
        if pool[field]:
            raise Failure(code)


def assert_no_clustering(world: World, pif: Id) -> None:
    """Raise CLUSTERING_ENABLED [cluster_host] while a cluster communicates over the interface."""
    for cluster_host, row in world.rows("Cluster_host"):
        if row["PIF"] == pif and row["enabled"]:
            raise Failure("CLUSTERING_ENABLED", Handle(cluster_host))


def assert_unused(world: World, pif: Id) -> None:
    """Raise VIF_IN_USE [network, vif] while a VM on the interface's host is on its network, or about to be."""
    host, network = world[pif]["host"], world[pif]["network"]
    for vif in world[network]["VIFs"]:
        if _is_in_use(world, vif, host):
            raise Failure("VIF_IN_USE", Handle(network), Handle(vif))


def _is_in_use(world: World, vif: Id, host: Id) -> bool:
    row = world[vif]
    vm = world.get(row["VM"])
    if vm is None:
        return False
    if "attach" in row["current_operations"].values() and host in (vm["resident_on"], vm["scheduled_to_be_resident_on"]):
        return True
    return bool(row["currently_attached"] and vm["resident_on"] == host and vm["power_state"] in _LIVE)


def assert_agile(world: World, pif: Id) -> None:
    """Raise HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN [] when a protected VM needs the interface's network."""
    pool = world.get(POOL)
    if pool is None or not pool["ha_enabled"] or pool["ha_allow_overcommit"]:
        return
    vms = (world.get(world[vif]["VM"]) for vif in world[world[pif]["network"]]["VIFs"])
    if any(vm is not None and vm["ha_restart_priority"] == "restart" for vm in vms):
        raise Failure("HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN")


def assert_unplug_is_allowed(world: World, pif: Id) -> None:
    """Raise PIF_DOES_NOT_ALLOW_UNPLUG [pif]."""
    if world[pif]["disallow_unplug"]:
        raise Failure("PIF_DOES_NOT_ALLOW_UNPLUG", Handle(pif))
