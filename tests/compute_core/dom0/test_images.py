"""Images on their way into an SR and out of it: whole chains byte by byte, and everything that is refused, of which nothing is left."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from compute_core.dom0 import chain as chains
from compute_core.dom0 import vhd
from tests.compute_core.dom0.fetching import ANOTHER, PATH, download, download_refused, wanted
from tests.compute_core.dom0.local import NOW_S, SR, call, dom0_in, files_in, refused, sr_folder
from tests.compute_core.dom0.vhds import (
    BASE,
    DISK_BYTES,
    LEAF,
    MIB,
    MIDDLE,
    UUIDS,
    ImageService,
    archived,
    by_qemu,
    chain,
    differencing,
    image_service,
    numbered,
    pattern,
    raw_of,
)

THREE = [f"{uuid}.vhd" for uuid in UUIDS[:3]]


@pytest.fixture
def service() -> Iterator[ImageService]:
    with image_service() as one:
        yield one


def _changed(content: bytes, offset: int, piece: bytes) -> bytes:
    return content[:offset] + piece + content[offset + len(piece) :]


def _resealed(content: bytes, offset: int, size: int, seal_at: int) -> bytes:
    """With the checksum of a structure made right again."""
    raw = content[offset : offset + size]
    return _changed(content, offset + seal_at, struct.pack(">I", vhd.checksum(raw, seal_at)))


# ---- in ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_packed", [True, False], ids=["gzip", "tar"])
def test_a_chain_is_laid_under_its_new_names(tmp_path: Path, service: ImageService, is_packed: bool) -> None:
    content = archived(numbered(chain()), is_packed=is_packed)
    answer = download(tmp_path, service, content, size_bytes=len(content), md5=hashlib.md5(content).hexdigest())
    assert service.headers[0]["X-Auth-Token"] == "t"
    assert answer["bytes"] == len(content)
    assert [(disk["uuid"], disk["parent"], disk["virtual_size"], disk["is_hidden"]) for disk in answer["vhds"]] == [
        (UUIDS[0], UUIDS[1], DISK_BYTES, False),
        (UUIDS[1], UUIDS[2], DISK_BYTES, True),
        (UUIDS[2], "", DISK_BYTES, True),
    ]
    assert files_in(tmp_path) == THREE
    for name, parent in zip(THREE, [*THREE[1:], ""], strict=True):
        with (sr_folder(tmp_path) / name).open("rb") as file:
            found = vhd.read(file, name)
            names = vhd.parent_names(file, found) if found.parent else []
        assert names == ([parent, f"file://./{parent}", f".\\{parent}"] if parent else [])


@pytest.mark.disk_tools
@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
@pytest.mark.parametrize(
    "wrap", [lambda made: made, gzip.compress, lambda made: archived({"0.vhd": made}), lambda made: archived({"image.vhd": made})]
)
def test_a_disk_of_qemu_keeps_its_bytes(tmp_path: Path, service: ImageService, subformat: str, wrap: Callable[[bytes], bytes]) -> None:
    content = pattern(7) + bytes(2 * MIB) + os.urandom(MIB)
    download(tmp_path, service, wrap(by_qemu(tmp_path, content, subformat)))
    laid = sr_folder(tmp_path) / f"{UUIDS[0]}.vhd"
    assert files_in(tmp_path) == [laid.name]
    assert raw_of(laid) == content


def test_zeros_take_no_room(tmp_path: Path, service: ImageService) -> None:
    fixed = differencing(BASE, None, {}, 64 * MIB)
    whole = bytes(64 * MIB) + _as_fixed(fixed, 64 * MIB)
    [disk] = download(tmp_path, service, gzip.compress(whole, 1))["vhds"]
    assert disk["physical_utilisation"] < MIB


def _as_fixed(dynamic: bytes, size: int) -> bytes:
    footer = bytearray(dynamic[-512:])
    struct.pack_into(">Q", footer, 16, 0xFFFFFFFFFFFFFFFF)
    struct.pack_into(">I", footer, 60, 2)
    struct.pack_into(">I", footer, 64, vhd.checksum(bytes(footer), 64))
    return bytes(footer)


def test_a_second_time_it_is_found_done(tmp_path: Path, service: ImageService) -> None:
    first = download(tmp_path, service, archived(numbered(chain())))
    assert call(dom0_in(tmp_path), "image_download", **wanted(service)) == {"vhds": first["vhds"], "bytes": 0}
    assert len(service.headers) == 1


def test_a_disk_from_the_future_is_from_today(tmp_path: Path, service: ImageService) -> None:
    made = differencing(BASE, None, {0: pattern(1)})
    for offset in (0, len(made) - 512):
        made = _resealed(_changed(made, offset + 24, b"\xff\xff\xff\xf0"), offset, 512, 64)
    download(tmp_path, service, made)
    with (sr_folder(tmp_path) / f"{UUIDS[0]}.vhd").open("rb") as file:
        assert vhd.read(file, "it").created == int(NOW_S) - vhd.EPOCH_2000_S


def test_what_a_crash_left_is_cleared_and_what_is_at_work_stays(tmp_path: Path, service: ImageService) -> None:
    machine = dom0_in(tmp_path)
    with chains.staging(machine.sr(SR), "at-work") as held:
        (Path(held) / "0.vhd").write_bytes(b"x")
        dead = sr_folder(tmp_path) / ".inova-staging/dead"
        dead.mkdir()
        (dead / "0.vhd").write_bytes(b"x")
        assert refused(machine, "image_download", **wanted(service))[0] == "NotFound"
        assert files_in(tmp_path) == [".inova-staging/at-work/0.vhd"]
        with pytest.raises(Exception, match="at-work is under way already"), chains.staging(machine.sr(SR), "at-work"):
            pass
    assert files_in(tmp_path) == []


def test_the_srs_own_driver_waits_until_a_chain_is_whole(tmp_path: Path, service: ImageService) -> None:
    lock = Path(f"{tmp_path}{chains.DRIVERS_LOCKS}") / SR / "sr"
    lock.parent.mkdir(parents=True)
    holds = "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", holds, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        driver.stdout.readline()
        with ThreadPoolExecutor() as pool:
            downloading = pool.submit(download, tmp_path, service, archived(numbered(chain())))
            with pytest.raises(TimeoutError):
                downloading.result(timeout=1.0)
            assert [name for name in files_in(tmp_path) if not name.startswith(".")] == []
            driver.communicate(b"\n")
            assert [disk["uuid"] for disk in downloading.result()["vhds"]] == UUIDS[:3]


def test_a_name_that_is_taken_is_kept_and_the_rest_taken_back(tmp_path: Path, service: ImageService) -> None:
    dom0_in(tmp_path)
    taken = sr_folder(tmp_path) / THREE[1]
    taken.write_bytes(b"somebody's disk")
    service.content[PATH] = archived(numbered(chain()))
    with pytest.raises(FileExistsError):
        call(dom0_in(tmp_path), "image_download", **wanted(service))
    assert files_in(tmp_path) == [THREE[1]]
    assert taken.read_bytes() == b"somebody's disk"


# ---- refused -------------------------------------------------------------------------------------------------------------------


def _tar(*members: tuple[str, bytes, bytes]) -> bytes:
    """An archive of members as (name, kind, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


LEAF_ALONE, MIDDLE_ALONE, BASE_ALONE = chain()
LOOP = [differencing(LEAF, MIDDLE, {}), differencing(MIDDLE, LEAF, {})]
TABLE_AT = 1536
REG, SYM, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
DEVICE, FOLDER, SPARSE = tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE
PACKED = archived(numbered(chain()))

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "0.vhd is no VHD: 0 bytes"),
    "text": (b"<html>not found</html>" * 99, "no footer of a VHD at the end of 0.vhd"),
    "cut gzip": (archived(numbered(chain()))[:-9], "the image is cut: its gzip does not end"),
    "damaged gzip": (_changed(PACKED, len(PACKED) - 8, b"\0\0\0\0"), "the image is no whole gzip"),
    "cut tar": (archived(numbered(chain()), is_packed=False)[: 2 * MIB], "the image is cut: it ends within 0.vhd"),
    "tar without end": (archived({"0.vhd": ANOTHER}, is_packed=False)[: 512 + len(ANOTHER)], "it ends within a header of the archive"),
    "up": (_tar(("../0.vhd", REG, ANOTHER)), "'../0.vhd' has no place in an image of VHDs"),
    "absolute": (_tar(("/etc/cron.d/0.vhd", REG, ANOTHER)), "'/etc/cron.d/0.vhd' has no place"),
    "inner": (_tar(("sub/0.vhd", REG, ANOTHER)), "'sub/0.vhd' has no place"),
    "long name": (_tar(("x" * 200 + "/0.vhd", REG, ANOTHER)), "'././@LongLink' in the image is no regular file"),
    "symbolic link": (_tar(("0.vhd", SYM, b"")), "'0.vhd' in the image is no regular file"),
    "hard link": (_tar(("0.vhd", HARD, b"")), "'0.vhd' in the image is no regular file"),
    "device": (_tar(("0.vhd", DEVICE, b"")), "'0.vhd' in the image is no regular file"),
    "folder": (_tar(("0.vhd", FOLDER, b"")), "'0.vhd/' in the image is no regular file"),
    "sparse": (_tar(("0.vhd", SPARSE, b"x")), "'0.vhd' in the image is no regular file"),
    "gap": (archived({"0.vhd": LEAF_ALONE, "2.vhd": BASE_ALONE}), r"the disks \[0, 2\] of the image are no sequence from 0"),
    "nothing inside": (_tar(("box.ovf", REG, b"<x/>")), r"the disks \[\] of the image are no sequence from 0"),
    "twice": (_tar(("0.vhd", REG, ANOTHER), ("./0.vhd", REG, ANOTHER)), "the image has 0.vhd twice"),
    "too long": (_tar(("31.vhd", REG, ANOTHER)), "a chain has at most 30 disks"),
    "much beside": (_tar(("box.ovf", REG, bytes(17 * MIB)), ("0.vhd", REG, ANOTHER)), "box.ovf is too large for what is no disk"),
    "no parent": (archived({"0.vhd": LEAF_ALONE}), f"0.vhd needs the parent {MIDDLE}, which is not there"),
    "wrong parent": (archived(numbered([LEAF_ALONE, differencing(BASE, None, {})])), f"0.vhd was made on {MIDDLE}, and 1.vhd is another"),
    "needless parent": (archived(numbered([BASE_ALONE, MIDDLE_ALONE])), "0.vhd needs no parent, but 1.vhd comes after it"),
    "loop": (archived(numbered(LOOP)), "the chain loops"),
    "own parent": (archived({"0.vhd": differencing(LEAF, LEAF, {})}), "0.vhd is its own parent"),
    "one disk twice": (archived(numbered([ANOTHER, ANOTHER])), "the chain loops: two of its disks have one uuid"),
    "cut disk": (ANOTHER[:-MIB], "no footer of a VHD at the end of 0.vhd"),
    "cut within": (ANOTHER[: 2 * MIB] + ANOTHER[-512:], "0.vhd is cut: a block ends at byte"),
    "footer": (_changed(ANOTHER, len(ANOTHER) - 100, b"x"), "wrong checksum of the footer at the end of 0.vhd"),
    "copy": (_changed(ANOTHER, 100, b"x"), "the footer differs from its copy at the beginning"),
    "header": (_changed(ANOTHER, 512 + 900, b"x"), "wrong checksum of the header of 0.vhd"),
    "no header": (_changed(ANOTHER, 512, b"x"), "no header where the footer points to"),
    "overlap": (_changed(ANOTHER, TABLE_AT + 4, ANOTHER[TABLE_AT : TABLE_AT + 4]), "overlaps what lies before it"),
    "block in header": (_changed(ANOTHER, TABLE_AT, b"\0\0\0\1"), "the block at sector 1 overlaps what lies before it"),
    "blocks": (_resealed(_changed(ANOTHER, 512 + 32, struct.pack(">I", 3000)), 512, 1024, 36), "blocks of 3000 bytes"),
    "version": (_resealed(_changed(ANOTHER, 512 + 24, struct.pack(">I", 0x20000)), 512, 1024, 36), "a header of version 0x20000"),
    "more headers": (_resealed(_changed(ANOTHER, 512 + 8, bytes(8)), 512, 1024, 36), "followed by 0x0, which XenServer does not read"),
    "strange locator": (_resealed(_changed(LEAF_ALONE, 512 + 576, b"What"), 512, 1024, 36), "named in an unknown way, b'What'"),
    "long table": (_resealed(_changed(ANOTHER, 512 + 28, struct.pack(">I", 1 << 20)), 512, 1024, 36), "the table of blocks ends outside"),
    "short table": (_resealed(_changed(ANOTHER, 512 + 28, struct.pack(">I", 1)), 512, 1024, 36), "a table of 1 blocks for 4"),
    "far table": (_resealed(_changed(ANOTHER, 512 + 16, struct.pack(">Q", 1 << 60)), 512, 1024, 36), "the table of blocks ends outside"),
    "far name": (_resealed(_changed(LEAF_ALONE, 512 + 592, struct.pack(">Q", 1 << 60)), 512, 1024, 36), "the name of its parent lies out"),
    "nothing behind": (ANOTHER[-512:], "the footer points to 512, outside of the file"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_image_is_refused_with_the_reason_and_leaves_nothing(tmp_path: Path, service: ImageService, what: str) -> None:
    content, reason = BAD[what]
    kind, text = download_refused(tmp_path, service, content)
    assert kind == "BadImage"
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(text)


FOOTERS: dict[str, tuple[int, bytes, str]] = {
    "type": (60, struct.pack(">I", 9), "of an unknown type 9"),
    "no size": (48, struct.pack(">Q", 0), "tells of a disk of 0 bytes"),
    "odd size": (48, struct.pack(">Q", 513), "tells of a disk of 513 bytes"),
    "huge": (48, struct.pack(">Q", 1 << 62), f"tells of a disk of {1 << 62} bytes"),
    "fixed": (60, struct.pack(">I", 2), f"a fixed disk of {DISK_BYTES} bytes in a file of {len(ANOTHER)}"),
}


@pytest.mark.parametrize("what", FOOTERS)
def test_a_footer_that_cannot_be_is_refused_though_its_checksum_is_right(tmp_path: Path, service: ImageService, what: str) -> None:
    at, piece, reason = FOOTERS[what]
    made = ANOTHER
    for offset in (0, len(made) - 512):
        made = _resealed(_changed(made, offset + at, piece), offset, 512, 64)
    kind, text = download_refused(tmp_path, service, made)
    assert kind == "BadImage"
    assert reason in text


def test_bombs_are_stopped_while_they_unpack(tmp_path: Path, service: ImageService) -> None:
    bomb = gzip.compress(bytes(64 * MIB), 9)
    assert len(bomb) < MIB // 8
    assert download_refused(tmp_path, service, bomb, most_bytes=16 * MIB) == (
        "BadImage",
        f"the image holds more than {16 * MIB} bytes once it is unpacked",
    )
    large = archived({"0.vhd": bytes(64 * MIB)})
    kind, text = download_refused(tmp_path, service, large, most_virtual_bytes=MIB)
    assert (kind, text) == ("BadImage", f"0.vhd has {64 * MIB} bytes, too many for a disk of {MIB}")
    twice = gzip.compress(gzip.compress(ANOTHER))
    assert download_refused(tmp_path, service, twice)[0] == "BadImage"


def test_a_disk_that_is_too_large_for_the_guest_is_refused(tmp_path: Path, service: ImageService) -> None:
    said = f"0.vhd is a disk of {DISK_BYTES} bytes; {DISK_BYTES - 512} are allowed"
    assert download_refused(tmp_path, service, ANOTHER, most_virtual_bytes=DISK_BYTES - 512) == ("BadImage", said)


def test_bytes_other_than_those_announced_are_refused(tmp_path: Path, service: ImageService) -> None:
    digest = hashlib.md5(ANOTHER).hexdigest()
    assert download_refused(tmp_path, service, ANOTHER, size_bytes=7) == (
        "BadImage",
        f"the image has {len(ANOTHER)} bytes where 7 were announced",
    )
    assert download_refused(tmp_path, service, ANOTHER, md5="0" * 32) == (
        "BadImage",
        f"the image's MD5 is {digest} where {'0' * 32} was announced",
    )


def test_a_chain_longer_than_its_names_is_refused(tmp_path: Path, service: ImageService) -> None:
    assert download_refused(tmp_path, service, archived(numbered(chain())), uuids=UUIDS[:2]) == (
        "BadArguments",
        "a chain of 3 disks, and 2 uuids for them",
    )


SAID = {401: "Denied", 403: "Denied", 404: "NotFound", 410: "NotFound", 408: "Retryable", 425: "Retryable", 429: "Retryable"}
SAID |= {500: "Retryable", 503: "Retryable", 302: "BadArguments", 416: "BadArguments"}


@pytest.mark.parametrize(("status", "kind"), SAID.items())
def test_what_the_image_service_says_is_sorted(tmp_path: Path, service: ImageService, status: int, kind: str) -> None:
    service.refusals.append(status)
    found, text = download_refused(tmp_path, service, ANOTHER)
    assert (found, f"GET {service.url}{PATH}: {status}" in text, "no such image" in text) == (kind, True, True)


def test_what_follows_a_question_mark_is_not_told(tmp_path: Path, service: ImageService) -> None:
    kind, text = download_refused(tmp_path, service, ANOTHER, url=f"{service.url}/x?signature=secret")
    assert (kind, "/x: 404" in text, "secret" in text) == ("NotFound", True, False)


def test_a_connection_that_breaks_may_be_tried_again(tmp_path: Path, service: ImageService) -> None:
    service.cut_at = MIB
    kind, text = download_refused(tmp_path, service, ANOTHER)
    assert (kind, "bytes too early" in text or "Incomplete" in text) == ("Retryable", True)
    assert download_refused(tmp_path, service, ANOTHER, url="http://127.0.0.1:9/x")[0] == "Retryable"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"url": "file:///etc/passwd"}, "'url' is no http or https URL"),
        ({"url": "http://u:p@h/x"}, "'url' is no http or https URL"),
        ({"url": "http://h/x y"}, "'url' is no http or https URL"),
        ({"headers": {"a": 1}}, "'headers' is no map of texts"),
        ({"headers": {"a": "b\r\nc: d"}}, "Invalid header value"),
        ({"sr": "../../etc"}, "'sr' is no uuid"),
        ({"uuids": ["../x"]}, "'uuids' is no uuid"),
        ({"uuids": []}, "'uuids' is no list of uuids"),
        ({"uuids": [UUIDS[0], UUIDS[0]]}, "'uuids' names one uuid twice"),
        ({"timeout_s": 0}, "'timeout_s' is no number of seconds"),
        ({"most_bytes": -1}, "'most_bytes' is no number from 0 up"),
        ({"most_bytes": True}, "'most_bytes' is no number from 0 up"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(tmp_path: Path, service: ImageService, arguments: dict[str, Any], said: str) -> None:
    kind, text = download_refused(tmp_path, service, ANOTHER, **arguments)
    assert (kind, said in text) == ("BadArguments", True)


def test_an_sr_that_is_no_folder_is_said(tmp_path: Path, service: ImageService) -> None:
    kind, text = download_refused(tmp_path, service, ANOTHER, sr=UUIDS[7])
    assert (kind, text) == ("NotFound", f"the SR {UUIDS[7]} is no folder of this host: is it plugged, and of type ext, nfs or file?")
