"""The official ``XenAPI`` package: ``python official.py URL USER PASSWORD``."""

from __future__ import annotations

import sys
from typing import Any

import XenAPI

DISK = 1 << 30
QOS: dict[str, Any] = {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}


def finished(session: Any, task: str) -> str:
    """The result of a task, when it has one."""
    token = ""
    while session.xenapi.task.get_status(task) == "pending":
        token = session.xenapi.event_from([f"task/{task}"], token, 10.0)["token"]
    if session.xenapi.task.get_status(task) != "success":
        raise RuntimeError(session.xenapi.task.get_error_info(task))
    result: str = session.xenapi.task.get_result(task)
    session.xenapi.task.destroy(task)
    return result.removeprefix("<value>").removesuffix("</value>")


def follow(session: Any, vm: str, wanted: str) -> None:
    """Wait by events until the VM's guest has told something about its network."""
    token = ""
    while True:
        answer = session.xenapi.event_from(["VM", "VM_guest_metrics"], token, 10.0)
        token = answer["token"]
        metrics = session.xenapi.VM.get_guest_metrics(vm)
        if metrics != "OpaqueRef:NULL" and wanted in session.xenapi.VM_guest_metrics.get_networks(metrics):
            return


def main(url: str, user: str, password: str) -> None:
    """A VM from its template to its end."""
    session = XenAPI.Session(url)
    session.xenapi.login_with_password(user, password, "1.0", "a client")
    api = session.xenapi
    template = next(ref for ref, vm in api.VM.get_all_records().items() if vm["is_a_template"] and "disks" in vm["other_config"])
    vm = finished(session, api.Async.VM.clone(template, "life"))
    api.VM.provision(vm)
    network = api.network.get_by_name_label("Pool-wide network associated with eth0")[0]
    api.VIF.create({"VM": vm, "network": network, "device": "0", "MAC": "", "MTU": "1500", **QOS})
    api.VM.start(vm, False, False)
    follow(session, vm, "0/ip")
    snapshot = api.VM.snapshot(vm, "before")
    for message in ("pause", "unpause", "suspend"):
        getattr(api.VM, message)(vm)
    api.VM.resume(vm, False, False)
    api.VM.clean_reboot(vm)
    api.VM.hard_shutdown(vm)
    api.VM.revert(snapshot)
    for doomed in (snapshot, vm):
        disks = [api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(doomed) if api.VBD.get_type(vbd) == "Disk"]
        api.VM.destroy(doomed)
        for disk in disks:
            api.VDI.destroy(disk)
    session.xenapi.logout()


if __name__ == "__main__":
    main(*sys.argv[1:])
