"""Images between an image service and an SR of files, as the cloud stores them: a tar, gzipped or not, of a chain of VHDs, or one VHD."""

import hashlib
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

from compute_core.dom0 import archive, arguments, chain, vhd, web
from compute_core.dom0.machine import Machine
from compute_core.dom0.refusal import NOT_FOUND, Arguments, Refusal, bad_image

_PIECE = 1 << 20


class Limits(NamedTuple):
    """What an image may hold: bytes once unpacked, and bytes of the disk that a guest sees."""

    most_bytes: int
    most_virtual_bytes: int


def download(machine: Machine, given: Arguments) -> Dict[str, Any]:
    """Fetch an image and lay its chain into the SR ``sr`` under ``uuids``, of which a chain takes as many as it needs, the leaf first.

    ``url``, ``headers``, ``ca_file``, ``timeout_s``: where it is. ``most_bytes``, ``most_virtual_bytes``: what is too much. ``size_bytes``
    and ``md5``, when given, are what its bytes must be. Done once, it does nothing but answer: ``{"vhds": [as chain.describe], "bytes"}``.
    SR.scan or VDI.db_introduce makes VDIs of the files. Refusals BAD_IMAGE, FULL, and those of ``web.exchange``.
    """
    sr, uuids, place = arguments.uuid(given, "sr"), arguments.uuids(given, "uuids"), web.place_of(given)
    limits = Limits(arguments.number(given, "most_bytes", 4 << 40), arguments.number(given, "most_virtual_bytes", vhd.MAX_DISK_BYTES))
    folder = chain.require_sr(machine, sr)
    if chain.is_laid(folder, uuids):
        return {"vhds": chain.describe(folder, uuids), "bytes": 0}
    with chain.staging(folder, uuids[0]) as here:
        with web.exchange("GET", place) as answer:
            arrived = _Arrived(given)
            count = unpack(arrived.counted(web.pieces_of(answer)), here, limits)
            arrived.check()
        links = chain.read(here, count, limits.most_virtual_bytes)
        return {"vhds": chain.lay(machine, sr, links, uuids, machine.now_s()), "bytes": arrived.count}


