"""Migrations within a pool: a VM moves to another host and its disks stay, or one disk moves to another SR and its VM stays."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest import balloon
from fake_xapi.guest.life import begin_life, end_life
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts import cpu_levels
from fake_xapi.verbs.migrations.migration import assert_not_too_many, copy_memory, migrate
from fake_xapi.verbs.migrations.migration_arrival import announce, arrive, domain_of, host_name
from fake_xapi.verbs.migrations.migration_checks import assert_can_go, is_older, version_of
from fake_xapi.verbs.migrations.migration_journey import Destination, Journey, disks_of
from fake_xapi.verbs.vms import placement, squeezing, vm_groups


async def pool_migrate(call: Call, vm: Id, host: Id, options: dict[str, str]) -> None:
    """Migrate a running VM to a host that sees its disks; ``force`` ignores what ties it down, ``network`` chooses the route.

    Failures as ``VM.start_on``, and VM_HOST_INCOMPATIBLE_VERSION_MIGRATE [host, vm], VM_INCOMPATIBLE_WITH_THIS_HOST [vm, host, reason],
    PIF_NOT_PRESENT [host, network], REQUIRED_PIF_IS_UNPLUGGED [pif], INTERFACE_HAS_NO_IP [pif].
    """
    async with call.operating((vm, "pool_migrate"), strict=options.get("force") != "true"):
        _assert_can_be_on(call, vm, host)
        if "network" in options:
            _assert_way(call, host, options["network"])
        await _to_host(call, vm, host)


def _assert_can_be_on(call: Call, vm: Id, host: Id) -> None:
    world = call.world
    source: Id = world[vm]["resident_on"]
    if is_older(version_of(world[host]["software_version"]), version_of(world[source]["software_version"])):
        raise Failure("VM_HOST_INCOMPATIBLE_VERSION_MIGRATE", Handle(host), Handle(vm))
    seen, offered = world[vm]["last_boot_CPU_flags"], world[host]["cpu_info"]
    failure = placement.refusal(world, vm, host) or cpu_levels.refusal(world.ref(vm), world.ref(host), seen, offered)
    if failure is not None:
        raise failure


def _assert_way(call: Call, host: Id, network_ref: str) -> None:
    """Check that the host has an address on the network for the transfer."""
    world = call.world
    network = world.find_ref(network_ref)
    row = world.get(network) if network else None
    if row is None or row.cls != "network":
        raise Failure("HANDLE_INVALID", "network", network_ref)
    pif = next((pif for pif in row["PIFs"] if world[pif]["host"] == host), 0)
    if not pif:
        raise Failure("PIF_NOT_PRESENT", Handle(host), Handle(network))
    if not world[pif]["currently_attached"]:
        raise Failure("REQUIRED_PIF_IS_UNPLUGGED", Handle(pif))
    if not world[pif]["IP"]:
        raise Failure("INTERFACE_HAS_NO_IP", Handle(pif))


async def _to_host(call: Call, vm: Id, host: Id) -> None:
    """Move the domain; whatever the outcome, both hosts then rebalance their memory."""
    source: Id = call.world[vm]["resident_on"]
    async with call.operating((host, "vm_migrate")):
        try:
            await call.takes("VM.migrate.prepare", share=(0.0, 0.1))
            if host != source:
                await _fit(call, vm, host)
            await _go(call, vm, source, host)
        finally:
            squeezing.balance(call, source)
            squeezing.balance(call, host)


async def _fit(call: Call, vm: Id, host: Id) -> None:
    """Before it goes, shrink the guest to what the other host can give it."""
    before = call.world[vm]["memory_target"]
    await squeezing.make_room(call, vm, host)
    if call.world[vm]["memory_target"] != before:
        balloon.follow_target(call, vm)


async def _go(call: Call, vm: Id, source: Id, host: Id) -> None:
    """Move the guest, unless it has halted or moved in the meantime."""
    await copy_memory(call, vm, host, begin=0.1)
    domain = domain_of(call, vm)
    if domain is None:
        return
    end_life(call, vm)
    with call.world.edit() as edit:
        domid = arrive(call, edit, vm, host, domain)
        announce(call, vm, f"migrated from host: {host_name(call, source)} to host: {host_name(call, host)}")
    vm_groups.tell(call, vm)
    begin_life(call, vm, domid)


async def migrate_in_boston(call: Call, vm: Id, dest: str, live: bool, options: dict[str, str]) -> None:
    """The early form of 2011: ``dest`` is a host of the pool, by its ref, uuid, address or name. INVALID_VALUE ["dest", dest]."""
    world = call.world
    known = (host for host, row in world.rows("host") if dest in (world.ref(host), world.uuid(host), row["address"], row["hostname"]))
    host = min(known, default=0)
    if not host:
        raise Failure("INVALID_VALUE", "dest", dest)
    await pool_migrate(call, vm, host, options)


async def migrate_vdi(call: Call, vdi: Id, sr: Id, options: dict[str, str]) -> Id:
    """Move one disk to another SR while its VM runs or is halted; returns the resulting disk.

    Failures VDI_INCOMPATIBLE_TYPE [vdi, type], VDI_CBT_ENABLED [vdi], VDI_NEEDS_VM_FOR_MIGRATE [vdi] for a disk of no VM,
    VBD_MISSING for one of a snapshot alone, SR_DOES_NOT_SUPPORT_MIGRATION [sr], NO_HOSTS_AVAILABLE when no host sees both.
    """
    world, row = call.world, call.world[vdi]
    if row["type"] == "cbt_metadata":
        raise Failure("VDI_INCOMPATIBLE_TYPE", Handle(vdi), "cbt_metadata")
    if row["cbt_enabled"]:
        raise Failure("VDI_CBT_ENABLED", Handle(vdi))
    if not row["VBDs"]:
        raise Failure("VDI_NEEDS_VM_FOR_MIGRATE", Handle(vdi))
    vbd = next((vbd for vbd in row["VBDs"] if not world[world[vbd]["VM"]]["is_a_snapshot"]), 0)
    if not vbd:
        raise Failure("VBD_MISSING")
    vm: Id = world[vbd]["VM"]
    vdi_map = {disk: world.ref(sr if disk == vdi else world[disk]["SR"]) for disk in disks_of(world, vm)}
    async with call.operating((vm, "migrate_send")):
        journey = Journey(call, vm, _here(call, vm, vdi_map), vdi_map, {}, options)
        await assert_can_go(journey)
        assert_not_too_many(journey)
        await migrate(journey)
    return int(call.world[vbd]["VDI"])


def _here(call: Call, vm: Id, vdi_map: Mapping[Id, str]) -> Destination:
    """A host that sees all SRs, preferably the one that has the VM. Failure NO_HOSTS_AVAILABLE."""
    world = call.world
    present: Id = world[vm]["resident_on"] or call.host
    others = [host for host in sorted(world.ids("host")) if host != present and not world[vm]["resident_on"]]
    for host in (present, *others):
        if all(placement.is_connected(world, world.find_ref(sr), host) for sr in vdi_map.values()):
            return Destination("", "", "", world.ref(host))
    raise Failure("NO_HOSTS_AVAILABLE")


VERBS: Mapping[str, Verb] = {
    "VM.pool_migrate": pool_migrate,
    "VM.migrate": migrate_in_boston,
    "VDI.pool_migrate": migrate_vdi,
}
