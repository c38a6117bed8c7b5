"""Links: which interface has a carrier, how many links of a bond are up, and the alerts when that changes."""

from __future__ import annotations

from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.networks import nics

_MBIT_PER_S = 10_000


def has_link(call: Call, edit: Edit, pif: Id) -> bool:
    """Whether an interface has a carrier: a NIC that is up with its cable plugged, or a bond with such a member."""
    row = edit[pif]
    if not row["currently_attached"]:
        return False
    if row["bond_master_of"]:
        return any(has_link(call, edit, member) for member in _members(edit, row))
    return nics.has_cable(call.world, row["host"], row["device"])


def _members(edit: Edit, master: AnyRow) -> tuple[Id, ...]:
    return tuple(member for bond in master["bond_master_of"] for member in edit[bond]["slaves"])


def refresh(call: Call, edit: Edit, pif: Id) -> None:
    """Update the link state of an interface, of its members, and of the bond to which it belongs."""
    row = edit[pif]
    if row["VLAN_master_of"] or row["tunnel_access_PIF_of"] or row["sriov_logical_PIF_of"]:
        return
    for member in _members(edit, row):
        _measure(call, edit, member)
    _measure(call, edit, pif)
    bonds = (*row["bond_master_of"], *((row["bond_slave_of"],) if row["bond_slave_of"] else ()))
    for bond in bonds:
        up = [member for member in edit[bond]["slaves"] if has_link(call, edit, member)]
        edit.set(bond, links_up=len(up))
        if edit[bond]["master"] != pif:
            _measure(call, edit, edit[bond]["master"])


def _measure(call: Call, edit: Edit, pif: Id) -> None:
    metrics: Id = edit[pif]["metrics"]
    if metrics and edit.get(metrics) is not None:
        has = has_link(call, edit, pif)
        edit.set(metrics, carrier=has, speed=_speed(call, edit, pif) if has else 0, duplex=has, last_updated=call.now())


def _speed(call: Call, edit: Edit, pif: Id) -> int:
    """Megabits per second: a bond has the sum of its links, unless it uses only one of them at a time."""
    row = edit[pif]
    if not row["bond_master_of"]:
        return _MBIT_PER_S
    up = sum(has_link(call, edit, member) for member in _members(edit, row))
    return _MBIT_PER_S * (min(up, 1) if edit[row["bond_master_of"][0]]["mode"] == "active-backup" else up)


def set_cable(call: Call, pif: Id, *, is_in: bool) -> None:
    """Pull or plug the cable of a NIC. A bond that loses or regains links raises BOND_STATUS_CHANGED about its host."""
    row = call.world[pif]
    bond: Id = row["bond_slave_of"]
    before = call.world[bond]["links_up"] if bond else 0
    with call.world.edit() as edit:
        nics.set_cable(call.world, edit, row["host"], row["device"], is_in=is_in)
    with call.world.edit() as edit:
        refresh(call, edit, pif)
    if bond and call.world[bond]["links_up"] != before:
        call.announce("BOND_STATUS_CHANGED", row["host"], _told(call, bond, before))


def _told(call: Call, bond: Id, before: int) -> str:
    row = call.world[bond]
    members = row["slaves"]
    names = "+".join(sorted(call.world[member]["device"] for member in members))
    return f"The status of the {names} bond changed: {row['links_up']}/{len(members)} up (was {before}/{len(members)})"
