"""Secure boot of guests: the certificates that their firmware starts with, and the state of a guest's own UEFI variables."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.updates.guidance import vm_device_model_restarted

VARIABLES = "EFI-variables"
_MODES = "/var/lib/varstored/modes/"
_NEEDED = frozenset({"PK.auth", "KEK.auth", "db.auth"})
_REVOKED = "dbx.auth"


def _certificates(packed: str) -> frozenset[str]:
    """The files in a pool's UEFI certificates: a tar file in base64; "" stands for those of the installation, which are complete."""
    if not packed:
        return _NEEDED | {_REVOKED}
    try:
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed, validate=True)), mode="r:") as archive:
            return frozenset(member.name.rpartition("/")[2] for member in archive)
    except (ValueError, tarfile.TarError):
        return frozenset()


def _pool_readiness(packed: str) -> str:
    files = _certificates(packed)
    if not files >= _NEEDED:
        return "not_ready"
    return "ready" if _REVOKED in files else "ready_no_dbx"


def get_pool_readiness(call: Call, pool: Id) -> str:
    """Whether new guests can boot securely; certificates that an operator installed take precedence."""
    row = call.world[pool]
    return _pool_readiness(row["custom_uefi_certificates"] or row["uefi_certificates"])


def get_vm_readiness(call: Call, vm: Id) -> str:
    """How ready a guest is: not on UEFI, secure boot off, not booted yet, in setup mode, or whatever its pool's state allows."""
    row = call.world[vm]
    if row["HVM_boot_params"].get("firmware") != "uefi":
        return "not_supported"
    if row["platform"].get("secureboot", "").lower() not in ("true", "1", "auto"):
        return "disabled"
    if VARIABLES not in row["NVRAM"]:
        return "first_boot"
    if dom0_files.read(call.world, _mode_file(call.world, vm)) == "setup":
        return "setup_mode"
    pool = next(row for _, row in call.world.rows("pool"))
    told = _pool_readiness(pool["custom_uefi_certificates"] or pool["uefi_certificates"])
    return "certs_incomplete" if told == "not_ready" else told


def _mode_file(world: World, vm: Id) -> str:
    return _MODES + world.uuid(vm)


def set_uefi_mode(call: Call, vm: Id, mode: str) -> str:
    """Put a halted guest's firmware into setup or user mode; the answer is the output of the real tool. VM_BAD_POWER_STATE, as when its
    NVRAM is written.
    """
    row = call.world[vm]
    if row["power_state"] != "Halted":
        raise Failure("VM_BAD_POWER_STATE", Handle(vm), "halted", row["power_state"].lower())
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, _mode_file(call.world, vm), mode)
    return f"Set {mode} mode\n"


def set_variables(call: Call, vm: Id, value: str, update: str = "unspecified") -> None:
    """Keep the variables that a guest's firmware has written, and note whether newer certificates await it."""
    states = {"yes": "update_available", "no": "ok"}
    with call.world.edit() as edit:
        edit.put(vm, "NVRAM", VARIABLES, value)
        edit.set(vm, secureboot_certificates_state=states.get(update, edit[vm]["secureboot_certificates_state"]))


def update_on_boot(call: Call, vm: Id, mark: bool) -> None:
    """Choose whether a guest gets newer certificates at its next boot. OPERATION_NOT_ALLOWED [why] when there are none for it."""
    state = call.world[vm]["secureboot_certificates_state"]
    if state == "ok":
        raise Failure("OPERATION_NOT_ALLOWED", "There is no update of the secure boot certificates for this VM")
    with call.world.edit() as edit:
        edit.set(vm, secureboot_certificates_state="update_on_boot" if mark else "update_available")


def restart_device_models(call: Call, vm: Id) -> None:
    """Give a running guest a new device model, as a migration to its own host does. VM_BAD_POWER_STATE when it does not run."""
    row = call.world[vm]
    if row["power_state"] != "Running":
        raise Failure("VM_BAD_POWER_STATE", Handle(vm), "running", row["power_state"].lower())
    with call.world.edit() as edit:
        vm_device_model_restarted(edit, vm)


VERBS: Mapping[str, Verb] = {
    "pool.get_guest_secureboot_readiness": get_pool_readiness,
    "VM.get_secureboot_readiness": get_vm_readiness,
    "VM.set_uefi_mode": set_uefi_mode,
    "VM.set_NVRAM_EFI_variables": set_variables,
    "VM.update_secureboot_certificates_on_boot": update_on_boot,
    "VM.restart_device_models": restart_device_models,
}
