"""The plugins that move disks: images over HTTP, chains between hosts, kernels, partitions, boot media. Every byte is checked."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from typing import Any
from uuid import UUID

import pytest

from fake_xapi.dom0.iso9660 import read_file
from fake_xapi.dom0.iso9660_write import image
from fake_xapi.dom0.vhd_read import VhdDecoder
from fake_xapi.dom0.vhd_write import Parent, VhdImage
from tests.fake_xapi.dom0.plugins.dom0 import texts, texts_refused, values, values_refused
from tests.fake_xapi.dom0.plugins.image_service import ImageService, image_service
from tests.fake_xapi.verbs.hosts import GIB, MIB, Host, add_host, over_host

BLOCK = 2 * MIB
SIZE = 64 * MIB
UUIDS = [str(UUID(int=number, version=4)) for number in range(1, 17)]


def _block(text: bytes) -> bytes:
    return text.ljust(BLOCK, b"\0")


def _vhd(blocks: dict[int, bytes], parent: Parent | None = None, size: int = SIZE) -> bytes:
    return b"".join(VhdImage(size, UUID(int=99), sorted(blocks), lambda number: _block(blocks[number]), parent).pieces())


def _fixed(content: bytes) -> bytes:
    from fake_xapi.dom0.vhd import Footer

    return content + Footer(len(content), "fixed", UUID(int=98)).pack()


def _archive(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def _path(host: Host) -> str:
    return f"/var/run/sr-mount/{host.world.uuid(host.id(host.sr))}"


def _vdi(host: Host, uuid: str) -> Any:
    return host.world[host.world.by_uuid("VDI", uuid)]


def _read(host: Host, uuid: str, number: int) -> bytes:
    return host.kit.xapi.disks.read(host.world.by_uuid("VDI", uuid), number * BLOCK, BLOCK).rstrip(b"\0")


async def _download(host: Host, service: ImageService, **more: Any) -> Any:
    arguments = {"image_id": "i", "sr_path": _path(host), "extra_headers": {"X-Auth-Token": "t"}, "uuid_stack": list(UUIDS)}
    return await values(host, "glance.py", "download_vhd2", **{**arguments, "endpoint": service.url, "api_version": 2, **more})


async def _refused(host: Host, url: str, **more: Any) -> list[str]:
    arguments = {"image_id": "i", "sr_path": _path(host), "extra_headers": {}, "uuid_stack": list(UUIDS), "endpoint": url, **more}
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
        leaf, base = (_vdi(host, uuid) for uuid in (UUIDS[-1], UUIDS[-2]))
        assert (leaf["virtual_size"], leaf["managed"], leaf["sm_config"]) == (SIZE, True, {"vdi_type": "vhd", "vhd-parent": UUIDS[-2]})
        assert (base["virtual_size"], base["managed"], base["read_only"], base["sm_config"]) == (SIZE, False, True, {"vdi_type": "vhd"})
        assert [_read(host, UUIDS[-1], number) for number in range(3)] == [b"base", b"leaf", b""]
        assert [_read(host, UUIDS[-2], number) for number in range(3)] == [b"base", b"hidden", b""]
        assert leaf["physical_utilisation"] < base["physical_utilisation"]
        assert host.row(host.sr)["physical_utilisation"] == leaf["physical_utilisation"] + base["physical_utilisation"]
        assert host.world.count("dom0_vhd") == 0
        assert await host.call("VDI.clone", host.world.ref(host.world.by_uuid("VDI", UUIDS[-1])), {})

    over_host(body)


@pytest.mark.parametrize(
    "files",
    [{"image.vhd": _fixed(_block(b"whole"))}, {"snap.vhd": _vhd({0: b"whole"}, size=BLOCK)}, {"./0.vhd": _vhd({0: b"whole"}, size=BLOCK)}],
)
def test_images_of_other_ages_and_kinds_are_read(files: dict[str, bytes]) -> None:
    async def body(host: Host) -> None:
        async with image_service() as service:
            service.records["i"], service.data["i"] = {}, _archive(files)
            await _download(host, service, api_version=1)
            assert service.requests[0][0] == "GET /v1/images/i"
        await host.call("SR.scan", host.sr)
        assert (_vdi(host, UUIDS[-1])["virtual_size"], _read(host, UUIDS[-1], 0)) == (BLOCK, b"whole")

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
        (gzip.compress(_archive({"0.vhd": b"x" * 9000})[:100]), "RetryableError", "Error while extracting the image i"),
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


async def _chain(host: Host) -> list[str]:
    """A disk with a base: its uuids, the leaf first."""
    vdi = await host.disk(SIZE)
    host.write(vdi, 0, _block(b"base"))
    await host.call("VDI.snapshot", vdi, {})
    host.write(vdi, BLOCK, _block(b"leaf"))
    return [host.world.uuid(host.id(vdi)), host.row(vdi)["sm_config"]["vhd-parent"]]


def test_a_chain_goes_to_the_service_as_differences() -> None:
    async def body(host: Host) -> None:
        uuids = await _chain(host)
        async with image_service() as service:
            service.records["i"] = {"status": "queued"}
            arguments = {"vdi_uuids": uuids, "image_id": "i", "sr_path": _path(host), "extra_headers": {"X-Auth-Token": "t"}}
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
        assert [_read(host, moved["root"]["uuid"], number) for number in range(3)] == [b"base", b"leaf", b""]

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
        uuids = await _chain(host)
        async with image_service() as service:
            service.records["i"], service.answers = {"status": status}, answers
            arguments = {"vdi_uuids": uuids, "image_id": "i", "sr_path": _path(host), "extra_headers": {}, "properties": {}}
            refused = await values_refused(host, "glance", "upload_vhd2", endpoint=service.url, **arguments)
        assert refused[2] == kind
        assert refused[3].startswith(text)

    over_host(body)


def test_an_upload_of_a_disk_that_is_not_there() -> None:
    async def body(host: Host) -> None:
        arguments = {"vdi_uuids": [UUIDS[0]], "image_id": "i", "sr_path": _path(host), "extra_headers": {}, "properties": {}}
        refused = await values_refused(host, "glance", "upload_vhd2", endpoint="http://127.0.0.1:1", **arguments)
        assert refused[2:] == ["IOError", f"[Errno 2] No such file or directory: '{_path(host)}/{UUIDS[0]}.vhd'"]

    over_host(body)


# ---- migration and workarounds ---------------------------------------------------------------------------------------------------


def test_a_chain_goes_to_another_host_and_into_its_sr() -> None:
    async def body(host: Host) -> None:
        uuids = await _chain(host)
        other = add_host(host)
        with host.world.edit() as edit:
            edit.create("PBD", SR=host.id(host.sr), host=host.id(other), currently_attached=True)
        for place, uuid in enumerate(uuids):
            assert await values(host, "migration", "transfer_vhd", "vm-1", "10.0.0.2", uuid, _path(host), place) is None
        before = await values_refused(host, "migration", "move_vhds_into_sr", "vm-1", _path(host), list(UUIDS))
        assert before[2:] == ["Exception", "There are no VHDs to import"]
        call = host.call("host.call_plugin", other, "migration", "move_vhds_into_sr", _packed("vm-1", _path(host), list(UUIDS)))
        assert (await call).count(UUIDS[-1]) == 1
        await host.call("SR.scan", host.sr)
        assert [_read(host, UUIDS[-1], number) for number in range(2)] == [b"base", b"leaf"]
        assert _vdi(host, UUIDS[-1])["sm_config"]["vhd-parent"] == UUIDS[-2]
        assert host.world.count("dom0_vhd") == 0

    over_host(body)


def _packed(*args: Any) -> dict[str, str]:
    from tests.fake_xapi.dom0.plugins.dom0 import packed

    return packed(*args)


def test_nobody_answers_at_another_address() -> None:
    async def body(host: Host) -> list[str]:
        [uuid, _] = await _chain(host)
        return await values_refused(host, "migration", "transfer_vhd", "vm-1", "192.0.2.9", uuid, _path(host), 0)

    assert over_host(body)[2:] == ["Exception", "rsync: failed to connect to 192.0.2.9: No route to host (113)"]


def test_a_chain_is_copied_within_its_sr() -> None:
    async def body(host: Host) -> None:
        uuids = await _chain(host)
        assert await values(host, "workarounds", "safe_copy_vdis", _path(host), uuids, list(UUIDS)) == {"root": {"uuid": UUIDS[-1]}}
        await host.call("SR.scan", host.sr)
        assert [_read(host, UUIDS[-1], number) for number in range(2)] == [b"base", b"leaf"]
        again = await values_refused(host, "workarounds", "safe_copy_vdis", _path(host), uuids, list(UUIDS))
        assert again[2:] == ["Exception", f"File '{_path(host)}/{UUIDS[-1]}.vhd' exists"]

    over_host(body)


# ---- kernels ---------------------------------------------------------------------------------------------------------------------


def test_a_kernel_is_copied_cached_and_removed() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk(16 * MIB)
        host.write(vdi, 0, b"\x7fELF kernel")
        uuid = host.world.uuid(host.id(vdi))
        name = await texts(host, "kernel", "copy_vdi", vdi__ref=vdi, image__size="11", cached__image="cached")
        assert name == f"/boot/guest/{uuid}"
        assert await texts(host, "kernel", "create_kernel_ramdisk", cached__image="cached", new__image__uuid="new") == "/boot/guest/new"
        assert await texts(host, "kernel", "create_kernel_ramdisk", cached__image="other", new__image__uuid="new") == ""
        disks = host.kit.xapi.disks
        files = {row["path"].partition(":")[2]: disks.read(file, 0, row["size"]) for file, row in host.world.rows("dom0_vhd")}
        assert files == dict.fromkeys((name, "/boot/guest/cached", "/boot/guest/new"), b"\x7fELF kernel")
        assert await texts(host, "kernel", "remove_kernel_ramdisk", kernel__file=name, ramdisk__file="/boot/guest/new") == "ok"
        assert await texts(host, "kernel", "remove_kernel_ramdisk", kernel__file=name) == "ok"
        assert [row["path"].partition(":")[2] for _, row in host.world.rows("dom0_vhd")] == ["/boot/guest/cached"]

    over_host(body)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", ".."])
def test_a_kernel_is_in_its_folder(name: str) -> None:
    async def body(host: Host) -> list[str]:
        return await texts_refused(host, "kernel", "create_kernel_ramdisk", cached__image=name, new__image__uuid="x")

    assert over_host(body) == ["XENAPI_PLUGIN_EXCEPTION", "create_kernel_ramdisk", "PluginError", f"Invalid filename: {name}"]


def test_a_kernel_of_no_vdi_or_of_too_many_bytes() -> None:
    async def body(host: Host) -> None:
        gone = await texts_refused(host, "kernel", "copy_vdi", vdi__ref="OpaqueRef:x", image__size="1")
        assert gone[2:] == ["Failure", "['HANDLE_INVALID', 'VDI', 'OpaqueRef:x']"]
        large = await texts_refused(host, "kernel", "copy_vdi", vdi__ref=await host.disk(BLOCK), image__size=str(GIB))
        assert large[2:] == ["Exception", f"an image of {GIB} bytes is too large"]

    over_host(body)


# ---- partitions ------------------------------------------------------------------------------------------------------------------


async def _in_dom0(host: Host) -> str:
    """A disk that is plugged into dom0 as xvdb; its ref."""
    vdi = await host.disk(SIZE)
    with host.world.edit() as edit:
        dom0 = edit.create("VM", is_control_domain=True, domid=0, power_state="Running", resident_on=host.id(host.host))
        edit.create("VBD", VM=dom0, VDI=host.id(vdi), userdevice="1", device="xvdb", currently_attached=True, type="Disk")
    return vdi


@pytest.mark.parametrize(
    ("kind", "at", "mark"), [("ext3", 1024 + 56, b"\x53\xef"), ("ext4", 1024 + 56, b"\x53\xef"), ("swap", 4086, b"SWAPSPACE2")]
)
def test_a_disk_gets_a_partition_and_a_file_system(kind: str, at: int, mark: bytes) -> None:
    async def body(host: Host) -> None:
        vdi = await _in_dom0(host)
        assert await values(host, "partition_utils", "wait_for_dev", "/dev/xvdb", 5) == "/dev/xvdb"
        assert await values(host, "partition_utils", "make_partition", "xvdb", "2048", "-") is None
        assert await values(host, "partition_utils", "mkfs", "xvdb", "1", kind, "label") is None
        disks, key = host.kit.xapi.disks, host.id(vdi)
        table = disks.read(key, 0, 512)
        assert (table[510:], table[450]) == (b"\x55\xaa", 0x83)
        assert (int.from_bytes(table[454:458], "little"), int.from_bytes(table[458:462], "little")) == (2048, SIZE // 512 - 2048)
        assert disks.read(key, 2048 * 512 + at, len(mark)) == mark
        assert b"label" in disks.read(key, 2048 * 512, 4096)

    over_host(body)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("make_partition", ("xvdz", "2048", "-")),
        ("make_partition", ("xvdb", "x", "-")),
        ("make_partition", ("xvdb", "2048", "999999999")),
        ("mkfs", ("xvdb", "1", "ext3")),
        ("mkfs", ("xvdb", "9", "ext3")),
        ("mkfs", ("xvdb", "1", "ntfs")),
    ],
)
def test_what_cannot_be_partitioned(function: str, args: tuple[str, ...]) -> None:
    async def body(host: Host) -> list[str]:
        await _in_dom0(host)
        return await values_refused(host, "partition_utils", function, *args)

    code, name, kind, text = over_host(body)
    assert (code, name, kind) == ("XENAPI_PLUGIN_EXCEPTION", function, "ProcessExecutionError")
    assert text.startswith("Command failed with code 1: ")


def test_a_device_is_waited_for() -> None:
    async def body(host: Host) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert await values(host, "partition_utils", "wait_for_dev", "/dev/xvdb", 5) == ""
        assert loop.time() - start == 5
        waiting = asyncio.ensure_future(values(host, "partition_utils", "wait_for_dev", "/dev/xvdb", 60))
        await asyncio.sleep(10)
        await _in_dom0(host)
        assert await waiting == "/dev/xvdb"

    over_host(body)


# ---- boot media ------------------------------------------------------------------------------------------------------------------


def test_a_boot_medium_learns_an_address_and_keeps_its_kernel() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk(16 * MIB)
        host.write(vdi, 0, image({"IPXE.KRN": b"kernel" * 1000}, "boot"))
        uuid = host.world.uuid(host.id(vdi))
        args = (_path(host), uuid, "http://boot/menu", "192.0.2.7", "255.255.255.0", "192.0.2.1", "192.0.2.2", "/usr/bin/mkisofs")
        assert await values(host, "ipxe", "inject", *args) is None
        disks, key = host.kit.xapi.disks, host.id(vdi)

        def file(name: str) -> bytes | None:
            return read_file(lambda start, count: disks.read(key, start, count), name, 1 << 20)

        assert file("IPXE.KRN") == b"kernel" * 1000
        assert file("IPXE.TXT") == (
            b"#!ipxe\nset net0/ip 192.0.2.7\nset net0/netmask 255.255.255.0\nset net0/gateway 192.0.2.1\nset dns 192.0.2.2\n"
            b"ifopen net0\nchain http://boot/menu\n"
        )
        assert b"INITRD IPXE.TXT" in (file("ISOLINUX.CFG") or b"")
        gone = await values_refused(host, "ipxe", "inject", _path(host), UUIDS[0], *args[2:])
        assert gone[2:] == ["IOError", f"[Errno 2] No such file or directory: '{_path(host)}/{UUIDS[0]}.img'"]

    over_host(body)
