"""What a VIF's network allows: where it is reached, how traffic on it is filtered, and what HA asks of it."""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL, AnyRow
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.networks.pif_kinds import local_pif
from fake_xapi.verbs.vms.placement import is_visible

STATIC_ADDRESSES = "feature-static-ip-setting"


def effective_mode(world: World, vif: Id, mode: str) -> str:
    """How a VIF of that mode is filtered: where it leaves that to its network, by the network's default."""
    if mode != "network_default":
        return mode
    network = world.get(world[vif]["network"])
    return str(network["default_locking_mode"]) if network is not None else "unlocked"


def assert_no_controller(world: World) -> None:
    """OPERATION_NOT_ALLOWED [text] while a controller steers the hosts' switches."""
    pool = world.get(POOL)
    if world.personality.era != "modern":
        if pool is not None and pool["vswitch_controller"]:
            raise Failure("OPERATION_NOT_ALLOWED", "A vswitch controller is active")
    elif world.count("SDN_controller"):
        raise Failure("OPERATION_NOT_ALLOWED", "A SDN controller is active")


def assert_host_reaches(world: World, vm: Id, network: Id) -> None:
    """HOST_CANNOT_ATTACH_NETWORK [host, network] when the host of a VM has not that network, or only as a part of a bond."""
    host: Id = world[vm]["resident_on"]
    pif = local_pif(world, network, host)
    if not is_visible(world, network, host) or (pif and world[pif]["bond_slave_of"]):
        raise Failure("HOST_CANNOT_ATTACH_NETWORK", Handle(host), Handle(network))


def assert_agile(world: World, vm: AnyRow, network: Id) -> None:
    """HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED [network] when a protected VM could then not be restarted on every host."""
    pool = world.get(POOL)
    is_guarded = pool is not None and pool["ha_enabled"] and not pool["ha_allow_overcommit"]
    if not is_guarded or vm["ha_restart_priority"] != "restart":
        return
    if any(not local_pif(world, network, host) for host in world.ids("host")):
        raise Failure("HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED", Handle(network))


def assert_may_have(world: World, vif: Id, field: str, cidr: str) -> None:
    """ADDRESS_VIOLATES_LOCKING_CONSTRAINT [address] when a locked VIF is given an address that it may not use."""
    row = world[vif]
    if effective_mode(world, vif, row["locking_mode"]) == "locked" and cidr.partition("/")[0] not in row[field]:
        raise Failure("ADDRESS_VIOLATES_LOCKING_CONSTRAINT", cidr)


def assert_guest_takes_addresses(world: World, vm: Id) -> None:
    """VM_LACKS_FEATURE [vm] unless the guest has said that it takes its addresses from the host."""
    metrics = world.get(world[vm]["guest_metrics"])
    if metrics is None or metrics["other"].get(STATIC_ADDRESSES) != "1":
        raise Failure("VM_LACKS_FEATURE", Handle(vm))
