"""Hosts through the REST API: by Nova's old resource, and by the operator's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api.harness import Api, run

ADMIN: dict[str, Any] = {"user": "admin"}
HOSTS = "/v2.1/os-hosts"
OWN = "/operator/v1/hosts"


def test_old_clients_list_hosts_and_what_is_used_of_them(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        await api.active()
        listed = (await api.get(HOSTS, **ADMIN))["hosts"]
        assert listed == [{"host_name": name, "service": "compute", "zone": "nova"} for name in ("xen-a", "xen-b")]
        assert (await api.get(f"{HOSTS}?zone=east", **ADMIN))["hosts"] == []
        (node,) = [
            each for each in (await api.get("/v2.1/os-hypervisors/detail", version=53, **ADMIN))["hypervisors"] if each["vcpus_used"]
        ]
        rows = [row["resource"] for row in (await api.get(f"{HOSTS}/{node['service']['host']}", **ADMIN))["host"]]
        assert [(row["project"], row["cpu"]) for row in rows[:3]] == [("(total)", 16), ("(used_now)", 1), ("(used_max)", 1)]
        assert [(row["cpu"], row["memory_mb"], row["disk_gb"]) for row in rows[3:]] == [(1, 512, 1)]
        assert (await api.send("GET", HOSTS, version=43, **ADMIN)).status == 404
        assert (await api.send("GET", f"{HOSTS}/nobody", **ADMIN)).status == 404

    run(tmp_path, test)


def test_old_clients_put_hosts_out_of_use_and_into_maintenance(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        async def put(**wishes: str) -> Any:
            return (await api.send("PUT", f"{HOSTS}/xen-a", wishes, **ADMIN)).json

        assert await put(status="disable") == {"host": "xen-a", "status": "disabled"}
        assert await put(status="enable") == {"host": "xen-a", "status": "enabled"}
        assert api.agents[0].tended == [("disable", {}), ("enable", {})]
        assert await put(maintenance_mode="enable") == {"host": "xen-a", "maintenance_mode": "on_maintenance"}
        await api.settle()
        assert (await api.get(f"{OWN}/xen-a", **ADMIN))["host"]["upkeep"]["stage"] == "in maintenance"
        assert await put(maintenance_mode="disable") == {"host": "xen-a", "maintenance_mode": "off_maintenance"}
        for wishes in ({}, {"status": "perhaps"}, {"colour": "red"}):
            assert (await api.send("PUT", f"{HOSTS}/xen-a", wishes, **ADMIN)).status == 400
        assert (await api.send("PUT", f"{HOSTS}/nobody", {"status": "enable"}, **ADMIN)).status == 404

    run(tmp_path, test)


def test_old_clients_boot_hosts_and_stop_their_servers_for_it(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        (agent,) = [agent for agent in api.agents if agent.asked]
        host = agent.host
        assert (await api.get(f"{HOSTS}/{host}/reboot", **ADMIN)) == {"host": host, "power_action": "reboot"}
        await api.settle()
        assert [name for name, _ in agent.tended if name != "state"] == ["reboot", "enable"]
        assert (await api.get(f"/v2.1/servers/{server}"))["server"]["status"] == "SHUTOFF"
        assert (await api.send("GET", f"{HOSTS}/{host}/startup", **ADMIN)).status == 409

    run(tmp_path, test)


def test_an_operator_sees_what_is_done_with_hosts(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        await api.active()
        (agent,) = [agent for agent in api.agents if agent.asked]
        host = agent.host
        reply = await api.send("POST", f"{OWN}/{host}/action", {"shutdown": {"clearing": "stop"}}, **ADMIN)
        assert (reply.status, reply.json["host"]["upkeep"]["then"], reply.json["host"]["reason"]) == (202, "shutdown", "shutdown")
        listed = {each["host"]: each for each in (await api.get(OWN, **ADMIN))["hosts"]}
        (other,) = listed.keys() - {host}
        assert listed[other] == {
            "host": other, "hypervisor_hostname": f"{other}.example", "zone": "nova", "aggregates": [], "pool": "", "is_master": True,
            "servers": 0, "status": "enabled", "state": "up", "reason": None, "upkeep": None,
        }  # fmt: skip
        await api.settle()
        assert "shutdown" in [name for name, _ in agent.tended]

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"disable": {"reason": "noisy"}}, 202),
        ({"enable": None}, 202),
        ({"end_maintenance": None}, 409),
        ({"power_on": None}, 409),
        ({"reboot": {"clearing": "kill"}}, 400),
        ({"enable": None, "disable": None}, 400),
        ({"explode": None}, 400),
    ],
)
def test_an_operator_asks_for_one_thing_that_there_is(tmp_path: Path, body: Any, status: int) -> None:
    async def test(api: Api) -> None:
        assert (await api.send("POST", f"{OWN}/xen-a/action", body, **ADMIN)).status == status
        assert (await api.send("POST", f"{OWN}/xen-a/action", body)).status == 403

    run(tmp_path, test)
