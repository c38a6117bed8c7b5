"""Listing instances: filters, order, pages, over both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from compute_core.model.errors import Invalid
from compute_core.model.flavors import DEFAULT_FLAVORS
from compute_core.model.instances import Instance, Vif
from compute_core.model.requests import ServerFilters
from compute_core.model.transitions import STATUSES, status_of
from compute_core.store import instances, listing, outbox
from compute_core.store.adapters import open_store


def vif(ip: str) -> Vif:
    return Vif("v", "00:16:3e:00:00:00", "n", "private", "xenbr0", ip, 12, "10.0.0.1")


def instance(number: int, **changes: Any) -> Instance:
    date = f"2012-08-01T00:00:{number:02}Z"
    made = Instance(
        f"uuid-{number}", f"web{number}", "p1", "u1", DEFAULT_FLAVORS[number % 2], "image", date, date, vifs=(vif(f"10.0.0.{number}"),)
    )
    return replace(made, **changes)


SERVERS = (
    instance(1, vm_state="active", task_state=None, host="host1"),
    instance(2, vm_state="active", task_state="rebooting", host="host2"),
    instance(3, name="db", vm_state="stopped", task_state=None, project_id="p2"),
    instance(4, name="db", vm_state="error", task_state=None, has_config_drive=True),
    instance(5, vm_state="deleted", task_state=None, is_deleted=True, updated_at="2012-08-02T00:00:00Z"),
)


def numbers(url: str, **filters: Any) -> list[int]:
    async def main() -> list[int]:
        store = await open_store(url)
        try:
            await store.run(instances.add, SERVERS)
            found = await store.run(listing.page, ServerFilters(**filters))
        finally:
            await store.close()
        assert all(server in SERVERS for server in found)
        return [int(server.uuid[5:]) for server in found]

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [4, 3, 2, 1]),
        ({"is_deleted": None}, [5, 4, 3, 2, 1]),
        ({"is_deleted": True}, [5]),
        ({"project_id": "p2"}, [3]),
        ({"name": "^web"}, [2, 1]),
        ({"name": "b$"}, [4, 3]),
        ({"ip": r"10\.0\.0\.[12]$"}, [2, 1]),
        ({"status": ("ACTIVE",)}, [1]),
        ({"status": ("REBOOT", "ERROR")}, [4, 2]),
        ({"status": ("NONSENSE",)}, []),
        ({"host": "host2"}, [2]),
        ({"flavor_id": "1"}, [4, 2]),
        ({"has_config_drive": True}, [4]),
        ({"is_deleted": None, "changes_since": "2012-08-01T00:00:04Z"}, [5, 4]),
        ({"is_deleted": None, "changes_before": "2012-08-01T00:00:02Z"}, [2, 1]),
        ({"limit": 2}, [4, 3]),
        ({"marker": "uuid-3"}, [2, 1]),
        ({"marker": "uuid-3", "limit": 1}, [2]),
        ({"sort_keys": ("name",), "is_descending": (False,)}, [3, 4, 1, 2]),
        ({"sort_keys": ("name",), "is_descending": (False,), "marker": "uuid-3"}, [4, 1, 2]),
        ({"sort_keys": ("name", "created_at"), "is_descending": (False, True)}, [4, 3, 1, 2]),
        ({"sort_keys": ("name", "created_at"), "is_descending": (False, True), "marker": "uuid-4"}, [3, 1, 2]),
        ({"sort_keys": ("launched_at",), "is_descending": (True,)}, [4, 3, 2, 1]),
    ],
)
def test_filters_order_and_pages(database_url: str, filters: dict[str, Any], expected: list[int]) -> None:
    assert numbers(database_url, **filters) == expected


def test_a_cunning_pattern_costs_no_more_than_its_text(database_url: str) -> None:
    """A matcher that goes back would try 2**60 ways, for each of these, before it said no."""
    assert [numbers(database_url, name=pattern) for pattern in ("(.+)+~", "(.|.)*~", ".*.*.*.*.*.*.*~")] == [[], [], []]


@pytest.mark.postgresql
def test_syntax_that_postgresql_lacks_is_refused_there_too(postgresql_url: str) -> None:
    with pytest.raises(Invalid, match="to PostgreSQL"):
        numbers(postgresql_url, name="(?P<word>a)")


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"name": "["}, "no regular expression"),
        ({"name": r"(a)\1"}, "no regular expression"),
        ({"name": "a(?=b)"}, "no regular expression"),
        ({"name": "a" * 300}, "at most 255 characters"),
        ({"sort_keys": ("document",)}, "Unable to sort by document"),
        ({"marker": "nobody"}, r"marker \[nobody\] not found"),
    ],
)
def test_filters_that_cannot_be_are_refused(filters: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        numbers("sqlite://", **filters)


def test_the_statuses_of_the_listing_are_those_that_the_api_shows() -> None:
    tasks = {task for _, by_task in STATUSES.values() for task in by_task} | {None, "powering-off"}
    every = [
        instance(number, uuid=f"uuid-{number}", vm_state=state, task_state=task, is_deleted=False)
        for number, (state, task) in enumerate((state, task) for state in STATUSES for task in sorted(tasks, key=str))
    ]

    async def main() -> None:
        store = await open_store("sqlite://")
        await store.run(instances.add, every)
        for status in sorted({status_of(server) for server in every} | {"NONSENSE"}):
            found = await store.run(listing.page, ServerFilters(status=(status,)))
            assert {server.uuid for server in found} == {server.uuid for server in every if status_of(server) == status}, status
        await store.close()

    asyncio.run(main())


def test_the_outbox_keeps_the_newest_state_of_each_until_it_is_acknowledged(database_url: str) -> None:
    first, second = instance(1, update_seq=1), instance(2, update_seq=1)
    newer = replace(first, name="renamed", update_seq=2)

    async def main() -> None:
        store = await open_store(database_url)
        await store.run(instances.add, [first, second])
        await store.run(outbox.note, [first])
        await store.run(outbox.note, [second])
        await store.run(instances.put, newer)
        await store.run(outbox.note, [newer])
        assert await store.run(outbox.oldest, 10) == (newer, second)
        await store.run(outbox.acknowledge, [(first.uuid, 1), (second.uuid, 1)])
        assert await store.run(outbox.oldest, 10) == (newer,)
        await store.run(outbox.acknowledge, [(first.uuid, 2)])
        assert await store.run(outbox.oldest, 10) == ()
        await store.close()

    asyncio.run(main())


def test_only_newer_copies_are_taken(database_url: str) -> None:
    known = instance(1, update_seq=5)

    async def main() -> None:
        store = await open_store(database_url)
        await store.run(instances.add, [known])
        for seq in (4, 5):
            await store.run(instances.put_newer, [replace(known, name="old", update_seq=seq)])
        assert await store.run(instances.get, known.uuid) == known
        newer = replace(known, name="new", update_seq=6)
        await store.run(instances.put_newer, [newer])
        assert await store.run(instances.get, known.uuid) == newer
        assert await store.run(instances.add, [known]) == ()
        await store.close()

    asyncio.run(main())
