"""Passwords of servers' administrators over the API, with stand-ins for hosts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from compute_core.api.wsgi import Reply
from tests.compute_core.api.harness import ANSWERS, Api, run

CHANGE = {"changePassword": {"adminPass": "another"}}


async def act(cloud: Api, server: str, body: Any, **more: Any) -> Reply:
    return await cloud.send("POST", f"/v2.1/servers/{server}/action", body, **more)


async def kept(cloud: Api, server: str, **more: Any) -> str:
    return str((await cloud.get(f"/v2.1/servers/{server}/os-server-password", **more))["password"])


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> str:
    """What the hosts say of a password that was changed: how its owner can read it."""
    monkeypatch.setitem(ANSWERS, "change_password", "c2VhbGVk")
    return "c2VhbGVk"


def test_a_password_goes_to_the_host_and_comes_back_for_the_owner_of_the_key(tmp_path: Path, sealed: str) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        assert await kept(cloud, server) == ""
        assert (await act(cloud, server, CHANGE)).status == 202
        asked = [arguments for agent in cloud.agents for name, arguments in agent.asked if name == "change_password"]
        assert asked == [{"admin_password": "another"}]
        assert await kept(cloud, server) == await kept(cloud, server, user="looker") == sealed
        actions = (await cloud.get(f"/v2.1/servers/{server}/os-instance-actions"))["instanceActions"]
        assert [action["action"] for action in actions] == ["changePassword", "create"]
        assert sealed not in json.dumps(await cloud.get(f"/v2.1/servers/{server}"))

    run(tmp_path, test)


def test_a_password_that_is_kept_can_be_forgotten(tmp_path: Path, sealed: str) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        await act(cloud, server, CHANGE)
        path = f"/v2.1/servers/{server}/os-server-password"
        assert (await cloud.send("DELETE", path, user="looker")).status == 403
        assert await kept(cloud, server) == sealed
        assert (await cloud.send("DELETE", path)).status == 204
        assert await kept(cloud, server) == ""

    run(tmp_path, test)


def test_others_neither_see_nor_change_it(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        path = f"/v2.1/servers/{server}/os-server-password"
        assert [(await cloud.send(method, path, user="other")).status for method in ("GET", "DELETE")] == [404, 404]
        assert (await act(cloud, server, CHANGE, user="other")).status == 404
        assert (await act(cloud, server, CHANGE, user="looker")).status == 403

    run(tmp_path, test)


@pytest.mark.parametrize("asked", [None, {}, {"adminPass": 7}, {"adminPass": "a", "user": "root"}])
def test_a_change_that_cannot_be_meant_is_refused(tmp_path: Path, asked: Any) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        assert (await act(cloud, server, {"changePassword": asked})).status == 400

    run(tmp_path, test)


def test_only_an_active_server_that_is_not_locked_takes_a_password(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        await act(cloud, server, {"lock": None})
        assert (await act(cloud, server, CHANGE)).status == 409
        await act(cloud, server, {"unlock": None})
        await act(cloud, server, {"pause": None})
        await cloud.settle()
        reply = await act(cloud, server, CHANGE)
        assert (reply.status, "vm_state paused" in reply.json["conflictingRequest"]["message"]) == (409, True)

    run(tmp_path, test)


def test_no_password_is_in_a_database_or_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(cloud: Api) -> None:
        secret = {"adminPass": "Zy7-secret"}
        server = await cloud.active(adminPass="Zy7-secret")
        assert (await act(cloud, server, {"changePassword": secret})).status == 202
        for action in ({"rescue": secret}, {"unrescue": None}, {"rebuild": {"imageRef": await cloud.image(), **secret}}):
            assert (await act(cloud, server, action)).status in {200, 202}
            await cloud.settle()
        cloud.agents[0].holds.add("rescue")
        cloud.agents[1].holds.add("rescue")
        assert (await act(cloud, server, {"rescue": secret})).status == 200
        files = await asyncio.to_thread(lambda: {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()})
        assert [file.name for file, content in files.items() if b"Zy7-secret" in content] == []
        assert any(server.encode() in content for file, content in files.items() if ".db" in file.name)

    caplog.set_level("DEBUG")
    run(tmp_path, test)
    assert "Zy7-secret" not in caplog.text


def test_a_rebuild_takes_files_for_the_guest_until_2_56(tmp_path: Path) -> None:
    async def test(cloud: Api) -> None:
        server = await cloud.active()
        file = {"path": "/etc/motd", "contents": "aGk="}
        asked = {"imageRef": await cloud.image(), "adminPass": "mine", "personality": [file]}
        assert (await act(cloud, server, {"rebuild": asked}, version=56)).status == 202
        [told] = [arguments for agent in cloud.agents for name, arguments in agent.asked if name == "rebuild"]
        assert (told["instance"]["pending"]["personality"], told["arguments"]) == ([file], {"admin_password": "mine"})
        assert (await act(cloud, server, {"rebuild": {**asked, "personality": [file] * 6}}, version=56)).status == 403

    run(tmp_path, test)
