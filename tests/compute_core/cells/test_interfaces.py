"""Servers' interfaces through the cells: who asks waits for the end, and ports go back where nothing came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from compute_core.cells.server_interfaces import AttachmentFailed
from compute_core.cells.servers import CellServers
from compute_core.cells.settings import ApiCellSettings
from compute_core.cells.waiting import Waiting
from compute_core.model.errors import Conflict, NotFound
from compute_core.model.networks import Wish
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.cells.cloud import ADMIN, OTHER, USER, Agent, Cloud
from tests.compute_core.cells.running import Within
from tests.compute_core.values import an_instance


@dataclass
class Plugging(Agent):
    """An agent that attaches interfaces as one does, or cannot; ``takes_s`` long."""

    takes_s: float = 1.0
    can: bool = True

    async def act(self, context: Any, instance: Any, action: str, arguments: Any) -> None:
        await asyncio.sleep(self.takes_s)
        kept = [vif for vif in instance["vifs"] if vif["state"] == "attached"]
        done = [{**vif, "state": "attached"} for vif in instance["vifs"] if vif["state"] != "detaching"]
        end: dict[str, Any] = {"error": None if self.can else "no", "changes": {"vifs": done if self.can else kept}}
        await self.tell("action_finished", uuid=instance["uuid"], action=action, power_state=1, **end)


async def served(there: Cloud, **options: Any) -> tuple[Plugging, str]:
    agent = there.agents["host1"] = Plugging(there.bus, "host1", **options)
    await agent.start()
    return agent, (await there.active()).uuid


def test_who_attaches_or_detaches_waits_for_the_end(within: Within) -> None:
    async def body(there: Cloud) -> None:
        _, uuid = await served(there)
        made = await there.api.attach_interface(USER, uuid, Wish("private"))
        assert (made.state, made.device) == ("attached", 1)
        assert len((await there.api.get_server(USER, uuid)).vifs) == 2
        await there.api.detach_interface(USER, uuid, made.id)
        assert [vif.id == made.id for vif in (await there.api.get_server(USER, uuid)).vifs] == [False]

    within(body)


def test_an_end_that_takes_longer_than_calls_do_is_not_waited_for(within: Within) -> None:
    async def body(there: Cloud) -> None:
        _, uuid = await served(there, takes_s=30.0)
        assert (await there.api.attach_interface(USER, uuid, Wish("private"))).state == "attaching"

    within(body, api_settings=ApiCellSettings(call_timeout_s=5.0))


def test_an_attachment_that_has_failed_is_told(within: Within) -> None:
    async def body(there: Cloud) -> None:
        _, uuid = await served(there, can=False)
        with pytest.raises(AttachmentFailed, match=f"Failed to attach network adapter device to {uuid}"):
            await there.api.attach_interface(USER, uuid, Wish("private"))
        assert (await there.api.get_server(USER, uuid)).task_state is None

    within(body)


def test_what_may_not_be_leaves_no_port(within: Within) -> None:
    async def body(there: Cloud) -> None:
        _, uuid = await served(there)
        await there.api.lock_server(ADMIN, uuid, None)
        (one,) = (await there.api.get_server(USER, uuid)).vifs
        for refused in (there.api.attach_interface(USER, uuid, Wish("private")), there.api.detach_interface(USER, uuid, one.id)):
            with pytest.raises(Conflict, match="is locked"):
                await refused
        await there.api.unlock_server(ADMIN, uuid)
        for absent in (
            there.api.attach_interface(OTHER, uuid, Wish("private")),
            there.api.attach_interface(USER, uuid, Wish("nowhere")),
            there.api.detach_interface(USER, uuid, "nothing"),
        ):
            with pytest.raises(NotFound):
                await absent
        assert (await there.api.get_server(USER, uuid)).vifs == (one,)

    within(body)


def test_news_that_come_before_who_attaches_knows_that_it_has_begun_count(within: Within, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_with_parts = CellServers.begin_with_parts

    async def slowly(servers: CellServers, *asked: Any) -> Any:
        begun = await begin_with_parts(servers, *asked)
        await asyncio.sleep(10.0)
        return begun

    monkeypatch.setattr(CellServers, "begin_with_parts", slowly)

    async def body(there: Cloud) -> None:
        _, uuid = await served(there)
        assert (await there.api.attach_interface(USER, uuid, Wish("private"))).state == "attached"

    within(body)


def test_news_of_a_server_that_is_busy_or_of_another_or_of_before_wake_nobody() -> None:
    async def main() -> None:
        waiting, begun = Waiting(), an_instance("a", task_state="attaching_interface", update_seq=7)
        with waiting.watch("a", 10.0) as watch, waiting.watch("a", 1.0) as also:
            waiting.tell([an_instance("a", task_state=None, update_seq=6), an_instance("b", task_state=None, update_seq=9), begun])
            assert await also.at_rest(begun) is None
            done = an_instance("a", task_state=None, update_seq=8)
            waiting.tell([done])
            assert await watch.at_rest(begun) == done
        waiting.tell([done])

    run_virtual(main())
