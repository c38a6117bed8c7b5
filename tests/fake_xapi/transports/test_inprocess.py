"""The in-process transport: the same answers without a wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.transfers import BadRequest
from tests.fake_xapi.dom0.vhds import decoded, vhd_of
from tests.fake_xapi.transports.serving import Answering
from tests.fake_xapi.transports.worlds import MB, Host, host


def over_host(body: Callable[[Host, InProcess], Awaitable[None]]) -> None:
    async def main() -> None:
        xen = await host()
        await body(xen, InProcess(xen.xapi))
        await xen.xapi.close()
        xen.xapi.disks.close()

    run_virtual(main())


async def pieces_of(content: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def test_values_are_handed_over_not_copied() -> None:
    value = {"a": ["b"]}

    async def later() -> Any:
        await asyncio.sleep(3600)
        return value

    async def body() -> None:
        client = InProcess(Answering({"a.now": lambda: value, "a.later": later}))
        assert await client.call("a.now", []) is value
        assert await client.call("a.later", []) is value

    run_virtual(body())


def test_a_record_is_a_plain_dict() -> None:
    async def body(xen: Host, client: InProcess) -> None:
        vdi = xen.vdi(4 * MB, name_label="disk")
        record = await client.call("VDI.get_record", [xen.session, vdi])
        assert (type(record), record["name_label"], record["virtual_size"]) == (dict, "disk", 4 * MB)
        assert await client.call("VDI.get_all_records", [xen.session]) == {vdi: record}

    over_host(body)


def test_a_failure_and_a_broken_wire_are_exceptions() -> None:
    class Cut:
        cut_at = 0.5
        value = "x"

    async def body() -> None:
        client = InProcess(Answering({"a.cut": Cut}))
        with pytest.raises(ConnectionResetError):
            await client.call("a.cut", [])
        with pytest.raises(Failure, match="MESSAGE_METHOD_UNKNOWN"):
            await client.call("a.b", [])

    run_virtual(body())


def test_an_image_goes_in_and_out_through_the_same_handlers() -> None:
    async def body(xen: Host, client: InProcess) -> None:
        image = vhd_of(8 * MB, {0: b"first", 3: b"last"})
        vdi = xen.vdi(8 * MB)
        query = {"session_id": xen.session, "vdi": vdi, "format": "vhd"}
        await client.put("/import_raw_vdi", query, pieces_of(image), len(image))
        exported = b"".join([piece async for piece in client.get("/export_raw_vdi", query)])
        assert decoded(exported)[1] == decoded(image)[1]

    over_host(body)


def test_what_a_handler_refuses_is_an_exception() -> None:
    async def body(xen: Host, client: InProcess) -> None:
        with pytest.raises(Failure, match="HANDLE_INVALID"):
            await client.put("/import_raw_vdi", {"session_id": xen.session, "vdi": "OpaqueRef:gone"}, pieces_of(b"x"))
        with pytest.raises(BadRequest, match="No handler for PUT /nowhere"):
            await client.put("/nowhere", {"session_id": xen.session}, pieces_of(b"x"))
        with pytest.raises(Failure, match="SESSION_AUTHENTICATION_FAILED"):
            await client.put("/import_raw_vdi", {"vdi": xen.vdi(MB)}, pieces_of(b"x"))

    over_host(body)


def test_a_disk_is_handed_over_as_a_value_between_hosts_that_share_bytes() -> None:
    async def main() -> None:
        store = DiskStore()
        first, second = await host(disks=store), await host(disks=store.fork())
        source, target = first.vdi(8 * MB), second.vdi(16 * MB)
        first.xapi.disks.write(first.id(source), 5 * MB, b"shared")
        disk = InProcess(first.xapi).export_disk(first.session, source)
        InProcess(second.xapi).import_disk(second.session, target, disk)
        assert second.content(target) == first.content(source).ljust(16 * MB, b"\0")
        assert second.xapi.disks[second.id(target)].blocks is disk.blocks
        assert second.xapi.world[second.id(target)]["physical_utilisation"] > 2 * MB
        for xen in (first, second):
            await xen.xapi.close()
        store.close()

    run_virtual(main())
