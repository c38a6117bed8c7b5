"""The verbs of Bond: several NICs as one interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.networks import bond_modes, bond_moves, interfaces, network_fits, pif_checks
from fake_xapi.verbs.networks.mac_addresses import check_mac
from fake_xapi.verbs.networks.pif_kinds import kind_of


@dataclass(frozen=True, slots=True)
class Plan:
    """A requested bond; ``members`` are different PIFs, ``with_ip`` those of them that have an address."""

    network: Id
    members: tuple[Id, ...]
    with_ip: tuple[Id, ...]
    primary: Id


def _planned(world: World, network: Id, members: list[Id]) -> Plan:
    """Plan a bond. Its primary member is the management interface, otherwise the first with an address, otherwise the first."""
    different = tuple(dict.fromkeys(members))
    with_ip = tuple(member for member in different if _has_address(world, member))
    management = tuple(member for member in different if world[member]["management"])
    return Plan(network, different, with_ip, (*management, *with_ip, *different)[0])


def _has_address(world: World, pif: Id) -> bool:
    row = world[pif]
    return bool(row[_MODE_FIELDS[row["primary_address_type"]]] != "None")


_MODE_FIELDS = {"IPv4": "ip_configuration_mode", "IPv6": "ipv6_configuration_mode"}

# ---- why not, in the order of XAPI -------------------------------------------------------------------------------------------------

Check = Callable[[World, Plan], None]
MemberCheck = Callable[[World, Id], None]


def _is_no_member(world: World, pif: Id) -> None:
    if world.get(world[pif]["bond_slave_of"]) is not None:
        raise Failure("PIF_ALREADY_BONDED", Handle(pif))


def _is_no_vlan(world: World, pif: Id) -> None:
    row = world[pif]
    if row["VLAN"] != -1:
        raise Failure("PIF_VLAN_EXISTS", row["device_name"])


def _is_no_tunnel(world: World, pif: Id) -> None:
    if world[pif]["tunnel_access_PIF_of"]:
        raise Failure("IS_TUNNEL_ACCESS_PIF", Handle(pif))


def _is_no_sriov_logical(world: World, pif: Id) -> None:
    if kind_of(world[pif]) == "SR-IOV":
        raise Failure("PIF_IS_SRIOV_LOGICAL", Handle(pif))


def _management_is_free(world: World, pif: Id) -> None:
    """Refuse to bond the management interface while HA is on, since the hosts watch each other over it."""
    pool = world.get(POOL)
    if pool is not None and pool["ha_enabled"] and world[pif]["management"]:
        raise Failure("HA_CANNOT_CHANGE_BOND_STATUS_OF_MGMT_IFACE")


_MEMBER_CHECKS: Mapping[Era, tuple[MemberCheck, ...]] = {
    "boston": (_is_no_member, _is_no_vlan),
    "tampa": (_is_no_member, _is_no_vlan, _is_no_tunnel, _management_is_free),
    "clearwater": (_is_no_member, _is_no_vlan, _is_no_tunnel, _management_is_free),
    "modern": (pif_checks.assert_managed, _is_no_member, _is_no_vlan, _is_no_tunnel, _is_no_sriov_logical, _management_is_free),
}


def _have_one_address_type(world: World, plan: Plan) -> None:
    wanted = world[plan.primary]["primary_address_type"]
    for member in plan.members:
        if world[member]["primary_address_type"] != wanted:
            raise Failure("PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE", Handle(member))


def _members_may(world: World, plan: Plan) -> None:
    for member in plan.members:
        for check in _MEMBER_CHECKS[world.personality.era]:
            check(world, member)


def _are_on_one_host(world: World, plan: Plan) -> None:
    if len({world[member]["host"] for member in plan.members}) != 1:
        raise Failure("PIF_CANNOT_BOND_CROSS_HOST")


def _have_same_properties(world: World, plan: Plan) -> None:
    first = world[plan.members[0]]["properties"]
    if any(world[member]["properties"] != first for member in plan.members):
        raise Failure("INCOMPATIBLE_PIF_PROPERTIES")


def _have_one_address(_world: World, plan: Plan) -> None:
    if len(plan.with_ip) > 1:
        raise Failure("PIF_BOND_MORE_THAN_ONE_IP")


_CHECKS: Mapping[Era, tuple[Check, ...]] = {
    "boston": (_members_may, _are_on_one_host),
    "tampa": (_members_may, _are_on_one_host),
    "clearwater": (_members_may, _are_on_one_host),
    "modern": (_have_one_address_type, _members_may, _are_on_one_host, _have_same_properties, _have_one_address),
}


def _assert_possible(call: Call, network: Id, members: list[Id], mac: str, mode: str, properties: dict[str, str]) -> Plan:
    """The plan for a bond; raises the first reason against it."""
    world = call.world
    if not members:
        raise Failure("PIF_BOND_NEEDS_MORE_MEMBERS")
    is_modern = world.personality.era == "modern"
    if is_modern:
        pif_checks.assert_network_managed(world, network)
    pif_checks.assert_not_connected(world, network, world[members[0]]["host"])
    if is_modern:
        network_fits.assert_takes_bridge(world, network, "NETWORK_INCOMPATIBLE_WITH_BOND")
    if mac:
        check_mac(mac)
    bond_modes.assert_valid(mode, properties, world.personality.era)
    plan = _planned(world, network, members)
    for check in _CHECKS[world.personality.era]:
        check(world, plan)
    return plan


# ---- the verbs ---------------------------------------------------------------------------------------------------------------------


async def create(
    call: Call, network: Id, members: list[Id], mac: str, mode: str = "balance-slb", properties: dict[str, str] | None = None
) -> Id:
    """Bond several NICs: the bond takes over addresses, management, VLANs, tunnels and VIFs from its members."""
    given = properties or {}
    _assert_possible(call, network, members, mac, mode, given)
    await call.takes("Bond.create")
    plan = _assert_possible(call, network, members, mac, mode, given)
    with call.world.edit() as edit:
        bond = _create_rows(edit, plan, mac, mode, bond_modes.with_defaults(mode, given, edit.personality.era))
        bond_moves.move_up(call, edit, bond)
    return bond


def _create_rows(edit: Edit, plan: Plan, mac: str, mode: str, properties: Mapping[str, str]) -> Id:
    primary = edit[plan.primary]
    master = interfaces.create(
        edit,
        device=_free_name(edit, primary["host"]),
        network=plan.network,
        host=primary["host"],
        MAC=mac or primary["MAC"],
        metrics=interfaces.create_metrics(edit),
        IPv6=("",),
        primary_address_type=primary["primary_address_type"],
        properties=primary["properties"],
    )
    bond = edit.create("Bond", master=master, primary_slave=plan.primary, mode=mode, properties=dict(properties), auto_update_mac=not mac)
    for member in plan.members:
        edit.set(member, bond_slave_of=bond)
    return bond


def _free_name(edit: Edit, host: Id) -> str:
    taken = {edit[pif]["device"] for pif in edit[host]["PIFs"] if edit[pif]["bond_master_of"]}
    return next(name for number in range(len(taken) + 1) if (name := f"bond{number}") not in taken)


async def destroy(call: Call, bond: Id) -> None:
    """Dissolve a bond into its members; what the bond had goes to the primary one."""
    _management_is_free(call.world, call.world[bond]["master"])
    await call.takes("Bond.destroy")
    master: Id = call.world[bond]["master"]
    _management_is_free(call.world, master)
    with call.world.edit() as edit:
        bond_moves.move_down(call, edit, bond)
        members = edit[bond]["slaves"]
        interfaces.destroy(call, edit, master)
        for member in members:
            edit.set(member, bond_slave_of=0)
        edit.destroy(bond)


def set_mode(call: Call, bond: Id, value: str) -> None:
    """Set how the links share the load. Properties that the mode does not have are dropped, missing ones get their defaults."""
    era = call.world.personality.era
    with call.world.edit() as edit:
        kept = {key: text for key, text in edit[bond]["properties"].items() if bond_modes.is_valid(value, key, text, era)}
        edit.set(bond, mode=value, properties=bond_modes.with_defaults(value, kept, era))
        interfaces.bring_up(call, edit, edit[bond]["master"])


def set_property(call: Call, bond: Id, name: str, value: str) -> None:
    """Set one property of the bond's mode. INVALID_VALUE ["properties", "name = value"]."""
    bond_modes.assert_valid(call.world[bond]["mode"], {name: value}, call.world.personality.era)
    with call.world.edit() as edit:
        edit.put(bond, "properties", name, value)
        interfaces.bring_up(call, edit, edit[bond]["master"])


VERBS: Mapping[str, Verb] = {
    "Bond.create": create,
    "Bond.destroy": destroy,
    "Bond.set_mode": set_mode,
    "Bond.set_property": set_property,
}
