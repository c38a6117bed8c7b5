"""What is kept of moves: the actions of a server with their parts, and the list of migrations with everything that it may be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api.harness import Api, run
from tests.compute_core.api.test_server_moves import act, other_host, status

Told = list[tuple[str, str | None, list[tuple[str, str | None, str | None]]]]


async def told(api: Api, server: str, number: int = 1) -> Told:
    """The newest actions of a server: name, message, and the parts by name, result and host, the newest first."""
    path = f"/v2.1/servers/{server}/os-instance-actions"
    listed = (await api.get(path, version=62, user="admin"))["instanceActions"][:number]
    found: Told = []
    for each in listed:
        whole = (await api.get(f"{path}/{each['request_id']}", version=62, user="admin"))["instanceAction"]
        found.append((each["action"], each["message"], [(part["event"], part["result"], part["host"]) for part in whole["events"]]))
    return found


async def resize(api: Api, server: str) -> None:
    await act(api, server, {"resize": {"flavorRef": "2"}}, 202)
    await api.settle()


@pytest.mark.parametrize(("asked", "action"), [({"resize": {"flavorRef": "2"}}, "resize"), ({"migrate": None}, "migrate")])
def test_a_resize_and_a_migration_have_a_part_on_each_host(tmp_path: Path, asked: Any, action: str) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        _, _, source = await status(api, server)
        await act(api, server, asked, 202, user="admin")
        await api.settle()
        _, _, destination = await status(api, server)
        parts = [("compute_finish_resize", "Success", destination), ("compute_resize_instance", "Success", source)]
        assert await told(api, server) == [(action, None, parts)]

    run(tmp_path, test)


def test_the_word_on_a_resize_is_kept_as_well(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        _, _, source = await status(api, server)
        await resize(api, server)
        _, _, destination = await status(api, server)
        await act(api, server, {"revertResize": None}, 202)
        await api.settle()
        parts = [("compute_finish_revert_resize", "Success", source), ("compute_revert_resize", "Success", destination)]
        assert await told(api, server) == [("revertResize", None, parts)]
        await resize(api, server)
        await act(api, server, {"confirmResize": None}, 204)
        await api.settle()
        assert await told(api, server) == [("confirmResize", None, [("compute_confirm_resize", "Success", source)])]

    run(tmp_path, test)


def test_a_resize_that_fails_says_where_and_why(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        for agent in api.agents:
            agent.holds.add("resize")
        await resize(api, server)
        (host,) = [agent for agent in api.agents if any(name == "resize" for name, _ in agent.asked)]
        await host.tell("action_finished", uuid=server, host=host.host, action="resize", error="no", power_state=1, changes={})
        await api.settle()
        assert await told(api, server) == [("resize", "Error", [("compute_resize_instance", "Error", host.host)])]
        path = f"/v2.1/servers/{server}/os-instance-actions"
        (newest, *_) = (await api.get(path, user="admin"))["instanceActions"]
        (part,) = (await api.get(f"{path}/{newest['request_id']}", version=84, user="admin"))["instanceAction"]["events"]
        assert part["details"] == "no"

    run(tmp_path, test)


def test_a_live_migration_and_what_bends_it_are_kept(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        _, _, source = await status(api, server)
        for agent in api.agents:
            agent.holds.add("live_migrate")
        await act(api, server, {"os-migrateLive": {"host": None, "block_migration": "auto"}}, 202, user="admin", version=30)
        (found,) = (await api.get(f"/v2.1/servers/{server}/migrations", user="admin", version=23))["migrations"]
        await api.agents[0].tell("migration_progress", uuid=server, progress=25)
        await api.settle()
        path = f"/v2.1/servers/{server}/migrations/{found['id']}"
        assert (await api.send("POST", f"{path}/action", {"force_complete": None}, user="admin", version=22)).status == 202
        assert (await api.send("DELETE", path, user="admin", version=24)).status == 202
        assert await told(api, server, 3) == [
            ("live_migration_cancel", None, []),
            ("live_migration_force_complete", None, []),
            ("live-migration", None, [("compute_live_migration", None, source)]),
        ]

    run(tmp_path, test)


def test_an_evacuation_is_the_new_hosts_part(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        _, _, host = await status(api, server)
        there = await other_host(api, server)
        services = (await api.get("/v2.1/os-services", user="admin", version=53))["services"]
        (service,) = [service["id"] for service in services if service["host"] == host]
        await api.send("PUT", f"/v2.1/os-services/{service}", {"forced_down": True}, user="admin", version=53)
        await act(api, server, {"evacuate": {}}, 200, user="admin", version=68)
        await api.settle()
        assert await told(api, server) == [("evacuate", None, [("compute_rebuild_instance", "Success", there)])]

    run(tmp_path, test)


def test_a_resize_may_say_how_the_disk_is_treated_from_then_on(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        assert (await api.get(f"/v2.1/servers/{server}"))["server"]["OS-DCF:diskConfig"] == "MANUAL"
        await act(api, server, {"resize": {"flavorRef": "2", "OS-DCF:diskConfig": "AUTO"}}, 202)
        await api.settle()
        assert (await api.get(f"/v2.1/servers/{server}"))["server"]["OS-DCF:diskConfig"] == "AUTO"

    run(tmp_path, test)


def test_ports_are_where_their_servers_are_and_only_an_operator_sees_it(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        servers = [await api.active(), await api.active(name="other")]
        hosts = [(await status(api, server))[2] for server in servers]
        (port,) = (await api.get(f"/network/v2.0/ports?device_id={servers[0]}", user="admin"))["ports"]
        assert port["binding:host_id"] == hosts[0]
        await act(api, servers[0], {"migrate": None}, 202, user="admin")
        await api.settle()
        there = await other_host(api, servers[0])
        assert there == hosts[0]
        now = (await status(api, servers[0]))[2]
        listed = (await api.get("/network/v2.0/ports", user="admin"))["ports"]
        assert {each["device_id"]: each["binding:host_id"] for each in listed} == {servers[0]: now, servers[1]: hosts[1]}
        found = (await api.get(f"/network/v2.0/ports?binding:host_id={now}", user="admin"))["ports"]
        assert port["id"] in {each["id"] for each in found}
        shown = (await api.get(f"/network/v2.0/ports/{port['id']}", user="admin"))["port"]
        assert shown["binding:host_id"] == now
        assert "binding:host_id" not in (await api.get(f"/network/v2.0/ports/{port['id']}"))["port"]

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("said", "asked", "wanted"),
    [("True", None, "AUTO"), ("False", None, "MANUAL"), (None, None, "MANUAL"), ("True", "MANUAL", "MANUAL"), (None, "AUTO", "AUTO")],
)
def test_an_image_says_how_its_disk_is_treated_unless_the_user_does(
    tmp_path: Path, said: str | None, asked: str | None, wanted: str
) -> None:
    async def test(api: Api) -> None:
        image = await api.image(**({"auto_disk_config": said} if said else {}))
        server = await api.active(imageRef=image, **({"OS-DCF:diskConfig": asked} if asked else {}))
        assert (await api.get(f"/v2.1/servers/{server}"))["server"]["OS-DCF:diskConfig"] == wanted

    run(tmp_path, test)


def test_an_image_may_forbid_it(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        image = await api.image(auto_disk_config="False")
        asked = {"server": {"name": "web", "flavorRef": "1", "imageRef": image, "networks": "none", "OS-DCF:diskConfig": "AUTO"}}
        reply = await api.send("POST", "/v2.1/servers", asked, version=37)
        message = f"Requested image {image} has automatic disk resize disabled."
        assert (reply.status, reply.json["badRequest"]["message"]) == (400, message)

    run(tmp_path, test)


# ---- the list of migrations ---------------------------------------------------------------------------------------------------


async def ids(api: Api, query: str, version: int = 80) -> list[str]:
    """The servers of the migrations that a query finds."""
    return [
        found["instance_uuid"] for found in (await api.get(f"/v2.1/os-migrations?{query}", user="admin", version=version))["migrations"]
    ]


def test_migrations_are_found_by_each_thing_that_may_be_asked(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        resized, moved = await api.active(), await api.active(name="other")
        _, _, source = await status(api, resized)
        await resize(api, resized)
        await act(api, moved, {"migrate": None}, 202, user="admin")
        await api.settle()
        server = (await api.get(f"/v2.1/servers/{resized}", user="admin"))["server"]
        (first,) = [
            each
            for each in (await api.get("/v2.1/os-migrations", user="admin", version=80))["migrations"]
            if each["instance_uuid"] == resized
        ]
        wanted = {
            f"instance_uuid={resized}": [resized],
            "migration_type=resize": [resized],
            "migration_type=migration": [moved],
            "status=finished": [moved, resized],
            "status=confirmed": [],
            f"user_id={server['user_id']}": [moved, resized],
            f"project_id={server['tenant_id']}": [moved, resized],
            "project_id=nobody": [],
            "host=nowhere": [],
            f"host={first['dest_compute']}&instance_uuid={resized}": [resized],
            f"source_compute={source}&instance_uuid={resized}": [resized],
            f"source_compute={first['dest_compute']}&instance_uuid={resized}": [] if source != first["dest_compute"] else [resized],
            "hidden=true": [],
            "hidden=false": [moved, resized],
            f"changes-since={first['created_at']}Z": [moved, resized],
            "changes-since=2112-01-01T00:00:00Z": [],
            "changes-before=2112-01-01T01:00:00%2B01:00": [moved, resized],
            "changes-before=2002-01-01T00:00:00Z": [],
            f"limit=1&marker={first['uuid']}": [],
            "limit=1": [moved],
        }
        assert {query: await ids(api, query) for query in wanted} == wanted

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("changes-since=never", "Invalid filter value for changes-since"),
        ("changes-before=never", "Invalid filter value for changes-before"),
        ("changes-since=2012-01-02T00:00:00Z&changes-before=2012-01-01T00:00:00Z", "must be less than or equal to changes-before"),
        ("hidden=maybe", "Invalid value 'maybe' for hidden"),
    ],
)
def test_what_no_migration_can_be_asked_for_is_refused(tmp_path: Path, query: str, words: str) -> None:
    async def test(api: Api) -> None:
        reply = await api.send("GET", f"/v2.1/os-migrations?{query}", user="admin", version=80)
        assert (reply.status, words in reply.json["badRequest"]["message"]) == (400, True)

    run(tmp_path, test)
