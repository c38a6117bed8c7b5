"""Servers' interfaces and security groups, asked as Nova is asked; every answer is judged by Tempest's schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api import harness
from tests.compute_core.api.harness import Api, run

NOWHERE = "00000000-0000-4000-8000-00000000dead"
WITH_TAGS = 70


async def network_id(api: Api) -> str:
    (network,) = (await api.get("/network/v2.0/networks?name=private"))["networks"]
    return str(network["id"])


async def port(api: Api, user: str = "demo", **fields: Any) -> dict[str, Any]:
    asked = {"network_id": await network_id(api), **fields}
    reply = await api.send("POST", "/network/v2.0/ports", {"port": asked}, user=user)
    assert reply.status == 201, reply
    made: dict[str, Any] = reply.json["port"]
    return made


async def attach(api: Api, server: str, version: int = 1, **fields: Any) -> Any:
    path = f"/v2.1/servers/{server}/os-interface"
    return await api.send("POST", path, {"interfaceAttachment": fields}, version=version)


async def interfaces(api: Api, server: str, version: int = 1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(f"/v2.1/servers/{server}/os-interface", version=version))["interfaceAttachments"]
    return found


def test_a_server_shows_the_ports_that_it_has(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        (one,) = await interfaces(api, server)
        (mine,) = (await api.get(f"/network/v2.0/ports?device_id={server}"))["ports"]
        assert one == {
            "port_id": mine["id"],
            "net_id": await network_id(api),
            "mac_addr": mine["mac_address"],
            "port_state": "ACTIVE",
            "fixed_ips": mine["fixed_ips"],
        }
        assert (mine["device_owner"], mine["status"], mine["port_security_enabled"]) == ("compute:nova", "ACTIVE", True)
        path = f"/v2.1/servers/{server}/os-interface/{mine['id']}"
        assert (await api.get(path))["interfaceAttachment"] == one
        assert (await api.get(path, version=WITH_TAGS))["interfaceAttachment"] == {**one, "tag": None}
        missing = await api.send("GET", f"/v2.1/servers/{server}/os-interface/{NOWHERE}")
        message = f"Instance {server} does not have a port with id {NOWHERE}"
        assert (missing.status, missing.json) == (404, {"itemNotFound": {"code": 404, "message": message}})

    run(tmp_path, test)


def test_an_interface_is_attached_by_network_address_or_port_and_detached(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server, network = await api.active(), await network_id(api)
        mine = await port(api, name="mine", fixed_ips=[{"ip_address": "10.0.0.77"}])
        for asked in ({}, {"net_id": network}, {"net_id": network, "fixed_ips": [{"ip_address": "10.0.0.99"}]}, {"port_id": mine["id"]}):
            reply = await attach(api, server, **asked)
            assert (reply.status, reply.json["interfaceAttachment"]["port_state"]) == (200, "ACTIVE")
            await api.settle()
        found = await interfaces(api, server)
        assert [each["fixed_ips"][0]["ip_address"] for each in found] == ["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.99", "10.0.0.77"]
        assert {each["port_state"] for each in found} == {"ACTIVE"}
        shown = (await api.get(f"/v2.1/servers/{server}"))["server"]["addresses"]["private"]
        assert len(shown) == 5
        for each in found[1:]:
            assert (await api.send("DELETE", f"/v2.1/servers/{server}/os-interface/{each['port_id']}")).status == 202
            await api.settle()
            await api.cloud.networks.unbind(each["port_id"])  # as an agent does
        assert await interfaces(api, server) == found[:1]
        left = {each["id"]: each["device_id"] for each in (await api.get("/network/v2.0/ports"))["ports"]}
        assert left == {found[0]["port_id"]: server, mine["id"]: ""}

    run(tmp_path, test)


REFUSED: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"net_id": NOWHERE}, 404, f"Network {NOWHERE} could not be found."),
    ({"port_id": NOWHERE}, 404, f"Port {NOWHERE} could not be found."),
    ({"port_id": NOWHERE, "net_id": NOWHERE}, 400, "Must not input both network_id and port_id"),
    ({"fixed_ips": [{"ip_address": "10.0.0.99"}]}, 400, "Must input network_id when request IP address"),
    ({"net_id": "private", "fixed_ips": [{"ip_address": "10.0.0.10"}]}, 409, "The address is in use by another port of its network."),
    ({"net_id": "private", "fixed_ips": [{"ip_address": "192.0.2.1"}]}, 400, "IP address 192.0.2.1 is not a valid IP"),
    ({"port_id": "in use"}, 409, "is still in use."),
    ({"port_id": "other's"}, 404, "could not be found."),
    ({"tag": "nic"}, 400, "Additional properties are not allowed"),
    ({"net_id": "x"}, 400, "is not a 'uuid'"),
    ({"fixed_ips": [{"ip_address": "10.0.0.999"}]}, 400, "is not valid under any of the given schemas"),
    ({"fixed_ips": [{"ip_address": "10.0.0.8"}, {"ip_address": "10.0.0.9"}]}, 400, "is too long"),
)


def test_an_interface_that_cannot_be_had_is_refused_as_nova_does(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        (one,) = await interfaces(api, server)
        meant = {"private": one["net_id"], "in use": one["port_id"], "other's": (await port(api, "other"))["id"]}
        for asked, status, message in REFUSED:
            wanted = {name: meant.get(value, value) if isinstance(value, str) else value for name, value in asked.items()}
            reply = await attach(api, server, **wanted)
            (fault,) = reply.json.values()
            assert (reply.status, message in fault["message"]) == (status, True), (asked, reply.json)
        assert await interfaces(api, server) == [one]

    run(tmp_path, test)


def test_tags_are_kept_from_the_version_on_that_has_them(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active(networks=[{"uuid": await network_id(api), "tag": "front"}], version=42)
        reply = await attach(api, server, WITH_TAGS, tag="back")
        assert reply.json["interfaceAttachment"]["tag"] == "back"
        await api.settle()
        assert [each["tag"] for each in await interfaces(api, server, WITH_TAGS)] == ["front", "back"]

    run(tmp_path, test)


def test_states_and_locks_forbid_as_nova_says(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        (one,) = await interfaces(api, server)
        path = f"/v2.1/servers/{server}/os-interface/{one['port_id']}"
        assert (await api.send("DELETE", f"/v2.1/servers/{server}/os-interface/{NOWHERE}")).status == 404
        await api.send("POST", f"/v2.1/servers/{server}/action", {"lock": None})
        assert {(await attach(api, server)).status, (await api.send("DELETE", path)).status} == {409}
        await api.send("POST", f"/v2.1/servers/{server}/action", {"unlock": None})
        await api.send("POST", f"/v2.1/servers/{server}/action", {"suspend": None})
        await api.settle()
        reply = await attach(api, server)
        message = f"Cannot 'attach_interface' instance {server} while it is in vm_state suspended"
        assert (reply.status, reply.json["conflictingRequest"]["message"]) == (409, message)
        assert len((await api.get("/network/v2.0/ports"))["ports"]) == 1

    run(tmp_path, test)


def test_a_server_is_built_with_ports_addresses_and_groups_of_its_own(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        group = (await api.send("POST", "/network/v2.0/security-groups", {"security_group": {"name": "web"}})).json["security_group"]
        mine, network = await port(api), await network_id(api)
        nics = [{"port": mine["id"]}, {"uuid": network, "fixed_ip": "10.0.0.50"}]
        server = await api.active(networks=nics, security_groups=[{"name": "web"}])
        found = await interfaces(api, server)
        assert [each["fixed_ips"][0]["ip_address"] for each in found] == [mine["fixed_ips"][0]["ip_address"], "10.0.0.50"]
        assert (await api.get(f"/v2.1/servers/{server}"))["server"]["security_groups"] == [{"name": "default"}, {"name": "web"}]
        new = (await api.get(f"/network/v2.0/ports/{found[1]['port_id']}"))["port"]
        assert new["security_groups"] == [group["id"]]
        assert (await api.send("DELETE", f"/network/v2.0/ports/{mine['id']}")).status == 409
        await api.send("DELETE", f"/v2.1/servers/{server}")
        await api.settle()
        (left,) = (await api.get("/network/v2.0/ports"))["ports"]
        assert (left["id"], left["device_id"], left["status"]) == (mine["id"], "", "DOWN")

    run(tmp_path, test)


def test_a_server_is_put_into_a_group_and_taken_from_it(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        group = (await api.send("POST", "/network/v2.0/security-groups", {"security_group": {"name": "web"}})).json["security_group"]
        action = f"/v2.1/servers/{server}/action"
        for _ in range(2):
            assert (await api.send("POST", action, {"addSecurityGroup": {"name": "web"}})).status == 202
        shown = (await api.get(f"/v2.1/servers/{server}/os-security-groups"))["security_groups"]
        assert [(each["name"], len(each["rules"])) for each in shown] in ([("default", 2), ("web", 0)], [("web", 0), ("default", 2)])
        assert (await api.send("POST", action, {"removeSecurityGroup": {"name": group["id"]}})).status == 202
        for name, message in ((group["id"], f"Security group {group['id']} not associated with the instance {server}"), ("x", "not found")):
            reply = await api.send("POST", action, {"removeSecurityGroup": {"name": name}})
            assert (reply.status, message in reply.json["itemNotFound"]["message"]) == (404, True)
        assert (await api.get("/v2.1/servers/detail"))["servers"][0]["security_groups"] == [{"name": "default"}]
        bare = await api.active(networks="none", version=37)
        assert (await api.send("POST", f"/v2.1/servers/{bare}/action", {"addSecurityGroup": {"name": "web"}})).status == 400
        assert "security_groups" not in (await api.get(f"/v2.1/servers/{bare}"))["server"]

    run(tmp_path, test)


@pytest.mark.parametrize("version", [1, 48])
def test_diagnostics_count_what_has_passed_each_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    counts = {
        "rx_bytes": 1,
        "rx_packets": 2,
        "rx_errors": 3,
        "rx_dropped": 4,
        "tx_bytes": 5,
        "tx_packets": 6,
        "tx_errors": 7,
        "tx_dropped": 8,
    }
    told = {"power_state": "Running", "vcpus": 1, "uptime_s": 60, "values": {}, "interfaces": {"00:16:3e:00:00:00": counts}}
    monkeypatch.setitem(harness.ANSWERS, "diagnostics", told)

    async def test(api: Api) -> None:
        server = await api.active()
        shown = await api.get(f"/v2.1/servers/{server}/diagnostics", version=version, user="admin")
        if version < 48:
            assert {name: shown[name] for name in shown if name.startswith("vif_")} == {
                f"vif_0_{name}": count for name, count in counts.items()
            }
            return
        (nic,) = shown["nic_details"]
        names = ("rx_octets", "rx_packets", "rx_errors", "rx_drop", "tx_octets", "tx_packets", "tx_errors", "tx_drop")
        assert [nic[name] for name in names] == [1, 2, 3, 4, 5, 6, 7, 8]

    run(tmp_path, test)
