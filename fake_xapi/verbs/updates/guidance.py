"""What remains to be done on hosts and VMs after updates, and what completes it: a reboot, or a restart of the toolstack or the VM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id

PENDING: Mapping[str, str] = {
    "mandatory": "pending_guidances",
    "recommended": "pending_guidances_recommended",
    "full": "pending_guidances_full",
}
"""Kind of guidance -> the field of host and VM that lists what is pending."""

_REBOOTING = frozenset(
    {
        *("reboot_host", "restart_toolstack", "reboot_host_on_livepatch_failure"),
        *("reboot_host_on_kernel_livepatch_failure", "reboot_host_on_xen_livepatch_failure"),
    }
)
_DISPLAY_AFTER_REBOOT = {"enable_on_reboot": "enabled", "disable_on_reboot": "disabled"}
_ON_VMS = frozenset({"restart_device_model", "restart_vm"})


def add(edit: Edit, host: Id, kind: str, guidances: Iterable[str]) -> None:
    """Record the guidance of an update, for the host and for the VMs that run there. Steps that a pending reboot includes are left out."""
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
    """Clear what a reboot of the host completes."""
    _done(edit, host, _REBOOTING)
    display = edit[host]["display"]
    edit.set(host, updates_requiring_reboot=(), display=_DISPLAY_AFTER_REBOOT.get(display, display))
    if "features_after_reboot" in edit[host]["cpu_info"]:
        edit.put(host, "cpu_info", "features", edit[host]["cpu_info"]["features_after_reboot"])


def toolstack_restarted(edit: Edit, host: Id) -> None:
    """Clear what a restart of the host's XAPI completes."""
    _done(edit, host, frozenset({"restart_toolstack"}))


def vm_device_model_restarted(edit: Edit, vm: Id) -> None:
    """Clear what a new device model of a running VM completes."""
    _done(edit, vm, frozenset({"restart_device_model"}))


def vm_restarted(edit: Edit, vm: Id) -> None:
    """Clear what a restart of a VM completes: it has a new device model and has booted anew."""
    _done(edit, vm, _ON_VMS)


def _done(edit: Edit, identity: Id, guidances: frozenset[str]) -> None:
    for field in PENDING.values():
        pending = edit[identity][field]
        if pending:
            edit.set(identity, **{field: tuple(guidance for guidance in pending if guidance not in guidances)})
