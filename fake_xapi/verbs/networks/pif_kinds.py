"""What an interface consists of: hardware, or a layer on top of other interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fake_xapi.lifecycle.rules import AnyRow, Rows
from fake_xapi.state.ids import Id

Kind = Literal["tunnel", "VLAN", "SR-IOV", "bond", "physical"]
_FIELDS: tuple[tuple[str, Kind], ...] = (
    ("tunnel_access_PIF_of", "tunnel"),
    ("VLAN_master_of", "VLAN"),
    ("sriov_logical_PIF_of", "SR-IOV"),
    ("bond_master_of", "bond"),
)
"""In the order in which XAPI asks."""
_BELOW: dict[Kind, tuple[str, str]] = {
    "tunnel": ("tunnel_access_PIF_of", "transport_PIF"),
    "VLAN": ("VLAN_master_of", "tagged_PIF"),
    "SR-IOV": ("sriov_logical_PIF_of", "physical_PIF"),
}


def kind_of(pif: AnyRow) -> Kind:
    """The kind of an interface: "tunnel" for an access PIF, "VLAN" for an untagged PIF, "SR-IOV" for a logical PIF, "bond" for a master, or
    "physical".
    """
    return next((kind for field, kind in _FIELDS if pif[field]), "physical")


def layers(rows: Rows, pif: Id) -> Iterator[tuple[Kind, Id]]:
    """An interface and everything below it, down to a bond or a NIC. Each appears once: introduced rows may form a cycle."""
    at, seen = pif, set[Id]()
    while at not in seen and (row := rows.get(at)) is not None:
        seen.add(at)
        kind = kind_of(row)
        yield kind, at
        if kind not in _BELOW:
            return
        at = below(rows, row, kind)


def below(rows: Rows, pif: AnyRow, kind: Kind) -> Id:
    """The interface on which a tunnel, VLAN or logical one is built; NULL when it is gone."""
    field, other_end = _BELOW[kind]
    owner = rows.get(_one(pif[field]))
    lower: Id = owner[other_end] if owner is not None else 0
    return lower


def kinds(rows: Rows, pif: Id) -> tuple[Kind, ...]:
    """The kinds of an interface and of everything below it."""
    return tuple(kind for kind, _ in layers(rows, pif))


def sriov_under(rows: Rows, pif: Id) -> Id:
    """The network_sriov that an interface represents, or on which it is built as a VLAN; NULL for any other."""
    return next((_one(rows[at]["sriov_logical_PIF_of"]) for kind, at in layers(rows, pif) if kind == "SR-IOV"), 0)


def is_sriov_network(rows: Rows, network: Id) -> bool:
    """Whether a network consists of virtual functions."""
    row = rows.get(network)
    return row is not None and bool(row["PIFs"]) and bool(sriov_under(rows, row["PIFs"][0]))


def local_pif(rows: Rows, network: Id, host: Id) -> Id:
    """The interface that connects a host to a network; NULL when there is none."""
    row = rows.get(network)
    pifs: tuple[Id, ...] = row["PIFs"] if row is not None else ()
    return next((pif for pif in pifs if (found := rows.get(pif)) is not None and found["host"] == host), 0)


def _one(value: Id | tuple[Id, ...]) -> Id:
    """The only member of a field that is a ref in some classes and a set with one member in others."""
    if isinstance(value, tuple):
        return value[0] if value else 0
    return value
