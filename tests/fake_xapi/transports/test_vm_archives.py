"""VMs as archives, over the handlers: out, in, and what is refused on the way; real bytes, checked by Python's tarfile."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import zstandard

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.xml_values import read_value
from fake_xapi.dom0 import tar
from fake_xapi.engine.durations import profiles
from fake_xapi.engine.settings import Settings
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.transfers import BadRequest
from tests.fake_xapi.verbs.hosts import GIB, MIB, NULL, Host, over_host

Body = Callable[[Host], Awaitable[Any]]


async def out(host: Host, path: str = "/export", **parameters: str) -> bytes:
    pieces = InProcess(host.kit.xapi).get(path, {"session_id": host.kit.session, **parameters})
    return b"".join([piece async for piece in pieces])


async def into(host: Host, content: bytes, path: str = "/import", **parameters: str) -> list[str]:
    """The refs of the VMs that the task names."""
    task = await host.call("task.create", "import", "")
    given = {"session_id": host.kit.session, "task_id": task, **parameters}
    if path == "/import" and not {"sr_id", "sr_uuid"} & parameters.keys():
        given["sr_id"] = host.sr
    await InProcess(host.kit.xapi).put(path, given, in_pieces(content), len(content))
    result = read_value((await host.call("task.get_result", task)).encode())
    assert isinstance(result, list)
    return [str(ref) for ref in result]


async def refused_into(host: Host, content: bytes, path: str = "/import", **parameters: str) -> list[str]:
    """The Failure, which must be the task's as well, and must leave nothing."""
    task = await host.call("task.create", "import", "")
    before, disks = state(host), set(host.kit.xapi.disks.keys())
    given = {"session_id": host.kit.session, "task_id": task, "sr_id": host.sr, **parameters}
    with pytest.raises(Failure) as caught:
        await InProcess(host.kit.xapi).put(path, given, in_pieces(content), len(content))
    assert list(host.row(task)["error_info"]) == caught.value.details
    assert host.row(task)["status"] == "failure"
    assert state(host) == before
    assert set(host.kit.xapi.disks.keys()) == disks
    return caught.value.details


def state(host: Host) -> dict[str, Any]:
    """All rows that an import may touch, by class."""
    classes = ("VM", "VDI", "VBD", "VIF", "SR", "network", "VM_metrics", "VM_guest_metrics", "VBD_metrics", "VIF_metrics")
    return {cls: sorted((identity, row.values) for identity, row in host.world.rows(cls)) for cls in classes}


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), 100_000):
        yield content[begin : begin + 100_000]


def files(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def metadata(content: bytes) -> dict[str, Any]:
    found = read_value(files(content)["ova.xml"])
    assert isinstance(found, dict)
    return found


def objects(content: bytes, cls: str) -> list[Any]:
    return [made for made in metadata(content)["objects"] if made["class"] == cls]


async def server(host: Host) -> tuple[str, str]:
    """A VM with a disk that holds something, a drive, an interface and its own ways; refs of VM and VDI."""
    fields = {
        "name_label": "büro <1>",
        "other_config": {"a&b": "<c>"},
        "VCPUs_params": {"weight": "64"},
        "xenstore_data": {"vm-data/x": "1"},
    }
    vm = await host.vm(**fields)
    vdi = await host.disk(4 * MIB)
    await host.vbd(vm, vdi)
    await host.drive(vm)
    await host.vif(vm, MAC="02:00:00:00:00:07")
    host.write(vdi, 5, b"first")
    host.write(vdi, 3 * MIB + 9, b"last")
    await host.call("VDI.update", vdi)
    return vm, vdi


def comparable(host: Host, vm: str) -> dict[str, Any]:
    """What of a VM must survive a journey."""
    row = host.row(vm)
    left_out = (
        *("uuid", "VBDs", "VIFs", "metrics", "guest_metrics", "generation_id", "current_operations", "allowed_operations", "other_config"),
        *("snapshots", "children", "parent", "consoles"),
    )
    names = [name for name in row.layout.names if name not in left_out]
    config = {key: value for key, value in row["other_config"].items() if key not in ("mac_seed", "import_task")}
    return {**{name: row[name] for name in names}, "other_config": config}


def device(host: Host, ref: str, names: tuple[str, ...]) -> dict[str, Any]:
    row = host.row(ref)
    return {name: row[name] for name in names}


VBD = ("userdevice", "bootable", "mode", "type", "unpluggable", "empty", "qos_algorithm_type", "currently_attached")
VIF = ("device", "network", "MTU", "currently_attached", "locking_mode")


def test_a_vm_survives_the_journey_with_its_disks() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        [copy] = await into(host, await out(host, ref=vm))
        assert comparable(host, copy) == comparable(host, vm)
        assert host.row(copy)["uuid"] != host.world.uuid(host.id(vm))
        old, new = ([host.world.ref(vbd) for vbd in host.row(ref)["VBDs"]] for ref in (vm, copy))
        assert [device(host, ref, VBD) for ref in new] == [device(host, ref, VBD) for ref in old]
        disks = [host.row(ref)["VDI"] for ref in new if host.row(ref)["VDI"]]
        assert len(disks) == 1
        assert disks != [host.id(vdi)]
        assert host.kit.xapi.disks.read(disks[0], 0, 4 * MIB) == host.kit.xapi.disks.read(host.id(vdi), 0, 4 * MIB)
        assert host.world[disks[0]]["physical_utilisation"] == host.row(vdi)["physical_utilisation"]
        [old_vif], [new_vif] = ([host.world.ref(vif) for vif in host.row(ref)["VIFs"]] for ref in (vm, copy))
        assert device(host, new_vif, VIF) == device(host, old_vif, VIF)
        assert host.row(new_vif)["MAC"] != "02:00:00:00:00:07"
        assert host.row(copy)["current_operations"] == {}
        await host.call("VM.start", copy, False, False)

    over_host(body)


@pytest.mark.parametrize("release", ["boston", "tampa", "clearwater", "dundee", "stockholm", "latest"])
def test_every_release_reads_what_it_writes(release: str) -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, uuid=host.world.uuid(host.id(vm)))
        [copy] = await into(host, content, restore="false")
        assert comparable(host, copy) == comparable(host, vm)
        ending, count = (".xxhash", 16) if release == "latest" else (".checksum", 40)
        sums = {name: len(text) for name, text in files(content).items() if name.endswith(ending)}
        assert list(sums.values()) == [count] * 2

    over_host(body, release)


