"""Two simulators on real sockets: a VM goes from one to the other over HTTP alone, as between two processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.xapi import Xapi
from fake_xapi.faults.effects import Refuse
from fake_xapi.faults.rules import Rule
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served
from fake_xapi.transports.remotes import HttpRemote, split_address
from tests.fake_xapi.verbs.kit.hosts import MIB, QOS, VM_RECORD


@dataclass(slots=True)
class Side:
    """One simulator: its fleet, its only host's XAPI, and a session."""

    fleet: Fleet
    xapi: Xapi
    session: str

    async def call(self, method: str, *params: Any) -> Any:
        answer = self.xapi.dispatch(method, [self.session, *params])
        answer = await answer if asyncio.iscoroutine(answer) else answer
        return answer.value() if hasattr(answer, "value") and callable(answer.value) else answer

    def one(self, cls: str, **fields: Any) -> str:
        world = self.xapi.world
        return next(world.ref(identity) for identity, row in sorted(world.rows(cls)) if all(row[k] == v for k, v in fields.items()))

    @property
    def sr(self) -> str:
        return self.xapi.world.ref(self.xapi.world[next(self.xapi.world.ids("pool"))]["default_SR"])

    def content(self, vm: str) -> list[bytes]:
        world = self.xapi.world
        vdis = [world[vbd]["VDI"] for vbd in world[world.find_ref(vm)]["VBDs"]]
        return [self.xapi.disks.read(vdi, MIB, 7) for vdi in vdis]

    async def running(self) -> str:
        vm = await self.call("VM.create", VM_RECORD)
        vdi = await self.call("VDI.create", {**DISK, "SR": self.sr})
        vbd = {"VM": vm, "VDI": vdi, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False, "unpluggable": True}
        await self.call("VBD.create", {**vbd, **QOS})
        await self.call("VIF.create", {"VM": vm, "network": self.network, "device": "0", "MAC": "", "MTU": "1500", **QOS})
        self.xapi.disks.write(self.xapi.world.find_ref(vdi), MIB, b"content")
        await self.call("VM.start", vm, False, False)
        return str(vm)

    @property
    def network(self) -> str:
        return self.xapi.world.ref(self.xapi.world[self.xapi.world.find_ref(self.one("PIF", management=True))]["network"])


DISK: dict[str, Any] = {
    "name_label": "root",
    "name_description": "",
    "virtual_size": str(8 * MIB),
    "type": "user",
    "sharable": False,
    "read_only": False,
    "other_config": {},
}


def between(body: Callable[[Side, Side], Awaitable[None]], *, has_own_addresses: bool = True, release: str = "latest") -> None:
    """Run over two simulators that know nothing of each other."""

    async def main() -> None:
        fleets = [Fleet(Order(1, seed, release, 0, has_own_addresses)) for seed in (1, 2)]
        async with served(fleets[0]), served(fleets[1]):
            sides = []
            for fleet in fleets:
                [xapi] = fleet.hosts.values()
                session = xapi.dispatch("session.login_with_password", ["root", "xenroot"])
                sides.append(Side(fleet, xapi, await session if asyncio.iscoroutine(session) else session))
            await body(*sides)
        for fleet in fleets:
            await fleet.close()

    uvloop.run(asyncio.wait_for(main(), 60))


async def asked(here: Side, there: Side, vm: str) -> list[Any]:
    """The parameters of a migration."""
    world = here.xapi.world
    row = world[world.find_ref(vm)]
    host = there.xapi.world.ref(there.xapi.host)
    dest = await there.call("host.migrate_receive", host, there.network, {})
    vdis = {world.ref(world[vbd]["VDI"]): there.sr for vbd in row["VBDs"]}
    return [vm, dest, True, vdis, {world.ref(vif): there.network for vif in row["VIFs"]}, {}]


