"""Real bytes in and out: PUT /import_raw_vdi and GET /export_raw_vdi, raw and VHD."""

from __future__ import annotations

import base64
import hashlib
import ssl
from typing import Any
from urllib.parse import urlencode

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import HARDWARE, MIB, Made
from contract_tests.refusals import DEAD, NULL, refusal
from contract_tests.target import Reply, Target
from contract_tests.vhd import BLOCK_BYTES, contents, dynamic
from contract_tests.waiting import finished, until

SIZE = 8 * MIB
NO_REPLY = Reply(0, {}, b"")  # a server may close the connection on a body that it does not want


pytestmark = pytest.mark.requires("export_raw_vdi")


@pytest.fixture
def transfer(target: Target, session: Any, xapi: Any, made: Made) -> Any:
    """Send a request with a task and give the reply once the task has ended, with the task's record."""

    def send(method: str, path: str, body: bytes = b"", **query: str) -> tuple[Reply, dict[str, Any]]:
        task = made.task()
        text = urlencode({"session_id": session.handle, "task_id": task, **query})
        try:
            reply = target.request(method, f"{path}?{text}", body)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            reply = NO_REPLY
        return reply, finished(xapi, task)

    return send


@pytest.fixture
def imported(transfer: Any) -> Any:
    """Write bytes to a disk."""

    def write(vdi: str, body: bytes, form: str = "raw") -> None:
        reply, task = transfer("PUT", "/import_raw_vdi", body, vdi=vdi, format=form)
        assert (reply.status, task["status"], task["error_info"]) == (200, "success", [])

    return write


@pytest.fixture
def exported(transfer: Any) -> Any:
    """Read a disk's bytes."""

    def read(vdi: str, form: str = "raw") -> bytes:
        reply, task = transfer("GET", "/export_raw_vdi", vdi=vdi, format=form)
        assert (reply.status, task["status"], task["error_info"]) == (200, "success", [])
        return bytes(reply.body)

    return read


def pattern(seed: str, size: int = SIZE) -> bytes:
    """Bytes that repeat nowhere."""
    return hashlib.shake_256(seed.encode()).digest(size)


def sparse(seed: str) -> bytes:
    """A disk with bytes at its start and at its end and nothing between."""
    return pattern(seed, 4096) + bytes(SIZE - 8192) + pattern(seed + "'", 4096)


def test_a_new_disk_reads_as_zeros(made: Made, exported: Any) -> None:
    """Nothing was ever written."""
    assert exported(made.vdi(SIZE)) == bytes(SIZE)


@pytest.mark.rule("PUT /import_raw_vdi")
def test_raw_bytes_come_back(made: Made, imported: Any, exported: Any) -> None:
    """What was written is read, to the byte."""
    vdi, body = made.vdi(SIZE), pattern("a")
    imported(vdi, body)
    assert exported(vdi) == body


def test_the_last_write_counts(made: Made, imported: Any, exported: Any) -> None:
    """A second import overwrites the first, zeros too."""
    vdi = made.vdi(SIZE)
    imported(vdi, pattern("a"))
    imported(vdi, sparse("b"))
    assert exported(vdi) == sparse("b")


@pytest.mark.rule("PUT /import_raw_vdi")
def test_a_vhd_is_taken_apart(made: Made, imported: Any, exported: Any) -> None:
    """Importing a VHD writes the disk in it."""
    vdi, block = made.vdi(SIZE), pattern("c", BLOCK_BYTES)
    imported(vdi, dynamic(SIZE, {1: block, 3: block}), "vhd")
    assert exported(vdi) == bytes(BLOCK_BYTES) + block + bytes(BLOCK_BYTES) + block


@pytest.mark.rule("GET /export_raw_vdi")
def test_a_vhd_is_put_together(made: Made, imported: Any, exported: Any) -> None:
    """Exporting as VHD gives a valid file of the whole disk."""
    vdi = made.vdi(SIZE)
    imported(vdi, sparse("d"))
    assert contents(exported(vdi, "vhd")) == sparse("d")


def test_a_vhd_is_as_small_as_what_was_written(made: Made, imported: Any, exported: Any) -> None:
    """Blocks that nobody wrote are not in the file."""
    vdi = made.vdi(64 * MIB)
    imported(vdi, dynamic(64 * MIB, {0: pattern("e", BLOCK_BYTES)}), "vhd")
    assert len(exported(vdi, "vhd")) < 8 * MIB


def test_an_exported_vhd_can_be_imported(made: Made, imported: Any, exported: Any) -> None:
    """A disk moves as a file."""
    here, there = made.vdi(SIZE), made.vdi(SIZE)
    imported(here, sparse("f"))
    imported(there, exported(here, "vhd"), "vhd")
    assert exported(there) == sparse("f")


