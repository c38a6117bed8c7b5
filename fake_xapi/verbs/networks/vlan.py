"""The verbs of VLAN, and those of pool that create a VLAN on every host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.networks import interfaces, network_fits, nics, pif_checks, plugging
from fake_xapi.verbs.networks.pif_kinds import kind_of, kinds
from fake_xapi.verbs.vms import placement

MOST = 4094
"""802.1Q reserves 4095."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A requested VLAN."""

    tagged: Id
    tag: int
    network: Id


Check = Callable[[World, Wish], None]


def _network_is_managed(world: World, wish: Wish) -> None:
    pif_checks.assert_network_managed(world, wish.network)


def _network_is_free(world: World, wish: Wish) -> None:
    pif_checks.assert_not_connected(world, wish.network, world[wish.tagged]["host"])


def _pif_is_managed(world: World, wish: Wish) -> None:
    pif_checks.assert_managed(world, wish.tagged)


def _is_no_member(world: World, wish: Wish) -> None:
    if world[wish.tagged]["bond_slave_of"]:
        raise Failure("CANNOT_ADD_VLAN_TO_BOND_SLAVE", Handle(wish.tagged))


def _is_no_vlan(world: World, wish: Wish) -> None:
    if kind_of(world[wish.tagged]) == "VLAN" or world[wish.tagged]["VLAN"] >= 0:
        raise Failure("PIF_IS_VLAN", Handle(wish.tagged))


def _is_no_tunnel(world: World, wish: Wish) -> None:
    if world[wish.tagged]["tunnel_access_PIF_of"]:
        raise Failure("IS_TUNNEL_ACCESS_PIF", Handle(wish.tagged))


def _fits_network(world: World, wish: Wish) -> None:
    if kinds(world, wish.tagged)[:1] == ("SR-IOV",):
        network_fits.assert_takes_vlan_on_sriov(world, wish.network, wish.tagged)
    else:
        network_fits.assert_takes_bridge(world, wish.network, "NETWORK_INCOMPATIBLE_WITH_VLAN_ON_BRIDGE")


def _tag_is_sensible(_world: World, wish: Wish) -> None:
    if not 0 <= wish.tag <= MOST:
        raise Failure("VLAN_TAG_INVALID", str(wish.tag))


def _tag_is_new(world: World, wish: Wish) -> None:
    row = world[wish.tagged]
    if any(world[vlan]["tag"] == wish.tag for vlan in row["VLAN_slave_of"]):
        raise Failure("PIF_VLAN_EXISTS", row["device"])


def _kernel_has_none(world: World, wish: Wish) -> None:
    row = world[wish.tagged]
    if nics.has_stray_vlan(world, row["host"], row["device"], wish.tag):
        raise Failure("VLAN_IN_USE", row["device"], str(wish.tag))


_CHECKS: tuple[Check, ...] = (
    *(_network_is_managed, _network_is_free, _pif_is_managed, _is_no_member, _is_no_vlan, _is_no_tunnel, _fits_network),
    *(_tag_is_sensible, _tag_is_new, _kernel_has_none),
)
_CHECKS_OF_2012: tuple[Check, ...] = (_network_is_free, _is_no_member, _is_no_vlan, _tag_is_sensible, _tag_is_new, _is_no_tunnel)


def create(call: Call, tagged: Id, tag: int, network: Id) -> Id:
    """Create a VLAN over an interface, up at once. Refusals in the order of the era's XAPI."""
    wish = Wish(tagged, tag, network)
    _assert_possible(call.world, wish)
    return _make(call, wish)


def _assert_possible(world: World, wish: Wish) -> None:
    for check in _CHECKS if world.personality.era == "modern" else _CHECKS_OF_2012:
        check(world, wish)


def _make(call: Call, wish: Wish) -> Id:
    with call.world.edit() as edit:
        made = create_rows(edit, wish.tagged, wish.tag, wish.network)
    plugging.plug_now(call, call.world[made]["untagged_PIF"])
    return made


