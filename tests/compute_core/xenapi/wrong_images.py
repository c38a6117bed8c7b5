"""Images that are not what they say, each with the reason for which it is refused."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping
from uuid import UUID

from tests.compute_core.dom0.vhds import BASE, LEAF, MIDDLE, archived, chain, differencing, numbered
from tests.compute_core.images.vhds import dynamic

MIB = 1 << 20


def _tar(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            told = tarfile.TarInfo(member[0])
            told.size = len(member[1])
            archive.addfile(told, io.BytesIO(member[1]))
    return out.getvalue()


def _link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    told = tarfile.TarInfo(name)
    told.type, told.linkname = kind, target
    return told


def beyond_the_file(vhd: bytes) -> bytes:
    """A disk whose first block lies behind the end of its file."""
    at = struct.unpack(">Q", vhd[512 + 16 : 512 + 24])[0]
    return vhd[:at] + struct.pack(">I", 1 << 20) + vhd[at + 4 :]


def as_large_as(size: int) -> bytes:
    """A sound VHD without blocks of a disk of that size."""
    return differencing(BASE, None, {}, size=size)


def broken_seal(vhd: bytes) -> bytes:
    return vhd[:-100] + b"x" + vhd[-99:]


LEAF_VHD, MIDDLE_VHD, BASE_VHD = chain()
WRONG: Mapping[str, tuple[bytes, str]] = {
    "path traversal": (_tar(("../../etc/cron.d/0.vhd", BASE_VHD)), "'../../etc/cron.d/0.vhd' has no place in an image of VHDs"),
    "absolute path": (_tar(("/tmp/0.vhd", BASE_VHD)), "'/tmp/0.vhd' has no place"),  # a name in an archive
    "symbolic link": (_tar(_link("0.vhd", "/etc/shadow", tarfile.SYMTYPE)), "'0.vhd' in the image is no regular file"),
    "hard link": (_tar(("0.vhd", BASE_VHD), _link("1.vhd", "/etc/shadow", tarfile.LNKTYPE)), "'1.vhd' in the image is no regular file"),
    "device": (_tar(_link("0.vhd", "", tarfile.BLKTYPE)), "'0.vhd' in the image is no regular file"),
    "looping chain": (
        archived(numbered([differencing(LEAF, BASE, {}), differencing(BASE, LEAF, {})])),
        "the chain loops",
    ),
    "own parent": (archived(numbered([differencing(LEAF, LEAF, {})])), "0.vhd is its own parent"),
    "wrong parent": (archived(numbered([LEAF_VHD, BASE_VHD])), f"0.vhd was made on {MIDDLE}, and 1.vhd is another disk"),
    "no parent": (archived(numbered([LEAF_VHD, MIDDLE_VHD])), f"1.vhd needs the parent {BASE}, which is not there"),
    "parent too many": (archived(numbered([BASE_VHD, MIDDLE_VHD])), "0.vhd needs no parent, but 1.vhd comes after it"),
    "a gap": (archived({"0.vhd": LEAF_VHD, "2.vhd": BASE_VHD}), "the disks [0, 2] of the image are no sequence from 0"),
    "twice": (_tar(("0.vhd", BASE_VHD), ("0.vhd", BASE_VHD)), "the image has 0.vhd twice"),
    "nothing inside": (_tar(("image.ovf", b"")), "the disks [] of the image are no sequence from 0"),
    "no vhd": (archived({"0.vhd": b"j" * 4096}), "no footer of a VHD at the end of 0.vhd"),
    "a block beyond the file": (archived({"0.vhd": beyond_the_file(dynamic({0: b"x"}))}), "0.vhd is cut: a block ends at byte"),
    "a wrong checksum": (archived({"0.vhd": broken_seal(BASE_VHD)}), "wrong checksum of the footer"),
    "cut in the middle": (archived(numbered(chain()), is_packed=False)[: 6 * MIB], "the image is cut: it ends within 1.vhd"),
    "a cut gzip": (archived(numbered(chain()))[:-2000], "the image is cut"),
    "no gzip after all": (b"\x1f\x8b" + b"j" * 5000, "the image is no whole gzip"),
    "a disk beyond the flavor": (archived({"0.vhd": as_large_as(2 << 30)}), "0.vhd is a disk of 2147483648 bytes; 1073741824 are allowed"),
    "a chain too long": (
        archived(numbered([differencing(UUID(int=n), UUID(int=n + 1), {}) for n in range(200, 231)])),
        "30.vhd: a chain has at most 30 disks",
    ),
}
"""Archives of VHDs, by what is wrong with them: (content, reason)."""
