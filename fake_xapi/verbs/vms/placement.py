"""Where a VM may run, why it may not run elsewhere, and which host it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.guests import configured_domain_type
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.devices import passthrough
from fake_xapi.verbs.networks.pif_kinds import local_pif
from fake_xapi.verbs.pools import rolling_upgrade
from fake_xapi.verbs.vms import memory, vm_groups

Reason = Callable[[World, Id, Row, Id, Row], Failure | None]
"""``reason(world, vm, its row, host, its row)``: why the VM cannot run there."""


def _wrong_values(world: World, vm: Id, row: Row, host: Id, _host_row: Row) -> Failure | None:
    at_startup, most = row["VCPUs_at_startup"], row["VCPUs_max"]
    for name, value in (("VCPUs-at-startup", at_startup), ("VCPUs-max", most)):
        if value < 1:
            return Failure("INVALID_VALUE", name, str(value))
    if at_startup > most:
        return Failure("VALUE_NOT_SUPPORTED", "VCPUs-at-startup", str(at_startup), "value greater than VCPUs-max")
    if configured_domain_type(row) == "hvm" and row["HVM_shadow_multiplier"] < 1.0:
        return Failure("INVALID_VALUE", "HVM_shadow_multiplier", f"{row['HVM_shadow_multiplier']:.16g}")
    limits = (row["memory_static_min"], row["memory_dynamic_min"], row["memory_dynamic_max"], row["memory_static_max"])
    return None if memory.is_ordered(*limits) else Failure("MEMORY_CONSTRAINT_VIOLATION")


def _host_is_out(world: World, vm: Id, row: Row, host: Id, host_row: Row) -> Failure | None:
    if not is_live(world, host_row):
        return Failure("HOST_NOT_LIVE")
    if row["is_control_domain"] and row["affinity"] != host:
        return Failure("OPERATION_NOT_ALLOWED", "Cannot boot a control domain on a different host")
    return None if host_row["enabled"] else Failure("HOST_DISABLED", Handle(host))


def _old_platform(world: World, vm: Id, row: Row, host: Id, host_row: Row) -> Failure | None:
    versions, wanted = host_row["virtual_hardware_platform_versions"], row["hardware_platform_version"]
    if wanted in versions:
        return None
    shown = "[" + "; ".join(str(version) for version in versions) + "]"
    return Failure("VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION", Handle(host), shown, Handle(vm), str(wanted))


def _misses_storage(world: World, vm: Id, row: Row, host: Id, _host_row: Row) -> Failure | None:
    for sr in storage_of(world, row):
        if not is_connected(world, sr, host):
            return Failure("VM_REQUIRES_SR", Handle(vm), Handle(sr))
    return None


def _misses_network(world: World, vm: Id, row: Row, host: Id, _host_row: Row) -> Failure | None:
    for vif in row["VIFs"]:
        network = world[vif]["network"]
        if world.get(network) is not None and not is_visible(world, network, host):
            return Failure("VM_REQUIRES_NETWORK", Handle(vm), Handle(network))
        pif = local_pif(world, network, host)
        if pif and world[pif]["bond_slave_of"]:
            return Failure("HOST_CANNOT_ATTACH_NETWORK", Handle(host), Handle(network))
    return None


def _misses_hvm(world: World, vm: Id, row: Row, host: Id, host_row: Row) -> Failure | None:
    needs = configured_domain_type(row) == "hvm"
    has = any("hvm" in capability for capability in host_row["capabilities"])
    return Failure("VM_HVM_REQUIRED", Handle(vm)) if needs and not has else None


def _too_little_memory(world: World, vm: Id, row: Row, host: Id, _host_row: Row) -> Failure | None:
    needed, free = memory.needed_bytes(row), memory.spare_bytes(world, host, besides=vm)
    return Failure("HOST_NOT_ENOUGH_FREE_MEMORY", str(needed), str(free)) if needed > free else None


def _too_few_pcpus(world: World, vm: Id, row: Row, host: Id, host_row: Row) -> Failure | None:
    if row["platform"].get("vcpu-unrestricted") == "true":
        return None
    vcpus, pcpus = row["VCPUs_max"], len(host_row["host_CPUs"])
    return Failure("HOST_NOT_ENOUGH_PCPUS", str(vcpus), str(pcpus)) if 0 < pcpus < vcpus else None


REASONS_BUT_SIZE: tuple[Reason, ...] = (
    *(_wrong_values, _host_is_out, _old_platform, _misses_storage, _misses_network),
    *(*passthrough.REASONS, _misses_hvm),
)
_REASONS_OF_SIZE: tuple[Reason, ...] = (_too_little_memory, _too_few_pcpus)
REASONS_WITHOUT_STORAGE: tuple[Reason, ...] = (*(reason for reason in REASONS_BUT_SIZE if reason is not _misses_storage), *_REASONS_OF_SIZE)
"""Those of a VM whose disks go with it."""


def refusal(world: World, vm: Id, host: Id, reasons: Iterable[Reason] = (*REASONS_BUT_SIZE, *_REASONS_OF_SIZE)) -> Failure | None:
    """The first reason why a VM cannot run on a host."""
    row, host_row = world[vm], world[host]
    return next((failure for reason in reasons if (failure := reason(world, vm, row, host, host_row)) is not None), None)


def is_live(world: World, host: Row) -> bool:
    """Whether a host's heartbeat is still heard."""
    metrics = world.get(host["metrics"])
    return metrics is not None and metrics["live"]


