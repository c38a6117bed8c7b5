"""The boot kit: what is refused before anything begins, and how a system is fitted to its new disk."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from compute_core.firstgen.kit import Kit, fitted_fstab, look_into
from compute_core.settings import BadSettings


def a_tar(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    return path


def test_a_kit_names_its_newest_kernel_and_ramdisk(tmp_path: Path) -> None:
    path = a_tar(tmp_path / "kit.tar.gz", "./boot/vmlinuz-2", "boot/vmlinuz-3", "boot/initrd.img-3", "lib/modules/3/x.ko")
    assert look_into(path) == Kit(path, ("--gzip",), "boot/vmlinuz-3", "boot/initrd.img-3", has_menu=False)


def test_a_kit_without_a_ramdisk_boots_and_one_with_a_menu_keeps_it(tmp_path: Path) -> None:
    kit = look_into(a_tar(tmp_path / "kit.tar", "boot/vmlinuz", "boot/grub/grub.conf"))
    assert (kit.flags, kit.ramdisk, kit.has_menu) == ((), "", True)
    assert kit.menu() == "default 0\ntimeout 1\n\ntitle vmlinuz\nroot (hd0,0)\nkernel /boot/vmlinuz root=/dev/xvda1 ro console=hvc0\n"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("etc/agent",), "has no boot/vmlinuz. Cure: add the kernel that the copies are to boot."),
        (("boot/vmlinuz", "../etc/passwd"), "'../etc/passwd' is outside of what is unpacked. Cure: make the tar with relative names."),
        (("boot/vmlinuz", "/etc/passwd"), "'/etc/passwd' is outside of what is unpacked. Cure: make the tar with relative names."),
    ],
)
def test_a_kit_that_boots_nothing_or_writes_elsewhere_is_refused(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadSettings) as refused:
        look_into(a_tar(tmp_path / "kit.tar", *names))
    assert str(refused.value).partition(": ")[2] == said


def test_what_is_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kit.tar").write_bytes(b"no tar")
    for name, said in (
        ("kit.tar", r"cannot be read \(.*\). Cure: name a tar"),
        ("absent.tar", "cannot be read"),
        ("kit.zip", "no kit. Cure"),
    ):
        with pytest.raises(BadSettings, match=said):
            look_into(tmp_path / name)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/dev/sda1 / ext3 defaults 1 1\n/dev/sda10 /x ext3 d 0 0\n", "/dev/xvda1 / ext3 defaults 1 1\n/dev/sda10 /x ext3 d 0 0\n"),
        ("# /dev/sda1 was here\nLABEL=root / ext3 d 1 1\n", "# /dev/sda1 was here\nLABEL=root / ext3 d 1 1\n"),
        ("/dev/sda1\t/\text3 d 1 1", "/dev/xvda1\t/\text3 d 1 1"),
    ],
)
def test_the_device_of_the_root_is_mended_and_nothing_else(before: str, after: str) -> None:
    assert fitted_fstab(before, "sda1") == after
