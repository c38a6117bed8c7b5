"""What is still to be done on hosts and VMs after updates, and what does it: a reboot, a restart of the toolstack or of the VM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id

PENDING: Mapping[str, str] = {
    "mandatory": "pending_guidances",
    "recommended": "pending_guidances_recommended",
    "full": "pending_guidances_full",
}
"""Kind of guidance -> the field of host and VM that holds what is pending of it."""

_REBOOTING = frozenset(
    {
        *("reboot_host", "restart_toolstack", "reboot_host_on_livepatch_failure"),
        *("reboot_host_on_kernel_livepatch_failure", "reboot_host_on_xen_livepatch_failure"),
    }
)
_DISPLAY_AFTER_REBOOT = {"enable_on_reboot": "enabled", "disable_on_reboot": "disabled"}
_ON_VMS = frozenset({"restart_device_model", "restart_vm"})


def add(edit: Edit, host: Id, kind: str, guidances: Iterable[str]) -> None:
    """Note what an update asks for; what concerns VMs is noted at those that are not halted, what a reboot does anyway only once."""
    wanted = set(guidances)
    _add(edit, host, PENDING[kind], wanted - _ON_VMS)
    for vm in edit[host]["resident_VMs"]:
        if not edit[vm]["is_control_domain"]:
            _add(edit, vm, PENDING[kind], wanted & _ON_VMS)


def _add(edit: Edit, identity: Id, field: str, wanted: set[str]) -> None:
    pending = {*edit[identity][field], *wanted}
    if "reboot_host" in pending:
        pending -= _REBOOTING - {"reboot_host"}
    edit.set(identity, **{field: tuple(sorted(pending))})


def host_rebooted(edit: Edit, host: Id) -> None:
    """A reboot of the host has done what only a reboot does, and more."""
    _done(edit, host, _REBOOTING)
    display = edit[host]["display"]
    edit.set(host, updates_requiring_reboot=(), display=_DISPLAY_AFTER_REBOOT.get(display, display))
    if "features_after_reboot" in edit[host]["cpu_info"]:
        edit.put(host, "cpu_info", "features", edit[host]["cpu_info"]["features_after_reboot"])


def toolstack_restarted(edit: Edit, host: Id) -> None:
    """The host's XAPI has been restarted."""
    _done(edit, host, frozenset({"restart_toolstack"}))


def vm_device_model_restarted(edit: Edit, vm: Id) -> None:
    """A running VM has a new device model."""
    _done(edit, vm, frozenset({"restart_device_model"}))


def vm_restarted(edit: Edit, vm: Id) -> None:
    """A VM has begun anew: a new device model, and a new boot."""
    _done(edit, vm, _ON_VMS)


def _done(edit: Edit, identity: Id, guidances: frozenset[str]) -> None:
    for field in PENDING.values():
        pending = edit[identity][field]
        if pending:
            edit.set(identity, **{field: tuple(guidance for guidance in pending if guidance not in guidances)})
