"""The outbox: which instances the parent cell has yet to hear of. What is sent is always an instance's newest state."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, select

from compute_core.model.instances import Instance
from compute_core.store.dialects import insert_or_update, of
from compute_core.store.instances import decode
from compute_core.store.schema import instances, outbox

_NOTE = insert_or_update(outbox, "instance_uuid", "update_seq")
_OLDEST = (
    select(instances.c.document)
    .join_from(outbox, instances, outbox.c.instance_uuid == instances.c.uuid)
    .order_by(outbox.c.id)
    .limit(bindparam("count"))
)
_FORGET = delete(outbox).where(outbox.c.instance_uuid == bindparam("key"), outbox.c.update_seq <= bindparam("seq"))


def note(connection: Connection, changed: Iterable[Instance]) -> None:
    """The parent is to hear of these."""
    rows = [{"instance_uuid": instance.uuid, "update_seq": instance.update_seq} for instance in changed]
    if rows:
        connection.execute(of(connection, _NOTE), rows)


def oldest(connection: Connection, count: int) -> tuple[Instance, ...]:
    """Those that have waited longest, each as it is now."""
    return tuple(decode(document) for document in connection.scalars(_OLDEST, {"count": count}))


def acknowledge(connection: Connection, heard: Iterable[tuple[str, int]]) -> None:
    """The parent has these, by uuid and update_seq; one that has changed again meanwhile stays."""
    rows = [{"key": uuid, "seq": seq} for uuid, seq in heard]
    if rows:
        connection.execute(_FORGET, rows)
