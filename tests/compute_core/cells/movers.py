"""Agents that move servers between hosts that are tables, and a cloud of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.model.instances import NO_STATE, RUNNING, SHUTDOWN
from tests.compute_core.cells.cloud import Agent, Cloud


@dataclass
class Mover(Agent):
    """An agent that does its part of each move; ``part_s`` long, or not at all when the action is among ``refuses``."""

    others: dict[str, Mover] = field(default_factory=dict)
    formers: dict[str, int] = field(default_factory=dict)
    refuses: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    part_s: float = 1.0
    asked: list[str] = field(default_factory=list)
    steered: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    async def start(self) -> None:
        await super().start()
        assert self._serving is not None
        await self._serving.close()
        names = ("build", "destroy", "act", "query", "ping", "peer")
        self._serving = await self.bus.serve(f"compute.{self.host}", {name: getattr(self, name) for name in names})

    async def peer(self, instance: Any, request: str, arguments: Any) -> None:
        self.dropped.append(instance["uuid"])

    async def act(self, context: Any, instance: Any, action: str, arguments: Any) -> None:
        uuid = instance["uuid"]
        self.asked.append(action)
        if action not in PARTS:
            await super().act(context, instance, action, arguments)
            return
        await asyncio.sleep(self.part_s)
        if action in self.mute:
            return
        error = "broken" if action in self.refuses else None
        if error is None:
            PARTS[action](self, uuid, arguments)
        end: dict[str, Any] = {
            "action": action,
            "error": error,
            "power_state": self.vms.get(uuid, NO_STATE if error else SHUTDOWN),
            "changes": {},
        }
        await self.tell("action_finished", uuid=uuid, **end)

    async def query(self, context: Any, instance: Any, question: str, arguments: Any) -> str:
        self.steered.append(question)
        return ""


def _sent(here: Mover, uuid: str, arguments: Any) -> None:
    here.formers[uuid] = here.vms.pop(uuid)


def _runs(here: Mover, uuid: str, arguments: Any) -> None:
    here.vms[uuid] = RUNNING


def _confirmed(here: Mover, uuid: str, arguments: Any) -> None:
    here.formers.pop(uuid, None)


def _gone(here: Mover, uuid: str, arguments: Any) -> None:
    here.vms.pop(uuid, None)


def _back(here: Mover, uuid: str, arguments: Any) -> None:
    here.vms[uuid] = here.formers.pop(uuid)


def _carried(here: Mover, uuid: str, arguments: Any) -> None:
    here.others[arguments["migration"]["destination"]].vms[uuid] = here.vms[uuid]
    asyncio.get_running_loop().call_soon(here.vms.pop, uuid, None)


PARTS: Mapping[str, Callable[[Mover, str, Any], None]] = {
    "resize": _sent,
    "finish_resize": _runs,
    "confirm_resize": _confirmed,
    "revert_resize": _gone,
    "finish_revert": _back,
    "live_migrate": _carried,
    "evacuate": _runs,
}


async def add_movers(it: Cloud, *names: str, **options: Any) -> dict[str, Mover]:
    """Hosts with such agents."""
    movers = {name: Mover(it.bus, name, **options) for name in names}
    for name, mover in movers.items():
        mover.others = movers
        it.agents[name] = mover
        await mover.start()
    return movers
