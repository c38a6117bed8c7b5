"""What handlers are sent by who has a session: archives, images, updates and queries that were right once, over a connection in memory."""

from __future__ import annotations

import asyncio
import random
from urllib.parse import urlencode

from fake_xapi.engine.virtual_time import VirtualTimeLoop
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.transports.handlers import HANDLERS
from tests.fake_xapi.dom0.vhds import vhd_of
from tests.fake_xapi.fuzz.judging import change_complaint, listening
from tests.fake_xapi.fuzz.limits import no_longer_than
from tests.fake_xapi.fuzz.mutating import mutated
from tests.fake_xapi.fuzz.values import HOSTILE_TEXTS, Values
from tests.fake_xapi.fuzz.wire import Wire, complaint

CPU_SECONDS = 5
OF_CLASS = {
    "vdi": "VDI",
    "uuid": "VM",
    "ref": "VM",
    "sr_id": "SR",
    "task_id": "task",
    "host_id": "host",
    "id": "VM",
    "use_compression": "",
    "base": "VDI",
}
ENDLESS = frozenset({b"/console", b"/services/xenops/memory"})
"""Talks that go on for as long as both sides like."""


class Transfers:
    """Requests to every handler, many of them nearly right."""

    def __init__(self, seed: str, release: str = "latest") -> None:
        self.seed, self.release = seed, release
        self.chance = random.Random(f"transfers {seed} {release}")
        self.complaints: list[str] = []
        self.served = 0
        self._session = ""

    def run(self, count: int) -> list[str]:
        """Send so many; the complaints."""
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(self._all(count))
        return self.complaints

    async def _all(self, count: int) -> None:
        fleet = Fleet(Order(vms=2, personality=self.release, seed=self.chance.randrange(1 << 30)))
        xapi, wire = next(iter(fleet.hosts.values())), Wire(fleet)
        values = Values(self.chance, xapi.world)
        self._session = await _asked(xapi, "session.login_with_password", "root", xapi.settings.password)
        values.refs["VDI"] = [await self._disk(xapi, values) for _ in range(3)]
        bodies = await self._bodies(xapi, wire)
        with listening() as ears:
            for number in range(count):
                await self._one(number, xapi, wire, values, bodies)
                self._hear(number, ears.heard)
        await fleet.close()

    async def _one(self, number: int, xapi: Xapi, wire: Wire, values: Values, bodies: list[bytes]) -> None:
        method, path = self.chance.choice([key for key in HANDLERS if key[1] not in ENDLESS])
        body = self.chance.choice(bodies) if method in (b"PUT", b"POST") else b""
        body = mutated(self.chance, body) if self.chance.random() < 0.85 else body
        request = self._head(method, path, values, len(body)) + body
        cut = self.chance.randrange(len(request)) if self.chance.random() < 0.1 else len(request)
        before = xapi.world.value
        with no_longer_than(CPU_SECONDS):
            answer = await wire.answer([request[start : min(start + 100_000, cut)] for start in range(0, cut, 100_000)])
        found = complaint(answer, heads=method == b"HEAD")
        if answer.startswith(b"HTTP/1.1 200"):
            self.served += 1
        elif not found:
            found = change_complaint(xapi, before)
        if wire.site.tasks or wire.site.connections:
            found = found or f"left {wire.site.tasks}"
        if found:
            self.complaints.append(f"{found}\n    at {self.seed}/{self.release} transfer {number}: {request[:500]!r}")

    def _head(self, method: bytes, path: bytes, values: Values, length: int) -> bytes:
        names = self.chance.sample(sorted(OF_CLASS), self.chance.randrange(5))
        query = {"session_id": self._session if self.chance.random() < 0.95 else values.text()}
        query |= {name: self._parameter(name, values) for name in names}
        for name, choices in (
            ("format", ("vhd", "raw", "tar", "x")),
            ("force", ("true", "false")),
            ("dry_run", ("true", "x")),
            ("json", ("true",)),
            ("start", ("0", "-1", "9" * 30, "x")),
        ):
            if self.chance.random() < 0.3:
                query[name] = self.chance.choice(choices)
        target = path.decode() + "?" + urlencode(query, errors="replace")
        return f"{method.decode()} {target} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode()

    def _parameter(self, name: str, values: Values) -> str:
        draw = self.chance.random()
        if draw < 0.15 or not OF_CLASS[name]:
            return self.chance.choice(HOSTILE_TEXTS)[:300]
        if draw < 0.5:
            return values.text()[:300]
        return values.ref(OF_CLASS[name])

    def _hear(self, number: int, heard: list[str]) -> None:
        self.complaints += [f"logged: {line}\n    at {self.seed}/{self.release} transfer {number}" for line in heard]
        heard.clear()

    async def _disk(self, xapi: Xapi, values: Values) -> str:
        sr = next(xapi.world.ref(sr) for sr, row in xapi.world.rows("SR") if row["content_type"] == "user")
        record = {"SR": sr, "virtual_size": str(4 << 20), "type": "user", "sharable": False, "read_only": False, "other_config": {}}
        return await _asked(xapi, "VDI.create", self._session, record)

    async def _bodies(self, xapi: Xapi, wire: Wire) -> list[bytes]:
        """Documents that are right: an archive, one of metadata, images, a patch."""
        vm = next(xapi.world.uuid(vm) for vm, row in xapi.world.rows("VM") if not row["is_a_template"] and not row["is_control_domain"])
        archives = []
        for path in ("/export_metadata", "/export"):
            template = next(xapi.world.uuid(vm) for vm, row in xapi.world.rows("VM") if row["is_default_template"])
            uuid = vm if path == "/export_metadata" else template
            reply = await wire.answer([f"GET {path}?session_id={self._session}&uuid={uuid} HTTP/1.1\r\n\r\n".encode()])
            archives.append(reply.partition(b"\r\n\r\n")[2])
        image = vhd_of(4 << 20, {0: b"x" * 512})
        return [*archives, image, b"z" * 4096, b"<info uuid='x'/>", b"{}", b""]


async def _asked(xapi: Xapi, method: str, *params: object) -> str:
    answer = xapi.dispatch(method, list(params))
    return str(await answer if asyncio.iscoroutine(answer) else answer)