@pytest.mark.parametrize(
    ("wish", "unpack"),
    [
        ("true", gzip.decompress),
        ("gzip", gzip.decompress),
        ("zstd", lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content)),
        ("brotli", lambda content: content),
        ("false", lambda content: content),
    ],
)
def test_an_archive_is_packed_as_wished_and_taken_in_whichever_way(wish: str, unpack: Callable[[bytes], bytes]) -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, ref=vm, use_compression=wish)
        assert files(unpack(content)).keys() == files(await out(host, ref=vm)).keys()
        [copy] = await into(host, content)
        assert comparable(host, copy) == comparable(host, vm)

    over_host(body)


def test_old_releases_know_gzip_alone_by_the_name_of_true() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        assert (await out(host, ref=vm, use_compression="true")).startswith(b"\x1f\x8b")
        assert "ova.xml" in files(await out(host, ref=vm, use_compression="zstd"))

    over_host(body, "clearwater")


def test_the_metadata_names_its_version_and_only_itself() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        host.set(host.host, software_version={"hostname": "h", "product_version": "6.2.0", "product_brand": "XenServer"})
        content = await out(host, ref=vm)
        assert metadata(content)["version"] == {
            "hostname": "h",
            "date": "",
            "product_version": "6.2.0",
            "product_brand": "XenServer",
            "build_number": "",
            "xapi_major": "1",
            "xapi_minor": "3",
            "export_vsn": "2",
        }
        [made] = objects(content, "VM")
        assert made["id"] == "Ref:0"
        assert made["snapshot"]["power_state"] == "Halted"
        assert made["snapshot"]["other_config"]["a&b"] == "<c>"
        [disk] = objects(content, "VDI")
        assert disk["snapshot"]["uuid"] == host.world.uuid(host.id(vdi))
        assert disk["snapshot"]["VBDs"] == [vbd["id"] for vbd in objects(content, "VBD") if vbd["snapshot"]["VDI"] == disk["id"]]
        assert b"OpaqueRef:" not in files(content)["ova.xml"].replace(NULL.encode(), b"")
        assert objects(content, "SR")[0]["snapshot"]["PBDs"] == []

    over_host(body, "clearwater")


def test_who_exports_marks_the_vm_and_may_be_stopped() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        task = await host.call("task.create", "export", "")
        pieces = InProcess(host.kit.xapi).get("/export", {"session_id": host.kit.session, "ref": vm, "task_id": task})
        await anext(pieces)
        await anext(pieces)
        assert host.row(vm)["current_operations"] == {task: "export"}
        assert host.row(task)["allowed_operations"] == ("cancel",)
        assert (await host.refused("VM.start", vm, False, False))[0] == "OTHER_OPERATION_IN_PROGRESS"
        await host.call("task.cancel", task)
        with pytest.raises(Failure, match="TASK_CANCELLED"):
            [piece async for piece in pieces]
        assert host.row(task)["status"] == "cancelled"
        assert host.row(vm)["current_operations"] == {}

    over_host(body, settings=Settings(busy_deadline_s=0))


