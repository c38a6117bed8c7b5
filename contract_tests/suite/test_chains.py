"""Chains of VHDs as a client sees them: bases that nobody may use, what each disk takes, what is left when disks go, deltas."""

from __future__ import annotations

import hashlib
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from contract_tests.made import MIB, Made
from contract_tests.refusals import refusal
from contract_tests.target import Reply, Target
from contract_tests.vhd import BLOCK_BYTES, dynamic, laid_upon
from contract_tests.waiting import finished, until

SIZE: Final = 32 * MIB
CHAINING: Final = frozenset({"ext", "lvm", "nfs", "file", "smb", "lvmoiscsi", "lvmohba"})
LONGEST: Final = 30

pytestmark = pytest.mark.requires("export_raw_vdi")


@pytest.fixture(autouse=True)
def _chains(xapi: Any, sr: str) -> None:
    """Skip where disks are no VHDs."""
    if xapi.SR.get_type(sr) not in CHAINING:
        pytest.skip(f"disks of {xapi.SR.get_type(sr)} are no chains")


@pytest.fixture
def transfer(target: Target, session: Any, xapi: Any, made: Made) -> Any:
    """Send or fetch an image."""

    def send(method: str, path: str, body: bytes = b"", **query: str) -> Reply:
        task = made.task()
        text = urlencode({"session_id": session.handle, "task_id": task, **query})
        reply = target.request(method, f"{path}?{text}", body)
        assert (reply.status, finished(xapi, task)["status"]) == (200, "success")
        return reply

    return send


@pytest.fixture
def write(transfer: Any) -> Any:
    """Write whole blocks of 2 MiB to a disk, and nothing else."""

    def written(vdi: str, *numbers: int, seed: str = "") -> None:
        content = {number: hashlib.shake_256(f"{vdi}{seed}{number}".encode()).digest(BLOCK_BYTES) for number in numbers}
        transfer("PUT", "/import_raw_vdi", dynamic(SIZE, content), vdi=vdi, format="vhd")

    return written


def parent(xapi: Any, vdi: str) -> str:
    """The uuid of the base below a disk, "" for none."""
    return str(xapi.VDI.get_sm_config(vdi).get("vhd-parent", ""))


@pytest.mark.rule("VHD chain split")
def test_the_first_split_makes_a_base(xapi: Any, made: Made, write: Any) -> None:
    """A snapshot turns what was there into an unmanaged, read-only base of which both are differences."""
    vdi = made.vdi(SIZE)
    write(vdi, 0, 1, 2)
    xapi.VDI.update(vdi)
    full = int(xapi.VDI.get_physical_utilisation(vdi))
    snapshot = made.keep_vdi(xapi.VDI.snapshot(vdi))
    assert parent(xapi, vdi) == parent(xapi, snapshot) != ""
    base = xapi.VDI.get_record(xapi.VDI.get_by_uuid(parent(xapi, vdi)))
    assert (base["managed"], base["read_only"], base["virtual_size"], base["VBDs"]) == (False, True, str(SIZE), [])
    assert xapi.VDI.get_sm_config(vdi)["vdi_type"] == xapi.VDI.get_sm_config(snapshot)["vdi_type"] == "vhd"
    assert 6 * MIB <= int(base["physical_utilisation"]) <= full + 4 * MIB


@pytest.mark.rule("VHD chain split")
def test_disks_take_what_they_hold_themselves(xapi: Any, made: Made, sr: str, write: Any) -> None:
    """After a split the disk takes little, then what is written to it."""
    if xapi.SR.get_type(sr).startswith("lvm"):
        pytest.skip("a writable disk on LVM takes all of its size")
    vdi = made.vdi(SIZE)
    write(vdi, 0, 1, 2, 3)
    made.keep_vdi(xapi.VDI.snapshot(vdi))
    xapi.SR.scan(sr)
    assert int(xapi.VDI.get_physical_utilisation(vdi)) < 2 * MIB
    write(vdi, 9)
    xapi.SR.scan(sr)
    assert 2 * MIB <= int(xapi.VDI.get_physical_utilisation(vdi)) < 4 * MIB


@pytest.mark.rule("VBD check 12")
def test_a_base_is_not_for_clients(xapi: Any, made: Made, write: Any) -> None:
    """VDI_NOT_MANAGED [vbd]: a base is in no VM."""
    vdi = made.vdi(SIZE)
    write(vdi, 0)
    made.keep_vdi(xapi.VDI.snapshot(vdi))
    base = xapi.VDI.get_by_uuid(parent(xapi, vdi))
    vm = made.vm()
    vbd = made.vbd(vm, base, mode="RO")
    assert refusal(xapi.VBD.assert_attachable, vbd) == ["VDI_NOT_MANAGED", vbd]
    assert xapi.VBD.get_allowed_operations(vbd) == []
    xapi.VBD.destroy(vbd)


