"""What is asked of the content of a VDI: sums, attachment without a database, NBD, and going back to a snapshot."""

from __future__ import annotations

import hashlib
import xmlrpc.client  # what the driver writes is read as its clients read it

import pytest

from fake_xapi.verbs.disks.vdi_content import CERTIFICATE_PATH
from fake_xapi.verbs.hosts import dom0_files
from tests.fake_xapi.verbs.kit.hosts import MIB, NULL, Host, add_host, over_host


@pytest.mark.parametrize(("offset", "written"), [(0, b""), (0, b"x"), (5 * MIB - 1, b"yy"), (6 * MIB, b"z" * MIB)])
def test_the_sum_is_of_all_bytes(offset: int, written: bytes) -> None:
    async def body(host: Host) -> str:
        vdi = await host.disk(7 * MIB)
        host.write(vdi, offset, written)
        return str(await host.call("VDI.checksum", vdi))

    size = 8 * MIB
    content = bytes(offset) + written
    assert over_host(body) == hashlib.md5(content.ljust(size, b"\0"), usedforsecurity=False).hexdigest()


def test_a_disk_without_bytes_is_all_zeros_and_one_that_nobody_sees_has_no_sum() -> None:
    async def body(host: Host) -> None:
        vdi = host.kit.make("VDI", SR=host.id(host.sr), virtual_size=3 * MIB, managed=True)
        assert await host.call("VDI.checksum", vdi) == hashlib.md5(bytes(3 * MIB), usedforsecurity=False).hexdigest()
        with host.world.edit() as edit:
            edit.set(host.row(host.sr)["PBDs"][0], currently_attached=False)
        assert await host.refused("VDI.checksum", vdi) == ["SR_HAS_NO_PBDS", host.sr]

    over_host(body)


def test_a_host_gets_what_it_needs_to_attach_a_disk() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        (asked,), method = xmlrpc.client.loads(await host.call("VDI.generate_config", host.host, vdi))
        assert method == "vdi_attach_from_config"
        assert asked == {
            "sr_uuid": host.world.uuid(host.id(host.sr)),
            "vdi_uuid": host.world.uuid(host.id(vdi)),
            "device_config": {"device": "/dev/sda3"},
            "command": "vdi_attach_from_config",
        }
        host.set(host.sr, type="lvm")
        assert await host.refused("VDI.generate_config", host.host, vdi) == ["SR_OPERATION_NOT_SUPPORTED", host.sr]

    over_host(body)


def test_a_disk_is_read_over_nbd_where_networks_are_for_that() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        assert await host.call("VDI.get_nbd_info", vdi) == []
        pif = host.world[host.id(host.network)]["PIFs"][0]
        with host.world.edit() as edit:
            edit.set(pif, IP="10.0.0.1", IPv6=("fe80::1/64",), currently_attached=True)
            edit.set(host.id(host.network), purpose=("nbd",))
            edit.set(host.id(host.host), hostname="h1")
            dom0_files.write(host.world, edit, CERTIFICATE_PATH, "PEM", host.id(host.host))
        add_host(host)
        name = f"/{host.world.uuid(host.id(vdi))}?session_id={host.kit.session}"
        rest = {"exportname": name, "port": 10809, "cert": "PEM", "subject": "h1"}
        found = await host.call("VDI.get_nbd_info", vdi)
        assert [{**info, "port": int(info["port"])} for info in found] == [{**rest, "address": one} for one in ("10.0.0.1", "fe80::1")]
        host.set(vdi, type="cbt_metadata")
        assert await host.refused("VDI.get_nbd_info", vdi) == ["VDI_INCOMPATIBLE_TYPE", vdi, "cbt_metadata"]

    over_host(body)


def test_no_driver_reverts_yet() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        snapshot = await host.call("VDI.snapshot", vdi)
        assert await host.refused("VDI.revert", snapshot) == ["SR_OPERATION_NOT_SUPPORTED", host.sr]
        assert await host.refused("VDI.revert", NULL) == ["HANDLE_INVALID", "VDI", NULL]

    over_host(body)
