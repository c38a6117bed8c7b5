"""Claims: whoever competes, no host is promised twice, and what is released comes back once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute_core.model.hosts import ComputeNode, HostReport
from compute_core.scheduler.capacity import Ask, Ratios, limits
from compute_core.store import hosts
from compute_core.store.adapters import open_store
from compute_core.store.port import Store


def node(name: str, memory_mb: int = 10_000) -> ComputeNode:
    report = HostReport(name, name, f"uuid-{name}", "6.1", "10.0.0.1", 4, memory_mb, memory_mb, 100, 100, 0)
    return ComputeNode(report, f"service-{name}")


async def register(store: Store, *names: str) -> None:
    for name in names:
        await store.run(hosts.report, node(name), limits(node(name), Ratios(vcpus=4.0)), 0.0)


async def compete(store: Store, competitor: int, chance: Random, names: list[str]) -> list[str]:
    """Claim for as many instances as the hosts will take, and let some of them go again; those that are kept."""
    kept = []
    for number in range(12):
        uuid, host = f"{competitor}-{number}", chance.choice(names)
        stored = await store.run(hosts.find, host)
        assert stored is not None
        ask = Ask(chance.randrange(1, 4), chance.randrange(100, 4000), chance.randrange(1, 30))
        if await store.run(hosts.claim, host, stored.node.generation, {uuid: ask}):
            kept.append(uuid)
            if chance.random() < 0.4:
                assert await store.run(hosts.release, uuid) == host
                assert await store.run(hosts.release, uuid) is None
                kept.remove(uuid)
    return kept


async def check(store: Store, kept: list[str]) -> None:
    """No host is over its limits, and each row says what its claims add up to."""
    claims = await store.run(hosts.claimed)
    assert sorted(claims) == sorted(kept)
    for stored in await store.run(hosts.listed):
        name, most = stored.node.report.host, limits(stored.node, Ratios(vcpus=4.0))
        total = sum((ask for host, ask in claims.values() if host == name), Ask(0, 0, 0))
        is_claimed = Ask(stored.node.claimed_vcpus, stored.node.claimed_memory_mb, stored.node.claimed_disk_gb)
        assert is_claimed == total
        assert total.vcpus <= most.vcpus
        assert total.memory_mb <= most.memory_mb
        assert total.disk_gb <= most.disk_gb


@pytest.mark.parametrize("seed", range(3))
def test_concurrent_claimers_cannot_overcommit(database_url: str, seed: int) -> None:

    async def main() -> None:
        stores = [await open_store(database_url) for _ in range(1 if database_url.startswith("sqlite") else 4)]
        names = ["host1", "host2", "host3"]
        await register(stores[0], *names)
        work = [compete(stores[n % len(stores)], n, Random(f"{seed}/{n}"), names) for n in range(12)]
        kept = [uuid for uuids in await asyncio.gather(*work) for uuid in uuids]
        await check(stores[0], kept)
        for store in stores:
            await store.close()

    asyncio.run(main())


def test_competing_processes_on_one_sqlite_file_cannot_overcommit(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cell.db'}"

    def claimer(number: int) -> list[str]:
        async def main() -> list[str]:
            store = await open_store(url)
            kept = await compete(store, number, Random(number), ["host1"])
            await store.close()
            return kept

        return asyncio.run(main())

    async def main() -> None:
        store = await open_store(url)
        await register(store, "host1")
        kept = await asyncio.gather(*(asyncio.to_thread(claimer, number) for number in range(4)))
        await check(store, [uuid for uuids in kept for uuid in uuids])
        await store.close()

    asyncio.run(main())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asks=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6000), st.integers(0, 60)), min_size=1, max_size=20))
def test_a_batch_is_claimed_whole_or_not_at_all(asks: list[tuple[int, int, int]]) -> None:
    async def main() -> None:
        store = await open_store("sqlite://")
        await register(store, "host1")
        batch = {f"i{number}": Ask(*ask) for number, ask in enumerate(asks)}
        total, most = sum(batch.values(), Ask(0, 0, 0)), limits(node("host1"), Ratios(vcpus=4.0))
        fits = total.vcpus <= most.vcpus and total.memory_mb <= most.memory_mb and total.disk_gb <= most.disk_gb
        assert await store.run(hosts.claim, "host1", 0, batch) is fits
        await check(store, list(batch) if fits else [])
        await store.close()

    asyncio.run(main())


def test_a_claim_on_an_old_generation_is_refused(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        await register(store, "host1")
        assert await store.run(hosts.claim, "host1", 0, {"a": Ask(1, 100, 1)})
        assert not await store.run(hosts.claim, "host1", 0, {"b": Ask(1, 100, 1)})
        assert await store.run(hosts.claim, "host1", 1, {"b": Ask(1, 100, 1)})
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("use", [{"is_enabled": False, "is_forced_down": False}, {"is_enabled": True, "is_forced_down": True}])
def test_a_host_out_of_use_takes_no_claims(database_url: str, use: dict[str, bool]) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        await register(store, "host1")
        await store.run(hosts.set_use, "host1", disabled_reason="away", is_enabled=use["is_enabled"], is_forced_down=use["is_forced_down"])
        assert not await store.run(hosts.claim, "host1", 0, {"a": Ask(1, 100, 1)})
        await store.close()

    asyncio.run(main())


def test_heartbeats_leave_claims_and_the_operators_word_alone(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        await register(store, "host1")
        await store.run(hosts.claim, "host1", 0, {"a": Ask(1, 100, 1)})
        await store.run(hosts.set_use, "host1", is_enabled=False, disabled_reason="fan", is_forced_down=False)
        before = await store.run(hosts.find, "host1")
        await register(store, "host1")
        assert await store.run(hosts.find, "host1") == before
        await store.close()

    asyncio.run(main())


def test_the_constraint_of_the_database_itself_refuses_a_claim_twice(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        await register(store, "host1")
        await store.run(hosts.claim, "host1", 0, {"a": Ask(1, 100, 1)})
        with pytest.raises(Exception, match=r"UNIQUE constraint failed|unique constraint"):
            await store.run(hosts.claim, "host1", 1, {"a": Ask(1, 100, 1)})
        await check(store, ["a"])
        await store.close()

    asyncio.run(main())
