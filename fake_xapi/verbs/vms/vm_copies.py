"""VMs made from VMs: clone, copy, snapshot and checkpoint. Disks come first, then the row; what fails leaves nothing behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest.life import begin_life, end_life
from fake_xapi.state.edit import Edit, Pending
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.devices import pvs_proxies
from fake_xapi.verbs.disks import chains, storage, vdi_disks
from fake_xapi.verbs.disks.vbd import create_row as create_vbd
from fake_xapi.verbs.networks.mac_addresses import derived_mac
from fake_xapi.verbs.networks.vif import create_row as create_vif
from fake_xapi.verbs.vms import domains, suspension
from fake_xapi.verbs.vms.device_copies import copy_cards, copy_modules
from fake_xapi.verbs.vms.snapshot_metadata import metadata_of
from fake_xapi.verbs.vms.vm_life import new_uuid

COPIED_FIELDS: tuple[str, ...] = (
    *("name_description", "user_version", "affinity", "tags", "memory_overhead", "memory_target", "memory_static_max"),
    *("memory_dynamic_max", "memory_dynamic_min", "memory_static_min", "VCPUs_params", "VCPUs_max", "VCPUs_at_startup"),
    *("actions_after_softreboot", "actions_after_shutdown", "actions_after_reboot", "actions_after_crash", "PV_bootloader"),
    *("PV_kernel", "PV_ramdisk", "PV_args", "PV_bootloader_args", "PV_legacy_args", "HVM_boot_policy", "HVM_boot_params"),
    *("HVM_shadow_multiplier", "platform", "PCI_bus", "recommendations", "xenstore_data", "bios_strings", "last_booted_record"),
    *("last_boot_CPU_flags", "hardware_platform_version", "has_vendor_device", "reference_label", "domain_type", "NVRAM"),
)
_VBD_FIELDS = (*("userdevice", "bootable", "mode", "type", "unpluggable", "empty", "qos_algorithm_type", "qos_algorithm_params", "device"),)
_VIF_FIELDS = (
    *("device", "network", "MTU", "other_config", "qos_algorithm_type", "qos_algorithm_params", "locking_mode", "ipv4_allowed"),
    *("ipv6_allowed", "trunks", "ipv4_configuration_mode", "ipv4_addresses", "ipv4_gateway"),
    *("ipv6_configuration_mode", "ipv6_addresses", "ipv6_gateway"),
)
MakeDisk = Callable[[Id], Awaitable[Id]]


@dataclass(frozen=True, slots=True)
class Disks:
    """The disks of a new VM, by the VBDs of the old one that they stand for."""

    by_vbd: Mapping[Id, Id]
    made: tuple[Id, ...]


async def clone(call: Call, vm: Id, new_name: str) -> Id:
    """Another VM whose disks begin where this one's are, at once. SR_OPERATION_NOT_SUPPORTED [sr] where a disk's SR cannot."""
    for vdi in _disks_of(call, vm).values():
        if not vdi_disks.can_clone(call, vdi):
            raise Failure("SR_OPERATION_NOT_SUPPORTED", Handle(call.world[vdi]["SR"]))

    async def make(vdi: Id) -> Id:
        async with call.operating((vdi, "clone")):
            return await vdi_disks.clone_disk(call, vdi)

    return await _duplicate(call, vm, new_name, make)


async def copy(call: Call, vm: Id, new_name: str, sr: Id) -> Id:
    """Another VM with whole copies of the disks, in one SR or, without one, where they are."""
    if sr and call.world[sr]["content_type"] == "iso":
        raise Failure("OPERATION_NOT_ALLOWED", "Cannot copy a VM's disks to an ISO SR")
    count, done = max(1, len(_disks_of(call, vm))), 0

    async def make(vdi: Id) -> Id:
        nonlocal done
        share, done = (done / count, (done + 1) / count), done + 1
        async with call.operating((vdi, "copy")):
            return await vdi_disks.copy_disk(call, vdi, sr or call.world[vdi]["SR"], share=share)

    return await _duplicate(call, vm, new_name, make)


async def _duplicate(call: Call, vm: Id, new_name: str, make: MakeDisk) -> Id:
    disks = await make_disks(call, vm, make)
    row = call.world[vm]
    sleeps = row["power_state"] == "Suspended" and not row["is_a_snapshot"]
    try:
        image = await make(row["suspend_VDI"]) if sleeps and row["suspend_VDI"] else 0
    except BaseException:
        discard_disks(call, disks.made)
        raise
    with call.world.edit() as edit:
        made = _create_clone(call, edit, vm, new_name, disks)
        if image:
            edit.set(made, power_state="Suspended", suspend_VDI=image)
    _announce(call, "VM_CLONED", vm, "cloned")
    return made


def _disks_of(call: Call, vm: Id) -> dict[Id, Id]:
    """The VDIs of a VM that are its own disks, by VBD: media are shared, not copied."""
    rows = ((vbd, call.world[vbd]) for vbd in call.world[vm]["VBDs"])
    return {vbd: row["VDI"] for vbd, row in rows if row["type"] != "CD" and call.world.get(row["VDI"]) is not None}


async def make_disks(call: Call, vm: Id, make: MakeDisk, ignored: frozenset[Id] = frozenset()) -> Disks:
    """A disk for each of a VM's, one after another; all are destroyed again when one fails."""
    by_vbd: dict[Id, Id] = {}
    try:
        for vbd, vdi in _disks_of(call, vm).items():
            if vdi not in ignored:
                by_vbd[vbd] = await make(vdi)
    except BaseException:
        discard_disks(call, by_vbd.values())
        raise
    return Disks(by_vbd, tuple(by_vbd.values()))


