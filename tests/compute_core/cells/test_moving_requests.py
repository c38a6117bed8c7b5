"""What may be asked of a server that is to move, by whom, and what it costs of the quota."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compute_core.cells.settings import ApiCellSettings
from compute_core.model.errors import ComputeError, Conflict, Forbidden, Invalid, NoValidHost
from compute_core.model.instances import RUNNING
from compute_core.model.limits import QuotaLimits, Usage
from compute_core.model.migrations import MigrationFilters
from compute_core.store import usages
from tests.compute_core.cells.books import check_books
from tests.compute_core.cells.cloud import ADMIN, USER, Cloud
from tests.compute_core.cells.movers import add_movers
from tests.compute_core.cells.moves import records, resized, rest, seen
from tests.compute_core.cells.running import Within


def test_a_resize_takes_the_quota_of_the_larger_size_at_once_and_gives_back_what_it_does_not_keep(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        assert await it.top.run(usages.of_project, USER.project_id) == Usage(1, 1, 2048)
        await it.api.resize_server(USER, server.uuid, "3")
        assert await it.top.run(usages.of_project, USER.project_id) == Usage(1, 2, 4096)
        await rest(it, server)
        await it.api.act(USER, server.uuid, "revert_resize")
        await rest(it, server)
        assert await it.top.run(usages.of_project, USER.project_id) == Usage(1, 1, 2048)
        with pytest.raises(Forbidden, match="Quota exceeded for cores or ram"):
            await it.api.resize_server(USER, server.uuid, "4")
        await check_books(it)

    within(body, api_settings=ApiCellSettings(quotas=QuotaLimits(cores=3)))


def test_a_refused_resize_costs_no_quota(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1", memory_mb=4500)
        server = await it.active()
        with pytest.raises(NoValidHost):
            await it.api.resize_server(USER, server.uuid, "3")
        now = await it.api.get_server(USER, server.uuid)
        assert (seen(now), now.new_flavor) == (("active", None, RUNNING, "host1", "2", None), None)
        await check_books(it)

    within(body)


@pytest.mark.parametrize(
    ("flavor", "kind", "words"),
    [
        ("2", Invalid, "instances must change flavor"),
        ("nowhere", Invalid, "Flavor nowhere could not be found"),
    ],
)
def test_a_flavor_must_be_another_one_that_is_there(within: Within, flavor: str, kind: type[ComputeError], words: str) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        with pytest.raises(kind, match=words):
            await it.api.resize_server(USER, server.uuid, flavor)

    within(body)


def test_what_only_an_admin_may_do_is_forbidden_to_others(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        asked = (
            it.api.migrate_server(USER, server.uuid, None),
            it.api.live_migrate_server(USER, server.uuid, None, moves_disks=None),
            it.api.evacuate_server(USER, server.uuid, None, ""),
            it.api.list_migrations(USER, MigrationFilters()),
            it.api.server_migrations(USER, server.uuid),
            it.api.steer_migration(USER, server.uuid, 1, "abort_live_migration"),
        )
        for request in asked:
            with pytest.raises(Forbidden):
                await request

    within(body)


def test_a_server_is_not_sent_to_the_host_that_it_is_on_nor_moved_twice_at_once(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1", part_s=30.0)
        server = await it.active()
        await add_movers(it, "host2")
        with pytest.raises(Invalid, match="to the host that it is on, host1"):
            await it.api.migrate_server(ADMIN, server.uuid, "host1")
        await it.api.migrate_server(ADMIN, server.uuid, "host2")
        with pytest.raises(Conflict, match="while it is in task_state resize_migrating"):
            await it.api.resize_server(USER, server.uuid, "3")
        with pytest.raises(Conflict, match="while it is in task_state resize_migrating"):
            await it.api.act(USER, server.uuid, "reboot_hard")

    within(body)


def test_migrations_are_listed_by_what_is_asked_for(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await add_movers(it, "host1")
        server = await it.active()
        await add_movers(it, "host2", memory_mb=30000)
        await resized(it, server)
        await it.api.act(USER, server.uuid, "confirm_resize")
        await rest(it, server)
        await it.api.migrate_server(ADMIN, server.uuid, None)
        await rest(it, server)
        found = await records(it)
        assert [(record.kind, record.source, record.destination) for record in found] == [
            ("migration", "host2", "host1"),
            ("resize", "host1", "host2"),
        ]
        assert await records(it, kind="resize") == found[1:]
        assert await records(it, status="finished") == found[:1]
        assert await records(it, source="host1") == found[1:]
        assert await records(it, host="host1") == found
        assert await records(it, host="host3") == []
        assert await records(it, instance_uuid=server.uuid) == found
        assert await records(it, project_id="other") == []
        assert await records(it, changes_since="2013-01-01T00:00:00Z") == []
        assert await records(it, changes_before="2013-01-01T00:00:00Z", user_id=USER.user_id) == found
        assert found[0] == replace(found[0], old_flavor=found[0].new_flavor, id=2, was_running=True)

    within(body)
