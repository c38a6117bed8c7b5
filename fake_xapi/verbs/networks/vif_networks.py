"""What a VIF's network permits: on which hosts it can be reached, how its traffic is filtered, and what HA requires of it."""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL, AnyRow
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.networks.pif_kinds import local_pif
from fake_xapi.verbs.vms.placement import is_visible

STATIC_ADDRESSES = "feature-static-ip-setting"


def effective_mode(world: World, vif: Id, mode: str) -> str:
    """The locking mode that applies to a VIF: its own, or its network's default where it leaves that to the network."""
    if mode != "network_default":
        return mode
    network = world.get(world[vif]["network"])
    return str(network["default_locking_mode"]) if network is not None else "unlocked"


def assert_no_controller(world: World) -> None:
    """Raise OPERATION_NOT_ALLOWED [text] while a controller steers the hosts' switches."""
    pool = world.get(POOL)
    if world.personality.era != "modern":
        if pool is not None and pool["vswitch_controller"]:
            raise Failure("OPERATION_NOT_ALLOWED", "A vswitch controller is active")
    elif world.count("SDN_controller"):
        raise Failure("OPERATION_NOT_ALLOWED", "A SDN controller is active")


def assert_host_reaches(world: World, vm: Id, network: Id) -> None:
    """Raise HOST_CANNOT_ATTACH_NETWORK [host, network] when a VM's host lacks that network, or has it only on a member of a bond."""
    host: Id = world[vm]["resident_on"]
    pif = local_pif(world, network, host)
    if not is_visible(world, network, host) or (pif and world[pif]["bond_slave_of"]):
        raise Failure("HOST_CANNOT_ATTACH_NETWORK", Handle(host), Handle(network))


def assert_agile(world: World, vm: AnyRow, network: Id) -> None:
    """Raise HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED [network] when a protected VM could then not be restarted on every host."""
    pool = world.get(POOL)
    is_guarded = pool is not None and pool["ha_enabled"] and not pool["ha_allow_overcommit"]
    if not is_guarded or vm["ha_restart_priority"] != "restart":
        return
    if any(not local_pif(world, network, host) for host in world.ids("host")):
        raise Failure("HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED", Handle(network))


def assert_may_have(world: World, vif: Id, field: str, cidr: str) -> None:
    """Raise ADDRESS_VIOLATES_LOCKING_CONSTRAINT [address] when a locked VIF is given an address that it may not use."""
    row = world[vif]
    if effective_mode(world, vif, row["locking_mode"]) == "locked" and cidr.partition("/")[0] not in row[field]:
        raise Failure("ADDRESS_VIOLATES_LOCKING_CONSTRAINT", cidr)


def assert_guest_takes_addresses(world: World, vm: Id) -> None:
    """Raise VM_LACKS_FEATURE [vm] unless the guest has reported that it takes its addresses from the host."""
    metrics = world.get(world[vm]["guest_metrics"])
    if metrics is None or metrics["other"].get(STATIC_ADDRESSES) != "1":
        raise Failure("VM_LACKS_FEATURE", Handle(vm))
