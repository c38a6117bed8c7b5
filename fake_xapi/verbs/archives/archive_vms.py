"""The VMs of an archive: which are created, which correspond to existing ones, and which are refused."""

from __future__ import annotations

from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.guests import configured_domain_type
from fake_xapi.state.ids import Id
from fake_xapi.verbs.archives.archive import Archive, Exported
from fake_xapi.verbs.archives.archive_importing import Importing
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.hosts import cpu_levels
from fake_xapi.verbs.vms import memory
from fake_xapi.verbs.vms.vm_copies import fresh_generation
from fake_xapi.verbs.vms.vm_life import drop_vm, new_uuid

_MAC_SEED = "mac_seed"
_GRANTS_ACCESS = "grant_guest_api_access"
_IMPORT_TASK = "import_task"
_NOT_TAKEN = frozenset(
    {
        *("uuid", "allowed_operations", "current_operations", "power_state", "suspend_VDI", "resident_on", "domid", "metrics"),
        *("scheduled_to_be_resident_on", "blobs", "appliance", "protection_policy", "snapshot_schedule", "groups", "attached_PCIs"),
        *("snapshot_of", "parent", "memory_overhead", "generation_id", "version", "ha_always_run", "requires_reboot"),
        *("pending_guidances", "pending_guidances_recommended", "pending_guidances_full"),
    }
)
"""Fields that belong to the VM's former place, or are decided anew."""


def assert_can_restore(call: Call, archive: Archive) -> None:
    """Raise DUPLICATE_VM [vm] when another VM here has the ``mac_seed`` of one that is to be restored."""
    seeds = {row["other_config"].get(_MAC_SEED, ""): vm for vm, row in call.world.rows("VM")}
    for made in archive.objects:
        if made.cls == "VM" and not call.world.by_uuid("VM", str(made.snapshot.get("uuid", ""))):
            seed = made.snapshot.get("other_config", {}).get(_MAC_SEED, "")
            if seed and seed in seeds:
                raise Failure("DUPLICATE_VM", Handle(seeds[seed]))


def import_vm(importing: Importing, made: Exported) -> None:
    """Create a VM, unless it is a template of the product, or a forced restore finds it in use."""
    if _is_default_template(made):
        named = importing.call.world.named("VM", str(made.snapshot["name_label"]))
        importing.note(made, named[0] if named else 0)
        return
    old = importing.call.world.by_uuid("VM", str(made.snapshot.get("uuid", ""))) if importing.plan.restores else 0
    if old and not _may_replace(importing, made, old):
        return
    fields = importing.fields(made)
    _check_live(importing, made, fields)
    if old:
        drop_vm(importing.edit, old)
    vm = _make(importing, made, fields)
    importing.note(made, vm)
    importing.vms.append(vm)


def _is_default_template(made: Exported) -> bool:
    config = made.snapshot.get("other_config", {})
    return bool(made.snapshot.get("is_a_template")) and config.get("default_template") == "true"


def _may_replace(importing: Importing, made: Exported, old: Id) -> bool:
    """Whether an existing VM gives way: it must be halted, and older. With force, one that runs is left alone."""
    row = importing.call.world[old]
    if row["power_state"] != "Halted":
        if importing.plan.is_forced:
            return False
        raise Failure("VM_BAD_POWER_STATE", Handle(old), "Halted", row["power_state"])
    version = int(made.snapshot.get("version", 0))
    if row["version"] >= version and not importing.plan.is_forced:
        raise Failure("VM_TO_IMPORT_IS_NOT_NEWER_VERSION", Handle(old), str(row["version"]), str(version))
    return True


def _check_live(importing: Importing, made: Exported, fields: dict[str, Any]) -> None:
    """Check what a VM that arrives alive needs of its new host: HOST_NOT_ENOUGH_FREE_MEMORY, VM_INCOMPATIBLE_WITH_THIS_HOST."""
    plan, world = importing.plan, importing.call.world
    host = plan.host or importing.call.host
    if plan.checks_cpu:
        seen, offered = fields.get("last_boot_CPU_flags", {}), world[host]["cpu_info"]
        failure = cpu_levels.refusal(made.id, world.ref(host), seen, offered)
        if failure is not None:
            raise failure
    if plan.is_live and made.snapshot["power_state"] in ("Running", "Paused"):
        needed = fields["memory_target"] + memory.overhead_bytes(_Blank(fields))
        free = memory.free_bytes(world, host)
        if needed > free:
            raise Failure("HOST_NOT_ENOUGH_FREE_MEMORY", str(needed), str(free))


class _Blank:
    """The fields of a VM that is not created yet, readable like a row."""

    cls = "VM"

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = {"domain_type": "unspecified", **fields}

    def __getitem__(self, field: str) -> Any:
        return self._fields[field]


def _make(importing: Importing, made: Exported, fields: dict[str, Any]) -> Id:
    plan, edit, call = importing.plan, importing.edit, importing.call
    sleeps = made.snapshot["power_state"] == "Suspended"
    image = fields.get("suspend_VDI", 0) if sleeps else 0
    if sleeps and not image and not plan.is_forced and not plan.is_dry_run:
        raise Failure("IMPORT_ERROR_FAILED_TO_FIND_OBJECT", str(made.snapshot["suspend_VDI"]))
    vm = edit.create(
        "VM",
        **{name: value for name, value in fields.items() if name not in _NOT_TAKEN},
        domid=-1,
        power_state="Suspended" if image else "Halted",
        suspend_VDI=image,
        metrics=edit.create("VM_metrics"),
        version=fields.get("version", 0) + 1 if plan.restores else 0,
        generation_id=fresh_generation(call) if fields.get("generation_id") else "",
        memory_overhead=memory.overhead_bytes(_Blank(fields)),
    )
    edit.set(vm, other_config=_other_config(importing, fields["other_config"]), domain_type=configured_domain_type(edit[vm]))
    if plan.restores:
        edit.set(vm, uuid=made.snapshot["uuid"])
    if plan.key and not plan.is_forced:
        edit.put(vm, "current_operations", plan.key, "import")
    return vm


def _other_config(importing: Importing, config: dict[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in config.items() if key not in (_GRANTS_ACCESS, _IMPORT_TASK)}
    if not importing.plan.restores:
        kept[_MAC_SEED] = new_uuid(importing.call.chance("mac_seeds"))
    return {**kept, _IMPORT_TASK: importing.plan.key} if importing.plan.key else kept


def link_snapshots(importing: Importing) -> None:
    """Link snapshots to their origins, now that everything exists."""
    for made in importing.objects.values():
        here = importing.here.get(made.id, 0)
        if made.cls == "VM" and here in importing.vms:
            lead = {name: importing.here.get(str(made.snapshot.get(name)), 0) for name in ("snapshot_of", "parent")}
            importing.edit.set(here, **lead)
        if made.cls == "VDI" and here and made.snapshot.get("is_a_snapshot") and _is_ours(importing, made):
            original = importing.here.get(made.snapshot["snapshot_of"], 0)
            time = importing.call.entered("VDI", {"snapshot_time": made.snapshot["snapshot_time"]})
            importing.edit.set(here, is_a_snapshot=True, snapshot_of=original, **time)


def _is_ours(importing: Importing, made: Exported) -> bool:
    """Whether a VDI was created for this import, here or by the migration to which it belongs."""
    return bool(importing.plan.sr) or "maps_to" in made.snapshot["other_config"]
