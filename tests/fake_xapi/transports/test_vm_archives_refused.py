"""Archives that are broken, and places where VMs cannot go: refused by XAPI's errors, and nothing is left."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0 import tar
from fake_xapi.engine.durations import profiles
from fake_xapi.engine.settings import Settings
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.transfers import BadRequest
from tests.fake_xapi.transports.archives import (
    comparable,
    files,
    into,
    out,
    refused_into,
    rewritten,
    server,
    state,
    swapped,
)
from tests.fake_xapi.verbs.kit.hosts import GIB, NULL, Host, over_host

BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><value>&b;</value>'
CHUNK = b"Ref:4/00000000"


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda c: b"", ["IMPORT_ERROR_PREMATURE_EOF"]),
        (lambda c: c[:700], ["IMPORT_ERROR_PREMATURE_EOF"]),
        (lambda c: c[: c.index(CHUNK) + 5000], ["IMPORT_ERROR_PREMATURE_EOF"]),
        (lambda c: b"\x1f\x8b" + c[2:], ["IMPORT_ERROR", "Error -3 while decompressing data: unknown compression method"]),
        (lambda c: b"x" * 5000, ["IMPORT_ERROR", "a number in a header is none"]),
        (lambda c: tar.file("x.xml", b""), ["IMPORT_ERROR_UNEXPECTED_FILE", "ova.xml", "x.xml"]),
        (lambda c: tar.file("../../ova.xml", b""), ["IMPORT_ERROR_UNEXPECTED_FILE", "ova.xml", "../../ova.xml"]),
        (lambda c: rewritten(c, lambda _: BOMB), ["IMPORT_ERROR", "a document type declaration is not accepted"]),
        (lambda c: rewritten(c, lambda _: b"<value>1</value>"), ["IMPORT_ERROR", None]),
        (lambda c: rewritten(c, swapped(b"<name>objects</name>", b"<name>things</name>")), ["IMPORT_ERROR", None]),
        (
            lambda c: rewritten(c, swapped(b"<name>xapi_major</name><value>26", b"<name>xapi_major</name><value>99")),
            ["IMPORT_INCOMPATIBLE_VERSION"],
        ),
        (
            lambda c: rewritten(c, swapped(b"<name>VCPUs_max</name><value>2<", b"<name>VCPUs_max</name><value>two<")),
            ["IMPORT_ERROR", 'Ref:0: INTERNAL_ERROR: Failure("Int64.of_string")'],
        ),
        (
            lambda c: rewritten(c, swapped(b"<name>SR</name><value>Ref:5", b"<name>SR</name><value>Ref:77")),
            ["IMPORT_ERROR_FAILED_TO_FIND_OBJECT", "Ref:77"],
        ),
        (lambda c: c.replace(b"first", b"worst"), ["IMPORT_ERROR", None]),
        (lambda c: c.replace(CHUNK, b"Ref:9/00000000", 1), ["IMPORT_ERROR", "the checksum of a header is wrong"]),
    ],
)
def test_a_broken_archive_is_refused_and_leaves_nothing(spoil: Callable[[bytes], bytes], error: list[str | None]) -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        found = await refused_into(host, spoil(await out(host, ref=vm)))
        assert [text if wanted is not None else None for text, wanted in zip(found, error, strict=True)] == error

    over_host(body)


def test_a_wrong_checksum_is_told_and_with_force_passed_over() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = (await out(host, ref=vm)).replace(b"first", b"worst")
        told = files(content)["Ref:4/00000000.checksum"].decode()
        seen = hashlib.sha1(files(content)["Ref:4/00000000"]).hexdigest()
        text = f"Block Ref:4/00000000 checksum failed: original = {told}; recomputed = {seen}"
        assert await refused_into(host, content) == ["IMPORT_ERROR", text]
        [copy] = await into(host, content, force="true")
        [vdi] = [host.world[vbd]["VDI"] for vbd in host.row(copy)["VBDs"] if host.world[vbd]["VDI"]]
        assert host.kit.xapi.disks.read(vdi, 5, 5) == b"worst"

    over_host(body, "tampa")


def test_archives_of_the_first_releases_end_with_their_checksums() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        found = files(await out(host, ref=vm))
        chunks = {name: text for name, text in found.items() if name.endswith(("0000000", "0000003"))}
        ova = found["ova.xml"].replace(b"<name>export_vsn</name><value>2<", b"<name>export_vsn</name><value>0<")

        def archive(table: dict[str, str]) -> bytes:
            members = "".join(f"<member><name>{name}</name><value>{told}</value></member>" for name, told in table.items())
            end = tar.file("checksum.xml", f"<value><struct>{members}</struct></value>".encode())
            return tar.file("ova.xml", ova) + b"".join(tar.file(name, text) for name, text in chunks.items()) + end + tar.END

        right = {name: hashlib.sha1(text).hexdigest() for name, text in chunks.items()}
        assert len(right) == 2
        [copy] = await into(host, archive(right))
        assert comparable(host, copy) == comparable(host, vm)
        assert await refused_into(host, archive({**right, "Ref:4/00000003": "0"})) == ["IMPORT_ERROR_SOME_CHECKSUMS_FAILED"]

    over_host(body, "clearwater")


def test_an_import_asks_for_room_before_and_is_stopped_between() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, ref=vm)
        host.set(host.sr, physical_size=host.row(host.sr)["physical_utilisation"] + 1)
        assert await refused_into(host, content) == ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]
        host.set(host.sr, physical_size=100 * GIB)

        async def cancelling() -> AsyncIterator[bytes]:
            yield content[:1_500_000]
            assert [row["current_operations"] for _, row in host.world.rows("VM") if row["current_operations"]] == [{task: "import"}]
            await host.call("task.cancel", task)
            yield content[1_500_000:]

        task = await host.call("task.create", "import", "")
        before = state(host)
        given = {"session_id": host.kit.session, "task_id": task, "sr_id": host.sr}
        with pytest.raises(Failure, match="TASK_CANCELLED"):
            await InProcess(host.kit.xapi).put("/import", given, cancelling(), len(content))
        assert (host.row(task)["status"], state(host)) == ("cancelled", before)

    over_host(body)


def test_where_vms_cannot_go_is_said_before_a_byte_is_read() -> None:
    async def untouched() -> AsyncIterator[bytes]:
        for _ in range(1):
            raise AssertionError("nobody may read this")
        yield b""

    async def body(host: Host) -> None:
        async def put(length: int | None = 10, **parameters: str) -> list[str]:
            task = await host.call("task.create", "import", "")
            given = {"session_id": host.kit.session, "task_id": task, **parameters}
            with pytest.raises((Failure, BadRequest)) as caught:
                await InProcess(host.kit.xapi).put("/import", given, untouched(), length)
            status = [str(caught.value.status)] if isinstance(caught.value, BadRequest) else []
            return [*status, *host.row(task)["error_info"]]

        iso = host.kit.make("SR", content_type="iso", type="iso")
        bare = host.kit.make("SR", content_type="user", type="ext")
        assert await put(sr_id=iso) == ["400", "SR_OPERATION_NOT_SUPPORTED"]
        assert await put(None, sr_id=host.sr) == ["403", "IMPORT_ERROR_CANNOT_HANDLE_CHUNKED"]
        assert await put(sr_id=NULL) == ["HANDLE_INVALID", "SR", NULL]
        assert await put(sr_uuid="x") == ["UUID_INVALID", "SR", "x"]
        assert await put(sr_id=bare) == ["SR_HAS_NO_PBDS", bare]
        with host.world.edit() as edit:
            edit.set(next(host.world.ids("pool")), default_SR=0)
        assert await put() == ["DEFAULT_SR_NOT_FOUND", NULL]

    over_host(body)


def test_a_transfer_takes_the_time_of_the_profile() -> None:
    async def body(host: Host) -> float:
        vm, _ = await server(host)
        began = host.kit.xapi.now()
        task = await host.call("task.create", "export", "")
        await out(host, ref=vm, task_id=task)
        assert host.row(task)["status"] == "success"
        assert host.row(task)["progress"] == 1.0
        assert host.kit.xapi.now() > began
        return 0.0

    over_host(body, settings=Settings(durations=profiles()["realistic"]))
