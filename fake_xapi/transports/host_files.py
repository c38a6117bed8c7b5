"""The handlers for files on hosts' own disks: logs, bug reports, backups, and the pool's database as a document.

May not know what the files contain.
"""

from __future__ import annotations

import asyncio
import bz2
import hashlib
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.report_files import BACKED_UP, INVENTORY, LOGS, RELEASE_KEY, REPORTED, files_of, note_restored
from fake_xapi.transports.admitted import Admitted, admitting
from fake_xapi.transports.database_xml import database_xml
from fake_xapi.transports.streams import BodyLost
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer

MOST_BACKUP_BYTES = 256 << 20
_DATABASE = "var/lib/xcp/state.db"
_ROWS_AT_ONCE = 256
Named = Iterable[tuple[str, bytes]]


# ---- how files are packed --------------------------------------------------------------------------------------------------------


def tarred(files: Named, packing: Literal["", "gz", "bz2"] = "") -> bytes:
    """Files as a tar archive, the same bytes for the same files."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return _PACKERS[packing](written.getvalue())


def _gzipped(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return packer.compress(content) + packer.flush()


_PACKERS: Mapping[str, Callable[[bytes], bytes]] = {"": bytes, "gz": _gzipped, "bz2": bz2.compress}


def zipped(files: Named) -> bytes:
    """Files as a zip archive."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content)
    return written.getvalue()


def _attached(admitted: Admitted, name: str, content: bytes) -> TransferAnswer:
    admitted.task.result("")
    told = (("Content-Type", "application/octet-stream"), ("Content-Disposition", f'attachment; filename="{name}"'))
    return TransferAnswer(told, len(content), iter((content,)))


# ---- reports ---------------------------------------------------------------------------------------------------------------------


_OUTPUTS: Mapping[str, Callable[[Named], bytes]] = {
    "tar": tarred,
    "tar.bz2": lambda files: tarred(files, "bz2"),
    "zip": zipped,
}


async def _system_status(admitted: Admitted) -> TransferAnswer:
    """A bug report: the files of the requested ``entries`` (default: all), in the format ``output``."""
    output = admitted.parameters.get("output", "tar.bz2")
    if output not in _OUTPUTS:
        raise Failure("SYSTEM_STATUS_RETRIEVAL_FAILED", f"unknown output {output}")
    xapi = admitted.xapi
    wished = [entry for entry in admitted.parameters.get("entries", "").split(",") if entry] or list(REPORTED)
    makers = [maker for entry, makers in REPORTED.items() if entry in wished for maker in makers]
    folder = f"bug-report-{xapi.now()[:15].replace('T', '')}"
    found = files_of(xapi.unseen_call("host.system_status"), xapi.host, makers)
    audit = _audit(admitted) if "xenserver-logs" in wished else ()
    files = [(f"{folder}/{name}", content) for name, content in (*found, *audit)]
    return _attached(admitted, f"{folder}.{output}", _OUTPUTS[output](files))


def _audit(admitted: Admitted) -> Named:
    yield "var/log/audit.log", "".join(f"{line}\n" for line in admitted.xapi.audit_lines("")).encode()


async def _logs(admitted: Admitted) -> TransferAnswer:
    """The logs of the host, and of its guests' consoles."""
    found = files_of(admitted.xapi.unseen_call("host.logs_download"), admitted.xapi.host, LOGS)
    return _attached(admitted, "logs.tar.gz", tarred((*found, *_audit(admitted)), "gz"))


# ---- backups ---------------------------------------------------------------------------------------------------------------------


async def _backup(admitted: Admitted) -> TransferAnswer:
    """An archive of the control domain: the pool's database, a description of the installation, and the files written to it."""
    xapi = admitted.xapi
    found = files_of(xapi.unseen_call("host.backup"), xapi.host, BACKED_UP)
    return _attached(admitted, "backup.tar.gz", tarred((*found, (_DATABASE, await _database(admitted))), "gz"))


async def _restore(admitted: Admitted) -> TransferAnswer:
    """Store a backup on the host's backup partition; it takes effect only at the next installation.

    RESTORE_SCRIPT_FAILED [log] for a malformed one, RESTORE_INCOMPATIBLE_VERSION [] for one from another release.
    """
    content = await _body(admitted)
    told = _inventory_in(content).get(RELEASE_KEY, "")
    if told != admitted.xapi.world[admitted.xapi.host]["software_version"].get("product_version", ""):
        raise Failure("RESTORE_INCOMPATIBLE_VERSION")
    note_restored(admitted.xapi.unseen_call("host.restore"), admitted.xapi.host, hashlib.sha256(content).hexdigest())
    admitted.task.result("")
    return TransferAnswer()


async def _body(admitted: Admitted) -> bytes:
    kept = bytearray()
    try:
        async for piece in admitted.request.pieces:
            kept += piece
            if len(kept) > MOST_BACKUP_BYTES:
                raise Failure("RESTORE_SCRIPT_FAILED", "there is no room for such a backup")
    except BodyLost as lost:
        raise Failure("RESTORE_SCRIPT_FAILED", "the backup ended too soon") from lost
    return bytes(kept)


def _inventory_in(content: bytes) -> dict[str, str]:
    """The inventory of the installation that was backed up."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            member = next((one for one in tar if one.isreg() and one.name == INVENTORY and one.size < 1 << 16), None)
            file = tar.extractfile(member) if member is not None else None
            text = file.read().decode() if file is not None else ""
    except (tarfile.TarError, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise Failure("RESTORE_SCRIPT_FAILED", f"this is no backup: {error}") from error
    if not text:
        raise Failure("RESTORE_SCRIPT_FAILED", f"there is no {INVENTORY} in the backup")
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value.strip("'") for name, _, value in pairs}


# ---- the database ----------------------------------------------------------------------------------------------------------------


async def _database(admitted: Admitted) -> bytes:
    """The document for the database as it was at first, made while others get their turns."""
    made = []
    for place, piece in enumerate(database_xml(admitted.xapi.world)):
        made.append(piece)
        if place % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return "".join(made).encode()


async def _dump(admitted: Admitted) -> TransferAnswer:
    return _attached(admitted, "pool.xml", await _database(admitted))


async def _config_file(admitted: Admitted) -> TransferAnswer:
    """The files that members of a pool fetch from their master, refused to anybody else: all hosts of a pool have the same ones."""
    if not isinstance(admitted.request.credential, tuple) or admitted.request.credential[0]:
        raise BadRequest(403, "Only hosts of the pool fetch these files")
    found = files_of(admitted.xapi.unseen_call("host.config_sync"), admitted.xapi.host, BACKED_UP[1:])
    return _attached(admitted, "config.tar", tarred(found))


HANDLERS: Handlers = {
    (b"GET", b"/system-status"): admitting("get_system_status", _system_status),
    (b"GET", b"/host_logs_download"): admitting("get_host_logs_download", _logs),
    (b"GET", b"/host_backup"): admitting("get_host_backup", _backup),
    (b"PUT", b"/host_restore"): admitting("put_host_restore", _restore),
    (b"GET", b"/pool/xmldbdump"): admitting("get_pool_xml_db_sync", _dump),
    (b"GET", b"/sync_config_files"): admitting("get_config_sync", _config_file),
    (b"GET", b"/sync_config_files/"): admitting("get_config_sync", _config_file),
}