class _Arrived:
    """The bytes of an image as they came, to be compared with what the image service says of them."""

    def __init__(self, given: Arguments) -> None:
        self.count = 0
        self._size = given.get("size_bytes")
        self._md5 = given.get("md5") or ""
        self._digest = hashlib.new("md5")

    def counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces."""
        for piece in pieces:
            self.count += len(piece)
            self._digest.update(piece)
            yield piece

    def md5(self) -> str:
        """Of all bytes so far."""
        return self._digest.hexdigest()

    def check(self) -> None:
        """Refusal BAD_IMAGE when other bytes came than those announced."""
        if self._size is not None and self.count != self._size:
            raise bad_image(f"the image has {self.count} bytes where {self._size} were announced")
        if self._md5 and self.md5() != self._md5:
            raise bad_image(f"the image's MD5 is {self.md5()} where {self._md5} was announced")


def unpack(pieces: Iterator[bytes], folder: str, limits: Limits) -> int:
    """Write the VHDs of a stream into a folder. Returns how many there are; every byte of the stream has been read."""
    stream = archive.Source(pieces)
    plain = archive.Source(_limited(web.unpacked(stream.rest(), stream.peek(2)), limits.most_bytes))
    if not archive.is_header(plain.peek(archive.BLOCK)):
        _write(os.path.join(folder, chain.name_of(0)), plain.rest())
        return 1
    places = [_write_member(plain, member, folder, limits) for member in archive.members(plain)]
    for _ in plain.rest():  # what fills up an archive, and the checksum behind it
        pass
    if sorted(places) != list(range(len(places))) or not places:
        raise bad_image(f"the disks {sorted(places)} of the image are no sequence from 0")
    return len(places)


def _limited(pieces: Iterator[bytes], most_bytes: int) -> Iterator[bytes]:
    count = 0
    for piece in pieces:
        count += len(piece)
        if count > most_bytes:
            raise bad_image(f"the image holds more than {most_bytes} bytes once it is unpacked")
        yield piece


def _write_member(plain: archive.Source, member: archive.Member, folder: str, limits: Limits) -> int:
    place = member.place or 0
    name = chain.name_of(place)
    if member.size > vhd.most_file_bytes(limits.most_virtual_bytes):
        raise bad_image(f"{name} has {member.size} bytes, too many for a disk of {limits.most_virtual_bytes}")
    if place >= chain.MOST_LINKS:
        raise bad_image(f"{name}: a chain has at most {chain.MOST_LINKS} disks")
    path = os.path.join(folder, name)
    if os.path.exists(path):
        raise bad_image(f"the image has {name} twice")
    _write(path, plain.pieces(member.size, name))
    archive.skip_padding(plain, member)
    return place


def _write(path: str, pieces: Iterator[bytes]) -> None:
    """Write a file; blocks of zeros become holes."""
    with open(path, "xb") as file:
        for piece in pieces:
            if piece.count(0) == len(piece):
                file.seek(len(piece), 1)
            else:
                file.write(piece)
        file.truncate()
    os.chmod(path, 0o644)


# ---- upload ----------------------------------------------------------------------------------------------------------------------


def upload(machine: Machine, given: Arguments) -> Dict[str, Any]:
    """Send the chain ``vdis``, the leaf first, of the SR ``sr`` to ``url`` by PUT, as a tar of numbered VHDs.

    ``gzip`` is the level from 1 to 9, 0 for none. The files are held by hard links meanwhile, so that nobody takes them away; no byte is
    copied. Returns ``{"bytes", "md5", "virtual_size", "vhds"}``: how many bytes went out and their MD5, of how many files.
    """
    sr, uuids, place = arguments.uuid(given, "sr"), arguments.uuids(given, "vdis"), web.place_of(given)
    level = arguments.number(given, "gzip", 0)
    if level > 9:
        raise arguments.bad("gzip", "is no level from 0 to 9")
    folder = chain.require_sr(machine, sr)
    with chain.staging(folder, uuids[0]) as here:
        links = _held_chain(folder, here, uuids)
        sent = _Arrived({})
        length = None if level else _archive_bytes(links)
        pieces = web.packed(_archived(links), level) if level else _archived(links)
        typed = place._replace(headers={"Content-Type": "application/octet-stream", **place.headers})
        with web.exchange("PUT", typed, sent.counted(pieces), length) as answer:
            answer.read(_PIECE)
    return {"bytes": sent.count, "md5": sent.md5(), "virtual_size": links[0].vhd.size_bytes, "vhds": len(links)}


def _held_chain(folder: str, here: str, uuids: Sequence[str]) -> List[chain.Link]:
    """The files of a chain, or of its upper part, under a second name."""
    links = []
    for place, uuid in enumerate(uuids):
        path = os.path.join(here, chain.name_of(place))
        try:
            os.link(os.path.join(folder, f"{uuid}.vhd"), path)
        except FileNotFoundError:
            raise Refusal(NOT_FOUND, f"the disk {uuid} is not in the SR") from None
        with open(path, "rb") as file:
            links.append(chain.Link(path, vhd.read(file, f"{uuid}.vhd")))
    for child, parent in zip(links, links[1:]):
        if child.vhd.parent != parent.vhd.uuid:
            raise arguments.bad("vdis", f"is no chain: {child.vhd.uuid} was not made on {parent.vhd.uuid}")
    return links


def _archive_bytes(links: Sequence[chain.Link]) -> int:
    padded = (-(-link.vhd.file_bytes // archive.BLOCK) * archive.BLOCK for link in links)
    return sum(archive.BLOCK + size for size in padded) + len(archive.END)


def _archived(links: Sequence[chain.Link]) -> Iterator[bytes]:
    for place, link in enumerate(links):
        size = link.vhd.file_bytes
        yield archive.header(chain.name_of(place), size)
        with open(link.path, "rb") as file:
            for begin in range(0, size, _PIECE):
                yield _exactly(file.read(min(_PIECE, size - begin)), min(_PIECE, size - begin))
        yield bytes(-size % archive.BLOCK)
    yield archive.END


def _exactly(piece: bytes, count: int) -> bytes:
    """A file that shrinks under us must not make an archive that says otherwise."""
    if len(piece) < count:
        raise Refusal(NOT_FOUND, "a disk became shorter while it was sent")
    return piece
