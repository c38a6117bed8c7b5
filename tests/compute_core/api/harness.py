"""The whole API over real cells, bus and database, on virtual time; hosts are answered for by a few lines on the bus.

Every successful answer of the Compute API is judged by Tempest's schemas on its way to the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compute_core.api.wsgi import Reply, Request, call_wsgi
from compute_core.bus.port import Bus, Endpoint
from compute_core.model.hosts import HostReport
from compute_core.model.json import to_json
from compute_core.settings import Account, HostEntry, Settings
from compute_core.wiring import CloudApplication
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.api import oracle
from tests.compute_core.images import vhds

EPOCH = datetime(2012, 8, 1, tzinfo=UTC)
ACCOUNTS = (
    Account("admin", "admin", ("admin",), "admin-secret"),
    Account("demo", "demo", ("member",), "demo-secret"),
    Account("other", "other", ("member",), "other-secret"),
    Account("looker", "demo", ("reader",), "looker-secret"),
)
POWER = {"stop": 4, "pause": 3, "suspend": 7, "shelve": 4, "shelve_offload": 0, "soft_delete": 4}
CHANGES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "attach_interface": lambda server: {"vifs": [{**each, "state": "attached"} for each in server["vifs"]]},
    "detach_interface": lambda server: {"vifs": [each for each in server["vifs"] if each["state"] == "attached"]},
    "attach_volume": lambda server: {"block_devices": [{**each, "state": "attached"} for each in server["block_devices"]]},
    "detach_volume": lambda server: {"block_devices": [each for each in server["block_devices"] if each["state"] == "attached"]},
}
"""What members of a server are after an action."""
ANSWERS: dict[str, Any] = {}
"""What stand-ins say to questions, by question; None to all others."""
VERSIONS = (1, 3, 9, 16, 19, 26, 37, 47, 53, 57, 61, 63, 71, 73, 75, 87)


@dataclass(slots=True)
class StandIn:
    """An agent without a host: it registers, and says of everything that it has been done, but of the actions that it ``holds``."""

    bus: Bus
    host: str
    cell: str
    asked: list[tuple[str, Any]] = field(default_factory=list)
    holds: set[str] = field(default_factory=set)
    tended: list[tuple[str, Any]] = field(default_factory=list)
    boots: int = 1

    async def run(self) -> None:
        """Register and answer until cancelled."""
        report = HostReport(
            host=self.host,
            hypervisor_hostname=f"{self.host}.example",
            hypervisor_uuid=f"00000000-0000-4000-8000-{int.from_bytes(self.host.encode()[-6:]):012x}",
            hypervisor_version="6.2.0",
            host_ip="127.0.0.9",
            vcpus=16,
            memory_mb_total=65536,
            memory_mb_free=64000,
            disk_gb_total=1000,
            disk_gb_free=990,
            running_vms=0,
            cpu_model="Xeon",
        )
        endpoints: Mapping[str, Endpoint] = {
            "build": self.build,
            "destroy": self.destroy,
            "act": self.act,
            "query": self.query,
            "hear": self.hear,
            "query_host": self.query_host,
            "cache_images": self.cache_images,
            "tend": self.tend,
        }
        serving = await self.bus.serve(f"compute.{self.host}", endpoints)
        try:
            while True:
                await self.bus.call(f"cell.{self.cell}", "heartbeat", {"report": to_json(report), "instances_known": []}, 10.0)
                await asyncio.sleep(20.0)
        finally:
            await serving.close()

    async def ready(self) -> None:
        """At once, or nearly."""

    async def tell(self, method: str, **arguments: Any) -> None:
        """Report to the cell."""
        await self.bus.cast(f"cell.{self.cell}", method, arguments)

    async def build(self, instance: Mapping[str, Any], **asked: Any) -> None:
        self.asked.append(("build", {"instance": instance, **asked}))
        await asyncio.sleep(5.0)
        await self.tell("build_succeeded", uuid=instance["uuid"], host=self.host, power_state=1)

    async def destroy(self, instance: Mapping[str, Any], **asked: Any) -> None:
        self.asked.append(("destroy", {"instance": instance, **asked}))
        await self.tell("instance_destroyed", uuid=instance["uuid"], host=self.host)

    async def act(self, instance: Mapping[str, Any], action: str, **asked: Any) -> None:
        self.asked.append((action, {"instance": instance, **asked}))
        if action in self.holds:
            return
        changes = CHANGES[action](instance) if action in CHANGES else {}
        end: dict[str, Any] = {"action": action, "error": None, "power_state": POWER.get(action, 1), "changes": changes}
        await self.tell("action_finished", uuid=instance["uuid"], host=self.host, **end)

    async def hear(self, instance: Mapping[str, Any], news: str, **asked: Any) -> None:
        self.asked.append((news, {"instance": instance, **asked}))

    async def query_host(self, question: str, arguments: Mapping[str, Any], **_: Any) -> Any:
        self.asked.append((question, arguments))
        return ANSWERS.get(question)

    async def tend(self, request: str, arguments: Mapping[str, Any]) -> Any:
        self.tended.append((request, arguments))
        self.boots += request == "reboot"
        return {"answer": {"is_enabled": True, "is_live": request != "shutdown", "boot_time": str(self.boots), "pool": ""}}

    async def cache_images(self, images: Any, **_: Any) -> None:
        self.asked.append(("cache_images", [image["id"] for image in images]))

    async def query(self, question: str, arguments: Mapping[str, Any], **_: Any) -> Any:
        if question != "console_output":
            self.asked.append((question, arguments))
            return ANSWERS.get(question)
        lines = [f"line {number}\n" for number in range(10)]
        return "".join(lines[-arguments["length"] :] if arguments["length"] else lines)


@dataclass(slots=True)
class Api:
    """What a test asks of: one user's requests, ``demo`` when nobody is named."""

    cloud: CloudApplication
    agents: list[StandIn]
    tokens: dict[str, str] = field(default_factory=dict)

    async def send(self, method: str, path: str, body: Any = None, *, version: int | None = None, user: str = "demo", **more: Any) -> Reply:
        """One request; a successful answer has been judged. ``is_judged`` False: Tempest publishes no schema for it."""
        is_judged = more.pop("is_judged", True)
        headers = {"X-Auth-Token": await self.token(user), **more.pop("headers", {})}
        if version is not None:
            headers["X-OpenStack-Nova-API-Version"] = f"2.{version}"
        reply = await call_wsgi(self.cloud.local_app, Request(method, path, json=body, headers=headers, **more))
        if is_judged and path.startswith("/v2.1/") and reply.status < 400:
            where = path.removeprefix("/v2.1").partition("?")[0]
            oracle.judge(method, where, version or 1, reply, body)
        return reply

    async def get(self, path: str, **more: Any) -> Any:
        """The body of a successful GET."""
        reply = await self.send("GET", path, **more)
        assert reply.status == 200, reply
        return reply.json

    async def token(self, user: str) -> str:
        """A token of one of ACCOUNTS."""
        if user not in self.tokens:
            account = next(account for account in ACCOUNTS if account.user == user)
            reply = await call_wsgi(self.cloud.local_app, Request("POST", "/identity/v3/auth/tokens", json=login(account)))
            self.tokens[user] = reply.headers["x-subject-token"]
        return self.tokens[user]

    async def image(self, user: str = "demo", **fields: Any) -> str:
        """An active image."""
        asked = {"name": "debian", "disk_format": "vhd", "container_format": "bare", **fields}
        image = (await self.send("POST", "/image/v2/images", asked, user=user)).json["id"]
        content = vhds.fixed(b"boot" * 256)
        headers = {"Content-Type": "application/octet-stream"}
        reply = await self.send("PUT", f"/image/v2/images/{image}/file", user=user, content=content, headers=headers)
        assert reply.status == 204, reply
        return str(image)

    async def server(self, *, user: str = "demo", version: int = 1, **fields: Any) -> str:
        """A server that is being built."""
        asked = {"name": "web", "flavorRef": "1", **fields}
        if "imageRef" not in asked:
            asked["imageRef"] = await self.image(user)
        if version >= 37:
            asked.setdefault("networks", "auto")
        reply = await self.send("POST", "/v2.1/servers", {"server": asked}, user=user, version=version)
        assert reply.status == 202, reply
        return str(reply.json["server"]["id"])

    async def active(self, **fields: Any) -> str:
        """A server that runs."""
        server = await self.server(**fields)
        await self.settle()
        assert (await self.get(f"/v2.1/servers/{server}", user="admin"))["server"]["status"] == "ACTIVE"
        return server

    async def settle(self) -> None:
        """Let everything that is under way come to its end."""
        await asyncio.sleep(15.0)


