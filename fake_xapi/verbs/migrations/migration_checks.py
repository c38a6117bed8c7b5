"""Why a VM may not migrate with its storage: one function for each reason, in the order in which XAPI checks them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle.storage_types import driver_features
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.verbs.hosts import cpu_levels
from fake_xapi.verbs.migrations.migration_journey import Journey, disks_of, inferred_vifs, shared_disks
from fake_xapi.verbs.migrations.migration_metadata import send_metadata
from fake_xapi.verbs.vms import placement

Check = Callable[[Journey], Awaitable[None]]

NO_VIF_MAP = "VIF mapping is not allowed for intra-pool migration -all VIFs must be on the same network"
NO_COPY = "Copy mode is disallowed on intra pool storage migration, try efficient alternatives e.g. VM.copy/clone."


# ---- of every migration ----------------------------------------------------------------------------------------------------------


async def disks_are_mapped(journey: Journey) -> None:
    """VDI_NOT_IN_MAP [vdi]."""
    for vdi in disks_of(journey.world, journey.vm):
        if vdi not in journey.vdi_map:
            raise Failure("VDI_NOT_IN_MAP", Handle(vdi))


async def tracked_or_encrypted_disks_stay(journey: Journey) -> None:
    """VDI_CBT_ENABLED [vdi], VDI_IS_ENCRYPTED [vdi]: only for disks that would move."""
    for vdi in moving(journey, journey.vdi_map):
        row = journey.world[vdi]
        if row["cbt_enabled"]:
            raise Failure("VDI_CBT_ENABLED", Handle(vdi))
        if "key_hash" in row["sm_config"]:
            raise Failure("VDI_IS_ENCRYPTED", Handle(vdi))


async def formats_are_known(journey: Journey) -> None:
    """VDI_INCOMPATIBLE_TYPE [text] for an image format that the SR's driver does not list; one that lists none accepts any."""
    world = journey.world
    for vdi, name in journey.formats.items():
        sr = world.find_ref(journey.vdi_map.get(vdi, "")) if journey.is_within_pool else 0
        row = world.get(sr) if sr else None
        kinds = [driver for _, driver in world.rows("SM") if row is not None and driver["type"] == row["type"]]
        known = kinds[0]["supported_image_formats"] if kinds else ()
        if known and name not in known:
            raise Failure("VDI_INCOMPATIBLE_TYPE", f"Image format {name} is not supported by {world.uuid(sr)}")


def moving(journey: Journey, vdi_map: Mapping[Id, str]) -> list[Id]:
    """The disks that do not stay in their SR."""
    world = journey.world
    return [vdi for vdi, sr in vdi_map.items() if world.get(vdi) is not None and world.ref(world[vdi]["SR"]) != sr]


async def storage_can_send(journey: Journey) -> None:
    """SR_DOES_NOT_SUPPORT_MIGRATION [sr] for an SR here whose driver cannot send."""
    world, shared = journey.world, await shared_disks(journey)
    for vdi in moving(journey, journey.vdi_map):
        sr: Id = world[vdi]["SR"]
        if vdi not in shared and not needed_features(world.personality.era) <= driver_features(world[sr]["type"], world.personality.era):
            raise Failure("SR_DOES_NOT_SUPPORT_MIGRATION", Handle(sr))


def needed_features(era: Era) -> frozenset[str]:
    """The features that both drivers must have."""
    return frozenset({"VDI_SNAPSHOT", "VDI_MIRROR"} if era == "modern" else {"VDI_SNAPSHOT"})


# ---- within a pool ---------------------------------------------------------------------------------------------------------------


async def host_is_not_older(journey: Journey) -> None:
    """NOT_SUPPORTED_DURING_UPGRADE, or in 2012 VM_HOST_INCOMPATIBLE_VERSION_MIGRATE [host, vm], for a host of an older release."""
    world = journey.world
    if is_older(version_of(world[journey.host]["software_version"]), version_of(world[journey.source]["software_version"])):
        if world.personality.era == "modern":
            raise Failure("NOT_SUPPORTED_DURING_UPGRADE")
        raise Failure("VM_HOST_INCOMPATIBLE_VERSION_MIGRATE", Handle(journey.host), Handle(journey.vm))


