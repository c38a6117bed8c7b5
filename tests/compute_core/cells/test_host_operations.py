"""What an operator asks of hosts through the cell tree: usage, questions, images ahead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from compute_core.model.errors import Conflict, Forbidden, Invalid, NotFound
from compute_core.model.hosts import HostReport
from compute_core.model.json import to_json
from compute_core.model.usage import DiskUsage, HostUsage
from tests.compute_core.cells.cloud import ADMIN, USER, Agent, Cloud
from tests.compute_core.cells.running import Within


@dataclass
class CaringAgent(Agent):
    """An agent that is asked about its host, and told to fetch images."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    takes_s: float = 0.0

    def endpoints(self) -> dict[str, Any]:
        return {**super().endpoints(), "query_host": self.query_host, "cache_images": self.cache_images}

    async def query_host(self, context: Any, question: str, arguments: Any) -> Any:
        self.asked.append((question, arguments))
        await asyncio.sleep(self.takes_s)
        return question.upper()

    async def cache_images(self, context: Any, images: Any) -> None:
        self.asked.append(("cache_images", [image["id"] for image in images]))


async def hosts(it: Cloud, *names: str) -> list[CaringAgent]:
    agents = [CaringAgent(it.bus, name) for name in names]
    for agent in agents:
        await agent.start()
    return agents


def test_a_question_goes_to_the_host_that_it_is_about(within: Within) -> None:
    async def body(it: Cloud) -> None:
        one, other = await hosts(it, "host1", "host2")
        assert await it.api.ask_host(ADMIN, "host2", "list_images", which="all") == "LIST_IMAGES"
        assert (one.asked, other.asked) == ([], [("list_images", {"which": "all"})])
        with pytest.raises(NotFound, match=r"Host host3 could not be found\."):
            await it.api.ask_host(ADMIN, "host3", "list_images")
        await other.stop()
        await asyncio.sleep(100)
        with pytest.raises(Conflict, match=r"Host host2 is down\."):
            await it.api.ask_host(ADMIN, "host2", "list_images")

    within(body)


@pytest.mark.parametrize("question", ["clean_orphans", "evict_images"])
def test_what_removes_many_things_is_waited_for_longer_than_a_call(within: Within, question: str) -> None:
    async def body(it: Cloud) -> None:
        (one,) = await hosts(it, "host1")
        one.takes_s = 600.0
        assert await it.api.ask_host(ADMIN, "host1", question) == question.upper()

    within(body)


def test_images_are_sent_ahead_to_the_hosts_that_are_there(within: Within) -> None:
    async def body(it: Cloud) -> None:
        one, other = await hosts(it, "host1", "host2")
        await other.stop()
        await asyncio.sleep(100)
        assert await it.api.cache_images(ADMIN, ["host1", "host2", "host3"], [it.image.id]) == ("host1",)
        await asyncio.sleep(1)
        assert one.asked == [("cache_images", [it.image.id])]
        with pytest.raises(Invalid):
            await it.api.cache_images(ADMIN, ["host1"], ["no-image"])
        empty = await it.images.create("empty", "p", disk_format="vhd", container_format="bare")
        with pytest.raises(Invalid, match="is queued"):
            await it.api.cache_images(ADMIN, ["host1"], [empty.id])

    within(body)


def test_the_newest_measurement_of_each_host_is_told(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agents = await hosts(it, "host1", "host2")
        usages = [HostUsage(agent.host, f"2012-08-01T00:0{at}:00Z", 2, 1, 0.5, DiskUsage(10, 5)) for at in (1, 2) for agent in agents]
        for usage in usages:
            await agents[0].bus.cast("cell.cell1", "usage_measured", {"host": usage.host, "usage": to_json(usage)})
            await asyncio.sleep(0.1)
        assert await it.api.list_usages(ADMIN) == tuple(usages[2:])
        assert await it.api.list_usages(ADMIN, "host2") == (usages[3],)
        assert await it.api.list_usages(ADMIN, "host3") == ()

    within(body)


def test_all_of_it_is_an_admins(within: Within) -> None:
    async def body(it: Cloud) -> None:
        for forbidden in (it.api.list_usages(USER), it.api.ask_host(USER, "host1", "usage"), it.api.cache_images(USER, [], [])):
            with pytest.raises(Forbidden):
                await forbidden

    within(body)


def test_what_a_cell_knows_of_servers_is_told_to_their_hosts(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await hosts(it, "host1")
        server, gone = await it.active(), await it.active()
        await it.api.delete_server(USER, gone.uuid)
        await it.gone(gone.uuid)
        known = await it.bus.call("cell.cell1", "known", {"host": "host1", "uuids": [server.uuid, gone.uuid, "strange"]}, 10)
        ports = [vif.id for vif in server.vifs]
        here = {"is_here": True, "is_gone": False, "ports": ports, "volumes": []}
        assert known == {server.uuid: here, gone.uuid: {**here, "is_here": False, "is_gone": True, "ports": [vif.id for vif in gone.vifs]}}
        elsewhere = await it.bus.call("cell.cell1", "known", {"host": "host2", "uuids": [server.uuid]}, 10)
        assert elsewhere == {server.uuid: {**here, "is_here": False}}

    within(body)


def test_what_of_a_disk_was_seen_to_be_nobodys_counts_before_what_servers_may_come_to_use(within: Within) -> None:
    async def body(it: Cloud) -> None:
        report = HostReport("host1", "host1.example", "uuid-1", "6.1", "10.1.0.1", 8, 16384, 15000, 1000, 900, 0)
        seen = []
        for others in (-1, 30):
            asked = {"report": to_json(replace(report, others_disk_gb=others)), "instances_known": []}
            await it.bus.call("cell.cell1", "heartbeat", asked, 10)
            seen.append((await it.api.list_hosts(ADMIN))[0].other_disk_gb)
        assert seen == [100, 30]

    within(body)
