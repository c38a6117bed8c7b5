"""Resize, migration and evacuation through the REST API: what may be sent, what is answered, and what an operator sees of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api.harness import VERSIONS, Api, run


async def status(api: Api, server: str) -> tuple[str, str, str]:
    shown = (await api.get(f"/v2.1/servers/{server}", user="admin"))["server"]
    return shown["status"], shown["OS-EXT-STS:vm_state"], shown["OS-EXT-SRV-ATTR:host"]


async def act(api: Api, server: str, body: Any, expected: int, **more: Any) -> Any:
    reply = await api.send("POST", f"/v2.1/servers/{server}/action", body, **more)
    assert reply.status == expected, reply
    return reply.json


async def resized(api: Api) -> str:
    server = await api.active()
    await act(api, server, {"resize": {"flavorRef": "2"}}, 202)
    await api.settle()
    return server


async def other_host(api: Api, server: str) -> str:
    _, _, host = await status(api, server)
    return "xen-b" if host == "xen-a" else "xen-a"


def test_a_resize_waits_for_its_users_word(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await resized(api)
        assert (await status(api, server))[:2] == ("VERIFY_RESIZE", "resized")
        shown = (await api.get(f"/v2.1/servers/{server}", version=47))["server"]
        assert (shown["flavor"]["original_name"], shown["flavor"]["ram"]) == ("m1.small", 2048)
        assert await act(api, server, {"confirmResize": None}, 204) is None
        await api.settle()
        assert (await status(api, server))[:2] == ("ACTIVE", "active")

    run(tmp_path, test)


def test_a_resize_may_be_reverted_and_shows_so(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await resized(api)
        for agent in api.agents:
            agent.holds.add("revert_resize")
        await act(api, server, {"revertResize": None}, 202)
        assert (await status(api, server))[:2] == ("REVERT_RESIZE", "resized")
        for agent in api.agents:
            agent.holds.clear()
        await api.settle()
        host = next(agent for agent in api.agents if any(name == "revert_resize" for name, _ in agent.asked))
        await host.tell("action_finished", uuid=server, host=host.host, action="revert_resize", error=None, power_state=4, changes={})
        await api.settle()
        shown = (await api.get(f"/v2.1/servers/{server}", version=47))["server"]
        assert (shown["status"], shown["flavor"]["original_name"]) == ("ACTIVE", "m1.tiny")

    run(tmp_path, test)


def test_a_server_that_is_being_resized_says_so(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        for agent in api.agents:
            agent.holds.add("resize")
        await act(api, server, {"resize": {"flavorRef": "2"}}, 202)
        assert (await status(api, server))[:2] == ("RESIZE", "active")
        await act(api, server, {"resize": {"flavorRef": "3"}}, 409)
        await act(api, server, {"reboot": {"type": "HARD"}}, 409)

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"resize": {"flavorRef": "1"}}, "When resizing, instances must change flavor!"),
        ({"resize": {"flavorRef": "nothing"}}, "Flavor nothing could not be found."),
        ({"resize": {"flavorRef": ""}}, "Invalid input for field/attribute flavorRef"),
        ({"resize": {}}, "'flavorRef' is a required property"),
        ({"resize": {"flavorRef": "2", "colour": "red"}}, "Additional properties are not allowed"),
        ({"resize": None}, "is not of type 'object'"),
    ],
)
def test_what_a_resize_cannot_mean_is_refused(tmp_path: Path, body: Any, words: str) -> None:
    async def test(api: Api) -> None:
        answer = await act(api, await api.active(), body, 400)
        assert words in answer["badRequest"]["message"]

    run(tmp_path, test)


def test_a_size_for_which_no_host_has_room_is_refused_at_once(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        flavor = {"flavor": {"name": "huge", "ram": 1 << 20, "vcpus": 1, "disk": 1, "id": "99"}}
        assert (await api.send("POST", "/v2.1/flavors", flavor, user="admin")).status == 200
        answer = await act(api, server, {"resize": {"flavorRef": "99"}}, 400)
        assert answer["badRequest"]["message"] == "No valid host was found: of 2 hosts 2 lack memory."
        assert (await status(api, server))[0] == "ACTIVE"

    run(tmp_path, test)


@pytest.mark.parametrize("body", [{"confirmResize": None}, {"revertResize": None}])
def test_a_word_on_a_resize_needs_a_resize(tmp_path: Path, body: Any) -> None:
    async def test(api: Api) -> None:
        answer = await act(api, await api.active(), body, 409)
        assert "while it is in vm_state active" in answer["conflictingRequest"]["message"]

    run(tmp_path, test)


def test_an_operator_moves_a_server_to_a_host_of_his_choice_since_2_56(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        there = await other_host(api, server)
        answer = await act(api, server, {"migrate": {"host": (await status(api, server))[2]}}, 400, user="admin", version=56)
        assert "to the host that it is on" in answer["badRequest"]["message"]
        await act(api, server, {"migrate": {"host": there}}, 202, user="admin", version=56)
        await api.settle()
        assert await status(api, server) == ("VERIFY_RESIZE", "resized", there)
        await act(api, server, {"revertResize": None}, 202)
        await api.settle()
        await act(api, server, {"migrate": None}, 202, user="admin")
        await api.settle()
        assert await status(api, server) == ("VERIFY_RESIZE", "resized", there)

    run(tmp_path, test)


LIVE = (
    (1, {"host": None, "block_migration": False, "disk_over_commit": False}),
    (25, {"host": None, "block_migration": "auto"}),
    (30, {"host": None, "block_migration": "auto", "force": False}),
    (68, {"host": None, "block_migration": True}),
)


@pytest.mark.parametrize(("version", "asked"), LIVE)
def test_a_server_moves_while_it_runs(tmp_path: Path, version: int, asked: Any) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        there = await other_host(api, server)
        for agent in api.agents:
            agent.holds.add("live_migrate")
        await act(api, server, {"os-migrateLive": asked}, 202, user="admin", version=version)
        assert (await status(api, server))[0] == "MIGRATING"
        ((agent, (_, told)),) = [(agent, each) for agent in api.agents for each in agent.asked if each[0] == "live_migrate"]
        assert told["arguments"]["moves_disks"] == {False: False, True: True, "auto": None}[asked["block_migration"]]
        await agent.tell("action_finished", uuid=server, host=agent.host, action="live_migrate", error=None, power_state=1, changes={})
        await api.settle()
        assert await status(api, server) == ("ACTIVE", "active", there)

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("version", "asked"),
    [
        (1, {"host": None, "block_migration": False}),
        (25, {"host": None, "block_migration": "auto", "disk_over_commit": False}),
        (29, {"host": None, "block_migration": "auto", "force": True}),
        (68, {"host": None, "block_migration": "auto", "force": True}),
        (87, {"host": None}),
    ],
)
def test_a_live_migration_is_asked_for_in_its_versions_words(tmp_path: Path, version: int, asked: Any) -> None:
    async def test(api: Api) -> None:
        await act(api, await api.active(), {"os-migrateLive": asked}, 400, user="admin", version=version)

    run(tmp_path, test)


@pytest.mark.parametrize("body", [{"migrate": None}, {"os-migrateLive": {"host": None, "block_migration": "auto"}}, {"evacuate": {}}])
def test_moves_are_an_operators(tmp_path: Path, body: Any) -> None:
    async def test(api: Api) -> None:
        await act(api, await api.active(), body, 403, version=56)

    run(tmp_path, test)


async def _live(api: Api) -> tuple[str, int]:
    """A server on its way, and the number of its migration."""
    server = await api.active()
    for agent in api.agents:
        agent.holds.add("live_migrate")
    await act(api, server, {"os-migrateLive": {"host": None, "block_migration": "auto"}}, 202, user="admin", version=30)
    (found,) = (await api.get(f"/v2.1/servers/{server}/migrations", user="admin", version=23))["migrations"]
    return server, found["id"]


async def _running(api: Api, server: str) -> None:
    await api.agents[0].tell("migration_progress", uuid=server, progress=25)
    await api.settle()


def test_a_live_migration_is_watched_and_bent(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server, number = await _live(api)
        path = f"/v2.1/servers/{server}/migrations/{number}"
        assert (await api.send("DELETE", path, user="admin", version=24)).status == 400
        await _running(api, server)
        shown = (await api.get(path, user="admin", version=80))["migration"]
        assert (shown["status"], shown["server_uuid"], shown["project_id"]) == ("running", server, shown["project_id"])
        assert shown["memory_total_bytes"] == 512 << 20
        assert shown["memory_processed_bytes"] + shown["memory_remaining_bytes"] == shown["memory_total_bytes"]
        assert shown["disk_processed_bytes"] == (1 << 30) // 4
        assert (await api.get(f"/v2.1/servers/{server}", user="admin"))["server"]["progress"] == 25
        assert (await api.send("DELETE", path, user="admin", version=24)).status == 202
        assert (await api.send("POST", f"{path}/action", {"force_complete": None}, user="admin", version=22)).status == 202
        asked = [each[0] for agent in api.agents for each in agent.asked if each[0].endswith("_live_migration")]
        assert asked == ["abort_live_migration", "complete_live_migration"]
        assert (await api.send("DELETE", f"/v2.1/servers/{server}/migrations/99", user="admin", version=24)).status == 404
        assert (await api.send("POST", f"{path}/action", {"force_complete": {}}, user="admin", version=22)).status == 400

    run(tmp_path, test)


def test_one_that_has_not_begun_may_be_aborted_since_2_65_and_not_be_hurried(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server, number = await _live(api)
        path = f"/v2.1/servers/{server}/migrations/{number}"
        assert (await api.send("POST", f"{path}/action", {"force_complete": None}, user="admin", version=22)).status == 400
        assert (await api.send("DELETE", path, user="admin", version=65)).status == 202

    run(tmp_path, test)


@pytest.mark.parametrize("version", VERSIONS)
def test_migrations_are_listed_in_every_versions_words(tmp_path: Path, version: int) -> None:
    async def test(api: Api) -> None:
        server = await resized(api)
        (found,) = (await api.get("/v2.1/os-migrations", user="admin", version=version))["migrations"]
        wanted = {"instance_uuid": server, "status": "finished"} | ({"migration_type": "resize"} if version >= 23 else {})
        assert found.items() >= wanted.items()
        assert {"uuid", "user_id"} & found.keys() == ({"uuid"} if version >= 59 else set()) | ({"user_id"} if version >= 80 else set())

    run(tmp_path, test)


def test_migrations_are_found_by_what_is_asked_and_come_in_pages(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server, _ = await _live(api)
        listed = await api.get(f"/v2.1/os-migrations?instance_uuid={server}&migration_type=live-migration", user="admin", version=59)
        (found,) = listed["migrations"]
        assert found["links"][0]["href"].endswith(f"/servers/{server}/migrations/{found['id']}")
        assert (await api.get("/v2.1/os-migrations?status=finished", user="admin", version=59))["migrations"] == []
        paged = await api.get("/v2.1/os-migrations?limit=1", user="admin", version=59)
        assert paged["migrations_links"][0]["rel"] == "next"
        last = await api.get(f"/v2.1/os-migrations?limit=1&marker={found['uuid']}", user="admin", version=59)
        assert last["migrations"] == []
        assert (await api.send("GET", "/v2.1/os-migrations?colour=red", user="admin", version=59)).status == 400
        assert (await api.send("GET", "/v2.1/os-migrations")).status == 403

    run(tmp_path, test)


@pytest.mark.parametrize("version", [1, 14, 29, 68])
def test_a_server_is_evacuated_from_a_host_that_is_down(tmp_path: Path, version: int) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        _, _, host = await status(api, server)
        asked: dict[str, Any] = {"evacuate": {"onSharedStorage": False, "adminPass": "secret"} if version < 14 else {}}
        refused = await act(api, server, asked, 400, user="admin", version=version)
        assert refused["badRequest"]["message"] == f"Compute service of {host} is still in use."
        services = (await api.get("/v2.1/os-services", user="admin", version=53))["services"]
        (service,) = [service["id"] for service in services if service["host"] == host]
        await api.send("PUT", f"/v2.1/os-services/{service}", {"forced_down": True}, user="admin", version=53)
        answer = await act(api, server, asked, 200, user="admin", version=version, is_judged=version >= 14)
        assert answer == ({"adminPass": "secret"} if version < 14 else None)
        await api.settle()
        assert await status(api, server) == ("ACTIVE", "active", "xen-b" if host == "xen-a" else "xen-a")

    run(tmp_path, test)


def test_servers_with_disks_on_their_hosts_are_not_evacuated_as_if_they_shared_them(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        await act(api, await api.active(), {"evacuate": {"onSharedStorage": True}}, 400, user="admin")

    run(tmp_path, test)