def test_a_snapshot_keeps_its_bytes(xapi: Any, made: Made, imported: Any, exported: Any) -> None:
    """Writing to a disk does not change its snapshot."""
    vdi = made.vdi(SIZE)
    imported(vdi, sparse("before"))
    snapshot = made.keep_vdi(xapi.VDI.snapshot(vdi))
    imported(vdi, sparse("after"))
    assert (exported(snapshot), exported(vdi)) == (sparse("before"), sparse("after"))


def test_a_snapshot_as_a_vhd_is_whole(xapi: Any, made: Made, imported: Any, exported: Any) -> None:
    """A VHD holds the whole chain below the disk."""
    vdi = made.vdi(SIZE)
    imported(vdi, sparse("g"))
    first = made.keep_vdi(xapi.VDI.snapshot(vdi))
    imported(vdi, sparse("h"))
    second = made.keep_vdi(xapi.VDI.snapshot(vdi))
    assert (contents(exported(first, "vhd")), contents(exported(second, "vhd"))) == (sparse("g"), sparse("h"))


def test_a_clone_has_the_bytes_and_goes_its_own_way(xapi: Any, made: Made, imported: Any, exported: Any) -> None:
    """Clone and source share what was, not what comes."""
    vdi = made.vdi(SIZE)
    imported(vdi, sparse("source"))
    clone = made.keep_vdi(xapi.VDI.clone(vdi))
    assert exported(clone) == sparse("source")
    imported(clone, pattern("clone"))
    assert (exported(vdi), exported(clone)) == (sparse("source"), pattern("clone"))


@pytest.mark.rule("VDI.copy")
def test_a_copy_has_the_bytes(xapi: Any, made: Made, sr: str, imported: Any, exported: Any) -> None:
    """VDI.copy copies every byte."""
    vdi = made.vdi(SIZE)
    imported(vdi, sparse("i"))
    assert exported(made.keep_vdi(xapi.VDI.copy(vdi, sr))) == sparse("i")


def test_a_grown_disk_keeps_its_bytes(xapi: Any, made: Made, imported: Any, exported: Any) -> None:
    """What resize adds reads as zeros."""
    vdi = made.vdi(SIZE)
    imported(vdi, pattern("j"))
    xapi.VDI.resize(vdi, str(2 * SIZE))
    assert exported(vdi) == pattern("j") + bytes(int(xapi.VDI.get_virtual_size(vdi)) - SIZE)


@pytest.mark.rule("VM.revert")
def test_reverting_brings_the_bytes_back(xapi: Any, made: Made, imported: Any, exported: Any) -> None:
    """After VM.revert the disk reads as at the snapshot."""
    vdi = made.vdi(SIZE)
    vm = made.vm()
    vbd = made.vbd(vm, vdi)
    imported(vdi, sparse("then"))
    snapshot = made.keep_vm(xapi.VM.snapshot(vm, made.name()))
    imported(vdi, sparse("now"))
    assert refusal(xapi.VBD.eject, vbd) == ["VBD_NOT_REMOVABLE_MEDIA", vbd]
    xapi.VM.revert(snapshot)
    (device,) = xapi.VM.get_VBDs(vm)
    assert exported(made.keep_vdi(xapi.VBD.get_VDI(device))) == sparse("then")


@pytest.mark.rule("GET /export_raw_vdi")
def test_an_export_says_what_it_is(made: Made, transfer: Any) -> None:
    """Content types tell raw from VHD."""
    vdi = made.vdi(SIZE)
    raw, _ = transfer("GET", "/export_raw_vdi", vdi=vdi, format="raw")
    vhd, _ = transfer("GET", "/export_raw_vdi", vdi=vdi, format="vhd")
    assert (raw.headers["content-type"], vhd.headers["content-type"]) == ("application/octet-stream", "application/vhd")


@pytest.mark.rule("HTTP ways to log in")
def test_a_name_and_a_password_will_do(target: Target, made: Made, xapi: Any) -> None:
    """Basic authentication stands in for a session."""
    vdi, task = made.vdi(SIZE), made.task()
    token = base64.b64encode(f"{target.user}:{target.password}".encode()).decode()
    query = urlencode({"vdi": vdi, "format": "raw", "task_id": task})
    reply = target.request("GET", f"/export_raw_vdi?{query}", headers={"Authorization": f"Basic {token}"})
    assert (reply.status, len(reply.body), finished(xapi, task)["status"]) == (200, SIZE, "success")


