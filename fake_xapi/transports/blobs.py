"""The handlers of blobs: ``GET /blob`` and ``PUT /blob`` by ``ref`` or ``uuid``. Public blobs need no session.

May not know HTTP, nor what a blob is for.
"""

from __future__ import annotations

from collections.abc import Iterator

from fake_xapi.dom0.disks import DiskStore
from fake_xapi.state.ids import NULL, Id, class_of
from fake_xapi.transports.admitted import Admitted, admitting, steps
from fake_xapi.transports.streams import BodyLost
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer, TransferRequest

PIECE_BYTES = 1 << 20


def _find(request: TransferRequest) -> Id:
    """The blob that a request names; BadRequest 400 when it names none, 404 when it does not exist."""
    parameters = request.parameters
    if "ref" not in parameters and "uuid" not in parameters:
        raise BadRequest(400, "Name the blob with ref= or uuid=")
    blob = _found(request)
    if blob == NULL:
        raise BadRequest(404, "Unknown reference")
    return blob


def _found(request: TransferRequest) -> Id:
    """The blob that a request names, NULL when there is none: callers without a session do not learn which."""
    world, parameters = request.xapi.world, request.parameters
    blob = world.find_ref(parameters["ref"]) if "ref" in parameters else world.by_uuid("blob", parameters.get("uuid", ""))
    return blob if blob and class_of(blob) == "blob" and world.get(blob) is not None else NULL


async def _get(request: TransferRequest) -> TransferAnswer:
    """The bytes of a blob; a public one needs no session."""
    blob = _found(request)
    return _bytes_of(request, blob) if blob and request.xapi.world[blob]["public"] else await _admitted_get(request)


async def _send(admitted: Admitted) -> TransferAnswer:
    return _bytes_of(admitted.request, _find(admitted.request))


def _bytes_of(request: TransferRequest, blob: Id) -> TransferAnswer:
    """The bytes of a blob; BadRequest 404 when nobody has filled it."""
    disks, mime_type = request.xapi.disks, request.xapi.world[blob]["mime_type"]
    if blob not in disks:
        raise BadRequest(404, "Nothing was put into the blob")
    kind = mime_type if mime_type.isprintable() and mime_type.isascii() else "application/octet-stream"
    return TransferAnswer((("Content-Type", kind),), disks[blob].size, _pieces(disks.fork(), blob))


def _pieces(disks: DiskStore, blob: Id) -> Iterator[bytes]:
    """The content as it was at the time of the request."""
    size = disks[blob].size
    return (disks.read(blob, offset, min(PIECE_BYTES, size - offset)) for offset in range(0, size, PIECE_BYTES))


async def _put(admitted: Admitted) -> TransferAnswer:
    """Replace the blob's content. A body that breaks off leaves the blob as it was."""
    xapi, request, blob = admitted.xapi, admitted.request, _find(admitted.request)
    if request.length is None:
        raise BadRequest(411, "A blob needs its Content-Length")
    coming = xapi.disks.fork()
    coming.create(blob, request.length)
    await _fill(admitted, coming, blob)
    xapi.world[blob]  # it may have been destroyed meanwhile
    xapi.disks.put(blob, coming[blob])
    with xapi.world.edit() as edit:
        edit.set(blob, size=request.length, last_updated=xapi.now())
    admitted.task.result("")
    return TransferAnswer((("Access-Control-Allow-Origin", "*"),))


async def _fill(admitted: Admitted, disks: DiskStore, blob: Id) -> None:
    request, written = admitted.request, 0
    writer, tell = disks.writer(blob), steps(admitted.task, request.length)
    try:
        async for piece in request.pieces:
            writer.write(written, piece)
            written += len(piece)
            tell(written)
    except BodyLost as lost:
        raise BadRequest(400, "The body broke off") from lost
    writer.flush()


_admitted_get = admitting("get_blob", _send)
HANDLERS: Handlers = {(b"GET", b"/blob"): _get, (b"PUT", b"/blob"): admitting("put_blob", _put)}
