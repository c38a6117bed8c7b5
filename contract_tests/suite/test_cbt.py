"""Changed block tracking, with real bytes: bitmaps of 64 KiB blocks between snapshots, and snapshots that keep no more than their log."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from contract_tests.made import MIB, Made
from contract_tests.refusals import refusal
from contract_tests.target import Target
from contract_tests.vhd import BLOCK_BYTES, dynamic
from contract_tests.waiting import finished

SIZE: Final = 16 * MIB
TRACKED: Final = 64 * 1024
PER_BLOCK: Final = BLOCK_BYTES // TRACKED

pytestmark = pytest.mark.requires("VDI.list_changed_blocks", "export_raw_vdi")


@pytest.fixture
def tracked(xapi: Any, made: Made) -> str:
    """A disk that is tracked from its beginning."""
    vdi = made.vdi(SIZE)
    xapi.VDI.enable_cbt(vdi)
    return vdi


@pytest.fixture
def write(target: Target, session: Any, xapi: Any, made: Made) -> Any:
    """Write whole blocks of 2 MiB to a disk, and nothing else."""

    def written(vdi: str, *numbers: int) -> None:
        image = dynamic(SIZE, {number: hashlib.shake_256(f"{vdi}{number}".encode()).digest(BLOCK_BYTES) for number in numbers})
        task = made.task()
        query = urlencode({"session_id": session.handle, "task_id": task, "vdi": vdi, "format": "vhd"})
        reply = target.request("PUT", f"/import_raw_vdi?{query}", image)
        assert (reply.status, finished(xapi, task)["status"]) == (200, "success")

    return written


def changed(xapi: Any, first: str, second: str) -> set[int]:
    """The 64 KiB blocks that the bitmap names, the highest bit of its first byte being the first."""
    bits = base64.b64decode(xapi.VDI.list_changed_blocks(first, second), validate=True)
    assert len(bits) == SIZE // TRACKED // 8
    return {place for place in range(8 * len(bits)) if bits[place >> 3] & 0x80 >> (place & 7)}


def blocks(*numbers: int) -> set[int]:
    """All tracked blocks of blocks of 2 MiB."""
    return {number * PER_BLOCK + part for number in numbers for part in range(PER_BLOCK)}


@pytest.mark.rule("VDI.list_changed_blocks")
def test_what_was_written_between_snapshots_is_listed(xapi: Any, made: Made, tracked: str, write: Any) -> None:
    """One bit per 64 KiB."""
    first = made.keep_vdi(xapi.VDI.snapshot(tracked))
    write(tracked, 1, 6)
    second = made.keep_vdi(xapi.VDI.snapshot(tracked))
    write(tracked, 3)
    third = made.keep_vdi(xapi.VDI.snapshot(tracked))
    assert changed(xapi, first, second) == blocks(1, 6)
    assert changed(xapi, second, third) == blocks(3)
    assert changed(xapi, first, third) == blocks(1, 3, 6)


@pytest.mark.rule("VDI.list_changed_blocks")
def test_nothing_changed_is_an_empty_bitmap(xapi: Any, made: Made, tracked: str) -> None:
    """All bits are zero."""
    first, second = (made.keep_vdi(xapi.VDI.snapshot(tracked)) for _ in range(2))
    assert changed(xapi, first, second) == set()


def test_the_disk_itself_is_compared_while_it_rests(xapi: Any, made: Made, tracked: str, write: Any) -> None:
    """vdi_to may be the disk."""
    first = made.keep_vdi(xapi.VDI.snapshot(tracked))
    write(tracked, 2)
    assert changed(xapi, first, tracked) == blocks(2)


@pytest.mark.rule("VDI.data_destroy")
def test_data_may_go_and_the_log_stays(xapi: Any, made: Made, tracked: str, write: Any) -> None:
    """After data_destroy of the earlier snapshot the bitmap is the same, and the disk is of type cbt_metadata."""
    write(tracked, 0)
    first = made.keep_vdi(xapi.VDI.snapshot(tracked))
    write(tracked, 5)
    second = made.keep_vdi(xapi.VDI.snapshot(tracked))
    xapi.VDI.data_destroy(first)
    record = xapi.VDI.get_record(first)
    assert (record["type"], record["cbt_enabled"], record["is_a_snapshot"]) == ("cbt_metadata", True, True)
    assert int(record["physical_utilisation"]) < 8 * MIB
    assert changed(xapi, first, second) == blocks(5)


@pytest.mark.rule("VDI check 7")
@pytest.mark.parametrize("operation", ["clone", "copy", "snapshot", "resize", "enable_cbt", "disable_cbt", "set_on_boot"])
def test_a_log_is_no_disk(xapi: Any, made: Made, tracked: str, sr: str, operation: str) -> None:
    """VDI_INCOMPATIBLE_TYPE [vdi, "cbt_metadata"]."""
    snapshot = made.keep_vdi(xapi.VDI.snapshot(tracked))
    xapi.VDI.data_destroy(snapshot)
    params = {"copy": (sr,), "resize": (str(2 * SIZE),), "set_on_boot": ("reset",)}.get(operation, ())
    assert refusal(getattr(xapi.VDI, operation), snapshot, *params) == ["VDI_INCOMPATIBLE_TYPE", snapshot, "cbt_metadata"]


@pytest.mark.rule("VDI.get_nbd_info")
@pytest.mark.requires("VDI.get_nbd_info")
def test_a_log_is_not_read_over_nbd(xapi: Any, made: Made, tracked: str) -> None:
    """VDI_INCOMPATIBLE_TYPE [vdi, "cbt_metadata"]."""
    snapshot = made.keep_vdi(xapi.VDI.snapshot(tracked))
    xapi.VDI.data_destroy(snapshot)
    assert refusal(xapi.VDI.get_nbd_info, snapshot) == ["VDI_INCOMPATIBLE_TYPE", snapshot, "cbt_metadata"]


@pytest.mark.rule("VDI.list_changed_blocks")
def test_disks_that_have_nothing_in_common_are_not_compared(xapi: Any, made: Made, tracked: str) -> None:
    """SR_BACKEND_FAILURE_460 ["", text, ""]."""
    stranger = made.vdi(SIZE)
    xapi.VDI.enable_cbt(stranger)
    details = refusal(xapi.VDI.list_changed_blocks, tracked, stranger)
    assert (details[0], details[1], len(details)) == ("SR_BACKEND_FAILURE_460", "", 4)


def test_the_order_of_time_counts(xapi: Any, made: Made, tracked: str) -> None:
    """From a later to an earlier snapshot leads no log: SR_BACKEND_FAILURE_460."""
    first, second = (made.keep_vdi(xapi.VDI.snapshot(tracked)) for _ in range(2))
    assert refusal(xapi.VDI.list_changed_blocks, second, first)[0] == "SR_BACKEND_FAILURE_460"


@pytest.mark.rule("VDI.list_changed_blocks")
def test_switching_tracking_off_breaks_the_chain(xapi: Any, made: Made, tracked: str) -> None:
    """What was before cannot be compared with what comes after: SR_BACKEND_FAILURE_460."""
    first = made.keep_vdi(xapi.VDI.snapshot(tracked))
    xapi.VDI.disable_cbt(tracked)
    xapi.VDI.enable_cbt(tracked)
    second = made.keep_vdi(xapi.VDI.snapshot(tracked))
    assert refusal(xapi.VDI.list_changed_blocks, first, second)[0] == "SR_BACKEND_FAILURE_460"


def test_a_snapshot_between_may_go(xapi: Any, made: Made, tracked: str, write: Any) -> None:
    """Its log goes to the next one."""
    first = made.keep_vdi(xapi.VDI.snapshot(tracked))
    write(tracked, 1)
    second = made.keep_vdi(xapi.VDI.snapshot(tracked))
    write(tracked, 2)
    third = made.keep_vdi(xapi.VDI.snapshot(tracked))
    xapi.VDI.destroy(second)
    assert changed(xapi, first, third) == blocks(1, 2)
