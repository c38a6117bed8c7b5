"""Servers that are shelved or deleted softly: what their cell does with them by and by, and how they come back."""

from __future__ import annotations

import asyncio

import pytest

from compute_core.cells.settings import ApiCellSettings, ComputeCellSettings
from compute_core.model.errors import Conflict, Forbidden, NotFound
from compute_core.model.instances import NO_STATE, RUNNING, SHUTDOWN, Instance
from compute_core.model.limits import QuotaLimits, Usage
from compute_core.model.requests import ServerFilters
from tests.compute_core.cells.cloud import USER, Cloud, is_at_rest
from tests.compute_core.cells.running import Within

SOFTLY = {"api_settings": ApiCellSettings(deletes_softly=True), "cell_settings": ComputeCellSettings(reclaim_s=600.0)}


def state(instance: Instance) -> tuple[str, str | None, int, str | None]:
    return instance.vm_state, instance.task_state, instance.power_state, instance.host


async def shelved(it: Cloud, server: Instance, vm_state: str = "shelved_offloaded") -> Instance:
    await it.api.shelve_server(USER, server.uuid)
    return await it.until(server.uuid, lambda now: now.vm_state == vm_state and is_at_rest(now))


def test_a_shelved_server_leaves_its_host_at_once_and_comes_back_where_there_is_room(within: Within) -> None:
    async def body(it: Cloud) -> None:
        first = await it.add_host("host1")
        server = await it.active()
        away = await shelved(it, server)
        assert state(away) == ("shelved_offloaded", None, NO_STATE, None)
        assert await it.claims() == {}
        image = await it.images.get(away.shelved_image_ref or "")
        assert (image.name, image.properties["image_type"], image.properties["base_image_ref"]) == ("web-shelved", "snapshot", it.image.id)
        assert image.owner == USER.project_id
        await first.stop()
        await it.add_host("host2")
        await it.api.unshelve_server(USER, server.uuid, None)
        back = await it.until(server.uuid, lambda now: now.vm_state == "active")
        assert state(back) == ("active", None, RUNNING, "host2")
        assert (back.shelved_image_ref, back.shelved_at, back.image_ref, back.vifs) == (None, None, server.image_ref, server.vifs)
        assert await it.claims() == {server.uuid: "host2"}
        with pytest.raises(NotFound):
            await it.images.get(image.id)

    within(body)


@pytest.mark.parametrize("wait_s", [600.0, -1.0])
def test_a_cell_keeps_a_shelved_server_on_its_host_for_as_long_as_it_is_told(within: Within, wait_s: float) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        kept = await shelved(it, server, "shelved")
        assert state(kept) == ("shelved", None, SHUTDOWN, "host1")
        await asyncio.sleep(500)
        assert state(await it.until(server.uuid, is_at_rest)) == state(kept)
        await asyncio.sleep(200)
        later = await it.until(server.uuid, is_at_rest)
        assert later.vm_state == ("shelved" if wait_s < 0 else "shelved_offloaded")

    within(body, cell_settings=ComputeCellSettings(shelved_offload_s=wait_s))


