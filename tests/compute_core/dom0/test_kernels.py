"""Kernels of guests in dom0: the first bytes of a disk of an SR become a file, whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.compute_core.dom0.local import NOW_S, SR, call, dom0_in, refused, sr_folder
from tests.compute_core.dom0.vhds import BASE, LEAF, MIB, differencing, pattern
from tests.compute_core.images.vhds import fixed

NAME, VDI = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
DISK = pattern(1) + bytes(2 * MIB) + pattern(3) + bytes(2 * MIB)
VHDS = {
    "dynamic": differencing(BASE, None, {0: pattern(1), 2: pattern(3)}),
    "fixed": fixed(DISK),
}


def kept(folder: Path, vhd: bytes, size: int, md5: str = "") -> bytes:
    machine = dom0_in(folder)
    (sr_folder(folder) / f"{VDI}.vhd").write_bytes(vhd)
    answer = call(machine, "kernel_keep", sr=SR, vdi=VDI, name=NAME, size=size, md5=md5)
    assert answer == {"path": f"/boot/guest/{NAME}"}
    return (folder / "boot/guest" / NAME).read_bytes()


@pytest.mark.parametrize("form", VHDS)
@pytest.mark.parametrize("size", [1, 3 * MIB, 5 * MIB + 7])
def test_the_first_bytes_of_a_disk_become_a_file(tmp_path: Path, form: str, size: int) -> None:
    assert kept(tmp_path, VHDS[form], size, hashlib.md5(DISK[:size]).hexdigest()) == DISK[:size]


def test_what_is_there_already_is_found_there(tmp_path: Path) -> None:
    kept(tmp_path, VHDS["fixed"], 1000)
    (sr_folder(tmp_path) / f"{VDI}.vhd").unlink()

    assert call(dom0_in(tmp_path), "kernel_keep", sr=SR, vdi=VDI, name=NAME, size=1000) == {"path": f"/boot/guest/{NAME}"}


@pytest.mark.parametrize(
    ("vhd", "size", "md5", "kind", "text"),
    [
        (VHDS["fixed"], 1000, "0" * 32, "BadImage", "the kernel's MD5 is"),
        (VHDS["fixed"], 9 * MIB, "", "BadImage", f"the first {9 * MIB} bytes are not all in a disk of {8 * MIB}"),
        (VHDS["fixed"], 0, "", "BadImage", "a kernel of 0 bytes"),
        (VHDS["fixed"], 1 << 30, "", "BadImage", "a kernel of 1073741824 bytes"),
        (differencing(LEAF, BASE, {0: pattern(1)}), 1000, "", "BadImage", "the disk has a parent"),
        (b"", 1000, "", "BadImage", "is no VHD"),
        (None, 1000, "", "NotFound", f"the SR {SR} has no disk {VDI}"),
    ],
)
def test_what_is_no_kernel_leaves_no_file(tmp_path: Path, vhd: bytes | None, size: int, md5: str, kind: str, text: str) -> None:
    machine = dom0_in(tmp_path)
    if vhd is not None:
        (sr_folder(tmp_path) / f"{VDI}.vhd").write_bytes(vhd)

    found, said = refused(machine, "kernel_keep", sr=SR, vdi=VDI, name=NAME, size=size, md5=md5)

    assert (found, text in said) == (kind, True)
    assert not (tmp_path / "boot").exists()


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    assert refused(dom0_in(tmp_path), "kernel_keep", sr=SR, vdi=VDI, name="../../etc/passwd", size=1)[0] == "BadArguments"


def test_kernels_are_listed_with_how_long_nobody_has_asked_for_them_and_only_idle_ones_are_forgotten(tmp_path: Path) -> None:
    kept(tmp_path, VHDS["fixed"], 1000)
    folder, idle = tmp_path / "boot/guest", "00000000-0000-4000-8000-00000000000c"
    for name in (idle, "vmlinuz-somebodys"):
        (folder / name).write_bytes(b"kernel")
        os.utime(folder / name, (NOW_S - 100, NOW_S - 100))
    machine = dom0_in(tmp_path)

    assert call(machine, "kernel_list") == [{"name": NAME, "size": 1000, "idle_s": 0.0}, {"name": idle, "size": 6, "idle_s": 100.0}]
    assert call(machine, "kernel_forget", names=[NAME, idle], idle_s=60) == [idle]
    assert call(machine, "kernel_forget", names=[NAME, idle], idle_s=60) == []
    assert sorted(path.name for path in folder.iterdir()) == [NAME, "vmlinuz-somebodys"]


def test_a_dom0_that_has_kept_no_kernel_has_none(tmp_path: Path) -> None:
    assert call(dom0_in(tmp_path), "kernel_list") == []
