"""Flavors, in the API cell's database: an instance carries its own along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, or_, select, update

from compute_core.model.errors import Conflict, NotFound
from compute_core.model.flavors import Flavor
from compute_core.store.dialects import insert_or_skip, of
from compute_core.store.schema import flavors

_F = flavors.c
_FIELDS = tuple(_F.keys())
_GET = select(flavors).where(bindparam("key") == _F.id)
_INSERT = insert_or_skip(flavors, "id")


def listed(connection: Connection) -> tuple[Flavor, ...]:
    """Every flavor, by id."""
    return tuple(map(_flavor, connection.execute(select(flavors).order_by(_F.id))))


def get(connection: Connection, flavor_id: str) -> Flavor:
    """One flavor. NotFound."""
    row = connection.execute(_GET, {"key": flavor_id}).first()
    if row is None:
        raise NotFound.of("Flavor", flavor_id)
    return _flavor(row)


def add(connection: Connection, flavor: Flavor) -> None:
    """A new flavor. Conflict when its id or name is taken."""
    taken = connection.execute(select(_F.id).where(or_(_F.id == flavor.id, _F.name == flavor.name))).first()
    if taken is not None:
        raise Conflict(
            f"Flavor with {'ID' if taken.id == flavor.id else 'name'} {flavor.id if taken.id == flavor.id else flavor.name} already exists."
        )
    connection.execute(of(connection, _INSERT), [_row(flavor)])


def add_missing(connection: Connection, defaults: Iterable[Flavor]) -> None:
    """Put these into a catalogue that is empty still."""
    if connection.execute(select(_F.id).limit(1)).first() is None:
        connection.execute(of(connection, _INSERT), [_row(flavor) for flavor in defaults])


def remove(connection: Connection, flavor_id: str) -> None:
    """Forget a flavor. NotFound."""
    get(connection, flavor_id)
    connection.execute(delete(flavors).where(_F.id == flavor_id))


def set_extra_specs(connection: Connection, flavor_id: str, specs: Mapping[str, str]) -> None:
    """Put these extra specs in place of what is there."""
    connection.execute(update(flavors).where(_F.id == flavor_id).values(extra_specs=dict(specs)))


def _row(flavor: Flavor) -> dict[str, Any]:
    return {name: getattr(flavor, name) for name in _FIELDS} | {"extra_specs": dict(flavor.extra_specs)}


def _flavor(row: Row[Any]) -> Flavor:
    return Flavor(**{name: getattr(row, name) for name in _FIELDS})
