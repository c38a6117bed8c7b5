"""What happens at the border, whatever is asked: versions, tokens, sizes, forms of refusals, and the table of routes itself."""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import Path

import pytest

from compute_core.api.microversions import MAXIMUM
from compute_core.api.routes import SERVICES
from compute_core.api.wsgi import Request, call_wsgi
from tests.compute_core.api.harness import ACCOUNTS, Api, login, run


def test_a_version_is_asked_for_and_told_by_both_headers(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        for headers, told in (
            ({}, "2.1"),
            ({"X-OpenStack-Nova-API-Version": "2.53"}, "2.53"),
            ({"OpenStack-API-Version": "compute 2.61"}, "2.61"),
            ({"OpenStack-API-Version": "compute latest"}, f"2.{MAXIMUM}"),
            ({"OpenStack-API-Version": "placement 1.30, compute 2.7"}, "2.7"),
            ({"OpenStack-API-Version": "placement 1.30"}, "2.1"),
            ({"OpenStack-API-Version": "compute 2.9", "X-OpenStack-Nova-API-Version": "2.3"}, "2.9"),
        ):
            reply = await api.send("GET", "/v2.1/extensions", headers=headers)
            assert (reply.headers["openstack-api-version"], reply.headers["x-openstack-nova-api-version"]) == (f"compute {told}", told)
            assert reply.headers["vary"] == "OpenStack-API-Version, X-OpenStack-Nova-API-Version"

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        ("2.88", 406, "Version 2.88 is not supported by the API. Minimum is 2.1 and maximum is 2.87."),
        ("3.1", 406, "Version 3.1 is not supported by the API. Minimum is 2.1 and maximum is 2.87."),
        ("2.0", 406, "Version 2.0 is not supported by the API. Minimum is 2.1 and maximum is 2.87."),
        ("2", 400, "API Version String 2 is of invalid format. Must be of format MajorNum.MinorNum."),
        ("2.01", 400, "API Version String 2.01 is of invalid format. Must be of format MajorNum.MinorNum."),
        ("newest", 400, "API Version String newest is of invalid format. Must be of format MajorNum.MinorNum."),
    ],
)
def test_a_version_that_is_not_spoken_is_refused(tmp_path: Path, asked: str, status: int, message: str) -> None:
    async def test(api: Api) -> None:
        for headers in ({"X-OpenStack-Nova-API-Version": asked}, {"OpenStack-API-Version": f"compute {asked}"}):
            reply = await api.send("GET", "/v2.1/flavors", headers=headers)
            ((name, fault),) = reply.json.items()
            assert (reply.status, name, fault) == (
                status,
                "badRequest" if status == 400 else "computeFault",
                {"code": status, "message": message},
            )

    run(tmp_path, test)


