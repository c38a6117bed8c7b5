"""Messages through the tree of cells, and the order in which cells are asked for room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from compute_core.bus.in_process import InProcessBus
from compute_core.cells.capacity import CellCapacity, KnownCell, by_room, capacity_of
from compute_core.cells.routing import MAX_HOPS, Router, next_hop, topic_of
from compute_core.model.errors import ComputeError, Conflict, NotFound
from compute_core.scheduler.capacity import Ask, Ratios
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.scheduler.test_placement import node

PATHS = ("api", "api!east", "api!west", "api!east!c1", "api!east!c2", "api!west!c3")


@pytest.mark.parametrize(
    ("target", "here", "hop"),
    [
        ("api!east!c1", "api", "api!east"),
        ("api!east!c1", "api!east", "api!east!c1"),
        ("api", "api!east!c1", "api!east"),
        ("api!west!c3", "api!east!c1", "api!east"),
        ("api!east", "api!east2", "api"),
    ],
)
def test_the_next_hop_is_the_neighbour_that_is_nearer(target: str, here: str, hop: str) -> None:
    assert next_hop(target, here) == hop


@pytest.mark.parametrize(("target", "here"), [("other!c1", "api"), ("api", "api")])
def test_a_cell_outside_the_tree_has_no_way(target: str, here: str) -> None:
    with pytest.raises(NotFound):
        next_hop(target, here)


def in_tree(body: Callable[[dict[str, Router], list[tuple[str, str]]], Awaitable[None]]) -> None:
    """Runs a test's body in a tree of three levels, each cell noting what is told to it."""

    async def main() -> None:
        bus, told = InProcessBus(), list[tuple[str, str]]()
        routers = {path: Router(bus, path) for path in PATHS}
        for path, router in routers.items():

            async def hear(word: str, path: str = path) -> None:
                told.append((path, word))

            async def echo(word: str, path: str = path) -> str:
                return f"{path} hears {word}"

            async def refuse() -> None:
                raise Conflict("not now")

            async def think() -> None:
                await asyncio.Event().wait()

            await bus.serve(topic_of(path), router.endpoints({"hear": hear, "echo": echo, "refuse": refuse, "think": think}))
        await body(routers, told)
        await bus.close()

    run_virtual(main(), limit_s=600)


def test_casts_and_calls_reach_cells_at_any_distance() -> None:
    async def body(routers: dict[str, Router], told: list[tuple[str, str]]) -> None:
        for sender in PATHS:
            for target in PATHS:
                if sender != target:
                    await routers[sender].cast(target, "hear", {"word": sender})
                    assert await routers[sender].call(target, "echo", {"word": sender}, 10) == f"{target} hears {sender}"
        await asyncio.sleep(1)
        assert sorted(told) == sorted((target, sender) for sender in PATHS for target in PATHS if sender != target)

    in_tree(body)


def test_a_refusal_comes_back_through_the_tree_as_itself() -> None:
    async def body(routers: dict[str, Router], _: list[tuple[str, str]]) -> None:
        with pytest.raises(Conflict, match="not now"):
            await routers["api"].call("api!east!c1", "refuse", {}, 10)
        with pytest.raises(ComputeError, match="Nobody serves nothing here"):
            await routers["api"].call("api!east!c1", "nothing", {}, 10)

    in_tree(body)


def test_a_mute_cell_ends_the_call_by_its_deadline() -> None:
    async def body(routers: dict[str, Router], _: list[tuple[str, str]]) -> None:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ComputeError):
            await routers["api"].call("api!east!c1", "think", {}, 10)
        assert asyncio.get_running_loop().time() - began <= 10

    in_tree(body)


def test_a_message_that_has_gone_too_far_is_dropped() -> None:
    async def main() -> None:
        bus = InProcessBus()
        router = Router(bus, "api!east")
        endpoints = router.endpoints({})
        with pytest.raises(ComputeError, match="has gone through 10 cells and is dropped"):
            await endpoints["forward_cast"](target="api!west", method="hear", arguments={}, hops=MAX_HOPS)
        await bus.close()

    asyncio.run(main())


def test_capacity_counts_the_hosts_in_use() -> None:
    hosts = [node("a", 8192, claimed_memory_mb=1000), node("b", 4096), node("down", is_up=False), node("off", is_enabled=False)]
    zoned = [*hosts, node("z", 2048, availability_zone="z", claimed_memory_mb=3000)]
    assert capacity_of(zoned, Ratios()) == CellCapacity(5, 3, 7192 + 4096, 600, 7192, ("nova", "z"))


def order(*cells: KnownCell, zone: str | None = None, seed: int = 0) -> tuple[str, ...]:
    return by_room(cells, Ask(1, 1000, 1), zone, 100.0, Random(seed))


def test_cells_are_asked_in_the_order_of_their_room() -> None:
    roomy = KnownCell("api!roomy", CellCapacity(9, 9, 9000, 9, 4000, ("nova",)), 150)
    less = KnownCell("api!less", CellCapacity(9, 9, 8000, 9, 4000, ("z",)), 150)
    crumbs = KnownCell("api!crumbs", CellCapacity(9, 9, 99_000, 9, 999, ("nova",)), 150)
    mute = KnownCell("api!mute", CellCapacity(9, 9, 99_000, 9, 9000, ("nova",)), 50)
    unknown = KnownCell("api!unknown")
    assert order(unknown, mute, crumbs, less, roomy) == ("api!roomy", "api!less", "api!crumbs", "api!mute", "api!unknown")
    assert order(roomy, less, zone="z") == ("api!less", "api!roomy")


def test_equal_cells_are_drawn_by_lot() -> None:
    cells = [KnownCell(f"api!c{number}") for number in range(4)]
    assert {order(*cells, seed=seed)[0] for seed in range(40)} == {cell.path for cell in cells}
    assert order(*cells, seed=3) == order(*reversed(cells), seed=3)
