"""Only who is on this machine and means it drives the control plane: no page of another origin, no name that was rebound."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fake_xapi.control.guard import HEADER
from tests.fake_xapi.control.rig import Rig, running


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("snapshots"), hosts=1) as found:
        yield found


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "127.0.0.1"])
@pytest.mark.parametrize("path", ["/", "/hosts", "/metrics", "/live", "/openapi.json", "/static/dashboard.js"])
def test_a_name_that_was_rebound_is_refused(rig: Rig, name: str, path: str) -> None:
    answer = rig.ask("GET", path, headers={"Host": name})
    assert (answer.status, answer.json["error"]["code"]) == (403, "forbidden")
    assert f"ask for {rig.url}" in answer.json["error"]["message"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_the_names_of_this_machine_are_known(rig: Rig, name: str) -> None:
    assert rig.ask("GET", "/clock", headers={"Host": f"{name}:{rig.port}"}).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_page_of_another_origin_is_refused(rig: Rig, origin: str, method: str) -> None:
    assert rig.ask(method, "/faults", headers={"Origin": origin}).status == 403


def test_our_own_page_is_not(rig: Rig) -> None:
    assert rig.ask("DELETE", "/faults", headers={"Origin": rig.url, "Sec-Fetch-Site": "same-origin"}).status == 204


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_comes_from_elsewhere_is_refused(rig: Rig, site: str) -> None:
    assert rig.ask("GET", "/hosts", headers={"Sec-Fetch-Site": site}).status == 403


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/faults"), ("POST", "/snapshots"), ("PATCH", "/clock"), ("PUT", "/journal")])
def test_a_form_or_a_script_without_our_header_changes_nothing(rig: Rig, method: str, path: str) -> None:
    answer = rig.ask(method, path, {"name": "x"} if method != "DELETE" else None, {HEADER: ""})
    assert (answer.status, HEADER in answer.json["error"]["message"]) == (403, True)


def test_no_preflight_is_granted(rig: Rig) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": HEADER}
    answer = rig.ask("OPTIONS", "/faults", headers=asked)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_nothing_may_be_framed_kept_or_run_from_elsewhere(rig: Rig) -> None:
    headers = rig.ask("GET", "/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_it_listens_on_loopback_only(rig: Rig) -> None:
    assert rig.url.startswith("http://127.0.0.1:")
