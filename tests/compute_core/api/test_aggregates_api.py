"""Aggregates through the REST API, in the versions that changed them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api.harness import Api, run

ADMIN: dict[str, Any] = {"user": "admin"}


@pytest.mark.parametrize("version", [1, 41, 81])
def test_an_aggregate_lives_its_life_as_tempest_expects(tmp_path: Path, version: int) -> None:
    async def test(api: Api) -> None:
        async def send(method: str, path: str, body: Any = None) -> Any:
            return await api.send(method, f"/v2.1/os-aggregates{path}", body, version=version, **ADMIN)

        made = (await send("POST", "", {"aggregate": {"name": "east", "availability_zone": "east"}})).json["aggregate"]
        assert ("uuid" in made) == (version >= 41)
        assert {"hosts", "metadata"} & made.keys() == set()
        one = f"/{made['id']}"
        assert (await send("POST", f"{one}/action", {"add_host": {"host": "xen-a"}})).json["aggregate"]["hosts"] == ["xen-a"]
        described = await send("POST", f"{one}/action", {"set_metadata": {"metadata": {"ssd": "true", "old": None}}})
        assert described.json["aggregate"]["metadata"] == {"availability_zone": "east", "ssd": "true"}
        assert (await send("PUT", one, {"aggregate": {"name": "orient"}})).json["aggregate"]["name"] == "orient"
        assert (await send("GET", one)).json["aggregate"] == (await send("GET", "")).json["aggregates"][0]
        zones = (await api.get("/v2.1/os-availability-zone/detail", version=version, **ADMIN))["availabilityZoneInfo"]
        assert [(zone["zoneName"], list(zone["hosts"])) for zone in zones] == [("east", ["xen-a"]), ("nova", ["xen-b"])]
        services = (await api.get("/v2.1/os-services", version=version, **ADMIN))["services"]
        assert {service["host"]: service["zone"] for service in services} == {"xen-a": "east", "xen-b": "nova"}
        assert (await send("DELETE", one)).status == 400
        assert (await send("POST", f"{one}/action", {"remove_host": {"host": "xen-a"}})).json["aggregate"]["hosts"] == []
        assert (await send("DELETE", one)).status == 200
        assert (await send("GET", one)).status == 404

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {"aggregate": {"name": ""}}, 400),
        ("POST", "", {"aggregate": {"name": "a", "availability_zone": "a:b"}}, 400),
        ("POST", "", {"aggregate": {"name": "there"}}, 409),
        ("PUT", "/1", {"aggregate": {}}, 400),
        ("GET", "/there", None, 400),
        ("GET", "/9", None, 404),
        ("POST", "/1/action", {"add_host": {"host": "nobody"}}, 404),
        ("POST", "/1/action", {"remove_host": {"host": "xen-a"}}, 404),
        ("POST", "/1/action", {"add_host": {"host": "xen-a"}, "remove_host": {"host": "xen-a"}}, 400),
        ("POST", "/1/action", {"fly": {}}, 400),
        ("POST", "/1/action", {"set_metadata": {"metadata": {"k": 1}}}, 400),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, method: str, path: str, body: Any, status: int) -> None:
    async def test(api: Api) -> None:
        await api.send("POST", "/v2.1/os-aggregates", {"aggregate": {"name": "there"}}, **ADMIN)
        reply = await api.send(method, f"/v2.1/os-aggregates{path}", body, **ADMIN)
        assert reply.status == status, reply
        assert (await api.send(method, f"/v2.1/os-aggregates{path}", body)).status == 403

    run(tmp_path, test)
