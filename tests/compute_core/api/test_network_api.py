"""Ports, security groups and their rules, asked as Neutron is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api.harness import Api, run

NOWHERE = "00000000-0000-4000-8000-00000000dead"
GROUPS, RULES, PORTS = "/network/v2.0/security-groups", "/network/v2.0/security-group-rules", "/network/v2.0/ports"


async def made(api: Api, path: str, kind: str, user: str = "demo", /, **fields: Any) -> dict[str, Any]:
    reply = await api.send("POST", path, {kind: fields}, user=user)
    assert reply.status == 201, reply
    thing: dict[str, Any] = reply.json[kind]
    return thing


async def network_id(api: Api) -> str:
    return str((await api.get("/network/v2.0/networks"))["networks"][0]["id"])


def test_every_project_has_a_default_group(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        (group,) = (await api.get(GROUPS))["security_groups"]
        rules = [(rule["direction"], rule["ethertype"], rule["remote_group_id"]) for rule in group["security_group_rules"]]
        assert (group["name"], group["stateful"], rules) == (
            "default", True,
            [("egress", "IPv4", None), ("egress", "IPv6", None), ("ingress", "IPv4", group["id"]), ("ingress", "IPv6", group["id"])],
        )  # fmt: skip
        (others,) = (await api.get(GROUPS, user="other"))["security_groups"]
        assert others["id"] != group["id"]
        assert (await api.send("GET", f"{GROUPS}/{others['id']}")).status == 404
        assert {each["id"] for each in (await api.get(GROUPS, user="admin"))["security_groups"]} >= {group["id"], others["id"]}
        for method, path, body in (
            ("POST", GROUPS, {"security_group": {"name": "default"}}),
            ("PUT", f"{GROUPS}/{group['id']}", {"security_group": {"name": "x"}}),
            ("DELETE", f"{GROUPS}/{group['id']}", None),
        ):
            assert (await api.send(method, path, body)).status == 409

    run(tmp_path, test)


def test_groups_are_made_changed_chosen_and_deleted(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        group = await made(api, GROUPS, "security_group", name="web", description="of the web")
        assert [rule["direction"] for rule in group["security_group_rules"]] == ["egress", "egress"]
        changed = (await api.send("PUT", f"{GROUPS}/{group['id']}", {"security_group": {"name": "front"}})).json["security_group"]
        assert (changed["name"], changed["description"], changed["revision_number"]) == ("front", "of the web", 2)
        assert [each["id"] for each in (await api.get(f"{GROUPS}?name=front"))["security_groups"]] == [group["id"]]
        assert (await api.get(f"{GROUPS}?name=web"))["security_groups"] == []
        assert (await api.get(f"{GROUPS}?id={group['id']}&fields=name"))["security_groups"] == [{"name": "front"}]
        assert (await api.send("DELETE", f"{GROUPS}/{group['id']}")).status == 204
        gone = await api.send("GET", f"{GROUPS}/{group['id']}")
        error = {"type": "itemNotFound", "message": f"Security group {group['id']} does not exist", "detail": ""}
        assert (gone.status, gone.json) == (404, {"NeutronError": error})

    run(tmp_path, test)


def test_rules_are_made_listed_and_deleted(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        group = await made(api, GROUPS, "security_group", name="web")
        asked = {"protocol": "TCP", "port_range_min": 80, "port_range_max": "81", "remote_ip_prefix": "10.1.2.3/8"}
        rule = await made(api, RULES, "security_group_rule", security_group_id=group["id"], direction="ingress", **asked)
        assert {name: rule[name] for name in (*asked, "ethertype", "remote_group_id")} == {
            "protocol": "tcp", "port_range_min": 80, "port_range_max": 81, "remote_ip_prefix": "10.0.0.0/8",
            "ethertype": "IPv4", "remote_group_id": None,
        }  # fmt: skip
        assert (await api.get(f"{RULES}/{rule['id']}"))["security_group_rule"] == rule
        assert (await api.get(f"{RULES}?security_group_id={group['id']}&direction=ingress"))["security_group_rules"] == [rule]
        again = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", **asked}}
        assert (await api.send("POST", RULES, again)).status == 409
        assert (await api.send("DELETE", f"{RULES}/{rule['id']}", user="other")).status == 404
        assert [(await api.send("DELETE", f"{RULES}/{rule['id']}")).status for _ in range(2)] == [204, 404]
        assert (await api.send("GET", f"{RULES}/{rule['id']}")).status == 404

    run(tmp_path, test)


@pytest.mark.parametrize(("said", "kept"), [("017", "17"), (17, "17"), ("00", None), ("IPv6-ICMP", "ipv6-icmp")])
def test_a_protocol_is_kept_in_one_spelling(tmp_path: Path, said: object, kept: str | None) -> None:
    async def test(api: Api) -> None:
        group = await made(api, GROUPS, "security_group", name="web")
        asked = {"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv6", "protocol": said}
        assert (await made(api, RULES, "security_group_rule", **asked))["protocol"] == kept

    run(tmp_path, test)


BAD_RULES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": NOWHERE}, "Only remote_ip_prefix or remote_group_id may be provided."),
    ({"remote_ip_prefix": "fd00::/8"}, "Conflicting value ethertype IPv4 for CIDR fd00::/8"),
    ({"remote_ip_prefix": "10.0.0.0/99"}, "'10.0.0.0/99' is not a valid IP subnet."),
    ({"protocol": "carrier-pigeon"}, "Security group rule protocol carrier-pigeon not supported."),
    ({"protocol": "256"}, "Security group rule protocol 256 not supported."),
    ({"port_range_min": 1, "port_range_max": 2}, "Must also specify protocol if port range is given."),
    ({"protocol": "tcp", "port_range_min": 2, "port_range_max": 1}, "port_range_min must be <= port_range_max"),
    ({"protocol": "udp", "port_range_min": 2}, "port_range_min must be <= port_range_max"),
    ({"protocol": "gre", "port_range_min": 2, "port_range_max": 2}, "Invalid port range for protocol gre"),
    ({"protocol": "icmp", "port_range_max": 0}, "ICMP code (port-range-max) 0 is provided but ICMP type (port-range-min) is missing."),
    ({"protocol": "icmp", "port_range_min": 256}, "Invalid value for ICMP type (256)"),
    ({"protocol": "tcp", "port_range_min": 1, "port_range_max": "99999"}, "Invalid value for port 99999"),
    ({"protocol": "²"}, "Security group rule protocol ² not supported."),
    ({"protocol": "9" * 33}, "is too long"),
    ({"protocol": 256}, "256 is greater than the maximum of 255"),
    ({"protocol": "icmpv6"}, "Invalid ethertype IPv4 for protocol icmpv6."),
    ({"ethertype": "IPv6", "remote_ip_prefix": "fe80::%eth0/64"}, "'fe80::%eth0/64' is not a valid IP subnet."),
    ({"direction": "sideways"}, "is not one of"),
    ({"port_range_min": 70000}, "70000 is greater than the maximum of 65535"),
    ({"surprise": 1}, "Additional properties are not allowed"),
)


def test_a_rule_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        group = await made(api, GROUPS, "security_group", name="web")
        for asked, message in BAD_RULES:
            rule = {"security_group_id": group["id"], "direction": "ingress", **asked}
            reply = await api.send("POST", RULES, {"security_group_rule": rule})
            assert (reply.status, message in reply.json["NeutronError"]["message"]) == (400, True), (asked, reply.json)

    run(tmp_path, test)


@pytest.mark.parametrize("asked", [{"security_group_id": NOWHERE}, {"remote_group_id": NOWHERE}])
def test_a_rule_about_a_group_that_is_not_there_is_refused(tmp_path: Path, asked: dict[str, Any]) -> None:
    async def test(api: Api) -> None:
        group = await made(api, GROUPS, "security_group", name="web")
        reply = await api.send("POST", RULES, {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", **asked}})
        assert (reply.status, reply.json["NeutronError"]["message"]) == (404, f"Security group {NOWHERE} does not exist")

    run(tmp_path, test)


def test_ports_are_made_chosen_changed_and_deleted(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        network, (subnet,) = await network_id(api), (await api.get("/network/v2.0/subnets"))["subnets"]
        fixed = {"subnet_id": subnet["id"], "ip_address": "10.0.0.44"}
        port = await made(api, PORTS, "port", network_id=network, name="p", fixed_ips=[fixed])
        assert (port["fixed_ips"], port["status"], port["device_id"]) == ([fixed], "DOWN", "")
        for query in (
            "name=p",
            "fixed_ips=ip_address=10.0.0.44",
            f"network_id={network}&status=down",
            f"mac_address={port['mac_address']}",
        ):
            assert [each["id"] for each in (await api.get(f"{PORTS}?{query}"))["ports"]] == [port["id"]]
        assert (await api.get(f"{PORTS}?fixed_ips=ip_address=10.0.0.45"))["ports"] == []
        path, changes = f"{PORTS}/{port['id']}", {"name": "q", "admin_state_up": False}
        changed = (await api.send("PUT", path, {"port": changes})).json["port"]
        assert {name: changed[name] for name in changes} == changes
        refused = await api.send("PUT", path, {"port": {"port_security_enabled": False}}, user="admin")
        assert (refused.status, "Port Security must be enabled" in refused.json["NeutronError"]["message"]) == (400, True)
        open_it = {"port": {"port_security_enabled": False, "security_groups": []}}
        opened = (await api.send("PUT", path, open_it, user="admin")).json["port"]
        assert (opened["port_security_enabled"], opened["security_groups"]) == (False, [])
        assert {(await api.send(method, path, user="other")).status for method in ("GET", "DELETE")} == {404}
        assert [(await api.send("DELETE", path)).status for _ in range(2)] == [204, 404]

    run(tmp_path, test)


def test_only_an_administrator_opens_a_port_of_a_shared_network(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        network = await network_id(api)
        port = await made(api, PORTS, "port", network_id=network, port_security_enabled=True)
        asked = {"port_security_enabled": "False", "security_groups": []}
        for refused in (
            await api.send("PUT", f"{PORTS}/{port['id']}", {"port": asked}),
            await api.send("POST", PORTS, {"port": {**asked, "network_id": network}}),
        ):
            assert (refused.status, refused.json["NeutronError"]["type"]) == (403, "forbidden")
        assert (await api.get(PORTS))["ports"] == [port]
        opened = await made(api, PORTS, "port", "admin", network_id=network, **asked)
        assert opened["port_security_enabled"] is False

    run(tmp_path, test)


def test_a_port_of_another_subnet_is_refused(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        asked = {"network_id": await network_id(api), "fixed_ips": [{"subnet_id": NOWHERE}]}
        assert (await api.send("POST", PORTS, {"port": asked})).status == 400
        assert (await api.send("POST", PORTS, {"port": {"network_id": NOWHERE}})).status == 404

    run(tmp_path, test)


def test_extensions_and_subnets_are_named(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        aliases = [each["alias"] for each in (await api.get("/network/v2.0/extensions"))["extensions"]]
        assert "security-group" in aliases
        assert (await api.get("/network/v2.0/extensions/port-security"))["extension"]["alias"] == "port-security"
        assert (await api.send("GET", "/network/v2.0/extensions/dvr")).status == 404
        (subnet,) = (await api.get("/network/v2.0/subnets"))["subnets"]
        assert (await api.get(f"/network/v2.0/subnets/{subnet['id']}"))["subnet"] == subnet
        assert (await api.send("GET", f"/network/v2.0/subnets/{NOWHERE}")).status == 404

    run(tmp_path, test)
