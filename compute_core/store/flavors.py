"""Flavors, in the API cell's database: an instance carries its own along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, delete, or_, select, update
from sqlalchemy.orm import Session

from compute_core.model.errors import Conflict, NotFound
from compute_core.model.flavors import Flavor
from compute_core.store.dialects import insert_or_skip, of
from compute_core.store.schema import flavors

_F = flavors.c
_FIELDS = tuple(_F.keys())
_INSERT = insert_or_skip(flavors, "id")


def listed(session: Session) -> tuple[Flavor, ...]:
    """Every flavor, by id."""
    return tuple(map(_flavor, session.execute(select(flavors).order_by(_F.id))))


def get(session: Session, flavor_id: str) -> Flavor:
    """One flavor. NotFound."""
    row = session.execute(select(flavors).where(_F.id == flavor_id)).first()
    if row is None:
        raise NotFound.of("Flavor", flavor_id)
    return _flavor(row)


def add(session: Session, flavor: Flavor) -> None:
    """A new flavor. Conflict when its id or name is taken."""
    taken = session.execute(select(_F.id).where(or_(_F.id == flavor.id, _F.name == flavor.name))).first()
    if taken is not None:
        raise Conflict(
            f"Flavor with {'ID' if taken.id == flavor.id else 'name'} {flavor.id if taken.id == flavor.id else flavor.name} already exists."
        )
    session.execute(of(session, _INSERT), [_row(flavor)])


def add_missing(session: Session, defaults: Iterable[Flavor]) -> None:
    """Put these into a catalogue that is empty still."""
    if session.execute(select(_F.id).limit(1)).first() is None:
        session.execute(of(session, _INSERT), [_row(flavor) for flavor in defaults])


def remove(session: Session, flavor_id: str) -> None:
    """Forget a flavor. NotFound."""
    get(session, flavor_id)
    session.execute(delete(flavors).where(_F.id == flavor_id))


def set_extra_specs(session: Session, flavor_id: str, specs: Mapping[str, str]) -> None:
    """Put these extra specs in place of what is there."""
    session.execute(update(flavors).where(_F.id == flavor_id).values(extra_specs=dict(specs)))


def _row(flavor: Flavor) -> dict[str, Any]:
    return {name: getattr(flavor, name) for name in _FIELDS} | {"extra_specs": dict(flavor.extra_specs)}


def _flavor(row: Row[Any]) -> Flavor:
    return Flavor(**{name: getattr(row, name) for name in _FIELDS})