def create_rows(edit: Edit, tagged: Id, tag: int, network: Id) -> Id:
    """Create a VLAN and its PIF, which is down and shares the metrics of the interface below."""
    row = edit[tagged]
    made = edit.create("VLAN", tagged_PIF=tagged, tag=tag)
    untagged = interfaces.create(
        edit,
        device=row["device"],
        network=network,
        host=row["host"],
        MAC=interfaces.DUMMY_MAC,
        MTU=row["MTU"],
        VLAN=tag,
        VLAN_master_of=made,
        metrics=row["metrics"],
        IPv6=("",),
        primary_address_type=row["primary_address_type"],
    )
    edit.set(made, untagged_PIF=untagged)
    return made


def destroy(call: Call, vlan: Id) -> None:
    """Bring a VLAN down and destroy it with its PIF."""
    untagged: Id = call.world[vlan]["untagged_PIF"]
    if call.world.get(untagged) is not None:
        pif_checks.assert_not_in_bond(call.world, untagged)
        pif_checks.assert_not_slave_management(call.world, untagged)
        pif_checks.assert_unprotected(call.world, untagged)
        plugging.unplug_now(call, untagged)
    with call.world.edit() as edit:
        if edit.get(untagged) is not None:
            interfaces.destroy(call, edit, untagged)
        edit.destroy(vlan)


def pool_introduce(call: Call, tagged: Id, untagged: Id, tag: int, other_config: dict[str, str]) -> Id:
    """Create a VLAN's row from a full record: how a joining host copies its VLANs to the pool's database."""
    with call.world.edit() as edit:
        made = edit.create("VLAN", tagged_PIF=tagged, untagged_PIF=untagged, tag=tag, other_config=other_config)
        edit.set(untagged, VLAN_master_of=made)
    return made


def create_vlan(call: Call, device: str, network: Id, host: Id, tag: int) -> Id:
    """Create a VLAN the old way; returns its PIF. INVALID_VALUE ["device", device] for a device that the host lacks."""
    return _pif_of(call, create(call, _untagged(call.world, host, device), tag, network))


def _untagged(world: World, host: Id, device: str) -> Id:
    pifs = ((pif, world[pif]) for pif in world[host]["PIFs"])
    found: Id = next((pif for pif, row in pifs if row["device"] == device and row["VLAN"] == -1), 0)
    if not found:
        raise Failure("INVALID_VALUE", "device", device)
    return found


def _pif_of(call: Call, vlan: Id) -> Id:
    pif: Id = call.world[vlan]["untagged_PIF"]
    return pif


def destroy_pif(call: Call, pif: Id) -> None:
    """Destroy a VLAN the old way. PIF_IS_PHYSICAL [] for anything else."""
    row = call.world[pif]
    if row["VLAN"] < 0:
        raise Failure("PIF_IS_PHYSICAL")
    destroy(call, row["VLAN_master_of"])


def create_everywhere(call: Call, device: str, network: Id, tag: int) -> list[Id]:
    """``pool.create_VLAN``, the old form: create a VLAN over the device of that name on every host, or on none."""
    hosts = sorted(call.world.ids("host"))
    return _create_all(call, [Wish(_untagged(call.world, host, device), tag, network) for host in hosts])


def create_on_siblings(call: Call, base: Id, network: Id, tag: int) -> list[Id]:
    """``pool.create_VLAN_from_PIF``: create a VLAN over every live host's interface on the network of ``base``, or on none."""
    world = call.world
    siblings = world[world[base]["network"]]["PIFs"]
    live = (pif for pif in siblings if placement.is_live(world, world[world[pif]["host"]]))
    return _create_all(call, [Wish(pif, tag, network) for pif in live])


def _create_all(call: Call, wishes: list[Wish]) -> list[Id]:
    for wish in wishes:
        _assert_possible(call.world, wish)
    return [_pif_of(call, _make(call, wish)) for wish in wishes]


VERBS: Mapping[str, Verb] = {
    "VLAN.create": create,
    "VLAN.destroy": destroy,
    "VLAN.pool_introduce": pool_introduce,
    "PIF.create_VLAN": create_vlan,
    "PIF.destroy": destroy_pif,
    "pool.create_VLAN": create_everywhere,
    "pool.create_VLAN_from_PIF": create_on_siblings,
}
