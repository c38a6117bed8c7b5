"""What broken-off calls have left in dom0: seen, weighed, and removed only when nobody is at work there."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tests.compute_core.dom0.local import NOW_S, OTHER_SR, SR, call, dom0_in, refused, sr_folder

KERNEL = "00000000-0000-4000-8000-00000000000a"
STAGED, COMING = f"/run/sr-mount/{SR}/.inova-staging/x", f"/run/sr-mount/{OTHER_SR}/.inova-incoming/m-0"
HALF = f"/boot/guest/{KERNEL}.17"


def laid(folder: Path, path: str, content: bytes, age_s: float) -> None:
    file = folder / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    for each in (file, file.parent):
        os.utime(each, (NOW_S - age_s, NOW_S - age_s))


def dom0_with_leftovers(folder: Path) -> None:
    laid(folder, f"{STAGED}/0.vhd", b"x" * 5000, 7200.0)
    laid(folder, f"{COMING}/0.vhd", b"y", 60.0)
    laid(folder, HALF, b"z", 7200.0)
    laid(folder, f"/boot/guest/{KERNEL}", b"whole", 7200.0)
    laid(folder, f"/run/sr-mount/{SR}/a.vhd", b"disk", 7200.0)


def test_folders_of_calls_and_halves_of_kernels_are_seen_and_nothing_else(tmp_path: Path) -> None:
    dom0_with_leftovers(tmp_path)

    seen = {each["path"]: (each["size"] > 0, each["idle_s"]) for each in call(dom0_in(tmp_path), "leftovers")}

    assert seen == {STAGED: (True, 7200.0), COMING: (True, 60.0), HALF: (True, 7200.0)}


def test_what_was_changed_lately_or_is_held_or_is_no_leftover_stays(tmp_path: Path) -> None:
    dom0_with_leftovers(tmp_path)
    machine, wanted = dom0_in(tmp_path), [STAGED, COMING, HALF, f"/boot/guest/{KERNEL}", f"/run/sr-mount/{SR}/a.vhd", "/etc/passwd"]
    at_work = os.open(tmp_path / STAGED.lstrip("/"), os.O_RDONLY)
    fcntl.flock(at_work, fcntl.LOCK_EX)

    first = call(machine, "leftovers_remove", paths=wanted, idle_s=3600)
    os.close(at_work)
    then = call(machine, "leftovers_remove", paths=wanted, idle_s=3600)

    assert (first, then) == ([HALF], [STAGED])
    assert [each["path"] for each in call(machine, "leftovers")] == [COMING]
    assert (sr_folder(tmp_path) / "a.vhd").read_bytes() == b"disk"
    assert (tmp_path / "boot/guest" / KERNEL).read_bytes() == b"whole"


def test_the_folder_of_a_disk_that_has_come_waits_for_the_other_disks_of_its_vm(tmp_path: Path) -> None:
    dom0_with_leftovers(tmp_path)
    come, others = f"{COMING[:-1]}1", f"{COMING[:-3]}n-0"
    for path in (come, others):
        laid(tmp_path, f"{path}/0.vhd", b"y", 7200.0)

    seen = {each["path"]: each["idle_s"] for each in call(dom0_in(tmp_path), "leftovers")}
    gone = call(dom0_in(tmp_path), "leftovers_remove", paths=[come, others], idle_s=3600)

    assert (seen[COMING], seen[come], seen[others], gone) == (60.0, 60.0, 7200.0, [others])


def test_a_fresh_dom0_has_none_and_odd_arguments_are_refused(tmp_path: Path) -> None:
    assert call(dom0_in(tmp_path), "leftovers") == []
    assert refused(dom0_in(tmp_path), "leftovers_remove", paths="all", idle_s=0)[0] == "BadArguments"