def test_who_stops_reading_leaves_no_mark() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        task = await host.call("task.create", "export", "")
        pieces = InProcess(host.kit.xapi).get("/export", {"session_id": host.kit.session, "ref": vm, "task_id": task})
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]
        del pieces
        assert host.row(vm)["current_operations"] == {}
        assert host.row(task)["error_info"] == ("INTERNAL_ERROR", "the client went away")

    over_host(body)


def test_only_what_stands_still_is_exported() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.call("VM.start", vm, False, False)
        with pytest.raises(Failure) as caught:
            await out(host, ref=vm)
        assert caught.value.details == ["VM_BAD_POWER_STATE", vm, "halted, suspended", "running"]
        for parameters, error in (({"ref": NULL}, "HANDLE_INVALID"), ({"uuid": "x"}, "UUID_INVALID")):
            with pytest.raises(Failure, match=error):
                await out(host, **parameters)
        with pytest.raises(BadRequest):
            await out(host)

    over_host(body)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_vm_that_sleeps_travels_asleep_when_that_is_wished(*, keeps: bool) -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.call("VM.start", vm, False, False)
        await host.call("VM.suspend", vm)
        host.kit.xapi.disks.write(host.row(vm)["suspend_VDI"], 0, b"memory")
        content = await out(host, ref=vm, preserve_power_state=str(keeps).lower())
        [copy] = await into(host, content)
        row = host.row(copy)
        attached = [host.world[device]["currently_attached"] for device in (*row["VBDs"], *row["VIFs"])]
        assert (row["power_state"], attached) == (("Suspended", [True] * 3) if keeps else ("Halted", [False] * 3))
        if keeps:
            assert host.kit.xapi.disks.read(row["suspend_VDI"], 0, 6) == b"memory"
            await host.call("VM.resume", copy, False, False)

    over_host(body)


def test_a_restored_vm_is_the_one_that_was() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        uuid, seed = host.world.uuid(host.id(vm)), host.row(vm)["other_config"]["mac_seed"]
        content = await out(host, ref=vm)
        assert await refused_into(host, content, restore="true") == ["VM_TO_IMPORT_IS_NOT_NEWER_VERSION", vm, "0", "0"]
        await host.call("VM.destroy", vm)
        for version in (1, 2):
            [again] = await into(host, content, restore="true", force="true" if version == 2 else "false")
            assert await host.call("VM.get_by_uuid", uuid) == again
            row = host.row(again)
            assert (row["version"], row["other_config"]["mac_seed"]) == (1, seed)
            assert [host.world[vif]["MAC"] for vif in row["VIFs"]] == ["02:00:00:00:00:07"]
        await host.call("VM.start", again, False, False)
        refusal = await refused_into(host, content, restore="true")
        assert refusal == ["VM_BAD_POWER_STATE", again, "Halted", "Running"]
        assert await into(host, content, restore="true", force="true") == []
        await host.call("VDI.destroy", vdi)

    over_host(body)


def test_no_two_vms_derive_their_addresses_from_one_seed() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, ref=vm)
        copy = await host.call("VM.clone", vm, "copy")
        host.set(copy, other_config=dict(host.row(vm)["other_config"]))
        await host.call("VM.destroy", vm)
        assert await refused_into(host, content, restore="true") == ["DUPLICATE_VM", copy]

    over_host(body)


# ---- refusals --------------------------------------------------------------------------------------------------------------------


