"""One page of instances: filters, sorting by any columns, paging by the last row seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, false, or_, select
from sqlalchemy.exc import DBAPIError

from compute_core.model.errors import Invalid
from compute_core.model.instances import Instance, VmState
from compute_core.model.requests import ServerFilters
from compute_core.model.transitions import STATUSES
from compute_core.store.instances import decode
from compute_core.store.patterns import checked
from compute_core.store.schema import instances

NO_PATTERN = "2201B"
"""What PostgreSQL says of a pattern that it cannot read."""

SORT_KEYS = frozenset(instances.c.keys()) - {"document", "ips", "update_seq"}
"""What a listing may be sorted by."""

EXACT: Mapping[str, str] = {
    "project_id": "project_id",
    "is_deleted": "is_deleted",
    "host": "host",
    "image_ref": "image_ref",
    "flavor_id": "flavor_id",
    "user_id": "user_id",
    "reservation_id": "reservation_id",
    "uuid": "uuid",
    "key_name": "key_name",
    "availability_zone": "availability_zone",
    "power_state": "power_state",
    "vm_state": "vm_state",
    "task_state": "task_state",
    "has_config_drive": "has_config_drive",
    "description": "description",
}
"""Filters that are a column's value."""

PATTERNS: Mapping[str, str] = {"name": "name", "ip": "ips"}
"""Filters that are a regular expression over a column."""


def page(connection: Connection, filters: ServerFilters) -> tuple[Instance, ...]:
    """Those that pass, sorted, after the marker, at most ``limit``. Invalid: a pattern, a sort key, a marker that cannot be."""
    order = _order(filters)
    wanted = select(instances.c.document).where(*_conditions(filters))
    if filters.marker is not None:
        wanted = wanted.where(_after(_marker(connection, filters.marker, order), order))
    wanted = wanted.order_by(*(column.desc() if is_descending else column.asc() for column, is_descending in order))
    try:
        return tuple(decode(document) for document in connection.scalars(wanted.limit(filters.limit)))
    except DBAPIError as problem:
        if getattr(problem.orig, "sqlstate", None) == NO_PATTERN:
            raise Invalid("A pattern is no regular expression to PostgreSQL: it has syntax that RE2 alone knows.") from problem
        raise


Order = tuple[tuple[ColumnElement[Any], bool], ...]


def _order(filters: ServerFilters) -> Order:
    """The columns to sort by and whether downwards; uuid last, so that no two rows are equal."""
    unknown = set(filters.sort_keys) - SORT_KEYS
    if unknown:
        raise Invalid(f"Unable to sort by {', '.join(sorted(unknown))}.")
    directions = filters.is_descending + (True,) * len(filters.sort_keys)
    keys = dict(zip(filters.sort_keys, directions, strict=False))
    keys.setdefault("uuid", directions[0])
    return tuple((instances.c[key], is_descending) for key, is_descending in keys.items())


def _conditions(filters: ServerFilters) -> Iterator[ColumnElement[bool]]:
    for name, column in EXACT.items():
        value = getattr(filters, name)
        if value is not None:
            yield instances.c[column] == value
    for name, column in PATTERNS.items():
        pattern = getattr(filters, name)
        if pattern is not None:
            yield instances.c[column].regexp_match(checked(name, pattern))
    if filters.status is not None:
        yield or_(false(), *(_has_status(vm_state, status) for status in filters.status for vm_state in STATUSES))
    if _hides_soft_deleted(filters):
        yield instances.c.vm_state != "soft-delete"
    yield from _of_time(filters)


def _of_time(filters: ServerFilters) -> Iterator[ColumnElement[bool]]:
    if filters.changes_since is not None:
        yield instances.c.updated_at >= filters.changes_since
    if filters.changes_before is not None:
        yield instances.c.updated_at <= filters.changes_before


def _hides_soft_deleted(filters: ServerFilters) -> bool:
    """Servers that were deleted softly show where somebody asks for them, or for what is gone."""
    return filters.is_deleted is False and filters.vm_state is None and filters.status is None and filters.uuid is None


def _has_status(vm_state: VmState, status: str) -> ColumnElement[bool]:
    """Whether a row is in this vm_state and shows that status: ``model.transitions.status_of`` as a condition."""
    usual, by_task = STATUSES[vm_state]
    tasks = [task for task, name in by_task.items() if name == status]
    others = [task for task, name in by_task.items() if name != status]
    suits = instances.c.task_state.not_in(others) if usual == status else instances.c.task_state.in_(tasks)
    return and_(instances.c.vm_state == vm_state, suits)


def _marker(connection: Connection, uuid: str, order: Order) -> tuple[Any, ...]:
    columns: Select[Any] = select(*(column for column, _ in order))
    found = connection.execute(columns.where(instances.c.uuid == uuid)).first()
    if found is None:
        raise Invalid(f"marker [{uuid}] not found")
    return tuple(found)


def _after(last: tuple[Any, ...], order: Order) -> ColumnElement[bool]:
    """Behind the marker: equal in the first columns, further on in the next."""
    steps = []
    for at, (column, is_descending) in enumerate(order):
        equal = [earlier == value for (earlier, _), value in zip(order[:at], last, strict=False)]
        steps.append(and_(*equal, column < last[at] if is_descending else column > last[at]))
    return or_(*steps)
