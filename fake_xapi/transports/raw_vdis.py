"""The handlers of disks: ``PUT /import_raw_vdi`` and ``GET /export_raw_vdi``, with real bytes.

May not know HTTP; of XAPI they know what ``Xapi`` shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.wire import xml_string
from fake_xapi.transports.admitted import Admitted, admitting, answer_of, steps
from fake_xapi.transports.disk_streams import Format, Image, pour, raw_image, sink_of, vhd_image
from fake_xapi.transports.ports import HttpTask
from fake_xapi.transports.streams import BodyLost
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer
from fake_xapi.transports.vdis import find_vdi, open_for_import, settle_import

_CONTENT_TYPES: Mapping[Format, str] = {"raw": "application/octet-stream", "vhd": "application/vhd"}


def _format(admitted: Admitted) -> Format:
    """What the image is written in; raw unless said otherwise."""
    name = admitted.parameters.get("format", "raw")
    if name not in _CONTENT_TYPES:
        raise BadRequest(404, f"Format {name} is not supported; raw and vhd are")
    return cast(Format, name)


def _size(admitted: Admitted) -> int:
    """The bytes that a transfer moves: what is sent, or what the disk to be read holds."""
    if admitted.request.length:
        return admitted.request.length
    disks, world, name = admitted.xapi.disks, admitted.xapi.world, admitted.parameters.get("vdi", "")
    vdi = world.find_ref(name) or world.by_uuid("VDI", name)
    return disks[vdi].allocated_bytes if vdi in disks else 0


async def _import_raw_vdi(admitted: Admitted) -> TransferAnswer:
    """Fill a VDI with an image, or make one for it in an SR (``sr_id``)."""
    xapi, request = admitted.xapi, admitted.request
    if "chunked" in admitted.parameters:
        raise BadRequest(404, "XenServer's own format of chunks is not supported; HTTP's chunks are")
    format_, vdi = _format(admitted), await _imported_vdi(admitted)
    before = xapi.disks[vdi]
    sink = sink_of(format_, lambda size: open_for_import(xapi, vdi, size))
    try:
        await pour(request.pieces, sink, steps(admitted.task, request.length))
    except BodyLost as lost:
        raise Failure("IMPORT_ERROR_PREMATURE_EOF") from lost
    settle_import(xapi, vdi, before)
    admitted.task.result(xml_string(xapi.world.ref(vdi)))
    return TransferAnswer()


async def _imported_vdi(admitted: Admitted) -> int:
    parameters, length = admitted.parameters, admitted.request.length
    if "vdi" in parameters:
        return find_vdi(admitted.xapi, parameters["vdi"])
    if "sr_id" not in parameters:
        raise BadRequest(400, "Name the VDI with vdi=, or the SR for a new one with sr_id=")
    if length is None:
        raise BadRequest(400, "A new VDI needs the image's Content-Length")
    if _format(admitted) != "raw":
        raise BadRequest(400, "A new VDI is made of a raw image; for a VHD make a VDI of its size first and name it with vdi=")
    return find_vdi(admitted.xapi, await _created_vdi(admitted, length))


async def _created_vdi(admitted: Admitted, size: int) -> str:
    """The ref of a new VDI, made by XAPI's own VDI.create."""
    record = {
        "name_label": admitted.parameters.get("name", "Imported VDI"),
        "name_description": "",
        "SR": admitted.parameters["sr_id"],
        "virtual_size": str(size),
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": {},
    }
    created = admitted.xapi.dispatch("VDI.create", [admitted.xapi.world.ref(admitted.session), record])
    return cast(str, await answer_of(created))


async def _export_raw_vdi(admitted: Admitted) -> TransferAnswer:
    """A VDI as raw or VHD; with ``base``, a VHD of what changed since that VDI."""
    vdi = find_vdi(admitted.xapi, admitted.parameters.get("vdi", ""))
    image = _image(admitted, vdi)
    headers = (
        ("Content-Type", _CONTENT_TYPES[_format(admitted)]),
        ("Content-Disposition", f'attachment; filename="{admitted.xapi.world.uuid(vdi)}.{_format(admitted)}"'),
    )
    return TransferAnswer(headers, image.length, _told(image, admitted.task))


def _image(admitted: Admitted, vdi: int) -> Image:
    xapi, base = admitted.xapi, admitted.parameters.get("base", "")
    if _format(admitted) == "raw":
        if base:
            raise BadRequest(400, "Only a VHD can hold what changed since base; ask for format=vhd")
        return raw_image(xapi.disks, vdi)
    parent = find_vdi(xapi, base) if base else 0
    return vhd_image(xapi.disks, vdi, xapi.world.uuid(vdi), (parent, xapi.world.uuid(parent)) if parent else None)


def _told(image: Image, task: HttpTask) -> Iterator[bytes]:
    """The pieces of an image, its task being told; a reader that stops early is a client that went away."""
    tell, sent = steps(task, image.length), 0
    try:
        for piece in image.pieces:
            yield piece
            sent += len(piece)
            tell(sent)
    except Failure as failure:
        task.fail(failure)
        raise
    except GeneratorExit:
        task.fail(Failure("INTERNAL_ERROR", "the client went away"))
        raise
    task.result("")


HANDLERS: Handlers = {
    (b"PUT", b"/import_raw_vdi"): admitting("put_import_raw_vdi", _import_raw_vdi, _size),
    (b"GET", b"/export_raw_vdi"): admitting("get_export_raw_vdi", _export_raw_vdi, _size),
}
