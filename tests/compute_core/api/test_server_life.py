"""Rescue, rebuild, shelving, locks, states by hand, and what is told of them, over the REST API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api.harness import VERSIONS, Api, run

ACTION = "/v2.1/servers/{}/action"


async def act(cloud: Api, server: str, body: Any, **more: Any) -> Any:
    return await cloud.send("POST", ACTION.format(server), body, **more)


async def status(cloud: Api, server: str) -> str:
    await cloud.settle()
    return str((await cloud.get(f"/v2.1/servers/{server}", user="admin"))["server"]["status"])


def test_a_server_is_rescued_with_a_password_of_its_own_and_comes_back(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        reply = await act(cloud, server, {"rescue": {"adminPass": "given"}})
        assert (reply.status, reply.json) == (200, {"adminPass": "given"})
        assert await status(cloud, server) == "RESCUE"
        assert (await act(cloud, server, {"rescue": None})).status == 409
        assert (await act(cloud, server, {"unrescue": None})).status == 202
        assert await status(cloud, server) == "ACTIVE"
        again = await act(cloud, server, {"rescue": {"rescue_image_ref": await cloud.image()}})
        assert len(again.json["adminPass"]) == 12

    run(tmp_path, test)


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != 87])
def test_a_rebuild_answers_with_the_server_as_each_version_shows_it(tmp_path: Path, version: int) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        image = await cloud.image()
        reply = await act(cloud, server, {"rebuild": {"imageRef": image, "name": "db", "metadata": {"a": "b"}}}, version=version)
        told = reply.json["server"]
        assert (reply.status, told["status"], told["name"], told["metadata"]) == (202, "REBUILD", "db", {"a": "b"})
        assert (told["image"]["id"], len(told["adminPass"])) == (image, 12)
        assert await status(cloud, server) == "ACTIVE"

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("asked", "version", "words"),
    [
        ({}, 1, "'imageRef' is a required property"),
        ({"key_name": "k"}, 53, "key_name"),
        ({"user_data": "aGk="}, 56, "user_data"),
        ({"personality": [{"path": "/a", "contents": "?"}]}, 56, "contents"),
        ({"personality": [{"path": "/a", "contents": "aGk="}]}, 57, "personality"),
        ({"trusted_image_certificates": ["c"]}, 63, "signatures"),
        ({"key_name": "k"}, 54, "Invalid key_name"),
    ],
)
def test_a_rebuild_that_cannot_be_meant_is_refused(tmp_path: Path, asked: dict[str, Any], version: int, words: str) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        image = {"imageRef": await cloud.image()} if asked else {}
        reply = await act(cloud, server, {"rebuild": image | asked}, version=version)
        assert reply.status == 400
        assert words in reply.json["badRequest"]["message"]

    run(tmp_path, test)


def test_a_server_is_shelved_offloaded_at_once_and_unshelved(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        assert (await act(cloud, server, {"shelve": None})).status == 202
        assert await status(cloud, server) == "SHELVED_OFFLOADED"
        assert (await act(cloud, server, {"unshelve": {"availability_zone": "nowhere"}}, version=77)).status == 400
        assert (await act(cloud, server, {"unshelve": {"availability_zone": "nova"}}, version=77)).status == 202
        assert await status(cloud, server) == "ACTIVE"
        assert (await act(cloud, server, {"shelveOffload": None})).status == 403
        assert (await act(cloud, server, {"shelveOffload": None}, user="admin")).status == 409

    run(tmp_path, test)


def test_a_lock_has_a_reason_from_2_73_on(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        assert (await act(cloud, server, {"lock": {"locked_reason": "mine"}}, version=73)).status == 202
        shown = (await cloud.get(f"/v2.1/servers/{server}", version=73))["server"]
        assert (shown["locked"], shown["locked_reason"]) == (True, "mine")
        assert (await act(cloud, server, {"os-stop": None})).status == 409
        assert (await act(cloud, server, {"unlock": None})).status == 202
        assert (await act(cloud, server, {"lock": {"locked_reason": ""}}, version=73)).status == 400
        assert (await act(cloud, server, {"lock": None})).status == 202
        assert (await cloud.get(f"/v2.1/servers/{server}", version=73))["server"]["locked_reason"] is None

    run(tmp_path, test)


def test_only_an_admin_sets_a_state_and_reaches_into_a_guests_network(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        for body in ({"os-resetState": {"state": "error"}}, {"resetNetwork": None}, {"injectNetworkInfo": None}):
            assert (await act(cloud, server, body)).status == 403
            assert (await act(cloud, server, body, user="admin")).status == 202
        assert await status(cloud, server) == "ERROR"
        assert (await act(cloud, server, {"os-resetState": {"state": "stopped"}}, user="admin")).status == 400
        asked = [name for agent in cloud.agents for name, _ in agent.asked]
        assert asked[-2:] == ["reset_network", "inject_network_info"]

    run(tmp_path, test)


def test_a_crash_dump_is_triggered_since_2_17(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        assert (await act(cloud, server, {"trigger_crash_dump": None}, version=16)).status == 404
        assert (await act(cloud, server, {"trigger_crash_dump": None}, version=17)).status == 202

    run(tmp_path, test)


def test_a_deleted_server_is_restored_where_deletions_are_soft(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        assert (await cloud.send("DELETE", f"/v2.1/servers/{server}")).status == 204
        assert await status(cloud, server) == "SOFT_DELETED"
        assert (await cloud.get("/v2.1/servers"))["servers"] == []
        listed = await cloud.get("/v2.1/servers?status=SOFT_DELETED")
        assert [each["id"] for each in listed["servers"]] == [server]
        assert (await act(cloud, server, {"restore": None})).status == 202
        assert await status(cloud, server) == "ACTIVE"
        assert (await act(cloud, server, {"forceDelete": None})).status == 202
        await cloud.settle()
        assert (await cloud.send("GET", f"/v2.1/servers/{server}")).status == 404

    run(tmp_path, test, settings=lambda settings: replace(settings, reclaim_s=3600.0))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_asked_is_told_as_each_version_tells_it(tmp_path: Path, version: int) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        reply = await act(cloud, server, {"os-stop": None})
        request = reply.headers["x-compute-request-id"]
        await cloud.settle()
        path = f"/v2.1/servers/{server}/os-instance-actions"
        told = (await cloud.get(path, version=version))["instanceActions"]
        assert [(each["action"], each["message"]) for each in told] == [("stop", None), ("create", None)]
        assert told[0]["request_id"] == request
        one = (await cloud.get(f"{path}/{request}", version=version, user="admin"))["instanceAction"]
        assert [(event["event"], event["result"]) for event in one["events"]] == [("compute_stop_instance", "Success")]
        shown = (await cloud.get(f"{path}/{request}", version=version))["instanceAction"]
        assert ("events" in shown) == (version >= 51)
        assert (await cloud.send("GET", f"{path}/req-none", version=version)).status == 404

    run(tmp_path, test)


def test_what_was_asked_comes_in_pages_and_by_date_and_outlives_the_server(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        await act(cloud, server, {"os-stop": None})
        await cloud.settle()
        path = f"/v2.1/servers/{server}/os-instance-actions"
        first = await cloud.get(f"{path}?limit=1", version=58)
        assert [each["action"] for each in first["instanceActions"]] == ["stop"]
        marker = first["instanceActions"][0]["request_id"]
        assert marker in first["links"][0]["href"]
        second = await cloud.get(f"{path}?limit=5&marker={marker}", version=58)
        assert [each["action"] for each in second["instanceActions"]] == ["create"]
        assert (await cloud.send("GET", f"{path}?marker=none", version=58)).status == 400
        assert (await cloud.send("GET", f"{path}?changes-since=never", version=58)).status == 400
        assert (await cloud.get(f"{path}?changes-since=2112-01-01T00:00:00Z", version=58))["instanceActions"] == []
        assert len((await cloud.get(f"{path}?changes-before=2112-01-01T00:00:00Z", version=66))["instanceActions"]) == 2
        await cloud.send("DELETE", f"/v2.1/servers/{server}")
        await cloud.settle()
        assert [each["action"] for each in (await cloud.get(path, version=21))["instanceActions"]] == ["delete", "stop", "create"]
        assert (await cloud.send("GET", path, version=20)).status == 404

    run(tmp_path, test)


def test_events_of_other_services_reach_the_host_and_are_answered_one_by_one(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server, path = await cloud.active(), "/v2.1/os-server-external-events"
        plugged = {"name": "network-vif-plugged", "server_uuid": server, "tag": "port-1"}
        missing = {"name": "network-changed", "server_uuid": "00000000-0000-4000-8000-000000000000"}
        assert (await cloud.send("POST", path, {"events": [plugged]})).status == 403
        reply = await cloud.send("POST", path, {"events": [plugged]}, user="admin")
        assert (reply.status, reply.json) == (200, {"events": [{**plugged, "status": "completed", "code": 200}]})
        mixed = await cloud.send("POST", path, {"events": [plugged, missing]}, user="admin", is_judged=False)
        assert (mixed.status, [event["code"] for event in mixed.json["events"]]) == (207, [200, 404])
        assert (await cloud.send("POST", path, {"events": [missing]}, user="admin")).status == 404
        power = {"name": "power-update", "server_uuid": server}
        assert (await cloud.send("POST", path, {"events": [power]}, user="admin", version=75)).status == 400
        both = {"events": [power, {**power, "tag": "POWER_OFF"}]}
        untold = await cloud.send("POST", path, both, user="admin", version=76, is_judged=False)
        assert [event["code"] for event in untold.json["events"]] == [400, 200]
        await cloud.settle()
        news = ("network-vif-plugged", "power-update")
        heard = [(name, asked["arguments"]) for agent in cloud.agents for name, asked in agent.asked if name in news]
        assert heard == [("network-vif-plugged", {"status": "completed", "tag": "port-1"})] * 2 + [
            ("power-update", {"status": "completed", "tag": "POWER_OFF"})
        ]

    run(tmp_path, test)