def rewritten(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The archive with another ova.xml."""
    found = files(content)
    return b"".join(tar.file(name, change(text) if name == "ova.xml" else text) for name, text in found.items()) + tar.END


def swapped(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda text: text.replace(old, new)


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


# ---- metadata alone --------------------------------------------------------------------------------------------------------------


def test_metadata_brings_a_vm_back_over_its_disks_with_its_snapshots() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        snapshot = await host.call("VM.snapshot", vm, "before")
        kept = host.world[host.row(snapshot)["VBDs"][0]]["VDI"]
        uuids = [host.world.uuid(host.id(ref)) for ref in (vm, snapshot)]
        content = await out(host, "/export_metadata", ref=vm)
        assert [made["snapshot"]["uuid"] for made in objects(content, "VM")] == uuids
        assert list(files(content)) == ["ova.xml"]
        await host.call("VM.destroy", snapshot)
        await host.call("VM.destroy", vm)
        assert await into(host, content, "/import_metadata", restore="true", dry_run="true") == []
        [again] = await into(host, content, "/import_metadata", restore="true")
        row = host.row(again)
        assert host.world.uuid(host.id(again)) == uuids[0]
        [old] = row["snapshots"]
        assert (host.world.uuid(old), row["parent"]) == (uuids[1], old)
        assert [host.world[vbd]["VDI"] for vbd in row["VBDs"] if host.world[vbd]["VDI"]] == [host.id(vdi)]
        assert [host.world[vbd]["VDI"] for vbd in host.world[old]["VBDs"] if host.world[vbd]["VDI"]] == [kept]
        alone = await out(host, "/export_metadata", ref=again, export_snapshots="false")
        assert len(objects(alone, "VM")) == 1
        with pytest.raises(Failure) as caught:
            await out(host, "/export_metadata", ref=host.world.ref(old))
        assert caught.value.details == ["OPERATION_NOT_ALLOWED", "Exporting metadata of a snapshot is not allowed"]

    over_host(body)


def test_disks_that_are_not_here_are_named_or_told_by_the_caller() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        content = await out(host, "/export_metadata", ref=vm)
        uuid, other = host.world.uuid(host.id(vdi)), await host.disk(4 * MIB)
        for vbd in host.row(vm)["VBDs"]:
            if host.world[vbd]["VDI"]:
                await host.call("VBD.destroy", host.world.ref(vbd))
        await host.call("VDI.destroy", vdi)
        assert await refused_into(host, content, "/import_metadata") == ["VDI_LOCATION_MISSING", host.sr, uuid]
        elsewhere = rewritten(content, swapped(host.world.uuid(host.id(host.sr)).encode(), b"11111111-1111-4111-8111-111111111111"))
        assert await refused_into(host, elsewhere, "/import_metadata") == ["VDI_CONTENT_ID_MISSING"]
        told = {f"vdi:{uuid}": host.world.uuid(host.id(other))}
        [copy] = await into(host, content, "/import_metadata", **told)
        assert [host.world[vbd]["VDI"] for vbd in host.row(copy)["VBDs"] if host.world[vbd]["VDI"]] == [host.id(other)]
        [bare] = await into(host, content, "/import_metadata", force="true")
        assert [host.world[vbd]["type"] for vbd in host.row(bare)["VBDs"]] == ["CD"]

    over_host(body)


def test_all_vms_are_exported_but_the_templates_of_the_product() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.vm(is_a_template=True, other_config={"default_template": "true"})
        dom0 = host.kit.make("VM", name_label="Control domain", is_control_domain=True, power_state="Running")
        names = {vm: host.row(vm)["name_label"], dom0: "Control domain"}

        async def exported(**parameters: str) -> list[str]:
            content = await out(host, "/export_metadata", all="true", **parameters)
            return sorted(made["snapshot"]["name_label"] for made in objects(content, "VM"))

        assert await exported() == sorted(names.values())
        assert await exported(include_dom0="false") == [names[vm]]

    over_host(body)


@pytest.mark.parametrize(("kind", "missing"), [("vif", {"VIF", "network"}), ("vbd", {"VBD", "VDI", "SR"}), ("vif,vbd", {"VIF", "VBD"})])
def test_kinds_of_devices_can_be_left_out(kind: str, missing: set[str]) -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, "/export_metadata", ref=vm, excluded_device_types=kind)
        assert not missing & {made["class"] for made in metadata(content)["objects"]}

    over_host(body)


def test_the_chain_of_a_disk_can_be_had_as_well() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.call("VM.snapshot", vm, "s")
        count = {}
        for wish in ("true", "false"):
            content = await out(host, "/export_metadata", ref=vm, include_vhd_parents=wish, export_snapshots="false")
            count[wish] = len(objects(content, "VDI"))
        assert count == {"true": 2, "false": 1}

    over_host(body)


def test_what_is_live_needs_room_and_processors() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.call("VM.start", vm, False, False)
        content = await out(host, "/export_metadata", ref=vm)
        assert await into(host, content, "/import_metadata", live="true", check_cpu="true", dry_run="true") == []
        host.set(host.host, cpu_info={"vendor": "AuthenticAMD"})
        found = await refused_into(host, content, "/import_metadata", live="true", check_cpu="true", dry_run="true")
        assert found[0::3] == ["VM_INCOMPATIBLE_WITH_THIS_HOST", "VM last booted on a host which had a CPU from a different vendor."]
        with host.world.edit() as edit:
            edit.set(host.row(host.host)["metrics"], memory_total=2 * GIB)
        found = await refused_into(host, content, "/import_metadata", live="true")
        assert found[0] == "HOST_NOT_ENOUGH_FREE_MEMORY"

    over_host(body)


def test_a_network_that_is_not_here_is_made_and_a_bridge_finds_one() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, ref=vm)
        host.set(host.network, name_label="renamed")
        [bridged] = await into(host, content)
        assert [host.world[vif]["network"] for vif in host.row(bridged)["VIFs"]] == [host.id(host.network)]
        host.set(host.network, bridge="xenbr9")
        [copy] = await into(host, content)
        made = host.world[host.row(copy)["VIFs"][0]]["network"]
        row = host.world[made]
        assert (row["name_label"], row["bridge"], row["PIFs"]) == ("Pool-wide network associated with eth0", "xapi0", ())

    over_host(body)
