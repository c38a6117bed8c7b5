"""The plugin ``glance``: images over HTTP, in and out, every byte of them; and what is no image."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Any
from uuid import UUID

import pytest

from fake_xapi.dom0.vhd_read import VhdDecoder
from fake_xapi.dom0.vhd_write import Parent, VhdImage
from tests.fake_xapi.dom0.plugins.disks import BLOCK, SIZE, UUIDS, chain, filled, folder, read_block, vdi_of
from tests.fake_xapi.dom0.plugins.dom0 import values, values_refused
from tests.fake_xapi.dom0.plugins.image_service import ImageService, image_service
from tests.fake_xapi.verbs.kit.hosts import MIB, Host, over_host


def _vhd(blocks: dict[int, bytes], parent: Parent | None = None, size: int = SIZE) -> bytes:
    return b"".join(VhdImage(size, UUID(int=99), sorted(blocks), lambda number: filled(blocks[number]), parent).pieces())


def _fixed(content: bytes) -> bytes:
    from fake_xapi.dom0.vhd import Footer

    return content + Footer(len(content), "fixed", UUID(int=98)).pack()


def _archive(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(made.getvalue(), mtime=0)


async def _download(host: Host, service: ImageService, **more: Any) -> Any:
    arguments = {"image_id": "i", "sr_path": folder(host), "extra_headers": {"X-Auth-Token": "t"}, "uuid_stack": list(UUIDS)}
    return await values(host, "glance.py", "download_vhd2", **{**arguments, "endpoint": service.url, "api_version": 2, **more})


async def _refused(host: Host, url: str, **more: Any) -> list[str]:
    arguments = {"image_id": "i", "sr_path": folder(host), "extra_headers": {}, "uuid_stack": list(UUIDS), "endpoint": url, **more}
    return await values_refused(host, "glance", "download_vhd2", **arguments)


# ---- glance ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_image_comes_over_http_and_is_a_vdi_after_a_scan(is_chunked: bool) -> None:
    async def body(host: Host) -> None:
        async with image_service() as service:
            service.is_chunked = is_chunked
            service.records["i"] = {}
            parent = Parent(UUID(int=5), "1.vhd")
            service.data["i"] = _archive({"0.vhd": _vhd({1: b"leaf"}, parent), "1.vhd": _vhd({0: b"base", 1: b"hidden"}), "swap.vhd": b"x"})
            assert await _download(host, service) == {"root": {"uuid": UUIDS[-1]}}
            assert service.requests[0][0] == "GET /v2/images/i/file"
            assert service.requests[0][1]["x-auth-token"] == "t"
        assert host.world.count("VDI") == 0
        await host.call("SR.scan", host.sr)
        leaf, base = (vdi_of(host, uuid) for uuid in (UUIDS[-1], UUIDS[-2]))
        assert (leaf["virtual_size"], leaf["managed"], leaf["sm_config"]) == (SIZE, True, {"vdi_type": "vhd", "vhd-parent": UUIDS[-2]})
        assert (base["virtual_size"], base["managed"], base["read_only"], base["sm_config"]) == (SIZE, False, True, {"vdi_type": "vhd"})
        assert [read_block(host, UUIDS[-1], number) for number in range(3)] == [b"base", b"leaf", b""]
        assert [read_block(host, UUIDS[-2], number) for number in range(3)] == [b"base", b"hidden", b""]
        assert leaf["physical_utilisation"] < base["physical_utilisation"]
        assert host.row(host.sr)["physical_utilisation"] == leaf["physical_utilisation"] + base["physical_utilisation"]
        assert host.world.count("dom0_vhd") == 0
        assert await host.call("VDI.clone", host.world.ref(host.world.by_uuid("VDI", UUIDS[-1])), {})

    over_host(body)


@pytest.mark.parametrize(
    "files",
    [{"image.vhd": _fixed(filled(b"whole"))}, {"snap.vhd": _vhd({0: b"whole"}, size=BLOCK)}, {"./0.vhd": _vhd({0: b"whole"}, size=BLOCK)}],
)
def test_images_of_other_ages_and_kinds_are_read(files: dict[str, bytes]) -> None:
    async def body(host: Host) -> None:
        async with image_service() as service:
            service.records["i"], service.data["i"] = {}, _archive(files)
            await _download(host, service, api_version=1)
            assert service.requests[0][0] == "GET /v1/images/i"
        await host.call("SR.scan", host.sr)
        assert (vdi_of(host, UUIDS[-1])["virtual_size"], read_block(host, UUIDS[-1], 0)) == (BLOCK, b"whole")

    over_host(body)


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (b"", "Exception", "There are no VHDs to import"),
        (_archive({}), "Exception", "There are no VHDs to import"),
        (_archive({"1.vhd": _vhd({})}), "Exception", "Corrupt image: VHDs 1 are no sequence from 0"),
        (_archive({"0.vhd": b"no VHD" * 1000}), "Exception", "is not valid"),
        (_archive({"0.vhd": _vhd({0: b"x"})[:-600]}), "Exception", "is not valid"),
        (_archive({"../0.vhd": _vhd({})}), "RetryableError", "'../0.vhd' has no place in an image of VHDs"),
        (_archive({"0.txt": b""}), "RetryableError", "has no place in an image of VHDs"),
        (gzip.compress(_archive({"0.vhd": b"x" * 9000})[:100], mtime=0), "RetryableError", "Error while extracting the image i"),
        (b"garbage" * 1000, "RetryableError", "Error while extracting the image i"),
    ],
)
def test_an_image_that_is_none_leaves_nothing(data: bytes, kind: str, text: str) -> None:
    async def body(host: Host) -> None:
        async with image_service() as service:
            service.records["i"], service.data["i"] = {}, data
            code, function, found, said = await _refused(host, service.url)
        assert (code, function, found) == ("XENAPI_PLUGIN_EXCEPTION", "download_vhd2", kind)
        assert text in said
        await host.call("SR.scan", host.sr)
        assert (host.world.count("VDI"), host.world.count("dom0_vhd"), list(host.kit.xapi.disks.keys())) == (0, 0, [])

    over_host(body)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, "ImageNotFound"), (401, "PluginError"), (403, "PluginError"), (500, "RetryableError"), (503, "RetryableError")],
)
def test_what_the_service_answers_is_sorted(status: int, kind: str) -> None:
    async def body(host: Host) -> None:
        async with image_service() as service:
            service.records["i"], service.data["i"] = {}, b""
            service.answers["GET"] = status
            assert (await _refused(host, service.url))[2] == kind

    over_host(body)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1:1", "Connect"),
        ("http://192.0.2.1:9292", "only servers on this machine"),
        ("https://127.0.0.1:1", "only servers on this machine"),
    ],
)
def test_a_service_that_is_not_there_or_elsewhere_is_not_reached(url: str, text: str) -> None:
    async def body(host: Host) -> None:
        code, _, kind, said = await _refused(host, url)
        assert (code, kind) == ("XENAPI_PLUGIN_EXCEPTION", "RetryableError")
        assert text in said

    over_host(body)


@pytest.mark.parametrize(
    ("more", "kind", "text"),
    [
        ({"sr_path": "/var/run/sr-mount/none"}, "IOError", "[Errno 2] No such file or directory: '/var/run/sr-mount/none'"),
        ({"uuid_stack": []}, "IndexError", "pop from empty list"),
        ({"endpoint": ""}, "ArgumentError", "Argument 'glance_host' is required."),
    ],
)
def test_what_a_download_needs(more: dict[str, Any], kind: str, text: str) -> None:
    async def body(host: Host) -> None:
        async with image_service() as service:
            service.records["i"], service.data["i"] = {}, _archive({"0.vhd": _vhd({})})
            assert await _refused(host, service.url, **more) == ["XENAPI_PLUGIN_EXCEPTION", "download_vhd2", kind, text]

    over_host(body)


def test_a_full_sr_takes_no_image() -> None:
    async def body(host: Host) -> None:
        host.set(host.sr, physical_size=3 * MIB)
        async with image_service() as service:
            service.records["i"], service.data["i"] = {}, _archive({"0.vhd": _vhd({0: b"a", 1: b"b"})})
            assert await _refused(host, service.url) == ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]

    over_host(body)


def _decoded(raw: bytes) -> tuple[Any, dict[int, bytes]]:
    decoder = VhdDecoder()
    blocks = {offset // BLOCK: content.rstrip(b"\0") for offset, content in decoder.feed(raw)}
    decoder.finish()
    return decoder, blocks


def test_a_chain_goes_to_the_service_as_differences() -> None:
    async def body(host: Host) -> None:
        uuids = await chain(host)
        async with image_service() as service:
            service.records["i"] = {"status": "queued"}
            arguments = {"vdi_uuids": uuids, "image_id": "i", "sr_path": folder(host), "extra_headers": {"X-Auth-Token": "t"}}
            properties = {"auto_disk_config": "True", "os_type": "linux"}
            sent = await values(host, "glance", "upload_vhd2", properties=properties, endpoint=service.url, api_version=2, **arguments)
            assert sent is None
            assert [line for line, _ in service.requests] == ["PATCH /v2/images/i", "GET /v2/images/i", "PUT /v2/images/i/file"]
            assert {headers["x-auth-token"] for _, headers in service.requests} == {"t"}
            assert service.records["i"] == {
                "status": "queued", "container_format": "ovf", "disk_format": "vhd", "visibility": "private", **properties,
            }  # fmt: skip
            with tarfile.open(fileobj=io.BytesIO(service.data["i"]), mode="r:gz") as archive:
                files = {member.name: archive.extractfile(member) for member in archive}
                assert list(files) == ["0.vhd", "1.vhd"]
                (leaf, of_leaf), (base, of_base) = (_decoded(file.read()) for file in files.values() if file is not None)
            assert (of_leaf, of_base) == ({1: b"leaf"}, {0: b"base"})
            assert (leaf.footer.disk_type, str(leaf.header.parent_uuid), base.footer.disk_type) == ("differencing", uuids[1], "dynamic")
            moved = await _download(host, service)
        await host.call("SR.scan", host.sr)
        assert [read_block(host, moved["root"]["uuid"], number) for number in range(3)] == [b"base", b"leaf", b""]

    over_host(body)


@pytest.mark.parametrize(
    ("status", "answers", "kind", "text"),
    [
        ("deleted", {}, "PluginError", "Image 'i' is not in the status queued but deleted"),
        ("queued", {"PUT": 409}, "PluginError", "Got Permanent Error response [409] for image [i]"),
        ("queued", {"PATCH": 500}, "RetryableError", "Got Ephemeral Error response [500] for image [i]"),
    ],
)
def test_an_upload_that_is_not_taken(status: str, answers: dict[str, int], kind: str, text: str) -> None:
    async def body(host: Host) -> None:
        uuids = await chain(host)
        async with image_service() as service:
            service.records["i"], service.answers = {"status": status}, answers
            arguments = {"vdi_uuids": uuids, "image_id": "i", "sr_path": folder(host), "extra_headers": {}, "properties": {}}
            refused = await values_refused(host, "glance", "upload_vhd2", endpoint=service.url, **arguments)
        assert refused[2] == kind
        assert refused[3].startswith(text)

    over_host(body)


def test_an_upload_of_a_disk_that_is_not_there() -> None:
    async def body(host: Host) -> None:
        arguments = {"vdi_uuids": [UUIDS[0]], "image_id": "i", "sr_path": folder(host), "extra_headers": {}, "properties": {}}
        refused = await values_refused(host, "glance", "upload_vhd2", endpoint="http://127.0.0.1:1", **arguments)
        assert refused[2:] == ["IOError", f"[Errno 2] No such file or directory: '{folder(host)}/{UUIDS[0]}.vhd'"]

    over_host(body)
