"""What hosts hold and what the core believes of it, without refs, uuids and dates: two runs that come to the same are equal here.

A row is a line of text. Whole cached images are left out: they may stay, wherever they were fetched to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute_core.bus.in_process import InProcessBus
from compute_core.model.instances import POWER_STATES, RUNNING, Instance
from compute_core.model.networks import Port
from compute_core.store import hosts, instances
from compute_core.xenapi import marks
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from tests.compute_core.faults.scene import Scene

Rows = tuple[str, ...]
Describe = Callable[[World, Row], str]


@dataclass(frozen=True, slots=True)
class Digest:
    """``world``: the hosts and the image store; ``view``: the servers that are not deleted, as the user sees them."""

    world: Rows
    view: Rows


async def digest(scene: Scene) -> Digest:
    """Everything as it is now."""
    found = [row for xapi in pools(scene) for row in world_rows(xapi.world)]
    images = [f"image {image.name}: {image.status}" for image in await scene.cloud.images.list()]
    images += [f"volume {volume.name}: {volume.status}" for volume in await scene.cloud.volumes.list()]
    view = [view_of(server) for server in await scene.servers() if not server.is_deleted]
    return Digest(tuple(sorted(found + images)), tuple(sorted(view)))


def pools(scene: Scene) -> Iterator[Xapi]:
    """One XAPI of each pool."""
    return iter({id(xapi.world): xapi for xapi in scene.fleet.hosts.values()}.values())


def world_rows(world: World) -> Iterator[str]:
    """One pool."""
    for cls, describe in DESCRIBED.items():
        for identity, row in world.rows(cls):
            if not (cls == "VDI" and _is_left_out(world.uuid(identity), row)):
                yield f"{cls} {describe(world, row)}"
    for cls in COUNTED:
        yield from (f"{cls}" for _ in world.ids(cls))


def view_of(server: Instance) -> str:
    """What of a server is settled by what is done with it."""
    return (
        f"{server.name}: {server.vm_state}, {server.task_state}, power {server.power_state}, flavor {server.flavor.name}, "
        f"{len(server.vifs)} interfaces, metadata {dict(server.metadata)}, "
        f"volumes {[(device.device, device.state) for device in server.block_devices]}"
    )


def _is_left_out(uuid: str, vdi: Row) -> bool:
    """Cached images, what the SR's garbage collector sees to, and what every host comes with."""
    return vdi["other_config"].get(marks.IMAGE_VDI) == uuid or not vdi["managed"] or vdi["type"] == "rrd"


def _name(world: World, identity: Any) -> str:
    row = world.get(identity) if identity else None
    return "-" if row is None else str(row["name_label"])


def _vm(world: World, row: Row) -> str:
    locks = sorted(row["current_operations"].values())
    facts = [row["power_state"], f"{row['memory_static_max'] >> 20} MiB", f"{row['VCPUs_max']} VCPUs", f"locks {locks}"]
    kind = "snapshot" if row["is_a_snapshot"] else "template" if row["is_a_template"] else "VM"
    blocked, other, told = (sorted(row[name]) for name in ("blocked_operations", "other_config", "xenstore_data"))
    return f"{row['name_label']}: {kind}, {', '.join(facts)}, blocked {blocked}, {other}, {told}"


def _vbd(world: World, row: Row) -> str:
    vm, vdi = _name(world, row["VM"]), _name(world, row["VDI"])
    facts = row["type"], row["mode"], row["currently_attached"], sorted(row["current_operations"].values()), row["qos_algorithm_type"]
    return f"{vm}/{row['userdevice']}: {vdi}, {facts}"


def _vif(world: World, row: Row) -> str:
    network = world[row["network"]]["bridge"]
    facts = row["MAC"], row["currently_attached"], row["locking_mode"], row["ipv4_allowed"], row["qos_algorithm_type"]
    return f"{_name(world, row['VM'])}/{row['device']}: {network}, {facts}"


def _vdi(world: World, row: Row) -> str:
    facts = row["virtual_size"], row["type"], row["is_a_snapshot"], row["read_only"], sorted(row["current_operations"].values())
    return f"{row['name_label']} on {_name(world, row['SR'])}: {facts}, {len(row['VBDs'])} VBDs, {sorted(row['other_config'])}"


