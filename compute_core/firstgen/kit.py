"""The boot kit: the tar with what was outside the images of the first generation, kernel, ramdisk and agent; and what fits a system to it.

Pure but for reading the tar.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from compute_core.settings import BadSettings

ROOT_DEVICE = "/dev/xvda1"
MENUS = frozenset({"boot/grub/menu.lst", "boot/grub/grub.conf", "boot/grub/grub.cfg"})
"""What pygrub reads; a kit with a menu of its own gets no other."""
UNPACKERS: Mapping[str, tuple[str, ...]] = {
    ".tar": (),
    ".tar.gz": ("--gzip",),
    ".tgz": ("--gzip",),
    ".tar.xz": ("--xz",),
    ".tar.bz2": ("--bzip2",),
}
"""What tar is told, by the end of the file's name: it cannot find out from a pipe."""
_KERNEL = re.compile(r"boot/vmlinu[xz][^/]*")
_RAMDISK = re.compile(r"boot/init(rd|ramfs)[^/]*")


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit that has been looked into. ``has_menu``: it tells the boot loader itself what to boot."""

    path: Path
    flags: tuple[str, ...]
    kernel: str
    ramdisk: str
    has_menu: bool

    def menu(self) -> str:
        """The boot loader's menu, for pygrub."""
        initrd = f"initrd /{self.ramdisk}\n" if self.ramdisk else ""
        boot = f"kernel /{self.kernel} root={ROOT_DEVICE} ro console=hvc0\n{initrd}"
        return f"default 0\ntimeout 1\n\ntitle {PurePosixPath(self.kernel).name}\nroot (hd0,0)\n{boot}"


def look_into(path: Path) -> Kit:
    """Check a kit. BadSettings for one that cannot be read, boots nothing, or would write elsewhere than into the disk."""
    flags = next((flags for end, flags in UNPACKERS.items() if path.name.endswith(end)), None)
    if flags is None:
        raise BadSettings(f"{path}: no kit. Cure: name a tar whose name ends with {', '.join(UNPACKERS)}.")
    try:
        with tarfile.open(path) as tar:
            members = list(tar)
    except (OSError, tarfile.TarError) as problem:
        reason = str(problem).partition(":\n")[0]
        raise BadSettings(f"{path}: cannot be read ({reason}). Cure: name a tar with kernel, ramdisk and agent.") from None
    names = sorted(_inside(path, members))
    kernels, ramdisks = ([name for name in names if pattern.fullmatch(name)] for pattern in (_KERNEL, _RAMDISK))
    if not kernels:
        raise BadSettings(f"{path}: has no boot/vmlinuz. Cure: add the kernel that the copies are to boot.")
    return Kit(path, flags, kernels[-1], ramdisks[-1] if ramdisks else "", not MENUS.isdisjoint(names))


def _inside(path: Path, members: list[tarfile.TarInfo]) -> Iterator[str]:
    for member in members:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts:
            raise BadSettings(f"{path}: {member.name!r} is outside of what is unpacked. Cure: make the tar with relative names.")
        if not member.isdir():
            yield str(name)


def fitted_fstab(fstab: str, device: str) -> str:
    """The table of a system whose root was ``device`` (``sda1``) and is now ``xvda1``; labels and UUIDs go on to fit."""
    old = re.compile(rf"^/dev/{re.escape(device)}(?=\s)", re.MULTILINE)
    return old.sub(ROOT_DEVICE, fstab)