@pytest.mark.rule("VDI_NOT_MANAGED")
def test_nobody_touches_a_base(xapi: Any, made: Made, sr: str, write: Any) -> None:
    """VDI_NOT_MANAGED [vdi]: whoever touched a base would break the disks above it."""
    vdi = made.vdi(SIZE)
    write(vdi, 0)
    made.keep_vdi(xapi.VDI.snapshot(vdi))
    base = xapi.VDI.get_by_uuid(parent(xapi, vdi))
    refused = ["VDI_NOT_MANAGED", base]
    assert refusal(xapi.VDI.snapshot, base, {}) == refused
    assert refusal(xapi.VDI.clone, base, {}) == refused
    assert refusal(xapi.VDI.copy, base, sr) == refused
    assert refusal(xapi.VDI.resize, base, str(2 * SIZE)) == refused
    assert refusal(xapi.VDI.destroy, base) == refused


@pytest.mark.rule("VHD chain coalesced")
def test_the_collector_removes_a_base_with_one_child(xapi: Any, made: Made, sr: str, write: Any) -> None:
    """When the snapshot is gone a scan lets the base be merged into the disk, which keeps its bytes."""
    vdi = made.vdi(SIZE)
    write(vdi, 0, 1)
    snapshot = xapi.VDI.snapshot(vdi)
    base = parent(xapi, vdi)
    xapi.VDI.destroy(snapshot)

    def merged() -> bool:
        xapi.SR.scan(sr)
        return parent(xapi, vdi) == ""

    until(merged, "the end of the chain", timeout_s=600)
    assert refusal(xapi.VDI.get_by_uuid, base) == ["UUID_INVALID", "VDI", base]


@pytest.mark.rule("VHD chain coalesced")
def test_a_base_lives_while_two_are_upon_it(xapi: Any, made: Made, sr: str, write: Any) -> None:
    """A scan leaves it alone."""
    vdi = made.vdi(SIZE)
    write(vdi, 0)
    made.keep_vdi(xapi.VDI.snapshot(vdi))
    before = parent(xapi, vdi)
    xapi.SR.scan(sr)
    assert xapi.VDI.get_managed(xapi.VDI.get_by_uuid(before)) is False


@pytest.mark.rule("VHD chain depth")
def test_a_chain_has_an_end(xapi: Any, made: Made, write: Any) -> None:
    """SR_BACKEND_FAILURE_109 when a chain would be longer than thirty."""
    vdi = made.vdi(SIZE)
    for number in range(LONGEST - 1):
        write(vdi, number % 8, seed=str(number))
        made.keep_vdi(xapi.VDI.snapshot(vdi))
    write(vdi, 0, seed="last")
    assert chain(xapi, vdi) == LONGEST
    assert refusal(xapi.VDI.snapshot, vdi)[0] == "SR_BACKEND_FAILURE_109"


def chain(xapi: Any, vdi: str) -> int:
    """How many VHDs a disk is read through."""
    length, above = 1, parent(xapi, vdi)
    while above:
        length, above = length + 1, parent(xapi, xapi.VDI.get_by_uuid(above))
    return length


# ---- deltas ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("GET /export_raw_vdi")
def test_a_delta_holds_what_changed(xapi: Any, made: Made, transfer: Any, write: Any) -> None:
    """Exported with base= a VHD holds the blocks since then; laid upon the base's bytes it is the disk."""
    vdi = made.vdi(SIZE)
    write(vdi, 0, 4)
    snapshot = made.keep_vdi(xapi.VDI.snapshot(vdi))
    write(vdi, 4, 7, seed="later")
    delta = transfer("GET", "/export_raw_vdi", vdi=vdi, format="vhd", base=snapshot).body
    assert len(delta) < 8 * MIB
    base = transfer("GET", "/export_raw_vdi", vdi=snapshot, format="raw").body
    assert laid_upon(base, delta) == transfer("GET", "/export_raw_vdi", vdi=vdi, format="raw").body


def test_a_delta_moves_a_disk_on(xapi: Any, made: Made, transfer: Any, write: Any) -> None:
    """Imported into a copy of the base it makes the disk."""
    vdi = made.vdi(SIZE)
    write(vdi, 0, 4)
    snapshot = made.keep_vdi(xapi.VDI.snapshot(vdi))
    write(vdi, 4, 7, seed="later")
    there = made.vdi(SIZE)
    for query in ({"vdi": snapshot}, {"vdi": vdi, "base": snapshot}):
        image = transfer("GET", "/export_raw_vdi", format="vhd", **query).body
        transfer("PUT", "/import_raw_vdi", image, vdi=there, format="vhd")
    raw = [transfer("GET", "/export_raw_vdi", vdi=one, format="raw").body for one in (vdi, there)]
    assert raw[0] == raw[1]
