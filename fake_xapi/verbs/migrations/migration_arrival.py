"""The arrival of a domain at its new host: ``host.migrate_receive`` says where to send it, and it continues where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest.life import begin_life
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.vms import domains, memory

_DEVICES = {"VBD": "userdevice", "VIF": "device"}


def migrate_receive(call: Call, host: Id, network: Id, options: dict[str, str]) -> dict[str, str]:
    """Say where a VM may be sent, with a session for the sender.

    Failures HOST_CANNOT_ATTACH_NETWORK [host, network], PIF_HAS_NO_NETWORK_CONFIGURATION [pif], INTERFACE_HAS_NO_IP [pif].
    """
    world = call.world
    address = call.authority(address_on(call, host, network))
    master = call.authority(world[world[POOL]["master"]]["address"])
    session = call.fellow_session()
    return {
        "SM": f"http://{address}/services/SM?session_id={session}",
        "host": world.ref(host),
        "xenops": f"http://{address}/services/xenops?session_id={session}",
        "session_id": session,
        "master": f"http://{master}",
    }


def address_on(call: Call, host: Id, network: Id) -> str:
    """The address that a host has on a network."""
    world = call.world
    pif = next((pif for pif in world[network]["PIFs"] if world[pif]["host"] == host), 0)
    if not pif:
        raise Failure("HOST_CANNOT_ATTACH_NETWORK", Handle(host), Handle(network))
    row = world[pif]
    if row["ip_configuration_mode"] == "None" and (row["ipv6_configuration_mode"] in ("None", "") or not row["IPv6"]):
        raise Failure("PIF_HAS_NO_NETWORK_CONFIGURATION", Handle(pif))
    if not row["IP"]:
        raise Failure("INTERFACE_HAS_NO_IP", Handle(pif))
    return str(row["IP"])


@dataclass(frozen=True, slots=True)
class Domain:
    """The part of a domain that its VM's record lacks: ``attached`` are the numbers of its plugged devices, by class."""

    is_paused: bool
    memory_target: int
    start_time: str
    attached: Mapping[str, frozenset[str]]


def domain_of(call: Call, vm: Id) -> Domain | None:
    """A VM's domain as it is now; None when it has none."""
    world, row = call.world, call.world[vm]
    if row["power_state"] not in ("Running", "Paused"):
        return None
    attached = {
        cls: frozenset(world[device][number] for device in row[f"{cls}s"] if world[device]["currently_attached"])
        for cls, number in _DEVICES.items()
    }
    start_time = world[row["metrics"]]["start_time"] if world.get(row["metrics"]) is not None else call.now()
    return Domain(row["power_state"] == "Paused", row["memory_target"], start_time, attached)


def arrive(call: Call, edit: Edit, vm: Id, host: Id, domain: Domain) -> int:
    """Move the domain to the host, from wherever it was. Returns its domid there."""
    for console in edit[vm]["consoles"]:
        edit.destroy(console)
    domid = domains.begin(call, edit, vm, host, is_paused=domain.is_paused)
    edit.set(vm, memory_target=domain.memory_target)
    for cls, number in _DEVICES.items():
        for device in edit[vm][f"{cls}s"]:
            edit.set(device, currently_attached=edit[device][number] in domain.attached[cls])
    if edit[vm]["metrics"]:
        edit.set(edit[vm]["metrics"], start_time=domain.start_time, memory_actual=domain.memory_target)
    return domid


def receive_memory(call: Call, vm: Id, host: Id, domain: Domain) -> None:
    """Accept a domain from another pool; it stays paused until the sender says that it is complete.

    Failures VM_BAD_POWER_STATE for a VM that has a domain already, HOST_NOT_ENOUGH_FREE_MEMORY [needed, free].
    """
    state: str = call.world[vm]["power_state"]
    if state != "Halted":
        raise Failure("VM_BAD_POWER_STATE", Handle(vm), "halted", state.lower())
    needed, free = domain.memory_target + memory.overhead_bytes(call.world[vm]), memory.free_bytes(call.world, host)
    if needed > free:
        raise Failure("HOST_NOT_ENOUGH_FREE_MEMORY", str(needed), str(free))
    with call.world.edit() as edit:
        arrive(call, edit, vm, host, Domain(True, domain.memory_target, domain.start_time, domain.attached))


def pool_migrate_complete(call: Call, vm: Id, host: Id) -> None:
    """Let the guest continue once the sender has sent everything. Does nothing for a VM without a domain on that host."""
    row = call.world[vm]
    if row["resident_on"] != host or row["power_state"] != "Paused":
        return
    with call.world.edit() as edit:
        edit.set(vm, power_state="Running")
    begin_life(call, vm, row["domid"])
    announce(call, vm, f"migrated to host: {host_name(call, host)}")


def announce(call: Call, vm: Id, what: str) -> None:
    """Announce a migration in a message."""
    call.announce("VM_MIGRATED", vm, f"VM '{call.world[vm]['name_label']}' (uuid: {call.world.uuid(vm)}) {what}")


def host_name(call: Call, host: Id) -> str:
    """A host's name in such messages."""
    return f"{call.world[host]['name_label']} (uuid: {call.world.uuid(host)})"


def domain_from(content: Mapping[str, Any]) -> Domain:
    """A domain as it was sent; ValueError for anything else."""
    attached = {cls: frozenset(map(str, content["attached"][cls])) for cls in _DEVICES}
    return Domain(bool(content["is_paused"]), int(content["memory_target"]), str(content["start_time"]), attached)


def sent(domain: Domain) -> dict[str, Any]:
    """A domain in the form in which it is sent."""
    attached = {cls: sorted(numbers) for cls, numbers in domain.attached.items()}
    return {
        "is_paused": domain.is_paused,
        "memory_target": domain.memory_target,
        "start_time": domain.start_time,
        "attached": attached,
    }


VERBS: Mapping[str, Verb] = {"host.migrate_receive": migrate_receive, "VM.pool_migrate_complete": pool_migrate_complete}
