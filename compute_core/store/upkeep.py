"""What is being done with hosts of a compute cell: one document for each that something is done with."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, bindparam, delete, select

from compute_core.model.upkeep import Upkeep
from compute_core.store.dialects import insert_or_update, of
from compute_core.store.schema import upkeep

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Upkeep)
_U = upkeep.c
_PUT = insert_or_update(upkeep, "host", "document")
_ALL = select(_U.document).order_by(_U.host)
_ONE = select(_U.document).where(_U.host == bindparam("key"))


def listed(connection: Connection) -> tuple[Upkeep, ...]:
    """All, by host."""
    return tuple(_decoder.decode(document) for document in connection.scalars(_ALL))


def find(connection: Connection, host: str) -> Upkeep | None:
    """What is done with one host."""
    document = connection.scalar(_ONE, {"key": host})
    return None if document is None else _decoder.decode(document)


def put(connection: Connection, job: Upkeep) -> None:
    """Write it down."""
    connection.execute(of(connection, _PUT), {"host": job.host, "document": _encoder.encode(job).decode()})


def remove(connection: Connection, host: str) -> None:
    """Nothing is done with the host any more."""
    connection.execute(delete(upkeep).where(_U.host == host))