def storage_of(world: World, vm: Row) -> Iterator[Id]:
    """The SRs of a VM's disks and media."""
    for vbd in vm["VBDs"]:
        vdi = world.get(world[vbd]["VDI"])
        if vdi is not None and vdi["SR"]:
            yield vdi["SR"]


def is_connected(world: World, sr: Id, host: Id) -> bool:
    """Whether a host has an SR plugged."""
    pbds = (world[pbd] for pbd in world[sr]["PBDs"])
    return any(pbd["host"] == host and pbd["currently_attached"] for pbd in pbds)


def is_visible(world: World, network: Id, host: Id) -> bool:
    """Whether a VM on a host would have access to a network.

    One with PIFs is where they are; one without is wherever a VM on it already runs, else anywhere.
    """
    row = world[network]
    if row["PIFs"]:
        return any(world[pif]["host"] == host for pif in row["PIFs"])
    if not row["managed"] or row["other_config"].get("assume_network_is_shared") == "true":
        return True
    attached = (world[vif] for vif in row["VIFs"])
    homes = {world[vif["VM"]]["resident_on"] for vif in attached if vif["currently_attached"] and world.get(vif["VM"]) is not None}
    return host in homes or not homes - {0}


def possible_hosts(world: World, vm: Id) -> list[Id]:
    """The hosts that pass every check, memory included."""
    return [host for host in _hosts(world) if refusal(world, vm, host) is None]


def choose_host(call: Call, vm: Id) -> Id:
    """Choose the VM's host: its affinity first, otherwise a random one, the master last of all.

    Failure NO_HOSTS_AVAILABLE, HOST_NOT_ENOUGH_FREE_MEMORY when memory is all that is missing, or CANNOT_CONTACT_HOST [host] for one
    that died and has not been missed yet.
    """
    world = call.world
    open_hosts = [
        host for host in rolling_upgrade.newest_hosts(world, _hosts(world)) if "evacuate" not in world[host]["current_operations"].values()
    ]
    fitting = [host for host in open_hosts if refusal(world, vm, host) is None]
    if fitting:
        return _reached(call, _preferred(call, vm, fitting))
    for host in open_hosts:
        if refusal(world, vm, host, REASONS_BUT_SIZE) is None:
            raise _size_refusal(world, vm, host)
    raise Failure("NO_HOSTS_AVAILABLE")


def _reached(call: Call, host: Id) -> Id:
    if not call.machines.is_up(host):
        raise Failure("CANNOT_CONTACT_HOST", Handle(host))
    return host


def _size_refusal(world: World, vm: Id, host: Id) -> Failure:
    return refusal(world, vm, host, _REASONS_OF_SIZE) or Failure("NO_HOSTS_AVAILABLE")


def _hosts(world: World) -> list[Id]:
    return sorted(world.ids("host"))


def _preferred(call: Call, vm: Id, hosts: list[Id]) -> Id:
    affinity: Id = call.world[vm]["affinity"]
    if affinity in hosts:
        return affinity
    pool = call.world.get(POOL)
    hosts = vm_groups.apart(call.world, vm, hosts)
    others = [host for host in hosts if pool is None or host != pool["master"]] or hosts
    return others[0] if len(others) == 1 else call.chance("placement").choice(others)


def assert_can_start_on(world: World, vm: Id, host: Id) -> None:
    """Raise the reason why a VM cannot be started on a host that the caller chose."""
    rolling_upgrade.assert_may_start(world, host)
    if "evacuate" in world[host]["current_operations"].values():
        raise Failure("HOST_EVACUATE_IN_PROGRESS", Handle(host))
    failure = refusal(world, vm, host)
    if failure is not None:
        raise failure