def test_anybody_may_learn_which_versions_there_are(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        async def get(path: str) -> tuple[int, object]:
            reply = await call_wsgi(api.cloud.local_app, Request("GET", path), host="cloud.example:8774")
            return reply.status, reply.json

        status, found = await get("/")
        assert isinstance(found, dict)
        assert (status, [(version["id"], version["version"]) for version in found["versions"]]) == (200, [("v2.0", ""), ("v2.1", "2.87")])
        for path in ("/v2.1", "/v2.1/"):
            status, found = await get(path)
            assert isinstance(found, dict)
            version = found["version"]
            assert (status, version["min_version"], version["version"]) == (200, "2.1", "2.87")
            assert version["links"][0]["href"] == "http://cloud.example:8774/v2.1/"
        assert (await get("/identity/v3"))[0] == 200
        assert (await get("/image"))[0] == 300
        assert (await get("/network"))[0] == 200

    run(tmp_path, test)


def test_nobody_comes_in_without_a_token(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        for service in SERVICES:
            for route in service.routes:
                if route.access.value:
                    path = service.mount + re.sub(r"{\w+}", "x", route.path)
                    for headers in ({}, {"X-Auth-Token": "forged"}):
                        reply = await call_wsgi(api.cloud.local_app, Request(route.method, path, headers=headers))
                        if route.since == 1:
                            assert (reply.status, reply.json["error"]["code"]) == (401, 401), path
                            assert reply.headers["www-authenticate"].startswith("Keystone uri=")

    run(tmp_path, test)


def test_a_token_ends_with_its_time_at_the_border_too(tmp_path: Path) -> None:
    import asyncio

    async def test(api: Api) -> None:
        assert (await api.send("GET", "/v2.1/flavors")).status == 200
        await asyncio.sleep(12 * 3600)
        assert (await api.send("GET", "/v2.1/flavors")).status == 401

    run(tmp_path, test, hosts=())


def test_every_answer_says_which_request_it_answers(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        ids = []
        for path in ("/", "/v2.1/flavors", "/v2.1/flavors/nope", "/nowhere", "/image/v2/images"):
            reply = await api.send("GET", path)
            assert reply.headers["x-openstack-request-id"] == reply.headers["x-compute-request-id"]
            assert re.fullmatch(r"req-[0-9a-f-]{36}", reply.headers["x-openstack-request-id"])
            ids.append(reply.headers["x-openstack-request-id"])
        assert len(set(ids)) == 5

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"flavor": ' * 5_000, "application/json", 400),
        (b'"\\ud800"', "application/json", 400),
        (b"null", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"flavor": {"name": "x", "ram": 1e400, "vcpus": 1, "disk": 1}}', "application/json", 400),
        (b"flavor=1", "application/x-www-form-urlencoded", 415),
        (b"{" + b" " * (1 << 20) + b"}", "application/json", 413),
    ],
)
def test_a_body_that_is_none_is_refused_and_the_service_goes_on(tmp_path: Path, content: bytes, content_type: str, status: int) -> None:
    async def test(api: Api) -> None:
        headers = {"Content-Type": content_type}
        reply = await api.send("POST", "/v2.1/flavors", content=content, headers=headers, user="admin")
        assert reply.status == status, reply
        assert len(reply.content) < 2000
        assert (await api.send("GET", "/v2.1/flavors")).status == 200

    run(tmp_path, test)


def test_an_unknown_path_or_method_is_refused_in_the_services_own_form(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        assert (await api.send("GET", "/v2.1/os-cells")).json == {
            "itemNotFound": {"code": 404, "message": "The resource could not be found."}
        }
        assert (await api.send("GET", "/v2.1/os-networks", version=36)).status == 404
        assert list((await api.send("PATCH", "/v2.1/servers")).json) == ["badMethod"]
        assert (await api.send("GET", "/image/v2/tasks")).json["error"]["code"] == 404
        assert (await api.send("GET", "/identity/v3/regions")).json["error"]["title"] == "Not Found"

    run(tmp_path, test)


def test_the_legacy_root_has_no_microversions(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        reply = await api.send("GET", "/v2/flavors/1", headers={"X-OpenStack-Nova-API-Version": "2.61"})
        assert reply.status == 200
        assert "extra_specs" not in reply.json["flavor"]
        assert "x-openstack-nova-api-version" not in reply.headers

    run(tmp_path, test)


def test_neither_passwords_nor_tokens_reach_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(api: Api) -> None:
        await api.server(adminPass="guest-secret")
        await call_wsgi(api.cloud.local_app, Request("POST", "/identity/v3/auth/tokens", json={"auth": {"password": "demo-secret"}}))
        await api.settle()
        token = await api.token("demo")
        assert "guest-secret" not in caplog.text
        assert "demo-secret" not in caplog.text
        assert token not in caplog.text

    caplog.set_level(logging.DEBUG)
    run(tmp_path, test)


def test_a_user_logs_in_and_looks_around(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        reply = await call_wsgi(api.cloud.local_app, Request("POST", "/identity/v3/auth/tokens", json=login(ACCOUNTS[1])))
        token = reply.json["token"]
        assert (reply.status, [role["name"] for role in token["roles"]]) == (201, ["member", "reader"])
        assert {(item["type"], item["endpoints"][0]["url"]) for item in token["catalog"]} == {
            ("compute", "http://inova.local/v2.1"),
            ("identity", "http://inova.local/identity"),
            ("image", "http://inova.local/image"),
            ("network", "http://inova.local/network"),
            ("volumev3", "http://inova.local/volume/v3"),
        }
        subject = {"X-Subject-Token": reply.headers["x-subject-token"]}
        shown = await api.send("GET", "/identity/v3/auth/tokens", headers=subject)
        assert (shown.status, shown.json["token"]["audit_ids"]) == (200, token["audit_ids"])
        assert (await api.send("GET", "/identity/v3/auth/tokens", headers=subject, user="other")).status == 403
        assert (await api.send("HEAD", "/identity/v3/auth/tokens", headers=subject, user="admin")).status == 200
        assert [project["name"] for project in (await api.get("/identity/v3/auth/projects"))["projects"]] == ["demo"]
        assert (await api.get(f"/identity/v3/projects/{token['project']['id']}"))["project"]["name"] == "demo"
        assert (await api.get(f"/identity/v3/users/{token['user']['id']}"))["user"]["name"] == "demo"
        assert (await api.send("GET", "/identity/v3/projects")).status == 403
        assert len((await api.get("/identity/v3/projects", user="admin"))["projects"]) == 3
        assert [user["name"] for user in (await api.get("/identity/v3/users?name=looker", user="admin"))["users"]] == ["looker"]
        assert (await api.send("DELETE", "/identity/v3/auth/tokens", headers=subject)).status == 204
        assert (await api.send("GET", "/identity/v3/auth/tokens", headers=subject)).status == 404

    run(tmp_path, test)


def test_whoever_cannot_log_in_learns_nothing(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        answers = Counter[bytes]()
        for name, password, domain in (("demo", "wrong", "default"), ("nobody", "x", "default"), ("demo", "demo-secret", "elsewhere")):
            body = login(ACCOUNTS[1])
            body["auth"]["identity"]["password"]["user"] = {"name": name, "password": password, "domain": {"id": domain}}
            reply = await call_wsgi(api.cloud.local_app, Request("POST", "/identity/v3/auth/tokens", json=body))
            assert reply.status == 401
            answers[reply.content] += 1
        assert len(answers) == 1

    run(tmp_path, test)


def test_no_two_routes_answer_one_version_of_one_place() -> None:
    for service in SERVICES:
        places = Counter(
            (route.method, re.sub(r"{\w+}", "{}", route.path), version)
            for route in service.routes
            for version in range(route.since, route.until + 1)
        )
        assert [place for place, count in places.items() if count > 1] == []


def test_what_changes_something_is_for_members_and_what_shows_something_for_readers() -> None:
    changing = {route.access.value for service in SERVICES for route in service.routes if route.method != "GET"}
    showing = {route.access.value for service in SERVICES for route in service.routes if route.method == "GET"}
    assert "reader" not in changing
    assert "member" not in showing
