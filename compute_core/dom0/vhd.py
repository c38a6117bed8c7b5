"""VHD files on disk: what one says of itself, checked strictly, and the few bytes that change when it moves into an SR.

Knows Microsoft's "Virtual Hard Disk Image Format Specification" and what XenServer's tools add: the mark of a hidden disk, and the three
ways in which a parent is named. Only metadata is read, never the blocks.
"""

import array
import struct
import sys
from typing import BinaryIO, List, NamedTuple, Optional
from uuid import UUID

from compute_core.dom0.refusal import bad_image

SECTOR = 512
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
MAX_DISK_BYTES = 2040 << 30
UNUSED = 0xFFFFFFFF
EPOCH_2000_S = 946684800
"""VHDs count seconds from the year 2000."""

_FOOTER = struct.Struct(">8s8xQI12xQQ4xII16sBB")
_HEADER = struct.Struct(">8sQQIIII16s4x4x512s192s")
_LOCATOR = struct.Struct(">4sIIIQ")
_HEADER_BYTES = 1024
_FOOTER_SEAL, _HEADER_SEAL = 64, 36
_CREATED_AT, _HIDDEN_AT = 24, 85
_PARENT_AT, _PARENT_NAME_AT, _LOCATORS_AT = 40, 64, 576
_VERSION, _NOTHING_MORE = 0x00010000, 0xFFFFFFFFFFFFFFFF
_NO_LOCATOR = bytes(4)
_LOCATORS = frozenset((_NO_LOCATOR, b"Wi2r", b"Wi2k", b"W2ru", b"W2ku", b"Mac ", b"MacX"))
"""What XenServer's tools know; one disk that they do not read spoils every scan of its SR."""


class Vhd(NamedTuple):
    """What a VHD says of itself; ``header_offset`` and what follows are 0 or None of a fixed one."""

    size_bytes: int
    disk_type: int
    uuid: UUID
    created: int
    is_hidden: bool
    file_bytes: int
    header_offset: int = 0
    parent: Optional[UUID] = None


class _Header(NamedTuple):
    table_offset: int
    entries: int
    block_bytes: int
    parent: bytes
    locators: bytes


def most_file_bytes(size_bytes: int) -> int:
    """The most that a VHD of a disk of some size can sensibly take: all blocks of 4 KiB or more, and the metadata of each."""
    return size_bytes + size_bytes // 4 + (16 << 20)


def read(file: BinaryIO, name: str) -> Vhd:
    """Read and check the metadata of a file. Refusal BAD_IMAGE, which says what is wrong with ``name``."""
    file_bytes = file.seek(0, 2)
    if file_bytes < SECTOR:
        raise bad_image(f"{name} is no VHD: {file_bytes} bytes")
    raw = _read_at(file, file_bytes - SECTOR, SECTOR)
    vhd = read_footer(raw, f"the end of {name}")._replace(file_bytes=file_bytes)
    if vhd.disk_type == FIXED:
        if file_bytes != vhd.size_bytes + SECTOR:
            raise bad_image(f"{name}: a fixed disk of {vhd.size_bytes} bytes in a file of {file_bytes}")
        return vhd
    if _read_at(file, 0, SECTOR) != raw:
        raise bad_image(f"{name}: the footer differs from its copy at the beginning")
    return _with_header(file, name, vhd)


def read_footer(raw: bytes, where: str) -> Vhd:
    """Decode and check a footer, without the size of its file."""
    if len(raw) != SECTOR or not raw.startswith(b"conectix"):
        raise bad_image(f"no footer of a VHD at {where}")
    _, header_offset, created, _, size_bytes, disk_type, _, uuid, _, hidden = _FOOTER.unpack_from(raw)
    _check_seal(raw, _FOOTER_SEAL, f"footer at {where}")
    if disk_type not in (FIXED, DYNAMIC, DIFFERENCING):
        raise bad_image(f"the footer at {where} is of an unknown type {disk_type}")
    if not 0 < size_bytes <= MAX_DISK_BYTES or size_bytes % SECTOR:
        raise bad_image(f"the footer at {where} tells of a disk of {size_bytes} bytes")
    return Vhd(size_bytes, disk_type, UUID(bytes=uuid), created, bool(hidden), 0, 0 if disk_type == FIXED else header_offset)


