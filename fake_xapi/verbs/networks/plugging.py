"""Bringing a host's interfaces up and down: which others have to follow, in which order, and what forbids it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.networks import interfaces, pif_checks, sriov
from fake_xapi.verbs.networks.pif_kinds import Kind, kind_of

Check = Callable[[World, Id], None]


async def plug(call: Call, pif: Id) -> None:
    """Bring up an interface, after those on which it is built. CANNOT_PLUG_BOND_SLAVE [pif], TRANSPORT_PIF_NOT_CONFIGURED [pif]."""
    order = _plug_order(call.world, pif)
    await call.takes("PIF.plug")
    bring_up_all(call, order)


def bring_up_all(call: Call, pifs: tuple[Id, ...]) -> None:
    """Bring interfaces up, the lowest first."""
    with call.world.edit() as edit:
        for pif in pifs:
            if sriov.needs_functions(edit, pif):
                sriov.bring_up(call, edit, pif)
            interfaces.bring_up(call, edit, pif)


def plug_now(call: Call, pif: Id) -> None:
    """Bring an interface up as part of what another verb does."""
    bring_up_all(call, _plug_order(call.world, pif))


def _plug_order(world: World, pif: Id) -> tuple[Id, ...]:
    """The interface, after everything below it that has to come up first."""
    pif_checks.assert_managed(world, pif)
    row = world[pif]
    return (*_COMES_WITH[kind_of(row)](world, pif), pif)


def _with_transport(world: World, pif: Id) -> tuple[Id, ...]:
    transport: Id = world[world[pif]["tunnel_access_PIF_of"][0]]["transport_PIF"]
    if world[transport]["ip_configuration_mode"] == "None":
        raise Failure("TRANSPORT_PIF_NOT_CONFIGURED", Handle(transport))
    return _plug_order(world, transport)


def _with_functions(world: World, pif: Id) -> tuple[Id, ...]:
    """The virtual functions below a VLAN, which it needs; any other VLAN leaves its NIC alone."""
    tagged: Id = world[world[pif]["VLAN_master_of"]]["tagged_PIF"]
    return _plug_order(world, tagged) if world[tagged]["sriov_logical_PIF_of"] else ()


def _with_nic(world: World, pif: Id) -> tuple[Id, ...]:
    return _plug_order(world, world[world[pif]["sriov_logical_PIF_of"][0]]["physical_PIF"])


def _alone(world: World, pif: Id) -> tuple[Id, ...]:
    row = world[pif]
    if not row["bond_slave_of"]:
        return ()
    if not row["sriov_physical_PIF_of"]:
        raise Failure("CANNOT_PLUG_BOND_SLAVE", Handle(pif))
    return _plug_order(world, world[row["bond_slave_of"]]["master"])


_COMES_WITH: Mapping[Kind, Callable[[World, Id], tuple[Id, ...]]] = {
    "tunnel": _with_transport,
    "VLAN": _with_functions,
    "SR-IOV": _with_nic,
    "bond": lambda _world, _pif: (),
    "physical": _alone,
}


async def unplug(call: Call, pif: Id) -> None:
    """Bring down an interface, after those built on it: not the management interface, nor one whose network is in use."""
    order = _unplug_order(call.world, pif)
    await call.takes("PIF.unplug")
    _bring_down_all(call, order)


def unplug_now(call: Call, pif: Id) -> None:
    """Bring an interface down as part of what another verb does."""
    _bring_down_all(call, _unplug_order(call.world, pif))


def _bring_down_all(call: Call, pifs: tuple[Id, ...]) -> None:
    with call.world.edit() as edit:
        for pif in pifs:
            if sriov.has_functions(edit, pif):
                sriov.bring_down(call, edit, pif)
            if not edit[pif]["bond_slave_of"]:
                interfaces.bring_down(call, edit, pif)


_UNPLUG_CHECKS: tuple[Check, ...] = (
    pif_checks.assert_managed,
    pif_checks.assert_unprotected,
    pif_checks.assert_not_management,
    pif_checks.assert_agile,
    pif_checks.assert_unused,
    pif_checks.assert_unplug_is_allowed,
)


def _unplug_order(world: World, pif: Id) -> tuple[Id, ...]:
    """The interface, after everything on top of it that has to go down first."""
    for check in _UNPLUG_CHECKS:
        check(world, pif)
    row = world[pif]
    above = [world[tunnel]["access_PIF"] for tunnel in row["tunnel_transport_PIF_of"]]
    above += [world[sriov]["logical_PIF"] for sriov in row["sriov_physical_PIF_of"]]
    if row["sriov_logical_PIF_of"]:
        above += [world[tag]["untagged_PIF"] for tag in row["VLAN_slave_of"]]
    members = (member for bond in row["bond_master_of"] for member in world[bond]["slaves"])
    above += [member for member in members if world[member]["sriov_physical_PIF_of"]]
    return (*(lower for upper in above for lower in _unplug_order(world, upper)), pif)


def host_booted(call: Call, edit: Edit, host: Id) -> None:
    """Bring up only what a host needs from the start: NICs, bonds, virtual functions, and whatever has an address."""
    for pif in edit[host]["PIFs"]:
        row = edit[pif]
        if row["bond_slave_of"] or not row["managed"]:
            continue
        if _is_needed(row):
            if sriov.needs_functions(edit, pif):
                sriov.bring_up(call, edit, pif)
            interfaces.bring_up(call, edit, pif)
        elif row["currently_attached"]:
            interfaces.bring_down(call, edit, pif)


def _is_needed(pif: AnyRow) -> bool:
    is_base = pif["physical"] or pif["bond_master_of"] or pif["sriov_logical_PIF_of"]
    return bool(is_base or pif["management"] or pif["ip_configuration_mode"] != "None")


VERBS: Mapping[str, Verb] = {
    "PIF.plug": plug,
    "PIF.unplug": unplug,
}