def login(account: Account) -> Any:
    """What a client sends to log in."""
    domain = {"id": "default"}
    user = {"name": account.user, "domain": domain, "password": account.password}
    scope = {"project": {"name": account.project, "domain": domain}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}


@asynccontextmanager
async def api(
    folder: Path, hosts: tuple[str, ...] = ("xen-a", "xen-b"), settings: Callable[[Settings], Settings] = lambda usual: usual
) -> AsyncIterator[Api]:
    """The API with a stand-in for each host. ``settings`` makes those of the test from the usual ones."""
    entries = tuple(HostEntry(name, f"http://{name}", "root", "secret") for name in hosts)
    told = settings(Settings(state=folder, hosts=entries, accounts=ACCOUNTS, seed=7, is_synced=False))
    agents: list[StandIn] = []

    def stand_in(entry: HostEntry, cloud: CloudApplication) -> StandIn:
        agents.append(StandIn(cloud.bus, entry.name, told.cell))
        return agents[-1]

    async with CloudApplication(told, epoch=EPOCH, agent=stand_in) as cloud:
        await asyncio.sleep(1.0)
        yield Api(cloud, agents)


def run(folder: Path, test: Callable[[Api], Awaitable[None]], **more: Any) -> None:
    """Run a test of the API on virtual time."""

    async def main() -> None:
        async with api(folder, **more) as cloud:
            await test(cloud)

    run_virtual(main())
