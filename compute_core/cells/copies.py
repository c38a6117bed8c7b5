"""The API cell's copies of instances: how news from below are taken in. Functions over a connection, one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from compute_core.cells.new_servers import beyond, counted
from compute_core.cells.outcomes import DELETING, deleted
from compute_core.model.instances import Instance
from compute_core.model.limits import Usage
from compute_core.store import instances, mappings, usages
from compute_core.store.mappings import CellMapping


@dataclass(frozen=True, slots=True)
class Taken:
    """``refused``: instances for which their cell had no room, now; another cell may be tried."""

    refused: tuple[Instance, ...] = ()


def take_news(connection: Connection, cell: str, news: Sequence[Instance]) -> Taken:
    """Take in what a cell says of its instances. Old news, and news from a cell that no longer has the instance, change nothing."""
    uuids = [copy.uuid for copy in news]
    known, mapped = instances.among(connection, uuids), mappings.among(connection, uuids)
    fresh = [copy for copy in news if _is_news(copy, cell, known.get(copy.uuid), mapped.get(copy.uuid))]
    instances.put_newer(connection, [_as_seen_from_here(copy, mapped[copy.uuid]) for copy in fresh])
    for copy in fresh:
        _account(connection, known[copy.uuid], copy)
    settled = [copy.uuid for copy in fresh if not mapped[copy.uuid].is_settled and _answers(copy, mapped[copy.uuid])]
    if settled:
        mappings.settle(connection, settled)
    return Taken(tuple(copy for copy in fresh if _is_refused(copy, mapped[copy.uuid])))


def left_images(connection: Connection, cell: str, news: Sequence[Instance]) -> tuple[str, ...]:
    """The images of shelved servers which these news make superfluous."""
    uuids = [copy.uuid for copy in news]
    known, mapped = instances.among(connection, uuids), mappings.among(connection, uuids)
    fresh = [copy for copy in news if _is_news(copy, cell, known.get(copy.uuid), mapped.get(copy.uuid))]
    pairs = [(known[copy.uuid].shelved_image_ref, copy) for copy in fresh]
    return tuple(before for before, copy in pairs if before and (copy.is_deleted or copy.shelved_image_ref != before))


def gone(connection: Connection, cell: str, news: Sequence[Instance]) -> tuple[Instance, ...]:
    """Those of these instances that are gone, which is news."""
    uuids = [copy.uuid for copy in news if copy.is_deleted]
    known, mapped = instances.among(connection, uuids), mappings.among(connection, uuids)
    return tuple(copy for copy in news if copy.is_deleted and _is_news(copy, cell, known.get(copy.uuid), mapped.get(copy.uuid)))


def delete_here(connection: Connection, instance: Instance, now: str) -> None:
    """Delete an instance that no cell has."""
    gone = deleted(now)(instance)
    if gone is not None:
        instances.put(connection, replace(gone, updated_at=now, update_seq=instance.update_seq + 1))
        usages.give_back(connection, instance.project_id, counted(instance))
        mappings.settle(connection, [instance.uuid])


def _account(connection: Connection, before: Instance, after: Instance) -> None:
    """What is deleted, softly or for good, uses no quota; what is restored does again, what is resized uses more."""
    had, has = (counted(server) if is_counted(server) else Usage() for server in (before, after))
    if had != has:
        usages.give_back(connection, after.project_id, beyond(had, has))


def is_counted(instance: Instance) -> bool:
    """Whether it counts against the quota."""
    return not instance.is_deleted and instance.vm_state != "soft-delete"


def _is_news(copy: Instance, cell: str, known: Instance | None, mapping: CellMapping | None) -> bool:
    return known is not None and mapping is not None and mapping.cell == cell and copy.update_seq > known.update_seq


def _as_seen_from_here(copy: Instance, mapping: CellMapping) -> Instance:
    """With its cell; and on its way out from the moment that the user asked, whatever the cell still says."""
    is_going = mapping.is_deleting and not copy.is_deleted
    return replace(copy, cell=mapping.cell, task_state=DELETING if is_going else copy.task_state)


def _answers(copy: Instance, mapping: CellMapping) -> bool:
    """Whether the cell has what was last sent to it."""
    return copy.is_deleted or not mapping.is_deleting


def _is_refused(copy: Instance, mapping: CellMapping) -> bool:
    has_no_room = copy.vm_state == "error" and copy.launched_at is None and copy.fault is not None and copy.fault.kind == "NoValidHost"
    return has_no_room and not mapping.is_deleting
