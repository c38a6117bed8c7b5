"""The import of VMs: an archive is read, what it describes is created, and its disks are filled. A failure leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.xml_values import MalformedXml, read_value
from fake_xapi.dom0 import xva
from fake_xapi.dom0.byte_reader import PrematureEnd
from fake_xapi.dom0.compression import PackingError
from fake_xapi.dom0.disks import DiskError
from fake_xapi.state.ids import Id
from fake_xapi.verbs.archives import archive_import
from fake_xapi.verbs.archives.archive import Archive, read
from fake_xapi.verbs.archives.archive_importing import Imported, Plan
from fake_xapi.verbs.call import Call

_VERSION_WITH_CHECKSUMS_INLINE = 1
_VERSION_WITHOUT_TABLE = 2
_MOST_TABLE_BYTES = 16 << 20
_TABLE = "checksum.xml"


async def import_vms(call: Call, pieces: AsyncIterator[bytes], plan: Plan) -> tuple[Id, ...]:
    """Import the VMs of an archive, with their disks in ``plan.sr``, or the metadata alone.

    Failures IMPORT_ERROR [text], IMPORT_ERROR_UNEXPECTED_FILE [wanted, found], IMPORT_ERROR_PREMATURE_EOF,
    IMPORT_ERROR_SOME_CHECKSUMS_FAILED, and those of ``archive_import.take_in``. Unless it is forced nothing is left of what failed.
    """
    with _in_words_of_xapi():
        reading = xva.open_archive(pieces, is_lenient=plan.is_forced)
        archive = read(await xva.read_metadata(reading))
        if archive.version.export < _VERSION_WITHOUT_TABLE:
            reading = replace(reading, checksums={})
    imported = archive_import.take_in(call, archive, plan)
    try:
        with _in_words_of_xapi():
            await _fill(call, reading, archive, imported)
            await reading.reader.drain()
    except BaseException:
        if not plan.is_forced:
            archive_import.discard(call, imported)
        raise
    return archive_import.finish(call, imported, plan.key)


@contextmanager
def _in_words_of_xapi() -> Iterator[None]:
    try:
        yield
    except xva.UnexpectedFile as error:
        raise Failure("IMPORT_ERROR_UNEXPECTED_FILE", error.expected, error.found) from error
    except PrematureEnd as error:
        raise Failure("IMPORT_ERROR_PREMATURE_EOF") from error
    except (xva.XvaError, PackingError, DiskError) as error:
        raise Failure("IMPORT_ERROR", str(error)) from error


async def _fill(call: Call, reading: xva.Reading, archive: Archive, imported: Imported) -> None:
    total, done = max(1, sum(disk.size for disk in imported.disks)), 0
    for disk in sorted(imported.disks, key=lambda disk: disk.prefix):
        tell = _progress(call, done, total)
        has_checksums = archive.version.export >= _VERSION_WITH_CHECKSUMS_INLINE
        writer = call.disks.writer(disk.vdi)
        await xva.read_disk(reading, xva.IncomingDisk(disk.prefix, disk.size, writer, has_checksums, tell))
        done += disk.size
    if imported.disks and reading.checksums is not None:
        await _check_table(reading)


def _progress(call: Call, done: int, total: int) -> Callable[[int], None]:
    told = done / total

    def tell(moved: int) -> None:
        nonlocal told
        call.stop_if_cancelled()
        if (done + moved) / total >= told + 0.05:
            told = (done + moved) / total
            call.progress(told)

    return tell


async def _check_table(reading: xva.Reading) -> None:
    """Old archives end with a table of checksums."""
    member = await reading.member(_TABLE)
    content = await reading.content(member, _MOST_TABLE_BYTES)
    try:
        table = read_value(content)
    except MalformedXml as error:
        raise Failure("IMPORT_ERROR", str(error)) from error
    told: Mapping[str, object] = table if isinstance(table, dict) else {}
    is_right = all(told.get(name) == seen for name, seen in (reading.checksums or {}).items())
    if not is_right and not reading.is_lenient:
        raise Failure("IMPORT_ERROR_SOME_CHECKSUMS_FAILED")