def test_a_server_that_is_shelved_on_its_host_is_offloaded_or_started_there_by_asking(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        kept = await shelved(it, server, "shelved")
        with pytest.raises(Conflict, match="into another zone while it is on its host"):
            await it.api.unshelve_server(USER, server.uuid, "nova")
        await it.api.unshelve_server(USER, server.uuid, None)
        back = await it.until(server.uuid, lambda now: now.vm_state == "active" and is_at_rest(now))
        assert (state(back), back.shelved_image_ref) == (("active", None, RUNNING, "host1"), None)
        with pytest.raises(NotFound):
            await it.images.get(kept.shelved_image_ref or "")
        await shelved(it, server, "shelved")
        await it.api.act(USER, server.uuid, "shelve_offload")
        assert state(await it.until(server.uuid, is_at_rest))[0] == "shelved_offloaded"

    within(body, cell_settings=ComputeCellSettings(shelved_offload_s=-1.0))


def test_a_server_that_cannot_be_shelved_is_as_it_was_and_leaves_no_image(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        agent.action_error = "the SR is full"
        await it.api.shelve_server(USER, server.uuid)
        ended = await it.until(server.uuid, is_at_rest)
        assert (state(ended), ended.shelved_image_ref, ended.shelved_at) == (("active", None, RUNNING, "host1"), None, None)
        assert ended.fault is not None
        assert ended.fault.message == "shelve failed: the SR is full"
        assert [image.id for image in await it.images.list()] == [it.image.id]

    within(body)


def test_unshelving_without_room_leaves_the_server_shelved_and_its_image_there(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        away = await shelved(it, server)
        agent.fails_with, agent.is_retryable = "no", True
        await it.api.unshelve_server(USER, server.uuid, None)
        ended = await it.until(server.uuid, lambda now: is_at_rest(now) and now.fault is not None)
        assert state(ended) == ("shelved_offloaded", None, NO_STATE, None)
        assert ended.fault is not None
        assert ended.fault.kind == "NoValidHost"
        assert await it.claims() == {}
        assert (await it.images.get(away.shelved_image_ref or "")).status == "queued"
        agent.fails_with = None
        await it.api.unshelve_server(USER, server.uuid, None)
        await it.until(server.uuid, lambda now: now.vm_state == "active")

    within(body)


def test_a_shelved_server_without_a_host_goes_with_its_image(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        away = await shelved(it, await it.active())
        await it.api.delete_server(USER, away.uuid)
        await it.gone(away.uuid)
        assert [image.id for image in await it.images.list()] == [it.image.id]

    within(body)


def test_a_server_that_is_deleted_softly_is_hidden_uncounted_and_can_be_restored(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.delete_server(USER, server.uuid)
        gone = await it.until(server.uuid, is_at_rest)
        assert state(gone) == ("soft-delete", None, SHUTDOWN, "host1")
        assert await it.api.list_servers(USER, ServerFilters()) == ()
        assert [each.uuid for each in await it.api.list_servers(USER, ServerFilters(vm_state="soft-delete"))] == [server.uuid]
        assert (await it.api.limits(USER)).used == Usage()
        await it.api.delete_server(USER, server.uuid)
        await it.api.restore_server(USER, server.uuid)
        back = await it.until(server.uuid, is_at_rest)
        assert (state(back), back.soft_deleted_at) == (("active", None, RUNNING, "host1"), None)
        assert (await it.api.limits(USER)).used == Usage(1, server.flavor.vcpus, server.flavor.memory_mb)
        await asyncio.sleep(700)
        assert (await it.until(server.uuid, is_at_rest)).vm_state == "active"

    within(body, **SOFTLY)


def test_what_nobody_restores_is_reclaimed_after_the_cells_interval(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        await it.api.delete_server(USER, server.uuid)
        await asyncio.sleep(590)
        assert server.uuid in agent.vms
        await asyncio.sleep(30)
        assert (await it.gone(server.uuid)).vm_state == "deleted"
        assert (agent.vms, await it.claims(), (await it.api.limits(USER)).used) == ({}, {}, Usage())

    within(body, **SOFTLY)


def test_what_was_deleted_softly_goes_at_once_when_it_is_deleted_by_force(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.delete_server(USER, server.uuid)
        await it.until(server.uuid, is_at_rest)
        await it.api.force_delete(USER, server.uuid)
        await it.gone(server.uuid)
        assert (await it.api.limits(USER)).used == Usage()

    within(body, **SOFTLY)


def test_what_never_ran_or_is_busy_is_deleted_for_good(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1", build_s=20)
        server = await it.create()
        await it.api.delete_server(USER, server.uuid)
        await it.gone(server.uuid)

    within(body, **SOFTLY)


def test_a_project_whose_quota_is_used_up_restores_nothing(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.delete_server(USER, server.uuid)
        await it.until(server.uuid, is_at_rest)
        await it.active(name="next")
        with pytest.raises(Forbidden, match="Quota exceeded"):
            await it.api.restore_server(USER, server.uuid)

    within(body, **SOFTLY | {"api_settings": ApiCellSettings(deletes_softly=True, quotas=QuotaLimits(instances=1))})
