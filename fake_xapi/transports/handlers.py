"""The HTTP handlers of disks: ``PUT /import_raw_vdi`` and ``GET /export_raw_vdi``, with real bytes.

May not know sockets; of XAPI they know what ``Xapi`` shows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import cast

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.wire import xml_string
from fake_xapi.transports.disk_streams import Format, Image, pour, raw_image, sink_of, vhd_image
from fake_xapi.transports.ports import HttpTask, Xapi
from fake_xapi.transports.requests import Head, Transfer, Transfers
from fake_xapi.transports.streams import BodyLost, BodyStream, ReplyStream
from fake_xapi.transports.vdis import find_vdi, open_for_import, settle_import

_CONTENT_TYPES: Mapping[Format, str] = {"raw": "application/octet-stream", "vhd": "application/vhd"}
_STATUSES: Mapping[str, int] = {
    "RBAC_PERMISSION_DENIED": 403,
    "SESSION_INVALID": 401,
    "SESSION_AUTHENTICATION_FAILED": 401,
    "HANDLE_INVALID": 404,
    "UUID_INVALID": 404,
}
"""The HTTP status of a Failure; any other is 500."""
_PROGRESS_STEP = 0.05


class BadRequest(Exception):
    """A request that no task has to hear of: status and what to say."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class _Transfer:
    """An admitted request."""

    xapi: Xapi
    session: int
    parameters: Mapping[str, str]
    task: HttpTask
    body: BodyStream
    reply: ReplyStream

    @property
    def format(self) -> Format:
        """What the image is written in; raw unless said otherwise."""
        name = self.parameters.get("format", "raw")
        if name not in _CONTENT_TYPES:
            raise BadRequest(404, f"Format {name} is not supported; raw and vhd are")
        return cast(Format, name)


Work = Callable[[_Transfer], Awaitable[None]]


def _admitted(action: str, work: Work) -> Transfer:
    """A handler that lets in who may, and tells the task and the client how it ended."""

    async def handle(xapi: Xapi, head: Head, body: BodyStream, reply: ReplyStream) -> None:
        parameters = head.parameters()
        try:
            task = xapi.http_task(parameters.get("task_id", ""))
        except Failure as failure:
            _answer_failure(xapi, failure, reply)
            return
        try:
            session = _authorise(xapi, head, parameters, action)
            await work(_Transfer(xapi, session, parameters, task, body, reply))
        except Failure as failure:
            task.fail(failure)
            _answer_failure(xapi, failure, reply)
        except BadRequest as bad:
            task.fail(Failure("INTERNAL_ERROR", bad.text))
            reply.answer(bad.status, bad.text)
        except ConnectionError as error:
            task.fail(Failure("INTERNAL_ERROR", str(error)))
            raise

    return handle


def _authorise(xapi: Xapi, head: Head, parameters: Mapping[str, str], action: str) -> int:
    """The session in query or cookie, else user and password of Basic authentication."""
    credential = parameters.get("session_id") or head.basic_auth()
    if credential is None:
        raise Failure("SESSION_AUTHENTICATION_FAILED", "", "No session and no password given")
    return xapi.authorise(credential, action)


def _answer_failure(xapi: Xapi, failure: Failure, reply: ReplyStream) -> None:
    if reply.is_started:
        raise ConnectionAbortedError(failure.code)
    status = _STATUSES.get(failure.code, 500)
    headers = [("WWW-Authenticate", f'Basic realm="{xapi.personality.name}"')] if status == 401 else []
    details = [xapi.world.ref(param) if isinstance(param, Handle) else param for param in (failure.code, *failure.params)]
    reply.answer(status, " ".join(details), headers)


async def _import_raw_vdi(transfer: _Transfer) -> None:
    """Fill a VDI with an image, or make one for it in an SR (``sr_id``)."""
    format_, length = transfer.format, transfer.body.length
    if "chunked" in transfer.parameters:
        raise BadRequest(404, "The format of chunks is not supported; HTTP's own chunks are")
    vdi = await _imported_vdi(transfer)
    sink = sink_of(format_, lambda size: open_for_import(transfer.xapi, vdi, size))
    try:
        await pour(transfer.body, sink, _steps(transfer.task, length))
    except BodyLost as lost:
        raise Failure("IMPORT_ERROR_PREMATURE_EOF") from lost
    settle_import(transfer.xapi, vdi)
    transfer.task.result(xml_string(transfer.xapi.world.ref(vdi)))
    transfer.reply.answer(200, has_page=False)


async def _imported_vdi(transfer: _Transfer) -> int:
    parameters, xapi = transfer.parameters, transfer.xapi
    if "vdi" in parameters:
        return find_vdi(xapi, parameters["vdi"])
    if "sr_id" not in parameters:
        raise BadRequest(400, "Name the VDI with vdi=, or the SR for a new one with sr_id=")
    if transfer.body.length is None:
        raise BadRequest(400, "A new VDI needs the image's Content-Length")
    if transfer.format != "raw":
        raise BadRequest(400, "A new VDI is made of raw images; make one of a VHD's size first and name it with vdi=")
    return await _created_vdi(transfer, transfer.body.length)


async def _created_vdi(transfer: _Transfer, size: int) -> int:
    record = {
        "name_label": transfer.parameters.get("name", "Imported VDI"),
        "name_description": "",
        "SR": transfer.parameters["sr_id"],
        "virtual_size": str(size),
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": {},
    }
    world = transfer.xapi.world
    made = transfer.xapi.dispatch("VDI.create", [world.ref(transfer.session), record])
    return world.find_ref(await made if isawaitable(made) else made)


def _steps(task: HttpTask, length: int | None) -> Callable[[int], None]:
    """Tells the task each twentieth of a transfer; nothing of one whose length is unknown."""
    told = 0.0

    def tell(moved: int) -> None:
        nonlocal told
        if length and moved / length >= told + _PROGRESS_STEP:
            told = moved / length
            task.progress(told)

    return tell


async def _export_raw_vdi(transfer: _Transfer) -> None:
    """Send a VDI as raw or VHD; with ``base``, a VHD of what changed since that VDI."""
    world = transfer.xapi.world
    vdi = find_vdi(transfer.xapi, transfer.parameters.get("vdi", ""))
    image = _image(transfer, vdi)
    headers = [
        ("Content-Type", _CONTENT_TYPES[transfer.format]),
        ("Content-Disposition", f'attachment; filename="{world.uuid(vdi)}.{transfer.format}"'),
    ]
    transfer.reply.start(200, headers, image.length)
    tell, sent = _steps(transfer.task, image.length), 0
    for piece in image.pieces:
        await transfer.reply.write(piece)
        sent += len(piece)
        tell(sent)
    transfer.task.result("")


def _image(transfer: _Transfer, vdi: int) -> Image:
    xapi, base = transfer.xapi, transfer.parameters.get("base", "")
    if transfer.format == "raw":
        if base:
            raise BadRequest(400, "Only a VHD can hold what changed since base; ask for format=vhd")
        return raw_image(xapi.disks, vdi)
    parent = find_vdi(xapi, base) if base else 0
    return vhd_image(xapi.disks, vdi, xapi.world.uuid(vdi), (parent, xapi.world.uuid(parent)) if parent else None)


TRANSFERS: Transfers = {
    (b"PUT", b"/import_raw_vdi"): _admitted("put_import_raw_vdi", _import_raw_vdi),
    (b"GET", b"/export_raw_vdi"): _admitted("get_export_raw_vdi", _export_raw_vdi),
}