def _sr(world: World, row: Row) -> str:
    return f"{row['name_label']}: {row['type']}, {len(row['PBDs'])} PBDs, locks {sorted(row['current_operations'].values())}"


def _pbd(world: World, row: Row) -> str:
    return f"{_name(world, row['SR'])}: {row['currently_attached']}"


def _host(world: World, row: Row) -> str:
    return f"{row['hostname']}: enabled {row['enabled']}, locks {sorted(row['current_operations'].values())}"


def _by_name(world: World, row: Row) -> str:
    return str(row["name_label"])


DESCRIBED: Mapping[str, Describe] = {
    "VM": _vm,
    "VBD": _vbd,
    "VIF": _vif,
    "VDI": _vdi,
    "SR": _sr,
    "PBD": _pbd,
    "host": _host,
    "task": _by_name,
    "network": _by_name,
    "VM_appliance": _by_name,
    "pool": _by_name,
}

COUNTED = ("VGPU", "VUSB", "VTPM", "VLAN", "Bond", "tunnel", "PIF", "crashdump", "secret", "blob", "DR_task", "PVS_proxy")


async def discord(scene: Scene) -> Rows:
    """Where hosts, compute cell and API cell do not agree, or something is not at rest; nothing of it may be."""
    cell = scene.cloud.compute_cell
    claims, servers = await cell._store.run(hosts.claimed), await scene.servers()
    leaf = await cell._store.run(instances.among, [server.uuid for server in servers])
    found = [line for server in servers for line in _discord(scene, server, leaf.get(server.uuid), claims)]
    found += _port_discord(servers, await scene.cloud.networks.ports())
    found += [f"an agent broke: {crash!r}" for agent in scene.agents.values() for crash in agent.crashes]
    assert isinstance(scene.cloud.bus, InProcessBus)
    return tuple(found + [f"given up: {topic} {message.method}" for topic, message in scene.cloud.bus.dead_letters])


def _port_discord(servers: Sequence[Instance], ports: Sequence[Port]) -> Iterator[str]:
    """Where servers and the network service do not agree."""
    has = {server.uuid: {(vif.id, vif.state) for vif in server.vifs} for server in servers if not server.is_deleted}
    given: dict[str, set[tuple[str, str]]] = {uuid: set() for uuid in has}
    for port in ports:
        if port.device_id:
            given.setdefault(port.device_id, set()).add((port.id, "attached"))
        elif not port.is_users:
            yield f"port {port.id} is nobody's"
    for uuid, ports_of_it in given.items():
        if ports_of_it != has.get(uuid):
            yield f"server {uuid} has the interfaces {has.get(uuid)}, its ports are {ports_of_it}"


def _discord(scene: Scene, server: Instance, below: Instance | None, claims: Mapping[str, Any]) -> Iterator[str]:
    if below is None:
        yield f"{server.name} is unknown below"
        return
    if (view_of(server), server.host, server.is_deleted) != (view_of(below), below.host, below.is_deleted):
        yield f"the cells differ: {view_of(server)} on {server.host} above, {view_of(below)} on {below.host} below"
    claimed = claims.get(server.uuid, (None, None))[0]
    if claimed != (None if server.is_deleted else server.host):
        yield f"{server.name} is {server.vm_state} on {server.host}, and claims from {claimed}"
    label = marks.rescue_label(server.uuid) if server.vm_state == "rescued" else server.domain_name
    there = {name: state for name in scene.fleet.hosts for state in vm_states(scene, name, label)}
    wanted = {server.host: server.power_state} if server.host is not None and not server.is_deleted else {}
    if there != wanted:
        yield f"{server.name} is believed to be {wanted}, its VMs are {there}"
    if server.vm_state == "active" and server.power_state != RUNNING:
        yield f"{server.name} is active in power state {server.power_state}"


def vm_states(scene: Scene, host: str, label: str) -> list[int]:
    """The power states of the VMs of that name on a host: those that live there, or would be started there."""
    xapi = scene.fleet.hosts[host]
    rows = [xapi.world[each] for each in xapi.world.named("VM", label)]
    here = [row for row in rows if not row["is_a_snapshot"] and xapi.host == (row["resident_on"] or row["affinity"])]
    return [POWER_STATES[row["power_state"]] for row in here]
