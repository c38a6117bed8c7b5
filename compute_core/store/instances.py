"""Instances: in a compute cell the instances themselves, in the API cell the newest copy that has come up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, bindparam, false, literal_column, select, text, update

from compute_core.model.errors import NotFound
from compute_core.model.instances import Instance
from compute_core.store.dialects import insert_or_skip, of
from compute_core.store.schema import PUT_ASIDE, instances

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Instance)

_KEY = instances.c.uuid
_UUIDS: BindParameter[Any] = bindparam("keys", expanding=True)
_INSERT = insert_or_skip(instances, "uuid")
_FIND = select(instances.c.document).where(bindparam("key") == _KEY)
_FIND_TO_CHANGE = _FIND.with_for_update()
_SET: dict[str, Any] = {column.name: bindparam(column.name) for column in instances.c if column.name != "uuid"}
_UPDATE = update(instances).where(bindparam("key") == _KEY).values(_SET)
_UPDATE_IF_NEWER = _UPDATE.where(instances.c.update_seq < bindparam("update_seq"))
_ON_HOST = select(instances.c.document).where(instances.c.host == bindparam("host"), instances.c.is_deleted == false()).order_by(_KEY)
_AMONG = select(instances.c.document).where(_KEY.in_(_UUIDS))
_THERE = select(_KEY).where(_KEY.in_(_UUIDS))
_PUT_ASIDE = select(instances.c.document).where(text(PUT_ASIDE)).order_by(_KEY)
_BUSY = (
    select(instances.c.document)
    .where(instances.c.task_state != literal_column("''"), instances.c.updated_at < bindparam("before"))
    .order_by(instances.c.updated_at, _KEY)
)


def columns_of(instance: Instance) -> dict[str, Any]:
    """The row of an instance: what is searched by, and the whole."""
    return {
        "uuid": instance.uuid,
        "project_id": instance.project_id,
        "user_id": instance.user_id,
        "name": instance.name,
        "host": instance.host or "",
        "vm_state": instance.vm_state,
        "task_state": instance.task_state or "",
        "power_state": instance.power_state,
        "image_ref": instance.image_ref,
        "flavor_id": instance.flavor.id,
        "key_name": instance.key_name or "",
        "reservation_id": instance.reservation_id,
        "availability_zone": instance.availability_zone or "",
        "hostname": instance.hostname,
        "description": instance.description or "",
        "ips": " ".join(vif.ip for vif in instance.vifs),
        "created_at": instance.created_at,
        "updated_at": instance.updated_at,
        "launched_at": instance.launched_at or "",
        "terminated_at": instance.terminated_at or "",
        "has_config_drive": instance.has_config_drive,
        "launch_index": instance.launch_index,
        "is_deleted": instance.is_deleted,
        "update_seq": instance.update_seq,
        "document": _encoder.encode(instance).decode(),
    }


def decode(document: str) -> Instance:
    """An instance from its document."""
    return _decoder.decode(document)


def add(connection: Connection, new: Iterable[Instance]) -> tuple[Instance, ...]:
    """Insert those that are not there yet; these, in the order given."""
    asked = tuple(new)
    there = set(connection.scalars(_THERE, {"keys": [instance.uuid for instance in asked]}))
    added = tuple(instance for instance in asked if instance.uuid not in there)
    if added:
        connection.execute(of(connection, _INSERT), [columns_of(instance) for instance in added])
    return added


def find(connection: Connection, uuid: str) -> Instance | None:
    """One instance, deleted or not."""
    document = connection.scalar(_FIND, {"key": uuid})
    return None if document is None else decode(document)


def get(connection: Connection, uuid: str) -> Instance:
    """One instance, deleted or not. NotFound."""
    found = find(connection, uuid)
    if found is None:
        raise NotFound.of("Instance", uuid)
    return found


def find_to_change(connection: Connection, uuid: str) -> Instance | None:
    """One instance, which nobody else changes until this transaction ends."""
    document = connection.scalar(_FIND_TO_CHANGE, {"key": uuid})
    return None if document is None else decode(document)


def put(connection: Connection, instance: Instance) -> None:
    """Write an instance that is there."""
    connection.execute(_UPDATE, {"key": instance.uuid, **columns_of(instance)})


def put_newer(connection: Connection, copies: Sequence[Instance]) -> None:
    """Write those that are newer than what is there."""
    if copies:
        connection.execute(_UPDATE_IF_NEWER, [{"key": copy.uuid, **columns_of(copy)} for copy in copies])


def on_host(connection: Connection, host: str) -> tuple[Instance, ...]:
    """What the cell believes to be on a host, by uuid."""
    return tuple(decode(document) for document in connection.scalars(_ON_HOST, {"host": host}))


def among(connection: Connection, uuids: Sequence[str]) -> dict[str, Instance]:
    """Those of these that are there, deleted or not, by uuid."""
    if not uuids:
        return {}
    rows = connection.scalars(_AMONG, {"keys": list(uuids)})
    return {instance.uuid: instance for instance in map(decode, rows)}


def put_aside(connection: Connection) -> tuple[Instance, ...]:
    """Those that are shelved on a host, or deleted softly, by uuid."""
    return tuple(decode(document) for document in connection.scalars(_PUT_ASIDE))


def busy(connection: Connection, before: str) -> tuple[Instance, ...]:
    """Those on which something is under way and nothing has been heard since that date, the longest first."""
    return tuple(decode(document) for document in connection.scalars(_BUSY, {"before": before}))
