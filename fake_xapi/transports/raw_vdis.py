"""The handlers of disks: ``PUT /import_raw_vdi`` and ``GET /export_raw_vdi``, with real bytes.

May not know HTTP, nor more of XAPI than ``Xapi`` shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import urlencode

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.wire import xml_string
from fake_xapi.dom0.byte_reader import PrematureEnd
from fake_xapi.dom0.xva import IncomingDisk, XvaError, open_archive, read_disk
from fake_xapi.transports.admitted import Admitted, answer_of, letting_in, steps
from fake_xapi.transports.disk_streams import ChunkedSink, Format, Image, Sink, pour, raw_image, sink_of, tar_image, vhd_image
from fake_xapi.transports.streams import BodyLost
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer
from fake_xapi.transports.vdi_holds import Release, hold
from fake_xapi.transports.vdis import find_vdi, settle_import, writer_of

_CONTENT_TYPES: Mapping[Format, str] = {"raw": "application/octet-stream", "vhd": "application/vhd", "tar": "application/x-tar"}


def _format(admitted: Admitted) -> Format:
    """The format of the image; raw unless stated otherwise."""
    name = admitted.parameters.get("format", "raw")
    if name not in _CONTENT_TYPES:
        raise BadRequest(404, f"Format {name} is not supported; raw, vhd and tar are")
    return cast(Format, name)


def _elsewhere(admitted: Admitted, path: str, sr: int) -> TransferAnswer | None:
    """A redirect to a host that sees an SR which this one does not."""
    world, xapi = admitted.xapi.world, admitted.xapi
    seeing = sorted(world[pbd]["host"] for pbd in world[sr]["PBDs"] if world[pbd]["currently_attached"])
    if xapi.host in seeing or not seeing:
        return None
    location = f"http://{xapi.authority(seeing[0])}{path}?{urlencode(admitted.parameters)}"
    return TransferAnswer((("Location", location),), 0, status=302)


# ---- in --------------------------------------------------------------------------------------------------------------------------


async def _import_raw_vdi(admitted: Admitted) -> TransferAnswer:
    """Fill a VDI with an image, or a new one in an SR (``sr_id``); a new one is destroyed again when that fails."""
    form, xapi, is_new = _format(admitted), admitted.xapi, "vdi" not in admitted.parameters
    if form != "raw" and "chunked" in admitted.parameters:
        raise BadRequest(404, "Only raw images may come in XenServer's own format of chunks")
    moved = _elsewhere(admitted, "/import_raw_vdi", _target_sr(admitted))
    if moved is not None:
        return moved
    vdi = await _imported_vdi(admitted)
    try:
        release = hold(xapi, vdi, "RW")
        try:
            return await xapi.transfer("put_import_raw_vdi", admitted.request.length or 0, lambda: _fill(admitted, vdi))
        finally:
            release()
    except BaseException:
        if is_new:
            await answer_of(xapi.dispatch("VDI.destroy", [xapi.world.ref(admitted.session), xapi.world.ref(vdi)]))
        raise


def _target_sr(admitted: Admitted) -> int:
    """The SR of the VDI to be filled, or where one is to be made. Failure HANDLE_INVALID."""
    xapi, parameters = admitted.xapi, admitted.parameters
    if "vdi" in parameters:
        return int(xapi.world[find_vdi(xapi, parameters["vdi"])]["SR"])
    name = parameters.get("sr_id") or parameters.get("sr_uuid")
    if name is None:
        raise BadRequest(400, "Name the VDI with vdi=, or the SR for a new one with sr_id=")
    found = xapi.world.by_uuid("SR", name) or xapi.world.find_ref(name)
    row = xapi.world.get(found) if found else None
    if row is None or row.cls != "SR":
        raise Failure("HANDLE_INVALID", "SR", name)
    return found


async def _imported_vdi(admitted: Admitted) -> int:
    parameters, length = admitted.parameters, admitted.request.length
    if "vdi" in parameters:
        return find_vdi(admitted.xapi, parameters["vdi"])
    if length is None:
        raise BadRequest(400, "A new VDI needs the image's Content-Length")
    if _format(admitted) != "raw" or "chunked" in parameters:
        raise BadRequest(400, "A new VDI is made of a raw image; for a VHD make a VDI of its size first and name it with vdi=")
    return find_vdi(admitted.xapi, await _created_vdi(admitted, length))


async def _created_vdi(admitted: Admitted, size: int) -> str:
    """The ref of a new VDI, made by XAPI's own VDI.create."""
    record = {
        "name_label": admitted.parameters.get("name", "Imported VDI"),
        "name_description": "",
        "SR": admitted.xapi.world.ref(_target_sr(admitted)),
        "virtual_size": str(size),
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": {},
    }
    created = admitted.xapi.dispatch("VDI.create", [admitted.xapi.world.ref(admitted.session), record])
    return cast(str, await answer_of(created))


