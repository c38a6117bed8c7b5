"""The plugins that move disks without a service: chains between hosts, kernels, partitions, boot media. Every byte is checked."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.dom0.iso9660 import read_file
from fake_xapi.dom0.iso9660_write import image
from tests.fake_xapi.dom0.plugins.disks import BLOCK, SIZE, UUIDS, chain, folder, read_block, vdi_of
from tests.fake_xapi.dom0.plugins.dom0 import packed, texts, texts_refused, values, values_refused
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, add_host, over_host

# ---- migration and workarounds ---------------------------------------------------------------------------------------------------


def test_a_chain_goes_to_another_host_and_into_its_sr() -> None:
    async def body(host: Host) -> None:
        uuids = await chain(host)
        other = add_host(host)
        with host.world.edit() as edit:
            edit.create("PBD", SR=host.id(host.sr), host=host.id(other), currently_attached=True)
        for place, uuid in enumerate(uuids):
            assert await values(host, "migration", "transfer_vhd", "vm-1", "10.0.0.2", uuid, folder(host), place) is None
        before = await values_refused(host, "migration", "move_vhds_into_sr", "vm-1", folder(host), list(UUIDS))
        assert before[2:] == ["Exception", "There are no VHDs to import"]
        call = host.call("host.call_plugin", other, "migration", "move_vhds_into_sr", packed("vm-1", folder(host), list(UUIDS)))
        assert (await call).count(UUIDS[-1]) == 1
        await host.call("SR.scan", host.sr)
        assert [read_block(host, UUIDS[-1], number) for number in range(2)] == [b"base", b"leaf"]
        assert vdi_of(host, UUIDS[-1])["sm_config"]["vhd-parent"] == UUIDS[-2]
        assert host.world.count("dom0_vhd") == 0

    over_host(body)


def test_nobody_answers_at_another_address() -> None:
    async def body(host: Host) -> list[str]:
        [uuid, _] = await chain(host)
        return await values_refused(host, "migration", "transfer_vhd", "vm-1", "192.0.2.9", uuid, folder(host), 0)

    assert over_host(body)[2:] == ["Exception", "rsync: failed to connect to 192.0.2.9: No route to host (113)"]


def test_a_chain_is_copied_within_its_sr() -> None:
    async def body(host: Host) -> None:
        uuids = await chain(host)
        assert await values(host, "workarounds", "safe_copy_vdis", folder(host), uuids, list(UUIDS)) == {"root": {"uuid": UUIDS[-1]}}
        await host.call("SR.scan", host.sr)
        assert [read_block(host, UUIDS[-1], number) for number in range(2)] == [b"base", b"leaf"]
        again = await values_refused(host, "workarounds", "safe_copy_vdis", folder(host), uuids, list(UUIDS))
        assert again[2:] == ["Exception", f"File '{folder(host)}/{UUIDS[-1]}.vhd' exists"]

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
        args = (folder(host), uuid, "http://boot/menu", "192.0.2.7", "255.255.255.0", "192.0.2.1", "192.0.2.2", "/usr/bin/mkisofs")
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
        gone = await values_refused(host, "ipxe", "inject", folder(host), UUIDS[0], *args[2:])
        assert gone[2:] == ["IOError", f"[Errno 2] No such file or directory: '{folder(host)}/{UUIDS[0]}.img'"]

    over_host(body)
