"""What moves when a bond is made or destroyed: addresses, management, VLANs, tunnels and the VIFs of VMs on the host."""

from __future__ import annotations

from collections.abc import Iterable

from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.networks import interfaces, tunnel, vlan
from fake_xapi.verbs.vms import placement


def move_up(call: Call, edit: Edit, bond: Id) -> None:
    """Move everything from the members to the master of a bond that has just been made."""
    row = edit[bond]
    master, members = row["master"], row["slaves"]
    host, network = edit[master]["host"], edit[master]["network"]
    vifs = local_vifs(call.world, host, [edit[member]["network"] for member in members])
    interfaces.move_addresses(edit, row["primary_slave"], master)
    if edit[row["primary_slave"]]["management"]:
        interfaces.move_management(call, edit, row["primary_slave"], master)
    else:
        interfaces.bring_up(call, edit, master)
    for member in members:
        _move_layers(call, edit, member, master)
    _connect(edit, vifs, network)
    if any(edit[member]["disallow_unplug"] for member in members):
        edit.set(master, disallow_unplug=True)
        for member in members:
            edit.set(member, disallow_unplug=False)


def move_down(call: Call, edit: Edit, bond: Id) -> None:
    """Move everything from the master of a bond that is about to go to its primary member; all members are up if the master was."""
    row = edit[bond]
    master, primary, members = row["master"], row["primary_slave"], row["slaves"]
    was_up: bool = edit[master]["currently_attached"]
    vifs = local_vifs(call.world, edit[master]["host"], [edit[master]["network"]])
    interfaces.move_addresses(edit, master, primary)
    if edit[master]["management"]:
        interfaces.move_management(call, edit, master, primary)
    if was_up:
        for member in members:
            interfaces.bring_up(call, edit, member)
    _move_layers(call, edit, master, primary)
    _connect(edit, vifs, edit[primary]["network"])
    if edit[master]["disallow_unplug"]:
        edit.set(primary, disallow_unplug=True)


def _connect(edit: Edit, vifs: Iterable[Id], network: Id) -> None:
    for vif in vifs:
        edit.set(vif, network=network)


def _move_layers(call: Call, edit: Edit, source: Id, target: Id) -> None:
    """Recreate the VLANs and tunnels of one interface on another, on the same networks."""
    for old in edit[source]["VLAN_slave_of"]:
        _move_vlan(call, edit, old, target)
    for old in edit[source]["tunnel_transport_PIF_of"]:
        _move_tunnel(call, edit, old, target)


def _move_vlan(call: Call, edit: Edit, old: Id, target: Id) -> None:
    """Move a VLAN. When the target already has that tag, its VLAN takes over the VIFs of the one that goes."""
    tag, gone = edit[old]["tag"], edit[old]["untagged_PIF"]
    was_up, network = edit[gone]["currently_attached"], edit[gone]["network"]
    same = [each for each in edit[target]["VLAN_slave_of"] if edit[each]["tag"] == tag]
    if same:
        vifs = local_vifs(call.world, edit[gone]["host"], [network])
        _connect(edit, vifs, edit[edit[same[0]]["untagged_PIF"]]["network"])
    made = edit[same[0] if same else vlan.create_rows(edit, target, tag, network)]["untagged_PIF"]
    interfaces.move_addresses(edit, gone, made)
    is_management = edit[gone]["management"]
    interfaces.destroy(call, edit, gone)
    edit.destroy(old)
    if is_management:
        interfaces.move_management(call, edit, gone, made)
    elif was_up:
        interfaces.bring_up(call, edit, made)


def _move_tunnel(call: Call, edit: Edit, old: Id, target: Id) -> None:
    row = edit[old]
    gone = row["access_PIF"]
    was_up, network = edit[gone]["currently_attached"], edit[gone]["network"]
    made = edit[tunnel.create_rows(call, edit, target, network, row["protocol"])]["access_PIF"]
    interfaces.destroy(call, edit, gone)
    edit.destroy(old)
    if was_up:
        interfaces.bring_up(call, edit, made)


def local_vifs(world: World, host: Id, networks: Iterable[Id]) -> list[Id]:
    """The VIFs on these networks of VMs that run on a host, or that could run only there or nowhere."""
    vifs = [vif for network in networks if world.get(network) is not None for vif in world[network]["VIFs"]]
    is_local = {vm: _is_local(world, vm, host) for vm in {world[vif]["VM"] for vif in vifs}}
    return [vif for vif in vifs if is_local[world[vif]["VM"]]]


def _is_local(world: World, vm: Id, host: Id) -> bool:
    row = world.get(vm)
    if row is None:
        return False
    if row["resident_on"]:
        return bool(row["resident_on"] == host)
    return placement.possible_hosts(world, vm) in ([], [host])
