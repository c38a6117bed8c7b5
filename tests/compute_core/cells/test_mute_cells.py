"""A broker or a cell that does not answer holds nobody up for long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from compute_core.bus.in_process import InProcessBus
from compute_core.cells.hand_over import HandOver
from compute_core.cells.overview import Overview
from compute_core.cells.routing import Router, topic_of
from compute_core.cells.settings import ApiCellSettings
from compute_core.model.json import to_json
from compute_core.model.requests import RequestContext
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.scheduler.test_placement import node

ADMIN = RequestContext("u", "p", ("admin",))
SETTINGS = ApiCellSettings(children=("spoken", "mute"))


def test_the_hosts_of_a_mute_cell_are_left_out_in_seconds() -> None:
    async def main() -> tuple[list[str], float]:
        bus = InProcessBus()

        async def hosts(names: list[str] | None = None) -> list[dict[str, Any]]:
            del names
            return [to_plain("a")]

        async def think(names: list[str] | None = None) -> None:
            del names
            await asyncio.Event().wait()

        for cell, answer in (("spoken", hosts), ("mute", think)):
            await bus.serve(topic_of(f"api!{cell}"), Router(bus, f"api!{cell}").endpoints({"list_hosts": answer}))
        overview = Overview(Router(bus, "api"), SETTINGS.child_paths, SETTINGS.overview_timeout_s)
        found = [each.report.host for each in await overview.list_hosts(ADMIN)]
        took_s = asyncio.get_running_loop().time()
        await bus.close()
        return found, took_s

    assert run_virtual(main()) == (["a"], SETTINGS.overview_timeout_s)


def to_plain(name: str) -> dict[str, Any]:
    plain: dict[str, Any] = to_json(node(name))
    return plain


class StoppedBus(InProcessBus):
    """A bus whose broker is away: casts wait for it."""

    async def cast(self, topic: str, method: str, arguments: Mapping[str, Any]) -> None:
        """Wait as long as it takes."""
        await asyncio.Event().wait()


def test_a_hand_over_waits_a_little_for_a_broker_and_is_sent_again_later() -> None:
    async def main() -> float:
        bus = StoppedBus()
        hand_over = HandOver(SETTINGS, None, Router(bus, "api"), None, None)  # type: ignore[arg-type]  # it is told, nothing is read
        await hand_over.build("api!mute", (), {})
        took_s = asyncio.get_running_loop().time()
        await bus.close()
        return took_s

    assert run_virtual(main()) == SETTINGS.hand_over_wait_s