async def _fill(admitted: Admitted, vdi: int) -> TransferAnswer:
    xapi = admitted.xapi
    before = xapi.disks[vdi]
    try:
        await _pour(admitted, vdi)
    except (BodyLost, PrematureEnd) as lost:
        raise Failure("IMPORT_ERROR_PREMATURE_EOF") from lost
    settle_import(xapi, vdi, before)
    admitted.task.result(xml_string(xapi.world.ref(vdi)))
    return TransferAnswer()


async def _pour(admitted: Admitted, vdi: int) -> None:
    if _format(admitted) == "tar":
        await _untar(admitted, vdi)
    else:
        await pour(admitted.request.pieces, _sink(admitted, vdi), steps(admitted.task, admitted.request.length))


def _sink(admitted: Admitted, vdi: int) -> Sink:
    if "chunked" in admitted.parameters:
        return ChunkedSink(writer_of(admitted.xapi, vdi, 0))
    return sink_of(_format(admitted), lambda size: writer_of(admitted.xapi, vdi, size))


async def _untar(admitted: Admitted, vdi: int) -> None:
    """The disk in a tar of chunks, as archives of VMs contain it."""
    xapi = admitted.xapi
    size: int = xapi.world[vdi]["virtual_size"]
    prefix = xapi.world.uuid(vdi) if "prefix" not in admitted.parameters else admitted.parameters["prefix"]
    disk = IncomingDisk(prefix, size, writer_of(xapi, vdi, 0), has_checksums=True, progress=steps(admitted.task, size))
    try:
        await read_disk(open_archive(admitted.request.pieces), disk)
    except XvaError as error:
        raise Failure("IMPORT_ERROR", str(error)) from error


# ---- out -------------------------------------------------------------------------------------------------------------------------


async def _export_raw_vdi(admitted: Admitted) -> TransferAnswer:
    """A VDI as raw, VHD or tar; with ``base``, a VHD of the changes since that VDI. It stays in use until the last byte is sent."""
    form, xapi = _format(admitted), admitted.xapi
    vdi = find_vdi(xapi, admitted.parameters.get("vdi", ""))
    moved = _elsewhere(admitted, "/export_raw_vdi", xapi.world[vdi]["SR"])
    if moved is not None:
        return moved
    release = hold(xapi, vdi, "RO")
    try:
        return await xapi.transfer("get_export_raw_vdi", xapi.disks[vdi].allocated_bytes, lambda: _sent(admitted, vdi, form, release))
    except BaseException:
        release()
        raise


async def _sent(admitted: Admitted, vdi: int, form: Format, release: Release) -> TransferAnswer:
    image = _image(admitted, vdi, form)
    name = f"{admitted.xapi.world.uuid(vdi)}.{form}"
    headers = (("Content-Type", _CONTENT_TYPES[form]), ("Content-Disposition", f'attachment; filename="{name}"'))
    return TransferAnswer(headers, image.length, _told(image, admitted, release))


def _image(admitted: Admitted, vdi: int, form: Format) -> Image:
    xapi, base = admitted.xapi, admitted.parameters.get("base", "")
    if form != "vhd" and base:
        raise BadRequest(400, "Only a VHD can hold what changed since base; ask for format=vhd")
    if form == "vhd":
        parent = find_vdi(xapi, base) if base else 0
        return vhd_image(xapi.disks, vdi, xapi.world.uuid(vdi), (parent, xapi.world.uuid(parent)) if parent else None)
    return tar_image(xapi.disks, vdi, xapi.world.uuid(vdi), _ending(xapi.personality.era)) if form == "tar" else raw_image(xapi.disks, vdi)


def _ending(era: str) -> str:
    return ".xxhash" if era == "modern" else ".checksum"


def _told(image: Image, admitted: Admitted, release: Release) -> Iterator[bytes]:
    """The pieces of an image, reporting to the task; a reader that stops early counts as a client that went away."""
    task, sent = admitted.task, 0
    tell = steps(task, image.length)
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
    finally:
        release()
    task.result("")


HANDLERS: Handlers = {
    (b"PUT", b"/import_raw_vdi"): letting_in("put_import_raw_vdi", _import_raw_vdi),
    (b"GET", b"/export_raw_vdi"): letting_in("get_export_raw_vdi", _export_raw_vdi),
}