@pytest.mark.parametrize("has_own_addresses", [True, False])
@pytest.mark.parametrize("release", ["tampa", "latest"])
def test_a_vm_goes_from_one_simulator_to_the_other(release: str, *, has_own_addresses: bool) -> None:
    async def body(here: Side, there: Side) -> None:
        vm = await here.running()
        uuid = here.xapi.world.uuid(here.xapi.world.find_ref(vm))
        given = await asked(here, there, vm)
        port = next(there.fleet.sites()).port
        assert given[1]["master"].endswith(f":{port}")
        await here.call("VM.assert_can_migrate", *given)
        await here.call("VM.migrate_send", *given)
        made = await there.call("VM.get_by_uuid", uuid)
        row = there.xapi.world[there.xapi.world.find_ref(made)]
        assert (row["power_state"], row["resident_on"]) == ("Running", there.xapi.host)
        assert there.content(made) == [b"content"]
        with pytest.raises(Failure, match="UUID_INVALID"):
            await here.call("VM.get_by_uuid", uuid)

    between(body, has_own_addresses=has_own_addresses, release=release)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("VDI.create", ["SR_BACKEND_FAILURE_44", "", "full", ""]),
        ("VM.pool_migrate_complete", ["INTERNAL_ERROR", "broken"]),
        ("put_import_metadata", None),
        ("put_import_raw_vdi", ["MIRROR_FAILED", "<vdi>"]),
        ("put_services_xenops", None),
    ],
)
def test_what_breaks_there_leaves_the_vm_here(message: str, error: list[str] | None) -> None:
    async def body(here: Side, there: Side) -> None:
        vm = await here.running()
        given = await asked(here, there, vm)
        before = {cls: there.xapi.world.count(cls) for cls in ("VM", "VDI", "VBD", "VIF")}
        effect = Refuse(*(error[0], tuple(error[1:]))) if error and not message.startswith("put") else Refuse("INTERNAL_ERROR", ("broken",))
        there.fleet.faults.add(Rule(effect, message=message))
        with pytest.raises(Failure) as caught:
            await here.call("VM.migrate_send", *given)
        [vdi] = given[3]
        assert error is None or caught.value.details == [vdi if part == "<vdi>" else part for part in error]
        assert await here.call("VM.get_power_state", vm) == "Running"
        assert {cls: there.xapi.world.count(cls) for cls in before} == before

    between(body)


def test_a_simulator_that_is_gone_is_told_by_its_address() -> None:
    async def body(here: Side, there: Side) -> None:
        vm = await here.running()
        given = await asked(here, there, vm)
        given[1]["master"] = "http://127.0.0.1:1"
        with pytest.raises(Failure) as caught:
            await here.call("VM.migrate_send", *given)
        assert caught.value.details == ["CANNOT_CONTACT_HOST", "127.0.0.1:1"]

    between(body)


def test_archives_are_fetched_from_a_simulator_and_other_answers_refused() -> None:
    async def body(here: Side, there: Side) -> None:
        vm = await there.running()
        await there.call("VM.hard_shutdown", vm)
        site = next(there.fleet.sites())
        url = f"http://{site.address}:{site.port}/export?session_id={there.session}&ref={vm}"
        [made] = await here.call("VM.import", url, here.sr, False, False)
        assert here.content(made) == [b"content"]
        for wrong, code in ((url.replace("ref=", "ref=x"), "CANNOT_CONTACT_HOST"), ("ftp://a/b", "INVALID_VALUE"), ("x", "INVALID_VALUE")):
            with pytest.raises(Failure) as caught:
                await here.call("VM.import", wrong, here.sr, False, False)
            assert caught.value.code == code

    between(body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<x/>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<x/>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"<!DOCTYPE a [<!ENTITY b 'c'>]><methodResponse>&b;</methodResponse>",
    ],
)
def test_whatever_answers_that_is_no_xapi_is_told_as_nobody(answer: bytes) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"</methodCall>")
            writer.write(answer)
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Failure) as caught:
                await HttpRemote(f"127.0.0.1:{port}").call("VM.get_all", "session")
            assert caught.value.details == ["CANNOT_CONTACT_HOST", f"127.0.0.1:{port}"]

    uvloop.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize(
    ("text", "found"),
    [("a", ("a", 80)), ("a:8080", ("a", 8080)), ("[::1]:81", ("::1", 81)), ("[::1]", ("::1", 80)), ("fe80::1", ("fe80::1", 80))],
)
def test_addresses_have_ports_or_the_usual_one(text: str, found: tuple[str, int]) -> None:
    assert split_address(text, 80) == found