@pytest.mark.rule("HTTP ways to log in")
def test_a_session_may_come_as_a_cookie(target: Target, session: Any, made: Made, xapi: Any) -> None:
    """The session may stand in the header Cookie."""
    vdi, task = made.vdi(SIZE), made.task()
    query = urlencode({"vdi": vdi, "format": "raw", "task_id": task})
    reply = target.request("GET", f"/export_raw_vdi?{query}", headers={"Cookie": f"session_id={session.handle}"})
    assert (reply.status, len(reply.body), finished(xapi, task)["status"]) == (200, SIZE, "success")


@pytest.mark.rule("HTTP 401")
def test_a_stranger_gets_nothing(target: Target, made: Made) -> None:
    """Without a session: 401 and how to authenticate."""
    reply = target.request("GET", f"/export_raw_vdi?{urlencode({'vdi': made.vdi(SIZE), 'format': 'raw'})}")
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.rule("PUT /import_raw_vdi")
def test_an_unknown_format_is_not_found(transfer: Any, made: Made) -> None:
    """404, and the task has failed."""
    reply, task = transfer("GET", "/export_raw_vdi", vdi=made.vdi(SIZE), format="frob")
    assert (reply.status, task["status"]) == (404, "failure")


@pytest.mark.rule("HTTP task_id")
def test_a_disk_that_is_not_there_fails_its_task(transfer: Any) -> None:
    """The task tells what was wrong."""
    reply, task = transfer("GET", "/export_raw_vdi", vdi=DEAD, format="raw")
    assert reply.status >= 400
    assert task["status"] == "failure"


@pytest.mark.rule("PUT /import_raw_vdi")
def test_bytes_that_are_no_vhd_fail_their_task(transfer: Any, made: Made) -> None:
    """A corrupt image is noticed, and the disk can still be destroyed."""
    vdi = made.vdi(SIZE)
    _, task = transfer("PUT", "/import_raw_vdi", pattern("no vhd", 1 * MIB), vdi=vdi, format="vhd")
    assert task["status"] == "failure"
    assert task["error_info"] != []


@pytest.mark.rule("HTTP task_id")
def test_a_disk_is_free_after_its_transfer(xapi: Any, made: Made, imported: Any) -> None:
    """Nothing holds the disk when the task has ended."""
    vdi = made.vdi(SIZE)
    imported(vdi, pattern("k"))
    assert xapi.VDI.get_current_operations(vdi) == {}
    assert "destroy" in xapi.VDI.get_allowed_operations(vdi)
    xapi.VDI.destroy(vdi)
    assert refusal(xapi.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]


@pytest.mark.rule("HTTP task_id")
def test_a_transfer_that_breaks_off_fails_its_task(target: Target, session: Any, xapi: Any, made: Made) -> None:
    """When the client goes away in the middle the task fails and the disk is free."""
    vdi, task = made.vdi(SIZE), made.task()
    query = urlencode({"session_id": session.handle, "task_id": task, "vdi": vdi, "format": "raw"})
    with target.connection() as connection:
        connection.putrequest("PUT", f"/import_raw_vdi?{query}")
        connection.putheader("Content-Length", str(SIZE))
        connection.endheaders(pattern("half", SIZE // 2))
    record = finished(xapi, task)
    assert (record["status"], record["error_info"] != []) == ("failure", True)
    until(lambda: "destroy" in xapi.VDI.get_allowed_operations(vdi), "the disk's being free")


def test_a_disk_in_use_is_not_overwritten(xapi: Any, made: Made, transfer: Any) -> None:
    """A running VM's disk takes no import."""
    vdi, vm = made.vdi(SIZE), made.vm(HARDWARE)
    made.vbd(vm, vdi)
    xapi.VM.start(vm, False, False)
    _, task = transfer("PUT", "/import_raw_vdi", pattern("l"), vdi=vdi, format="raw")
    assert (task["status"], task["error_info"][:2]) == ("failure", ["VDI_IN_USE", vdi])


@pytest.mark.rule("VDI.copy into")
def test_a_copy_may_go_into_a_disk_that_is_there(xapi: Any, made: Made, server: Server, imported: Any, exported: Any) -> None:
    """VDI.copy with into_vdi makes no new disk, and needs one that is large enough: VDI_TOO_SMALL [vdi, size] (after 6.2)."""
    if server.era != "modern":
        assert refusal(xapi.VDI.copy, DEAD, NULL, NULL, NULL) == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.copy", "2", "4"]
        return
    vdi, there, small = made.vdi(SIZE), made.vdi(SIZE), made.vdi(SIZE // 2)
    imported(vdi, sparse("m"))
    assert xapi.VDI.copy(vdi, NULL, NULL, there) == there
    assert exported(there) == sparse("m")
    assert refusal(xapi.VDI.copy, vdi, NULL, NULL, small)[:2] == ["VDI_TOO_SMALL", small]
