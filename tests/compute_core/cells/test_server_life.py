"""Locks, rescues, rebuilds, states set by hand, and what is written down of it all."""

from __future__ import annotations

from typing import Any

import pytest

from compute_core.model.errors import Conflict, Forbidden, Invalid, NotFound
from compute_core.model.instance_actions import ActionEvent, InstanceAction
from compute_core.model.instances import RUNNING
from compute_core.model.requests import RebuildRequest
from tests.compute_core.cells.cloud import ADMIN, OTHER, USER, Cloud, is_at_rest
from tests.compute_core.cells.running import Within


def test_an_admins_lock_is_not_the_owners_to_open(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()

        async def lock() -> tuple[bool, str, str | None]:
            now = await it.api.get_server(USER, server.uuid)
            return now.is_locked, now.locked_by, now.locked_reason

        await it.api.lock_server(USER, server.uuid, "mine")
        assert await lock() == (True, "owner", "mine")
        await it.api.unlock_server(USER, server.uuid)
        assert await lock() == (False, "", None)
        await it.api.lock_server(ADMIN, server.uuid, "under repair")
        await it.api.lock_server(USER, server.uuid, "mine again")
        assert await lock() == (True, "admin", "under repair")
        with pytest.raises(Forbidden, match="unlock_override"):
            await it.api.unlock_server(USER, server.uuid)
        await it.api.unlock_server(ADMIN, server.uuid)
        assert await lock() == (False, "", None)

    within(body)


def test_a_rescue_takes_the_image_that_is_asked_for_or_the_servers_own(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.rescue_server(USER, server.uuid, None, "secret")
        rescued = await it.until(server.uuid, is_at_rest)
        assert (rescued.vm_state, rescued.power_state, rescued.rescue_image_ref) == ("rescued", RUNNING, it.image.id)
        await it.api.act(USER, server.uuid, "unrescue")
        back = await it.until(server.uuid, is_at_rest)
        assert (back.vm_state, back.rescue_image_ref) == ("active", None)
        queued = await it.images.create("not yet", USER.project_id)
        private = await it.images.create("other", OTHER.project_id)
        for image_ref, words in ((queued.id, "is not active"), (private.id, "could not be found"), ("none", "No image found")):
            with pytest.raises(Invalid, match=words):
                await it.api.rescue_server(USER, server.uuid, image_ref, "secret")

    within(body)


def test_a_rescue_that_fails_leaves_the_server_as_it_was(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        agent.action_error = "no room"
        await it.api.rescue_server(USER, server.uuid, None, "secret")
        ended = await it.until(server.uuid, is_at_rest)
        assert (ended.vm_state, ended.rescue_image_ref) == ("active", None)

    within(body)


def test_a_rebuild_changes_what_it_names_and_keeps_identity_and_interfaces(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        pair, _ = await it.api.create_keypair(USER, "mine")
        server = await it.active(metadata={"old": "1"})
        changes = {"name": "Db One", "metadata": {"new": "2"}, "user_data": "aGk="}
        request = RebuildRequest(it.image.id, changes, sets_key=True, key_name="mine", admin_password="secret")
        begun = await it.api.rebuild_server(USER, server.uuid, request)
        assert (begun.task_state, begun.name) == ("rebuilding", "Db One")
        after = await it.until(server.uuid, is_at_rest)
        assert (after.uuid, after.vifs, after.host, after.vm_state) == (server.uuid, server.vifs, "host1", "active")
        assert (after.name, after.hostname, dict(after.metadata), after.user_data) == ("Db One", "db-one", {"new": "2"}, "aGk=")
        assert (after.key_name, after.key_data) == ("mine", pair.public_key)
        await it.api.rebuild_server(USER, server.uuid, RebuildRequest(it.image.id, sets_key=True))
        bare = await it.until(server.uuid, is_at_rest)
        assert (bare.key_name, bare.key_data, bare.name) == (None, None, "Db One")
        with pytest.raises(Invalid, match="Invalid key_name"):
            await it.api.rebuild_server(USER, server.uuid, RebuildRequest(it.image.id, sets_key=True, key_name="no"))

    within(body)


def test_a_state_is_set_by_hand_whatever_is_under_way(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.reset_state(ADMIN, server.uuid, "error")
        assert (await it.api.get_server(USER, server.uuid)).vm_state == "error"
        await it.api.reset_state(ADMIN, server.uuid, "active")
        assert (await it.api.get_server(USER, server.uuid)).vm_state == "active"

    within(body)


def test_the_host_hears_which_items_of_the_metadata_have_changed(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active(metadata={"a": "1", "b": "2"})
        await it.api.set_metadata(USER, server.uuid, {"a": "1"}, replace=False)
        await it.api.set_metadata(USER, server.uuid, {"a": "1", "c": "3"}, replace=True)
        await it.api.delete_metadata(USER, server.uuid, "c")
        await it.until(server.uuid, lambda _: len(agent.heard) == 2)
        assert [(news, told) for _, news, told in agent.heard] == [
            ("metadata-changed", {"items": {"b": None, "c": "3"}}),
            ("metadata-changed", {"items": {"c": None}}),
        ]

    within(body)


def test_the_host_hears_of_a_new_name_and_of_what_others_tell(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        await it.api.update_server(USER, server.uuid, description="said")
        await it.api.update_server(USER, server.uuid, name="db")
        await it.api.tell_host(ADMIN, server.uuid, "network-vif-plugged", tag="port-1", status="completed")
        await it.until(server.uuid, lambda _: len(agent.heard) == 2)
        plugged = {"tag": "port-1", "status": "completed"}
        assert agent.heard == [(server.uuid, "renamed", {}), (server.uuid, "network-vif-plugged", plugged)]

    within(body)


def test_a_host_is_told_to_act_at_once_only_on_a_server_that_rests(within: Within) -> None:
    async def body(it: Cloud) -> None:
        await it.add_host("host1")
        server = await it.active()
        await it.api.act(USER, server.uuid, "stop")
        with pytest.raises(Conflict, match=r"Cannot 'trigger_crash_dump' instance .* while it is in task_state powering-off"):
            await it.api.command(USER, server.uuid, "trigger_crash_dump")
        await it.until(server.uuid, is_at_rest)
        with pytest.raises(Conflict, match="while it is in vm_state stopped"):
            await it.api.command(USER, server.uuid, "trigger_crash_dump")

    within(body)


def test_everything_that_was_asked_is_written_down_with_what_came_of_it(within: Within) -> None:
    async def body(it: Cloud) -> None:
        agent = await it.add_host("host1")
        server = await it.active()
        await it.api.act(USER, server.uuid, "stop")
        await it.until(server.uuid, is_at_rest)
        await it.api.lock_server(ADMIN, server.uuid, None)
        agent.action_error = "no"
        await it.api.act(ADMIN, server.uuid, "start")
        await it.until(server.uuid, is_at_rest)
        await it.api.delete_server(ADMIN, server.uuid)
        await it.gone(server.uuid)
        told = await it.api.list_actions(USER, server.uuid)
        ends = [(each.action, each.request_id, each.message, [(event.event, event.result) for event in each.events]) for each in told]
        assert ends == [
            ("delete", "req-3", "", [("compute_terminate_instance", "Success")]),
            ("start", "req-3", "Error", [("compute_start_instance", "Error")]),
            ("lock", "req-3", "", []),
            ("stop", "req-1", "", [("compute_stop_instance", "Success")]),
            ("create", "req-1", "", [("compute__do_build_and_run_instance", "Success")]),
        ]
        assert told[1].events[0].details == "no"
        event = ActionEvent("compute__do_build_and_run_instance", T0, "host1", T1, "Success")
        assert told[-1] == InstanceAction(server.uuid, "req-1", "create", "user-1", "project-1", T0, T1, "", (event,), 1)
        with pytest.raises(NotFound):
            await it.api.list_actions(OTHER, server.uuid)

    within(body)


T0, T1 = "2012-08-01T00:00:00.000000", "2012-08-01T00:00:01.000000"


def test_a_server_that_no_cell_had_room_for_has_no_history_but_its_own(within: Within) -> None:
    async def body(it: Cloud) -> None:
        server = await it.create()
        await it.until(server.uuid, is_at_rest)
        told: Any = await it.api.list_actions(USER, server.uuid)
        assert [(each.action, each.message, each.events[0].result) for each in told] == [("create", "Error", "Error")]

    within(body)
