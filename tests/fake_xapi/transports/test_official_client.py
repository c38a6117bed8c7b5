"""The official XenAPI package, unmodified, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import XenAPI

from fake_xapi.transports.http import HttpServer
from tests.fake_xapi.transports.serving import Addresses, run
from tests.fake_xapi.transports.worlds import MB, Host, host


def with_session(body: Callable[[Any, Host], None], release: str = "latest") -> None:
    """Run a blocking client in a thread, against a host of a release."""

    async def main() -> None:
        xen = await host(release)
        async with HttpServer(Addresses({"": xen.xapi})) as server:
            port = await server.listen(0)
            await asyncio.to_thread(client, f"http://127.4.5.6:{port}", xen)
        await xen.xapi.close()

    def client(url: str, xen: Host) -> None:
        session = XenAPI.Session(url)
        session.xenapi.login_with_password("root", "xenroot")
        try:
            body(session, xen)
        finally:
            session.xenapi.session.logout()
            session("close")()

    run(main())


@pytest.mark.parametrize("release", ["latest", "clearwater", "boston"])
def test_it_reads_and_writes(release: str) -> None:
    def body(session: Any, xen: Host) -> None:
        vdi = xen.vdi(4 * MB, name_label="disk")
        session.xenapi.VDI.set_name_description(vdi, "Größe & <Form>")
        record = session.xenapi.VDI.get_record(vdi)
        assert (record["name_label"], record["name_description"], record["virtual_size"]) == ("disk", "Größe & <Form>", str(4 * MB))
        assert session.xenapi.VDI.get_all_records() == {vdi: record}
        assert session.xenapi.VDI.get_by_name_label("none") == []

    with_session(body, release)


def test_it_gets_failures_with_all_parameters() -> None:
    def body(session: Any, xen: Host) -> None:
        del xen
        with pytest.raises(XenAPI.Failure) as caught:
            session.xenapi.VM.start("OpaqueRef:gone", False, False)
        assert caught.value.details == ["HANDLE_INVALID", "VM", "OpaqueRef:gone"]
        with pytest.raises(XenAPI.Failure) as caught:
            session.xenapi.VM.fly("x")
        assert caught.value.details == ["MESSAGE_METHOD_UNKNOWN", "VM.fly"]

    with_session(body)