def version_of(software: Mapping[str, str]) -> tuple[int, ...]:
    """The version of a host's platform, by which hosts are compared."""
    text = software.get("platform_version") or software.get("product_version", "")
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def is_older(to: tuple[int, ...], source: tuple[int, ...]) -> bool:
    """Whether a VM would move to older software."""
    return to < source


async def storage_here_can_receive(journey: Journey) -> None:
    """SR_DOES_NOT_SUPPORT_MIGRATION [sr]; HANDLE_INVALID for anything but an SR."""
    world, era = journey.world, journey.world.personality.era
    for vdi in moving(journey, journey.vdi_map):
        sr = world.find_ref(journey.vdi_map[vdi])
        row = world.get(sr) if sr else None
        if row is None or row.cls != "SR":
            raise Failure("HANDLE_INVALID", "SR", journey.vdi_map[vdi])
        if not needed_features(era) <= driver_features(row["type"], era):
            raise Failure("SR_DOES_NOT_SUPPORT_MIGRATION", Handle(sr))


async def host_can_have_it(journey: Journey) -> None:
    """The reasons not to start it there, except for storage; VM_REQUIRES_SR [vm, sr] when the host could not reach the disks."""
    world, vm, host = journey.world, journey.vm, journey.host
    if journey.row["power_state"] != "Halted" and not journey.is_forced:
        seen, offered = journey.row["last_boot_CPU_flags"], world[host]["cpu_info"]
        failure = cpu_levels.refusal(world.ref(vm), world.ref(host), seen, offered)
        if failure is not None:
            raise failure
    failure = placement.refusal(world, vm, host, placement.REASONS_WITHOUT_STORAGE)
    if failure is not None:
        raise failure
    for vdi, ref in journey.vdi_map.items():
        sr = world.find_ref(ref)
        if vdi in disks_of(world, vm) and not placement.is_connected(world, sr, host):
            raise Failure("VM_REQUIRES_SR", Handle(vm), Handle(sr))


async def interfaces_stay(journey: Journey) -> None:
    """OPERATION_NOT_ALLOWED, in 2012 NOT_IMPLEMENTED: a network of the pool is the same on every host."""
    if journey.vif_map:
        if journey.world.personality.era == "modern":
            raise Failure("OPERATION_NOT_ALLOWED", NO_VIF_MAP)
        raise Failure("NOT_IMPLEMENTED", "VIF mapping is not supported for intra-pool migration")


# ---- to another pool -------------------------------------------------------------------------------------------------------------


async def host_there_is_not_older(journey: Journey) -> None:
    """VM_HOST_INCOMPATIBLE_VERSION_MIGRATE [vm, host]."""
    there = await journey.there("host.get_software_version", journey.to.host)
    if is_older(version_of(there), version_of(journey.world[journey.source]["software_version"])):
        raise Failure("VM_HOST_INCOMPATIBLE_VERSION_MIGRATE", Handle(journey.vm), journey.to.host)


async def storage_there_can_receive(journey: Journey) -> None:
    """SR_DOES_NOT_SUPPORT_MIGRATION [sr], for an SR of the other pool."""
    drivers = await journey.there("SM.get_all_records")
    needed = needed_features(journey.world.personality.era)
    shared = await shared_disks(journey)
    for sr in dict.fromkeys(sr for vdi, sr in journey.vdi_map.items() if vdi not in shared):
        kind = await journey.there("SR.get_type", sr)
        found = [row for row in drivers.values() if row["type"] == kind]
        can = {*found[0].get("features", ()), *found[0]["capabilities"]} if len(found) == 1 else set()
        if not needed <= can:
            raise Failure("SR_DOES_NOT_SUPPORT_MIGRATION", sr)


