"""What a host's storage daemon reports about its disks, and forced release of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.vbd import is_plugged
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.vms import domains


def datapath(call: Call, vbd: Id) -> str:
    """The storage daemon's name for the path from a VM to a disk: "vbd/3/xvda"."""
    row = call.world[vbd]
    vm = call.world.get(row["VM"])
    return f"vbd/{vm['domid'] if vm is not None else 0}/{row['device'] or domains.device_name(row['userdevice'], has_ide=False)}"


def _plugged(call: Call, host: Id) -> Iterator[Id]:
    """The VBDs of a host's VMs that are attached."""
    for vm in call.world[host]["resident_VMs"]:
        yield from (vbd for vbd in call.world[vm]["VBDs"] if is_plugged(call.world[vbd]) and call.world[vbd]["VDI"])


def get_sm_diagnostics(call: Call, host: Id) -> str:
    """The attached SRs and their disks in use, as the daemon prints them."""
    lines = ["The following SRs are attached:"]
    users: dict[Id, list[Id]] = {}
    for vbd in _plugged(call, host):
        users.setdefault(call.world[vbd]["VDI"], []).append(vbd)
    for pbd in sorted(call.world[host]["PBDs"]):
        if call.world[pbd]["currently_attached"]:
            lines.extend(_of_sr(call, call.world[pbd]["SR"], users))
    return "\n".join(lines)


def _of_sr(call: Call, sr: Id, users: Mapping[Id, list[Id]]) -> Iterator[str]:
    yield f"SR {call.world.uuid(sr)}"
    for vdi in call.world[sr]["VDIs"]:
        for vbd in users.get(vdi, ()):
            state = f"activated {call.world[vbd]['mode']}"
            yield f"    VDI {call.world.uuid(vdi)}"
            yield f"        DP: {datapath(call, vbd)}: {state}"


def sm_dp_destroy(call: Call, host: Id, dp: str, allow_leak: bool) -> None:
    """Release a disk by the name of its datapath. INTERNAL_ERROR for an unknown one, unless leaks are allowed."""
    found = [vbd for vbd in _plugged(call, host) if datapath(call, vbd) == dp]
    if not found and not allow_leak:
        raise Failure("INTERNAL_ERROR", f"Storage_interface.Storage_error([S(Internal_error);S(datapath {dp} does not exist)])")
    with call.world.edit() as edit:
        for vbd in found:
            edit.set(vbd, currently_attached=False, device="")


VERBS: Mapping[str, Verb] = {"host.get_sm_diagnostics": get_sm_diagnostics, "host.sm_dp_destroy": sm_dp_destroy}
