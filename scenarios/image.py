"""The image from which a rehearsal builds servers: a real ext4 file system in a real VHD, made by the tools that operators use."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from compute_core.dom0 import chain, images
from compute_core.dom0.refusal import Refusal
from compute_core.images.contents import ChainContent
from compute_core.images.vhd_write import pieces_of
from scenarios import prerequisites

PROGRAMS = ("mke2fs", "e2fsck", "qemu-img")
SIZE_MIB = 16
LIMIT_BYTES = 1 << 40
"""No disk of a rehearsal is larger."""
SEED_UUID = "6e6f7661-2012-4801-8000-000000000001"
"""The file system's uuid and hash seed."""
BOOT_TIME = "1343779200"


class ImageToolFailed(RuntimeError):
    """A tool is missing or has failed; the message names it and the cure."""


def make(target: Path) -> None:
    """Write a VHD with an ext4 file system of a few files."""
    with tempfile.TemporaryDirectory(prefix="inova-image-") as folder:
        root, raw = Path(folder, "root"), Path(folder, "root.img")
        _fill(root)
        with raw.open("wb") as file:
            file.truncate(SIZE_MIB << 20)
        _run(
            "mke2fs",
            "-q",
            "-F",
            "-t",
            "ext4",
            "-b",
            "1024",
            "-N",
            "128",
            "-J",
            "size=1",
            "-U",
            SEED_UUID,
            "-E",
            f"hash_seed={SEED_UUID},root_owner=0:0",
            "-d",
            str(root),
            str(raw),
        )
        _run("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=dynamic,force_size=on", str(raw), str(target))
    check(target)


def check(path: Path) -> None:
    """Let qemu-img read every block of a VHD, and e2fsck every structure of the file system in it; ImageToolFailed says what is wrong.

    ``qemu-img check`` itself has no check of VHDs: it ends with 63 for them. So the image is converted, which reads its tables and all
    that they lead to, and what comes out must be a whole file system.
    """
    with tempfile.TemporaryDirectory(prefix="inova-check-") as folder:
        raw = Path(folder, "root.img")
        _run("qemu-img", "convert", "-f", "vpc", "-O", "raw", str(path), str(raw))
        _run("e2fsck", "-f", "-n", str(raw))


class CheckedImages:
    """Checks images that come back from the cell, each disk once: hundreds of hosts give back the same one.

    An image is a chain of VHDs in a tar. The tools read no disk that stands on another one: they are given the whole as one VHD.
    """

    def __init__(self) -> None:
        self._sound: set[bytes] = set()
        self._latest = b""

    def check(self, content: bytes) -> None:
        """ImageToolFailed when the tools find something wrong."""
        disk = whole(content)
        if disk == self._latest:
            return
        digest = hashlib.blake2b(disk).digest()
        if digest not in self._sound:
            self._let_the_tools_look(disk)
        self._sound.add(digest)
        self._latest = disk

    @staticmethod
    def _let_the_tools_look(disk: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="inova-check-") as folder:
            path = Path(folder, "image.vhd")
            path.write_bytes(disk)
            check(path)


def whole(content: bytes) -> bytes:
    """The disk of an image, one VHD or a tar of a chain of them, as one VHD. ImageToolFailed: it is none."""
    with tempfile.TemporaryDirectory(prefix="inova-check-") as folder:
        try:
            count = images.unpack(iter([content]), folder, images.Limits(LIMIT_BYTES, LIMIT_BYTES))
            links = chain.read(folder, count, LIMIT_BYTES)
        except Refusal as refusal:
            raise ImageToolFailed(f"what the cell gave back is no image: {refusal}") from refusal
        disk = ChainContent([Path(link.path) for link in links])
        return b"".join(pieces_of(disk, disk.numbers()))


def corrupt(path: Path) -> None:
    """Break a VHD the way a torn download does: the end is missing, and a block's place leads nowhere."""
    content = bytearray(path.read_bytes())
    table_offset = int.from_bytes(content[512 + 16 : 512 + 24], "big")
    content[table_offset : table_offset + 4] = (0x7FFFFFF0).to_bytes(4, "big")
    path.write_bytes(content[: len(content) * 2 // 3])


def _fill(root: Path) -> None:
    for name, text in {
        "etc/hostname": "rehearsal\n",
        "etc/os-release": 'NAME="Rehearsal Linux"\nVERSION_ID="1"\n',
        "boot/grub/menu.lst": "default 0\ntitle rehearsal\nroot (hd0)\nkernel /boot/vmlinuz\n",
        "boot/vmlinuz": "not a kernel, but a file that has to arrive whole\n" * 4096,
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _run(program: str, *arguments: str) -> None:
    found = prerequisites.find(program)
    if found is None:
        raise ImageToolFailed(f"{program} is missing; {prerequisites.cure(prerequisites.missing([program]))}")
    done = subprocess.run(
        [str(found), *arguments], capture_output=True, text=True, check=False, env={"E2FSPROGS_FAKE_TIME": BOOT_TIME, "LC_ALL": "C"}
    )
    if done.returncode:
        raise ImageToolFailed(f"{program} {' '.join(arguments)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