async def only_halted_vms_are_copied(journey: Journey) -> None:
    """VM_BAD_POWER_STATE [vm, "halted", state]."""
    state: str = journey.row["power_state"]
    if journey.is_copy and state != "Halted" and not journey.is_forced:
        raise Failure("VM_BAD_POWER_STATE", Handle(journey.vm), "halted", state.lower())


async def platform_is_known_there(journey: Journey) -> None:
    """VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION [host, versions, vm, version]."""
    wanted: int = journey.row["hardware_platform_version"]
    if not wanted:
        return
    versions = [int(version) for version in await journey.there("host.get_virtual_hardware_platform_versions", journey.to.host)]
    if wanted not in versions:
        shown = "[" + "; ".join(map(str, versions)) + "]"
        code = "VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION"
        raise Failure(code, journey.to.host, shown, Handle(journey.vm), str(wanted))


async def host_there_is_enabled(journey: Journey) -> None:
    """HOST_DISABLED [host]."""
    if not await journey.there("host.get_enabled", journey.to.host):
        raise Failure("HOST_DISABLED", journey.to.host)


async def host_there_has_pcpus(journey: Journey) -> None:
    """HOST_NOT_ENOUGH_PCPUS [vcpus, pcpus]."""
    row: Row = journey.row
    if row["platform"].get("vcpu-unrestricted") == "true":
        return
    pcpus = len(await journey.there("host.get_host_CPUs", journey.to.host))
    if 0 < pcpus < row["VCPUs_max"]:
        raise Failure("HOST_NOT_ENOUGH_PCPUS", str(row["VCPUs_max"]), str(pcpus))


async def interfaces_are_mapped(journey: Journey) -> None:
    """VIF_NOT_IN_MAP [vif]."""
    inferred_vifs(journey)


async def metadata_is_welcome(journey: Journey) -> None:
    """The refusals of an import on the other side: HOST_NOT_ENOUGH_FREE_MEMORY, VM_INCOMPATIBLE_WITH_THIS_HOST, DUPLICATE_VM, ..."""
    vifs = inferred_vifs(journey) if journey.world.personality.era == "modern" else dict(journey.vif_map)
    await send_metadata(journey, {}, vifs, is_dry_run=True)


CHECKS_WITHIN_POOL: tuple[Check, ...] = (
    disks_are_mapped,
    host_is_not_older,
    storage_can_send,
    storage_here_can_receive,
    host_can_have_it,
    interfaces_stay,
    formats_are_known,
    tracked_or_encrypted_disks_stay,
)
CHECKS_ACROSS_POOLS: tuple[Check, ...] = (
    disks_are_mapped,
    host_there_is_not_older,
    storage_can_send,
    storage_there_can_receive,
    only_halted_vms_are_copied,
    platform_is_known_there,
    host_there_is_enabled,
    host_there_has_pcpus,
    interfaces_are_mapped,
    metadata_is_welcome,
    formats_are_known,
    tracked_or_encrypted_disks_stay,
)
CHECKS_ACROSS_POOLS_IN_2012: tuple[Check, ...] = (
    host_there_is_not_older,
    storage_can_send,
    storage_there_can_receive,
    only_halted_vms_are_copied,
    host_there_is_enabled,
    metadata_is_welcome,
)
CHECKS_WITHIN_POOL_IN_2012: tuple[Check, ...] = (host_can_have_it, host_is_not_older, interfaces_stay)


def checks_of(journey: Journey) -> tuple[Check, ...]:
    """The checks of ``VM.assert_can_migrate``, in order."""
    is_modern = journey.world.personality.era == "modern"
    if journey.is_within_pool:
        return CHECKS_WITHIN_POOL if is_modern else CHECKS_WITHIN_POOL_IN_2012
    return CHECKS_ACROSS_POOLS if is_modern else CHECKS_ACROSS_POOLS_IN_2012


async def assert_can_go(journey: Journey) -> None:
    """Raise the first reason why not."""
    for check in checks_of(journey):
        await check(journey)