def discard_disks(call: Call, made: Iterable[Id]) -> None:
    """Destroy disks that nobody needs after all; what they shared with others is tidied later."""
    gone = tuple(made)
    srs = {call.world[vdi]["SR"]: vdi for vdi in gone}
    with call.world.edit() as edit:
        for vdi in gone:
            storage.drop_vdi(call, edit, vdi)
    for sr, vdi in srs.items():
        chains.collect_later(call, sr, vdi)


def _create_clone(call: Call, edit: Edit, vm: Id, new_name: str, disks: Disks) -> Id:
    row = call.world[vm]
    seed = new_uuid(call.chance("mac_seeds"))
    made = _create_copy(call, edit, row, new_name, _clone_config(row, seed), disks)
    edit.set(
        made,
        is_a_template=row["is_a_template"],
        ha_restart_priority=row["ha_restart_priority"],
        ha_always_run=row["ha_always_run"],
    )
    for vif in row["VIFs"]:
        source = call.world[vif]
        mac = derived_mac(seed, int(source["device"]))
        copied = create_vif(edit, VM=made, MAC=mac, MAC_autogenerated=True, **{name: source[name] for name in _VIF_FIELDS})
        pvs_proxies.copy(edit, vif, copied)
    return made


def _clone_config(row: Row, seed: str) -> dict[str, str]:
    dropped = ("default_template", "xensource_internal")
    config = {key: value for key, value in row["other_config"].items() if key not in dropped}
    base = {"base_template_name": row["name_label"]} if row["is_a_template"] else {}
    return {**base, **config, "mac_seed": seed}


def _create_copy(call: Call, edit: Edit, row: Row, name: str, other_config: dict[str, str], disks: Disks) -> Id:
    """The row of the new VM with what every kind of copy has: fields, metrics and VBDs."""
    made = edit.create(
        "VM",
        **{field: row[field] for field in COPIED_FIELDS},
        name_label=name,
        other_config=other_config,
        domid=-1,
        generation_id=fresh_generation(call) if row["generation_id"] else "",
        metrics=copy_row(edit, call.world.get(row["metrics"]), "VM_metrics"),
        guest_metrics=copy_row(edit, call.world.get(row["guest_metrics"]), "VM_guest_metrics"),
    )
    for vbd in row["VBDs"]:
        source = call.world[vbd]
        vdi = source["VDI"] if source["type"] == "CD" else disks.by_vbd.get(vbd, 0)
        if vdi or source["empty"]:
            create_vbd(edit, VM=made, VDI=vdi, **copied_vbd(source), other_config=_owned(source))
    copy_cards(edit, row, made)
    copy_modules(edit, row, made)
    return made


def _owned(source: Row) -> dict[str, str]:
    """The other_config of a copied VBD. A copy owns its disks, whoever owns the originals: tools destroy them with it."""
    config: dict[str, str] = source["other_config"]
    return {"owner": "", **config} if source["type"] == "Disk" else config


def copied_vbd(source: Row) -> dict[str, Any]:
    """What a copied VBD has of its source, beside its other_config."""
    return {name: source[name] for name in _VBD_FIELDS}