def _with_header(file: BinaryIO, name: str, vhd: Vhd) -> Vhd:
    header = _header(file, name, vhd)
    _check_table(file, name, vhd, header)
    _check_locators(name, vhd, header)
    if vhd.disk_type == DYNAMIC:
        return vhd
    parent = UUID(bytes=header.parent)
    if parent == vhd.uuid:
        raise bad_image(f"{name} is its own parent")
    return vhd._replace(parent=parent)


def _header(file: BinaryIO, name: str, vhd: Vhd) -> _Header:
    if not SECTOR <= vhd.header_offset <= vhd.file_bytes - _HEADER_BYTES - SECTOR:
        raise bad_image(f"{name}: the footer points to {vhd.header_offset}, outside of the file")
    raw = _read_at(file, vhd.header_offset, _HEADER_BYTES)
    cookie, next_offset, table_offset, version, entries, block_bytes, _, parent, _, locators = _HEADER.unpack_from(raw)
    if cookie != b"cxsparse":
        raise bad_image(f"{name}: no header where the footer points to")
    _check_seal(raw, _HEADER_SEAL, f"header of {name}")
    if (version, next_offset) != (_VERSION, _NOTHING_MORE):
        raise bad_image(f"{name}: a header of version {version:#x}, followed by {next_offset:#x}, which XenServer does not read")
    if block_bytes & (block_bytes - 1) or not 4096 <= block_bytes <= 64 << 20:
        raise bad_image(f"{name}: blocks of {block_bytes} bytes")
    needed = -(-vhd.size_bytes // block_bytes)
    if not needed <= entries <= needed + (1 << 20):
        raise bad_image(f"{name}: a table of {entries} blocks for {needed}")
    if table_offset < SECTOR or table_offset + 4 * entries > vhd.file_bytes - SECTOR:
        raise bad_image(f"{name}: the table of blocks ends outside of the file")
    return _Header(table_offset, entries, block_bytes, parent, locators)


def _check_table(file: BinaryIO, name: str, vhd: Vhd, header: _Header) -> None:
    """Every block lies between the table and the last footer, and no two overlap."""
    table = array.array("I", _read_at(file, header.table_offset, 4 * header.entries))
    if sys.byteorder == "little":
        table.byteswap()
    bitmap_bytes = -(-(header.block_bytes // SECTOR // 8) // SECTOR) * SECTOR
    step, free_from = (header.block_bytes + bitmap_bytes) // SECTOR, -(-(header.table_offset + 4 * header.entries) // SECTOR)
    for sector in sorted(sector for sector in table if sector != UNUSED):
        if sector < free_from:
            raise bad_image(f"{name}: the block at sector {sector} overlaps what lies before it")
        free_from = sector + step
    if free_from * SECTOR > vhd.file_bytes - SECTOR:
        raise bad_image(f"{name} is cut: a block ends at byte {free_from * SECTOR}, the file has {vhd.file_bytes}")


def _check_locators(name: str, vhd: Vhd, header: _Header) -> None:
    for place in range(8):
        code, _, length, _, offset = _LOCATOR.unpack_from(header.locators, place * _LOCATOR.size)
        if code not in _LOCATORS:
            raise bad_image(f"{name}: its parent is named in an unknown way, {code!r}")
        if code != _NO_LOCATOR and not (offset >= SECTOR and offset + length <= vhd.file_bytes - SECTOR):
            raise bad_image(f"{name}: the name of its parent lies outside of the file")


# ---- what is in it ---------------------------------------------------------------------------------------------------------------


def content(file: BinaryIO, vhd: Vhd, count: int) -> bytes:
    """The first bytes of a disk that has no parent. Refusal BAD_IMAGE when it has one, or is smaller."""
    if vhd.parent is not None or vhd.size_bytes < count:
        raise bad_image(
            f"the first {count} bytes are not all in a disk of {vhd.size_bytes}" if vhd.parent is None else "the disk has a parent"
        )
    if vhd.disk_type == FIXED:
        return _read_at(file, 0, count)
    header = _header(file, "the disk", vhd)
    bitmap_bytes = -(-(header.block_bytes // SECTOR // 8) // SECTOR) * SECTOR
    found = bytearray()
    for sector in struct.unpack(
        f">{-(-count // header.block_bytes)}I", _read_at(file, header.table_offset, 4 * -(-count // header.block_bytes))
    ):
        is_used = sector != UNUSED
        found += _read_at(file, sector * SECTOR + bitmap_bytes, header.block_bytes) if is_used else bytes(header.block_bytes)
    return bytes(found[:count])


# ---- what changes ----------------------------------------------------------------------------------------------------------------


def seal_footer(file: BinaryIO, vhd: Vhd, now_s: float, *, is_hidden: bool) -> None:
    """Mark a disk as hidden or not, and let it not be from the future, which tools refuse. Writes both footers."""
    raw = bytearray(_read_at(file, vhd.file_bytes - SECTOR, SECTOR))
    raw[_HIDDEN_AT] = int(is_hidden)
    struct.pack_into(">I", raw, _CREATED_AT, min(vhd.created, max(int(now_s) - EPOCH_2000_S, 0)))
    _seal(raw, _FOOTER_SEAL)
    for offset in [vhd.file_bytes - SECTOR] + ([] if vhd.disk_type == FIXED else [0]):
        _write_at(file, offset, bytes(raw))


def rename_parent(file: BinaryIO, vhd: Vhd, name: str) -> Vhd:
    """Let a differencing disk look for its parent beside itself under another name. Returns what the file is now.

    The names go where the last footer was, and that behind them: whatever lay in the file stays where it is.
    """
    footer = _read_at(file, vhd.file_bytes - SECTOR, SECTOR)
    raw = bytearray(_read_at(file, vhd.header_offset, _HEADER_BYTES))
    texts = [(b"MacX", f"file://./{name}".encode()), (b"W2ru", f".\\{name}".encode("utf-16-le"))]
    locators = b""
    for place, (code, text) in enumerate(texts):
        offset = vhd.file_bytes - SECTOR + place * SECTOR
        locators += _LOCATOR.pack(code, SECTOR, len(text), 0, offset)
        _write_at(file, offset, text.ljust(SECTOR, b"\0"))
    raw[_LOCATORS_AT : _LOCATORS_AT + 192] = locators.ljust(192, b"\0")
    raw[_PARENT_NAME_AT : _PARENT_NAME_AT + 512] = name.encode("utf-16-be").ljust(512, b"\0")
    _seal(raw, _HEADER_SEAL)
    _write_at(file, vhd.file_bytes + (len(texts) - 1) * SECTOR, footer)
    _write_at(file, vhd.header_offset, bytes(raw))
    return vhd._replace(file_bytes=vhd.file_bytes + len(texts) * SECTOR)


def parent_names(file: BinaryIO, vhd: Vhd) -> List[str]:
    """The names under which a differencing disk looks for its parent."""
    raw = _read_at(file, vhd.header_offset, _HEADER_BYTES)
    found = [raw[_PARENT_NAME_AT : _PARENT_NAME_AT + 512].decode("utf-16-be", "replace").rstrip("\0")]
    for place in range(8):
        code, _, length, _, offset = _LOCATOR.unpack_from(raw, _LOCATORS_AT + place * _LOCATOR.size)
        if code in _DECODED:
            found.append(_read_at(file, offset, min(length, SECTOR)).decode(_DECODED[code], "replace"))
    return found


_DECODED = {b"MacX": "utf-8", b"W2ru": "utf-16-le", b"W2ku": "utf-16-le"}


def checksum(raw: bytes, place: int) -> int:
    """The one's complement of the sum of all bytes but the four at ``place``."""
    return ~(sum(raw) - sum(raw[place : place + 4])) & 0xFFFFFFFF


def _check_seal(raw: bytes, place: int, what: str) -> None:
    if struct.unpack_from(">I", raw, place)[0] != checksum(raw, place):
        raise bad_image(f"wrong checksum of the {what}")


def _seal(raw: bytearray, place: int) -> None:
    struct.pack_into(">I", raw, place, checksum(bytes(raw), place))


def _read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def _write_at(file: BinaryIO, offset: int, content: bytes) -> None:
    file.seek(offset)
    file.write(content)
