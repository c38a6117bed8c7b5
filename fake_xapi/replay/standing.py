"""A fleet that stands for the server of a recording: one pool, its machines at addresses of the simulation."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.derive import derive
from fake_xapi.fleet.fleet import Order, moved
from fake_xapi.fleet.hardware import STANDARD, Hardware
from fake_xapi.fleet.state_file import Saved
from fake_xapi.replay.likeness import hosts
from fake_xapi.state.ids import Id
from fake_xapi.state.value import Value
from fake_xapi.state.world import World
from fake_xapi.verbs.disks.media import new_shelf


def stand_in(world: World, *, keeps_addresses: bool = False) -> Saved:
    """The fleet, as if it had been saved. Hosts move to the addresses of the simulation, unless nobody shall be led there.

    Disks have their sizes and no bytes. Hosts that were not alive are off.
    """
    members = hosts(world)
    order = Order(hosts=len(members), pool_size=len(members), personality=world.personality.name, hardware=_hardware(world, members[0]))
    names = {host: order.site(number).name for number, host in enumerate(members)}
    if not keeps_addresses:
        _move(world, order, members)
    store = DiskStore()
    leader = names[members[0]]
    seats = {names[host]: (leader, host) for host in members} if len(members) > 1 else {}
    off = [names[host] for host in members[1:] if not _is_live(world, host)]
    return Saved(order, {leader: world}, {leader: store.fork()}, seats, off, new_shelf(Value.empty(), store.empty()), store)


def _move(world: World, order: Order, members: list[Id]) -> None:
    """Two steps, since one host's address of the simulation may be another's of the recording."""
    for number, host in enumerate(members):
        if world[host]["address"] != order.site(number).address:
            moved(world, host, f"moving-{number}")
    for number, host in enumerate(members):
        if world[host]["address"] != order.site(number).address:
            moved(world, host, order.site(number).address)
    world.derive = derive


def _is_live(world: World, host: Id) -> bool:
    metrics = world.get(world[host]["metrics"])
    return metrics is None or bool(metrics["live"])


def _hardware(world: World, host: Id) -> Hardware:
    """The machine that a host seems to be: what another one of its kind would begin as."""
    info: Mapping[str, str] = world[host]["cpu_info"]
    metrics = world.get(world[host]["metrics"])
    nics = sum(bool(world[pif]["physical"]) for pif in world[host]["PIFs"])
    return Hardware(
        cpus=_number(info, "cpu_count", STANDARD.cpus),
        sockets=_number(info, "socket_count", STANDARD.sockets),
        memory_bytes=max(int(metrics["memory_total"]) if metrics is not None else 0, 2 * STANDARD.control_domain_bytes),
        nics=max(nics, 1),
        cpu_model=info.get("modelname", STANDARD.cpu_model),
    )


def _number(info: Mapping[str, str], key: str, usual: int) -> int:
    said = info.get(key, "")
    return max(int(said), 1) if said.isascii() and said.isdigit() and len(said) < 6 else usual