def copied_vif(source: Row) -> dict[str, Any]:
    """What a copied VIF has of its source, its address included."""
    return {name: source[name] for name in (*_VIF_FIELDS, "MAC", "MAC_autogenerated")}


def fresh_generation(call: Call) -> str:
    """A generation id, by which a guest notices that it is another one now."""
    chance = call.chance("generations")
    return f"{chance.getrandbits(63)}:{chance.getrandbits(63)}"


def copy_row(edit: Edit, row: Row | Pending | None, cls: str) -> Id:
    """Metrics like those of another VM; where that has none, new ones of a VM and none of a guest."""
    if row is None:
        return edit.create(cls) if cls == "VM_metrics" else 0
    values = zip(row.layout.names, row.values, strict=True)
    return edit.create(cls, **{name: value for name, value in values if name != "uuid"})


async def snapshot(call: Call, vm: Id, new_name: str, ignore_vdis: list[Id] | None = None) -> Id:
    """What the VM is now, kept as a template that can be reverted to. Disks in ``ignore_vdis`` are not part of it."""
    disks = await make_disks(call, vm, _snapshot_maker(call), frozenset(ignore_vdis or ()))
    with call.world.edit() as edit:
        made = _create_snapshot(call, edit, vm, new_name, disks)
    _announce(call, "VM_SNAPSHOTTED", vm, "snapshotted")
    return made


def _snapshot_maker(call: Call) -> MakeDisk:
    async def make(vdi: Id) -> Id:
        async with call.operating((vdi, "snapshot")):
            return await vdi_disks.snapshot_disk(call, vdi)

    return make


def _create_snapshot(call: Call, edit: Edit, vm: Id, new_name: str, disks: Disks) -> Id:
    row = call.world[vm]
    made = _create_copy(call, edit, row, new_name, dict(row["other_config"]), disks)
    edit.set(
        made,
        is_a_template=True,
        is_a_snapshot=True,
        snapshot_of=vm,
        snapshot_time=call.now(),
        snapshot_info={"power-state-at-snapshot": row["power_state"], "disk-snapshot-type": "crash_consistent"},
        snapshot_metadata=metadata_of(call.world, vm),
        ha_restart_priority=row["ha_restart_priority"],
        parent=row["parent"],
    )
    edit.set(vm, parent=made)
    for vif in row["VIFs"]:
        pvs_proxies.copy(edit, vif, create_vif(edit, VM=made, **copied_vif(call.world[vif])))
    return made


async def checkpoint(call: Call, vm: Id, new_name: str) -> Id:
    """A snapshot with the VM's memory: a running VM is suspended, kept as it sleeps, and woken again in another domain.

    Of a paused VM nobody keeps the memory, and of one that sleeps nobody says in which state it was.
    """
    state: str = call.world[vm]["power_state"]
    image = suspension.create_image(call, vm) if state == "Running" else 0
    disks = None
    try:
        await call.takes("VM.checkpoint", bytes_moved=call.world[vm]["memory_target"] if image else 0)
        disks = await make_disks(call, vm, _snapshot_maker(call))
        if state == "Suspended":
            image = await _snapshot_maker(call)(call.world[vm]["suspend_VDI"])
    except BaseException:
        suspension.discard(call, image)
        discard_disks(call, disks.made if disks else ())
        raise
    with call.world.edit() as edit:
        made = _create_snapshot(call, edit, vm, new_name, disks)
        if image:
            edit.set(made, power_state="Suspended", suspend_VDI=image)
        if state != "Running":
            edit.set(made, snapshot_info={})
    if state == call.world[vm]["power_state"] == "Running":
        _sleep_and_wake(call, vm)
    _announce(call, "VM_CHECKPOINTED", vm, "checkpointed")
    return made


def _sleep_and_wake(call: Call, vm: Id) -> None:
    host: Id = call.world[vm]["resident_on"]
    end_life(call, vm)
    with call.world.edit() as edit:
        domains.suspend(edit, vm, 0, call.now())
        domid = domains.begin(call, edit, vm, host, is_paused=False)
    begin_life(call, vm, domid)


def _announce(call: Call, name: str, vm: Id, what: str) -> None:
    call.announce(name, vm, f"VM '{call.world[vm]['name_label']}' (uuid: {call.world.uuid(vm)}) {what}")


VERBS: Mapping[str, Verb] = {
    "VM.clone": clone,
    "VM.copy": copy,
    "VM.snapshot": snapshot,
    "VM.snapshot_with_quiesce": snapshot,
    "VM.checkpoint": checkpoint,
}
